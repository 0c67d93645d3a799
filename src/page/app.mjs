// Starts the page and goes from view to view by the hash of its address. What a view shows is its
// own matter.

import { announce, button, el, replace } from './dom.mjs';
import { refusal } from './refusal.mjs';
import { aboutServer, currentAnalyst, logout, onLogin, resume } from './session.mjs';
import * as about from './view-about.mjs';
import * as ask from './view-ask.mjs';
import * as check from './view-check.mjs';
import * as data from './view-data.mjs';
import * as log from './view-log.mjs';
import * as release from './view-release.mjs';
import * as reports from './view-reports.mjs';

// Each has a `title` and fills a section, given the parts of the address after its name.
const VIEWS = { ask, data, log, release, check, reports, about };

const main = document.getElementById('main');

/** Shows the view of the address. The heading is focused unless the page was just opened: whoever
 * opens it should find the way past the navigation first. */
async function show({ isFirst = false } = {}) {
  const [name, ...parts] = location.hash.replace(/^#\/?/, '').split('/');
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : VIEWS.ask;
  const heading = el('h1', { tabindex: -1 }, view.title);
  const section = el('div', { class: 'view' });
  replace(main, heading, section);
  document.title = `${view.title} · Graunt`;
  for (const link of document.querySelectorAll('#ways a')) {
    const isHere = link.getAttribute('href') === `#/${view.way ?? view.title.toLowerCase()}`;
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (!isFirst) {
    window.scrollTo(0, 0);
    heading.focus();
  }
  try {
    await view.fill(section, parts);
  } catch (fault) {
    section.append(refusal(fault));
  }
}

function showAnalyst(name) {
  const out = async () => {
    await logout();
    announce('You are logged out.');
  };
  const who = document.getElementById('who');
  if (name === null) replace(who);
  else {
    const words = el('span', {}, 'Logged in as ', el('strong', {}, name));
    replace(who, words, button('Log out', out));
  }
}

async function showServer() {
  const { population, version } = await aboutServer();
  document.getElementById('population').textContent = population ? `population ${population}` : '';
  document.getElementById('version').textContent = version ? `Version ${version}` : '';
}

async function start() {
  document.getElementById('skip').addEventListener('click', (event) => {
    // The hash is taken by the views.
    event.preventDefault();
    main.focus();
  });
  const wait = el('p', { class: 'quiet' }, 'Loading…');
  replace(main, wait);
  try {
    await Promise.all([showServer(), resume()]);
  } catch (fault) {
    replace(main, el('h1', {}, 'Graunt'), refusal(fault));
    return;
  }
  showAnalyst(currentAnalyst());
  onLogin((name) => {
    showAnalyst(name);
    // What a view shows may depend on the login, except where the view sees to that itself.
    if (!/^#\/(ask|check|about|)(\/|$)/.test(location.hash || '#/')) show();
  });
  window.addEventListener('hashchange', () => show());
  await show({ isFirst: true });
}

start();
