// Shows what was refused: code, message, place and hint, and for a budget that is used up what can
// be done. It does not decide what is refused.

import { load } from './api.mjs';
import { budgetPanel } from './budget.mjs';
import { button, el } from './dom.mjs';

const TITLES = {
  cancelled: 'Cancelled',
  exhausted: 'The budget does not hold this question',
  unauthorized: 'A login is needed',
  unreachable: 'No answer from the server',
  untrusted: 'The records are not as they were attested',
};

/** An error as a part of the page. Of a question, `sql` is its text and `editor` where it is. */
export function refusal(fault, { sql = null, editor = null } = {}) {
  const code = fault.code ?? 'page';
  const title = TITLES[code] ?? (/^R-/.test(code) ? 'This question is refused' : 'This failed');
  const box = el('section', { class: 'refusal', role: 'alert', 'data-code': code },
    el('h2', {}, title, ' ', el('code', { class: 'code' }, code)),
    el('p', { class: 'message' }, sentence(fault.message)),
    fault.line && sql !== null && place(fault, sql, editor),
    fault.hint && el('p', { class: 'advice' }, el('strong', {}, 'Hint: '), fault.hint));
  if (/^R-/.test(code)) {
    box.append(el('p', { class: 'quiet' }, 'Nothing was charged, and no record was read.'));
  }
  if (code === 'exhausted') box.append(wayOut());
  return box;
}

/** A message of the server is a phrase; here it stands alone. */
function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** The line of the question with a marker under the place. */
function place({ line, column }, sql, editor) {
  const lines = sql.split('\n');
  const text = lines[line - 1] ?? '';
  const at = Math.max(1, column ?? 1);
  const number = String(line);
  // A tab before the place is kept, so that the marker stands under it at any width of tabs.
  const before = [...text].slice(0, at - 1).map((one) => (one === '\t' ? '\t' : ' ')).join('');
  const words = column ? `Line ${line}, column ${column}` : `Line ${line}`;
  const go = editor && button('Go to this place', () => {
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const offset = start + [...text].slice(0, at - 1).join('').length;
    const word = /^\w+/.exec(sql.slice(offset))?.[0].length ?? 1;
    editor.focus();
    editor.setSelectionRange(offset, offset + word);
  }, { class: 'small' });
  return el('div', { class: 'place' },
    el('p', {}, words, go && ' ', go),
    el('pre', { 'aria-hidden': 'true' },
      `${number} │ ${text}\n${' '.repeat(number.length)} │ `, before,
      el('span', { class: 'marker' }, '▲')));
}

function wayOut() {
  const list = el('ul', {},
    el('li', {}, 'Ask with a smaller ε: half of it costs about a quarter, for twice the noise.'),
    el('li', {}, 'Ask for less at once: fewer columns, or fewer groups that one person counts in.'),
    el('li', {}, 'Look into the ', el('a', { href: '#/log' }, 'log'),
      ': what was answered before is answered again, and costs nothing.'),
    el('li', {}, 'Talk to whoever opened the budget. It is a limit on what can be learnt of any one'
      + ' person, so it does not fill up by itself.'));
  const budgets = el('div', {});
  showBudgets(budgets);
  return el('div', { class: 'way-out' },
    el('p', {}, 'Nothing was charged. What you can do:'), list, budgets);
}

/** The advice stands without the balance, so a balance that cannot be had is left out. */
async function showBudgets(into) {
  try {
    const { budgets } = await load('/api/budgets');
    for (const { population, budget } of budgets) {
      if (budget) into.append(budgetPanel(population, budget));
    }
  } catch {
    into.remove();
  }
}
