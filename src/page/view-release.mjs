// The view of one release: what the ledger says of it, and if it is shown, its receipt with
// question and answer. Who may see that is for the server to decide.

import { loadExact } from './api.mjs';
import { checkInto, fact, whatItTells } from './check.mjs';
import { button, download, el } from './dom.mjs';
import { costWords } from './numbers.mjs';
import { exactReceipt } from './receipt.mjs';
import { currentAnalyst } from './session.mjs';

export const title = 'Release';
// The entry of the navigation that this view belongs to.
export const way = 'log';

export async function fill(section, [query]) {
  if (!/^[0-9a-f]{8,128}$/.test(query ?? '')) {
    section.append(el('p', {}, 'This is no number of a query: those are in hexadecimal digits.'));
    return;
  }
  section.append(el('p', {}, 'Query ', el('code', { class: 'long' }, query)));
  const loading = el('p', { class: 'quiet' }, 'Loading…');
  section.append(loading);
  let reply;
  try {
    reply = await loadExact(`/api/releases/${query}`);
  } finally {
    loading.remove();
  }
  const { value, text } = reply;
  const receipt = value.receipt ? await exactReceipt(text) : null;
  section.append(
    el('h2', {}, 'What the ledger says'),
    ledgerFacts(value),
    receipt === null ? hidden(value) : shown(receipt, query));
}

function ledgerFacts({ charge, release }) {
  if (!charge) return el('p', {}, 'The ledger has no charge for this query.');
  return el('dl', { class: 'facts' },
    fact('Charged', `entry ${charge.index}${charge.day ? `, on ${charge.day}` : ''}`),
    fact('Cost', costWords(charge.cost)),
    fact('Released', release ? `entry ${release.index}` : 'no answer is recorded'));
}

function hidden({ release }) {
  const why = !release ? 'There is no answer to show.'
    : currentAnalyst() !== null ? 'The receipt is not kept here, or it was redacted.'
      : 'Question and answer are shown to analysts who are logged in. The ledger holds commitments'
        + ' to them only.';
  return el('p', {}, why, ' ', release && currentAnalyst() === null
    && el('a', { href: '#/ask' }, 'Log in'));
}

function shown(receipt, query) {
  const checks = el('div', { class: 'checked' });
  const file = `graunt-${query.slice(0, 16)}.json`;
  return el('div', {},
    whatItTells(receipt),
    el('section', { class: 'receipt' },
      el('h2', {}, 'Receipt'),
      el('p', { class: 'row' },
        button('Check this receipt', () => checkInto(checks, receipt), { class: 'small' }),
        button('Download the receipt', () => download(file, 'application/json', receipt),
          { class: 'small' })),
      checks));
}
