// The view in which questions are asked: the editor, the price, the answer, or why there is none.
// The server decides all of it; here it is only put and shown.

import { send } from './api.mjs';
import { answerPanel, fromReply } from './answer.mjs';
import { checkInto, notes } from './check.mjs';
import { announce, button, download, el, field, replace } from './dom.mjs';
import { loginForm } from './login.mjs';
import { amountWords, costWords, significant, typedNumber } from './numbers.mjs';
import { quotePanel } from './quote.mjs';
import { exactReceipt } from './receipt.mjs';
import { refusal } from './refusal.mjs';
import { aboutServer, currentAnalyst, ended, onLogin } from './session.mjs';

export const title = 'Ask';

// What is in the editor outlives the view and the login, but not the page: it is stored nowhere.
const draft = { sql: '', epsilon: '', delta: '' };

// The desk outlives the view, so that an answer under way is still there on return.
let desk = null;
onLogin(() => { desk = null; });

/** Puts a question into the editor, for other views. */
export function suggest(sql) {
  draft.sql = sql;
  if (desk) desk.editor.value = sql;
}

export async function fill(section) {
  const { defaults } = await aboutServer();
  draft.epsilon ||= String(defaults.epsilon);
  draft.delta ||= significant(defaults.delta, 6);
  showDesk(section);
}

function showDesk(section, why = null, hasFocus = false) {
  if (currentAnalyst() === null) {
    replace(section, loginForm({
      why: why ?? 'Questions are asked by analysts. Data, log and checks are open to everybody.',
      done: () => showDesk(section, null, true),
    }));
    return;
  }
  desk ??= new Desk();
  desk.onEnded = () => {
    ended();
    showDesk(section, 'Your login is over. Log in again; your question is kept.');
  };
  replace(section, desk.element);
  if (hasFocus) desk.editor.focus();
}

