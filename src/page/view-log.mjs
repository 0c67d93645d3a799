// The view of the public log: what was opened, attested, charged and released, and how much of each
// budget is spent. It takes the server's word; mirrors and receipts are for those who do not.

import { load } from './api.mjs';
import { budgetPanel } from './budget.mjs';
import { button, el, table } from './dom.mjs';
import { costWords } from './numbers.mjs';

export const title = 'Log';

const PAGE = 50;

const KINDS = {
  open: 'budget opened',
  attest: 'extract attested',
  charge: 'question charged',
  release: 'answer released',
  revoke: 'extract withdrawn',
  supersede: 'extract superseded',
  redact: 'question redacted',
  commit: 'contributions fixed',
  key: 'key rotated',
};

export async function fill(section, [word, number]) {
  const before = word === 'before' && /^\d+$/.test(number ?? '') ? Number(number) : null;
  const loading = el('p', { class: 'quiet' }, 'Loading…');
  section.append(loading);
  const from = before === null ? '' : `before=${before}&`;
  const [{ budgets }, log] = await Promise.all(
    [load('/api/budgets'), load(`/api/log?${from}count=${PAGE}`)]);
  loading.remove();
  const opened = budgets.filter(({ budget }) => budget);
  section.append(
    el('h2', {}, 'Budgets'),
    opened.length > 0
      ? el('div', { class: 'budgets' },
        opened.map(({ population, budget }) => budgetPanel(population, budget)))
      : el('p', {}, 'No budget is open yet.'),
    el('h2', {}, 'Entries'),
    el('p', {}, 'Every charge is here before a record is read for it, and nothing can be taken out',
      ' without anybody noticing. The log itself is under ',
      el('a', { href: '/log/checkpoint' }, '/log/'), ' (C2SP tlog-tiles).'),
    entryTable(log, before),
    turns(log, before));
}

function entryTable({ entries, size }, before) {
  if (entries.length === 0) return el('p', {}, 'There are no entries here.');
  const heads = [{ name: 'Entry', numeric: true }, { name: 'What' }, { name: 'Day' },
    { name: 'Population' }, { name: 'Query' }, { name: 'Cost' }, { name: 'Detail' }];
  const rows = entries.map((entry) => [
    String(entry.index), KINDS[entry.kind] ?? entry.kind, entry.day ?? '–', entry.population ?? '–',
    queryLink(entry.query), entry.cost ? costWords(entry.cost) : '–', entry.detail || '–']);
  const of = before === null ? 'newest first' : `before entry ${before}`;
  return table(`Log of ${size} entries, ${of}`, heads, rows, { class: 'log' });
}

/** Only what is a query's number becomes an address. */
function queryLink(query) {
  if (!query) return '–';
  if (!/^[0-9a-f]{8,}$/.test(query)) return query;
  return el('a', { href: `#/release/${query}` },
    el('code', {}, query.slice(0, 16)), el('span', { class: 'unseen' }, ' release'));
}

function turns({ entries }, before) {
  const last = entries.at(-1)?.index ?? 0;
  const go = (to) => () => { location.hash = to; };
  return el('p', { class: 'row' },
    before !== null && button('Newest', go('#/log')),
    last > 0 && button('Older', go(`#/log/before/${last}`)));
}
