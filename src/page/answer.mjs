// Shows an answer: its table with intervals, its chart, and both as a file. It takes the numbers as
// they were released, and computes no interval of its own.

import { chart } from './chart.mjs';
import { button, download, el, field, replace, table } from './dom.mjs';
import { decimalsFor, plain, withDecimals } from './numbers.mjs';

// More rows than anybody reads; the file has them all.
const ROWS_SHOWN_MAX = 500;

/** An answer of `/api/ask`: columns, and rows of cells `{ value, lower, upper }`. */
export function fromReply({ columns, rows, intervals = {}, confidence = null }) {
  const cell = (row, name) => {
    const [lower, upper] = (Object.hasOwn(intervals, name) && intervals[name]) || [];
    return { value: row[name] ?? null, lower: row[lower] ?? null, upper: row[upper] ?? null };
  };
  return model(columns, rows.map((row) => columns.map((name) => cell(row, name))), confidence);
}

/** The table of a release statement, in which values and bounds are three tables. */
export function fromTable({ columns, rows, lower, upper }, confidence = null) {
  const cell = (value, at, column) => (
    { value, lower: lower[at]?.[column] ?? null, upper: upper[at]?.[column] ?? null });
  return model(columns, rows.map((row, at) => row.map((value, column) => cell(value, at, column))),
    confidence);
}

function model(names, rows, confidence) {
  const columns = names.map((name, at) => {
    const bounded = rows.filter((row) => row[at].lower !== null && row[at].upper !== null);
    const widths = bounded.map((row) => (row[at].upper - row[at].lower) / 2).filter((w) => w > 0);
    const isNumeric = rows.every((row) => ['number', 'object'].includes(typeof row[at].value))
      && rows.some((row) => typeof row[at].value === 'number');
    return {
      name,
      isNumeric,
      hasInterval: bounded.length > 0,
      decimals: widths.length > 0 ? decimalsFor(Math.min(...widths)) : 2,
    };
  });
  return { columns, rows, confidence };
}

/** How sure the intervals are, in words that go before "interval". Receipts leave it to notes. */
export function confidenceWords({ confidence }) {
  if (typeof confidence !== 'number') return '';
  return `${Number((confidence * 100).toPrecision(6))} % `;
}

export function answerPanel(answer, { caption, file }) {
  const shown = el('div', {});
  const hasChart = answer.columns.some((column) => column.hasInterval) && answer.rows.length > 0;
  const show = (count) => {
    const rest = answer.rows.length - count;
    replace(shown, answerTable(answer, caption, count), rest > 0 && el('p', {},
      `${rest} more rows are not shown. `,
      button('Show all rows', () => show(answer.rows.length), { class: 'small' })));
  };
  show(Math.min(ROWS_SHOWN_MAX, answer.rows.length));
  const save = () => download(`${file}.csv`, 'text/csv', csv(answer));
  return el('div', { class: 'answer' },
    hasChart && chartPanel(answer),
    answer.rows.length === 0
      ? el('p', {}, 'The answer has no rows: no group had enough persons to be shown.')
      : shown,
    el('p', { class: 'row' }, button('Download CSV', save, { class: 'small' })));
}

function answerTable(answer, caption, count) {
  const columns = answer.columns.flatMap(({ name, isNumeric, hasInterval }) => [
    { name, numeric: isNumeric },
    ...(hasInterval
      ? [{ name: `${name}: ${confidenceWords(answer)}interval`, numeric: true }] : []),
  ]);
  const rows = answer.rows.slice(0, count).map((row) => row.flatMap((cell, at) => {
    const { hasInterval, decimals } = answer.columns[at];
    if (!hasInterval) return [plain(cell.value)];
    return [withDecimals(cell.value, decimals), intervalWords(cell, decimals)];
  }));
  return table(caption, columns, rows, { class: 'data' });
}

function intervalWords({ lower, upper }, decimals) {
  if (lower === null || upper === null) return '–';
  return `${withDecimals(lower, decimals)} to ${withDecimals(upper, decimals)}`;
}

/** A chart of one column, and what chooses which. */
function chartPanel(answer) {
  const choices = answer.columns.map((column, at) => ({ ...column, at }))
    .filter(({ hasInterval }) => hasInterval);
  const canvas = el('div', { class: 'canvas' });
  const choice = el('select', { change: () => draw() },
    choices.map(({ name, at }) => el('option', { value: at }, name)));
  const fromZero = el('input', { type: 'checkbox', checked: true, change: () => draw() });
  const words = el('figcaption', {});
  let width = 0;
  const draw = () => {
    if (width === 0) return;
    const drawn = chart(answer, {
      column: Number(choice.value), isFromZero: fromZero.checked, width,
    });
    replace(canvas, drawn.picture);
    words.textContent = drawn.caption;
  };
  // Text in the picture keeps its size, so it is drawn anew for each width.
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - width) < 1) return;
    width = contentRect.width;
    draw();
  }).observe(canvas);
  const zero = el('label', { class: 'tick' }, fromZero, ' Begin the axis at zero');
  return el('figure', { class: 'chart' },
    words,
    el('div', { class: 'chart-choices' },
      choices.length > 1 && field('Column in the chart', choice), zero),
    canvas);
}

/** The answer as CSV (RFC 4180), with all digits, and bounds beside the columns that have them. */
export function csv({ columns, rows }) {
  const quoted = (value) => {
    const text = value === null ? '' : plain(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = columns.flatMap(({ name, hasInterval }) =>
    (hasInterval ? [name, `${name}_lo`, `${name}_hi`] : [name]));
  const lines = rows.map((row) => row.flatMap(({ value, lower, upper }, at) =>
    (columns[at].hasInterval ? [value, lower, upper] : [value])));
  return [head, ...lines].map((line) => `${line.map(quoted).join(',')}\r\n`).join('');
}
