// The view in which anybody checks a receipt that they were handed. The file stays in the browser:
// it is sent nowhere.

import { checkInto } from './check.mjs';
import { el, field, replace } from './dom.mjs';

export const title = 'Check';

// Receipts are some hundred kilobytes; those of very many sites a few million bytes.
const BYTES_MAX = 50_000_000;

export async function fill(section) {
  const outcome = el('div', { class: 'checked' });
  const file = el('input', { type: 'file', accept: '.json,application/json' });
  const policy = el('input', { type: 'file', accept: '.json,application/json' });
  const pasted = el('textarea', {
    class: 'sql', rows: 4, spellcheck: 'false', autocomplete: 'off',
  });
  const check = async (receipt) => {
    try {
      const trusted = policy.files[0] ? await bytesOf(policy.files[0]) : null;
      await checkInto(outcome, receipt, { policy: trusted, isTold: true });
    } catch (fault) {
      replace(outcome, el('p', { class: 'refusal', role: 'alert' }, fault.message));
    }
  };
  const checkFile = async (chosen) => {
    try {
      await check(await bytesOf(chosen));
    } catch (fault) {
      replace(outcome, el('p', { class: 'refusal', role: 'alert' }, fault.message));
    }
  };
  file.addEventListener('change', () => { if (file.files[0]) checkFile(file.files[0]); });
  const submit = (event) => {
    event.preventDefault();
    if (pasted.value.trim() !== '') check(pasted.value);
    else if (file.files[0]) checkFile(file.files[0]);
    else replace(outcome, el('p', { role: 'alert' }, 'There is no receipt yet: choose one.'));
  };
  section.append(
    el('p', {}, 'A receipt proves what was asked, what was charged for it, and that the answer is'
      + ' the one that was signed. It is checked here in your browser, and goes nowhere.'),
    el('form', { class: 'check-form', submit },
      dropZone(field('Receipt file', file, 'Choose a file, or drop it here.'), checkFile),
      el('details', {}, el('summary', {}, 'Paste it instead'), field('Receipt as text', pasted)),
      field('Trust policy (optional)', policy, 'Which logs, sites and keys you believe, as'
        + ' graunt keys policy prints it. Have it from somebody whom you believe.'),
      el('button', { type: 'submit', class: 'first' }, 'Check')),
    outcome);
}

async function bytesOf(file) {
  if (file.size > BYTES_MAX) throw new Error('This file is too large to be a receipt.');
  return new Uint8Array(await file.arrayBuffer());
}

function dropZone(content, take) {
  const zone = el('div', { class: 'drop' }, content);
  const over = (event) => {
    event.preventDefault();
    zone.classList.add('over');
  };
  zone.addEventListener('dragover', over);
  zone.addEventListener('dragenter', over);
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
  return zone;
}
