// Shows a budget: how much of it is spent, and what is left, in rho and in epsilon. It only shows
// what the ledger says.

import { el, svg, table } from './dom.mjs';
import { percent, significant } from './numbers.mjs';

export function budgetPanel(population, budget) {
  const { cap, spent, left, charges } = budget;
  const meters = [['ρ', spent.rho, cap.rho], ['δ', spent.delta, cap.delta]]
    .filter(([, , most]) => most > 0)
    .map(([name, used, most]) => meter(name, used / most));
  const epsilon = [cap, spent, left].find((one) => typeof one.epsilon === 'number');
  const columns = [{ name: '' }, { name: 'ρ', numeric: true }, { name: 'δ', numeric: true }];
  if (epsilon) {
    const name = `ε at δ ${significant(epsilon.epsilon_at_delta)}`;
    columns.push({ name, numeric: true });
  }
  const row = (name, amount) => [name, significant(amount.rho, 4), significant(amount.delta, 4),
    ...(epsilon ? [significant(amount.epsilon)] : [])];
  const rows = [row('Cap', cap), row('Spent', spent), row('Left', left)];
  return el('section', { class: 'budget' },
    el('h3', {}, `Budget of ${population}`),
    el('div', { class: 'meters' }, meters),
    table(`Account of ${population}, after ${charges} ${charges === 1 ? 'charge' : 'charges'}`,
      columns, rows),
    epsilon && el('p', { class: 'hint' },
      'Only ρ and δ add up. ε is what each comes to by itself, so spent and left are more than the'
      + ' cap together.'));
}

/** A bar that says how full it is in words as well. */
function meter(name, share) {
  const full = Math.min(1, Math.max(0, share));
  const words = `${percent(full)} of ${name} spent`;
  return el('div', { class: 'meter' },
    el('span', { class: 'meter-words' }, words),
    svg('svg', { class: 'meter-bar', role: 'img', 'aria-label': words },
      svg('rect', { class: 'meter-cap', width: '100%', height: '100%', rx: 3 }),
      svg('rect', { class: 'meter-spent', width: `${full * 100}%`, height: '100%', rx: 3 })));
}
