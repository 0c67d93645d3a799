// Checks a receipt in the browser with the verifier of the ledger adapter, and shows each check
// with its outcome. It asks no server whether the receipt is right.

import { answerPanel } from './answer.mjs';
import { announce, el, replace } from './dom.mjs';
import { costWords } from './numbers.mjs';
import { logKey, told } from './receipt.mjs';
import { aboutServer } from './session.mjs';

// What each check of the verifier is about, by its name there.
const TITLES = {
  receipt: 'The receipt has the form of one',
  trust: 'Its log and keys are trusted',
  checkpoint: 'The log signed its state',
  entries: 'The entries are in the log',
  release: 'The answer is the one that was signed',
  charge: 'The question was charged on the ledger',
  balance: 'The balance adds up, within the cap',
  extracts: 'The sites attested the records',
  mechanisms: 'The noise costs no more than was charged',
  order: 'Everything happened in its order',
  roles: 'Each key signed only what it may',
};

const OUTCOMES = {
  holds: { sign: '✓', words: 'holds' },
  fails: { sign: '✗', words: 'FAILS' },
  open: { sign: '–', words: 'not reached' },
};

/** Checks a receipt, as text or bytes, into an element. A policy says whom to believe; without one
 * that is what this server publishes, if it does, and else the receipt itself. */
export async function checkInto(element, receipt, { policy = null, isTold = false } = {}) {
  replace(element, el('p', { class: 'quiet' }, 'Checking…'));
  let verdict;
  let server;
  try {
    server = await aboutServer().catch(() => ({}));
    const { verify } = await import('/verifier/verify.mjs');
    if (!globalThis.crypto?.subtle) throw new Error('this page is not over TLS');
    verdict = await verify(receipt, policy ?? published(server));
  } catch (fault) {
    const words = `This browser cannot make the checks (${fault.message}). Nothing is said about`
      + ' the receipt. The command graunt verify makes the same checks.';
    replace(element, el('p', { class: 'refusal', role: 'alert' }, words));
    return null;
  }
  const text = typeof receipt === 'string' ? receipt : new TextDecoder().decode(receipt);
  const failing = verdict.checks.find(({ ok }) => !ok);
  replace(element,
    el('p', { class: verdict.ok ? 'verdict good' : 'verdict bad', 'data-ok': String(verdict.ok) },
      el('span', { 'aria-hidden': 'true' }, verdict.ok ? '✓ ' : '✗ '), verdictWords(verdict)),
    el('p', {}, trustWords({ policy, server, vkey: logKey(text) })),
    checkList(verdict.checks),
    verdict.ok && isTold && whatItTells(text));
  announce(verdict.ok ? 'The receipt verifies: all checks hold.'
    : `The receipt does not verify. The check named ${failing.name} fails: ${failing.detail}`);
  return verdict;
}

/** The trust policy that the server publishes, as text, or null. */
function published({ policy = null }) {
  if (policy === null || typeof policy === 'string') return policy;
  return JSON.stringify(policy);
}

function verdictWords({ ok, redacted, checks }) {
  if (!ok) {
    const first = checks.find((check) => !check.ok);
    return `This receipt does not verify: the check “${first.name}” fails. Do not rely on it.`;
  }
  const redaction = redacted
    ? ' Its question and answer were redacted: only the charge and the records are proved.' : '';
  return `All ${checks.length} checks hold.${redaction}`;
}

function trustWords({ policy, server, vkey }) {
  if (policy !== null) return 'Whom to believe was taken from your policy file.';
  if (published(server) !== null) {
    return 'Whom to believe was taken from the policy that this server publishes. To rely on'
      + ' nobody’s word, take a policy file that you had from elsewhere, in the view Check.';
  }
  const same = vkey !== null && vkey === server.vkey;
  const log = same ? 'The log is the one that this server names.'
    : 'The log is NOT the one that this server names.';
  return 'Without a policy file, the receipt’s own keys are used: it is consistent, by whomever. '
    + log;
}

function checkList(checks) {
  return el('ol', { class: 'checks', 'aria-label': 'Checks of the receipt' },
    checks.map(({ name, ok, detail }) => {
      const isOpen = !ok && detail.startsWith('not reached');
      const outcome = ok ? 'holds' : isOpen ? 'open' : 'fails';
      const { sign, words } = OUTCOMES[outcome];
      return el('li', { class: `check ${outcome}`, 'data-check': name, 'data-outcome': outcome },
        el('span', { class: 'sign', 'aria-hidden': 'true' }, sign),
        el('div', {},
          el('p', { class: 'check-name' }, TITLES[name] ?? name, ' ', el('code', {}, name), ' ',
            el('strong', { class: 'outcome' }, words)),
          el('p', { class: 'check-detail' }, detail)));
    }));
}

/** What a receipt says of question and answer; shown of those that verify only. */
export function whatItTells(text) {
  const receipt = told(text);
  if (receipt === null) return null;
  return el('section', { class: 'told' },
    el('h2', {}, 'What was asked and answered'),
    el('pre', { class: 'sql', tabindex: 0 }, receipt.sql),
    answerPanel(receipt.answer, {
      caption: 'Answer, with intervals', file: `graunt-${receipt.query.slice(0, 16)}`,
    }),
    receipt.notes.length > 0 && notes(receipt.notes),
    el('dl', { class: 'facts' },
      fact('Charged on', receipt.day),
      fact('Cost', costWords(receipt.cost)),
      fact('Records of', receipt.sites.join(', ')),
      fact('Engine', receipt.engine)));
}

export function notes(lines) {
  return el('div', { class: 'notes' }, el('h3', {}, 'Notes'),
    el('ul', {}, lines.map((line) => el('li', {}, line))));
}

export function fact(name, value) {
  return el('div', {}, el('dt', {}, name), el('dd', {}, value));
}
