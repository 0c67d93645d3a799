// The view of what can be asked about: tables, whose rows they hold, and what is public of each
// column. It shows no record; there is none on this page.

import { load } from './api.mjs';
import { el, field, replace, table } from './dom.mjs';
import { plain } from './numbers.mjs';
import { suggest } from './view-ask.mjs';

export const title = 'Data';

export async function fill(section) {
  const loading = el('p', { class: 'quiet' }, 'Loading…');
  section.append(loading);
  const { tables } = await load('/api/catalogue');
  const search = el('input', { type: 'search', autocomplete: 'off', spellcheck: 'false' });
  const count = el('p', { class: 'status', role: 'status', 'aria-live': 'polite' });
  const list = el('div', { class: 'tables' });
  const show = () => {
    const word = search.value.trim().toLowerCase();
    const found = tables.map((one) => matched(one, word)).filter((one) => one !== null);
    count.textContent = word === ''
      ? `${tables.length} tables.` : `${found.length} of ${tables.length} tables match.`;
    replace(list, found.map(({ of, columns }) => tablePanel(of, columns, word !== '')));
  };
  search.addEventListener('input', show);
  loading.remove();
  section.append(
    el('p', {}, 'The bounds and values here are public: they come from the signed manifests of the'
      + ' sites, and tell nothing about any one person.'),
    field('Search tables and columns', search), count, list);
  show();
}

/** A table with those of its columns that match; all of them if its own name does. */
function matched(of, word) {
  if (of.name.toLowerCase().includes(word)) return { of, columns: of.columns };
  const columns = of.columns.filter(({ name }) => name.toLowerCase().includes(word));
  return columns.length > 0 ? { of, columns } : null;
}

function tablePanel(of, columns, isOpen) {
  const rows = of.rows_per_person_max === null ? ''
    : `, at most ${of.rows_per_person_max} of each`;
  const whose = of.whose === 'public' ? 'public' : `rows of persons${rows}`;
  const question = `SELECT COUNT(*) AS n\nFROM ${of.name}`;
  const ask = el('a', { href: '#/ask', click: () => suggest(question) }, 'Ask about it');
  const heads = ['Column', 'Kind', 'Bounds', 'Public values', 'Remarks'].map((name) => ({ name }));
  const size = `${of.columns.length} columns`;
  const body = el('div', { class: 'table-body' });
  const fillBody = () => {
    if (body.hasChildNodes()) return;
    body.append(
      el('p', {}, of.unit ? `A person is known by ${of.unit}. ` : '', ask),
      table(`Columns of ${of.name}`, heads, columns.map((column) => columnCells(column))));
  };
  // Most tables stay closed, so their columns are made once somebody looks.
  const details = el('details', { class: 'table', 'data-table': of.name, open: isOpen,
    toggle: fillBody },
  el('summary', {}, el('h2', {}, of.name), ' ',
    el('span', { class: `whose-${of.whose === 'public' ? 'public' : 'person'}` }, whose), ' ',
    el('span', { class: 'quiet' }, size)), body);
  if (isOpen) fillBody();
  return details;
}

function columnCells({ name, kind, nullable, is_unit: isUnit, lower, upper, values,
  values_count: count, generalised }) {
  const remarks = [isUnit && 'the person', nullable && 'may be null', generalised].filter(Boolean);
  const bounds = lower === null && upper === null
    ? '–' : `${bound(lower)} to ${bound(upper)}`;
  return [el('code', {}, name), kind, bounds, valueList(values, count), remarks.join('; ') || '–'];
}

const bound = (value) => (value === null ? 'any' : plain(value));

function valueList(values, count) {
  if (!values) return count ? `${count} values` : '–';
  const all = count ?? values.length;
  const listed = values.map((value) => plain(value));
  if (listed.join(', ').length <= 40 && all === values.length) return listed.join(', ');
  const rest = all > values.length ? ` … and ${all - values.length} more` : '';
  return el('details', { class: 'values' },
    el('summary', {}, `${all} values`),
    el('p', {}, listed.join(', '), rest));
}