/** Editor, buttons and the place of the answer. One question is under way at a time. */
class Desk {
  constructor() {
    this.running = null;
    this.editor = el('textarea', {
      class: 'sql', rows: 8, spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off',
      placeholder: 'SELECT gender_concept_id, COUNT(*) AS persons\nFROM person\n'
        + 'GROUP BY gender_concept_id',
    });
    this.epsilon = el('input', { type: 'text', inputmode: 'decimal', autocomplete: 'off' });
    this.delta = el('input', { type: 'text', inputmode: 'decimal', autocomplete: 'off' });
    for (const [name, control] of [
      ['sql', this.editor], ['epsilon', this.epsilon], ['delta', this.delta]]) {
      control.value = draft[name];
      control.addEventListener('input', () => { draft[name] = control.value; });
    }
    this.editor.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.ask();
    });
    this.status = el('p', { class: 'status', role: 'status', 'aria-live': 'polite' });
    this.results = el('div', { class: 'results' });
    this.buttons = {
      ask: el('button', { type: 'submit', class: 'first' }, 'Ask'),
      explain: button('Explain and price', () => this.explain()),
      cancel: button('Cancel', () => this.cancel(), { class: 'danger', hidden: true }),
    };
    this.element = this.layout();
  }

  layout() {
    const submit = (event) => {
      event.preventDefault();
      this.ask();
    };
    const hint = 'Ctrl+Enter asks. A table’s columns and public values are in the view Data.';
    return el('div', {},
      el('form', { class: 'editor', submit, novalidate: true },
        field('Question, in SQL', this.editor, hint),
        el('div', { class: 'row terms' },
          field('ε, privacy loss', this.epsilon), field('δ, failure probability', this.delta),
          el('div', { class: 'row actions' },
            this.buttons.explain, this.buttons.ask, this.buttons.cancel)),
        el('p', { class: 'hint' }, 'Asking costs budget, unless the same was asked before.'
          + ' Explaining never does.')),
      this.status, this.results);
  }

  /** The question and its terms as typed, or null after saying what is wrong with them. */
  asked() {
    const sql = this.editor.value;
    const [epsilon, delta] = [typedNumber(this.epsilon.value), typedNumber(this.delta.value)];
    const terms = { epsilon, delta };
    for (const [name, control] of [['epsilon', this.epsilon], ['delta', this.delta]]) {
      control.setAttribute('aria-invalid', String(terms[name] === null));
    }
    const wrong = sql.trim() === '' ? ['There is no question yet.', this.editor]
      : terms.epsilon === null ? ['ε is a number above 0, for instance 0.5.', this.epsilon]
        : terms.delta === null ? ['δ is a number above 0, for instance 1e-6.', this.delta] : null;
    if (wrong === null) return { sql, ...terms };
    this.status.textContent = wrong[0];
    wrong[1].focus();
    return null;
  }

  async explain() {
    await this.run('Explaining', async (question) => {
      const { value } = await send('/api/explain', question);
      replace(this.results, quotePanel(value));
      return `The price is ${costWords(value.quote.cost)}; nothing was charged.`;
    });
  }

  async ask() {
    await this.run('Asking', async (question) => {
      const { value, text } = await send('/api/ask', question);
      const receipt = value.receipt ? await exactReceipt(text) : null;
      replace(this.results, this.answer(value, receipt));
      const count = value.rows.length;
      const cost = value.is_repeat ? 'nothing, as it was answered before' : costWords(value.cost);
      return `Answered: ${count} ${count === 1 ? 'row' : 'rows'}; cost ${cost}.`;
    });
  }

  /** Runs one question at a time, shows for how long, and what came of it. */
  async run(word, work) {
    if (this.running) return;
    const question = this.asked();
    if (question === null) return;
    const isAsked = word === 'Asking';
    this.running = { id: crypto.randomUUID(), isCancelled: false };
    this.isBusy(true, isAsked);
    this.status.textContent = `${word}…`;
    replace(this.results);
    try {
      this.status.textContent = await work(
        isAsked ? { ...question, id: this.running.id } : question);
    } catch (fault) {
      this.fail(fault, question.sql);
    } finally {
      this.running = null;
      this.isBusy(false, isAsked);
    }
  }

  fail(fault, sql) {
    if (fault.status === 401) {
      this.status.textContent = '';
      this.onEnded();
      return;
    }
    this.status.textContent = '';
    replace(this.results, refusal(fault, { sql, editor: this.editor }));
  }

  isBusy(isBusy, isAsked) {
    const { ask, explain, cancel } = this.buttons;
    // A control that goes away would take the focus with it, so it is handed on and given back.
    const held = document.activeElement;
    ask.disabled = isBusy;
    explain.disabled = isBusy;
    cancel.hidden = !(isBusy && isAsked);
    this.element.setAttribute('aria-busy', String(isBusy));
    if (isBusy) {
      this.before = held;
      if (isAsked && held === ask) cancel.focus();
    } else if (held === cancel || held === document.body) {
      if (this.element.contains(this.before)) this.before.focus();
    }
  }

  async cancel() {
    const { running } = this;
    if (!running || running.isCancelled) return;
    running.isCancelled = true;
    try {
      const { value } = await send('/api/cancel', { id: running.id });
      if (this.running !== running) return;
      this.status.textContent = value.charged
        ? 'Too late to cancel: it is charged already, so the answer will be shown.'
        : 'Cancelling; nothing was charged.';
    } catch (fault) {
      // Once it is over, what came of it says more.
      if (this.running !== running) return;
      running.isCancelled = false;
      this.status.textContent = `It could not be cancelled: ${fault.message}.`;
    }
  }

  answer(reply, receipt) {
    const answer = fromReply(reply);
    const file = `graunt-${String(reply.query ?? 'answer').slice(0, 16)}`;
    const left = reply.budget ? ` Left: ${amountWords(reply.budget.left)}.` : '';
    const cost = reply.is_repeat
      ? 'This was answered before: it is the same release, and cost nothing.'
      : `Cost: ${costWords(reply.cost)}.`;
    return el('section', { class: 'reply', 'aria-label': 'Answer' },
      el('h2', {}, 'Answer'),
      el('p', { class: 'cost' }, cost, left),
      answerPanel(answer, { caption: 'Answer, with intervals', file }),
      reply.notes?.length > 0 && notes(reply.notes),
      receiptPart(reply.query, receipt, file));
  }
}

/** The receipt of an answer: as a file, and checked here. */
function receiptPart(query, receipt, file) {
  if (receipt === null) return el('p', {}, 'There is no receipt: no record was read for this.');
  const checks = el('div', { class: 'checked' });
  const check = button('Check this receipt', () => checkInto(checks, receipt), { class: 'small' });
  const save = () => {
    download(`${file}.json`, 'application/json', receipt);
    announce('The receipt is saved.');
  };
  return el('section', { class: 'receipt' },
    el('h3', {}, 'Receipt'),
    el('p', {}, 'It proves to anybody, off line, what was asked and charged, and that the answer is'
      + ' the one that was signed.'),
    el('p', { class: 'row' }, check, button('Download the receipt', save, { class: 'small' }),
      /^[0-9a-f]+$/.test(query ?? '')
        && el('a', { href: `#/release/${query}` }, 'This release in the log')),
    checks);
}
