// Shows what a question would do and cost before it is asked: its typed plan, its price, and how
// wide the intervals would be. Showing it charges nothing.

import { notes } from './check.mjs';
import { el, table } from './dom.mjs';
import { amountWords, costWords, leftAfter, percent, significant } from './numbers.mjs';

// Deeper steps are not indented further, for want of room.
const DEPTH_MAX = 12;

// A step, and behind the last colon whose rows it holds; what is released has a colon of its own.
const STEP = /^(.+?): (released: [^:]+|[^:]+)$/;

export function quotePanel({ plan, quote }) {
  return el('section', { class: 'quote' },
    el('h2', {}, 'Plan and price'),
    priceWords(quote),
    el('h3', {}, 'Steps'),
    el('p', { class: 'hint' },
      'Each step with whose rows it holds. From “released” on there are noisy values only.'),
    planList(plan),
    quote.columns.length > 0 && noiseTable(quote),
    quote.notes?.length > 0 && notes(quote.notes));
}

function priceWords({ cost, budget }) {
  const isFree = cost.rho === 0 && cost.delta === 0;
  const price = el('p', { class: 'price' }, isFree
    ? 'This would cost nothing.' : `This would cost ${costWords(cost)}. Nothing is charged yet.`);
  if (!budget) return price;
  const after = leftAfter(budget.left, cost);
  if (!after.isEnough) {
    return [price, el('p', { class: 'verdict bad' },
      `The budget does not hold that: ${amountWords(budget.left)} is left. Ask with a smaller ε.`)];
  }
  const share = budget.left.rho > 0 && !isFree
    ? ` That is ${percent(cost.rho / budget.left.rho)} of what is left.` : '';
  return [price, el('p', {}, `Left now: ${amountWords(budget.left)}. Left afterwards: `
    + `${amountWords(after)}.${share}`)];
}

/** The lines of a plan, each as deep as it is indented. */
function planList(plan) {
  const indents = plan.map((line) => line.length - line.trimStart().length);
  const least = Math.min(...indents);
  const depth = (at) => Math.min(DEPTH_MAX, Math.floor((indents[at] - least) / 2));
  return el('ol', { class: 'plan' }, plan.map((line, at) => {
    const text = line.trim();
    const [, step, whose] = STEP.exec(text) ?? [text, text, null];
    const item = el('li', {}, el('code', {}, step), whose && el('span', { class: 'whose' }, whose));
    item.style.setProperty('--depth', depth(at));
    return item;
  }));
}

function noiseTable({ columns, confidence }) {
  const about = (column) => (column.is_chosen ? 'at most ' : '');
  const interval = `${Number((confidence * 100).toPrecision(6))} % interval`;
  const heads = [
    { name: 'Column' }, { name: 'Noise (standard deviation)', numeric: true },
    { name: interval, numeric: true },
    { name: 'One person counts within', numeric: true },
    { name: 'Groups per person', numeric: true }, { name: 'Keys shown above', numeric: true },
  ];
  const rows = columns.map((column) => [
    column.column,
    `${about(column)}${significant(column.noise)}`,
    `± ${about(column) || 'about '}${significant(column.half_width)}`,
    `[${significant(column.lower, 6)}, ${significant(column.upper, 6)}]`,
    `${about(column)}${column.groups_per_person}`,
    column.threshold === null ? '–' : `${column.threshold} persons`,
  ]);
  return table('Noise of each column', heads, rows);
}
