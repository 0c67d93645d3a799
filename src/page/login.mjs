// The form by which an analyst logs in. It keeps no password: what was typed goes to the server and
// nowhere else.

import { Refused } from './api.mjs';
import { announce, el, field, replace } from './dom.mjs';
import { login } from './session.mjs';

export function loginForm({ why, done }) {
  const name = el('input', {
    type: 'text', name: 'analyst', autocomplete: 'username', required: true, spellcheck: 'false',
    autocapitalize: 'none',
  });
  const password = el('input', {
    type: 'password', name: 'password', autocomplete: 'current-password', required: true,
  });
  const fault = el('div', { role: 'alert' });
  const go = el('button', { type: 'submit', class: 'first' }, 'Log in');
  const submit = async (event) => {
    event.preventDefault();
    replace(fault);
    go.disabled = true;
    try {
      await login(name.value.trim(), password.value);
      announce(`You are logged in as ${name.value.trim()}.`);
      password.value = '';
      done();
    } catch (refused) {
      replace(fault, el('p', { class: 'refusal' }, words(refused)));
      password.value = '';
      password.focus();
    } finally {
      go.disabled = false;
    }
  };
  return el('form', { class: 'login', submit },
    el('h2', {}, 'Log in'),
    el('p', {}, why),
    field('Analyst', name), field('Password', password), fault, go);
}

function words(fault) {
  if (fault instanceof Refused && fault.status === 401) {
    return 'This name and password do not belong together. Whoever runs this server can set a new'
      + ' one (graunt analyst password).';
  }
  return fault.message;
}
