// Reads what a receipt says: question, answer, charge and sites, for people. It believes the
// receipt; whether it may be believed is told by the checks of check.mjs.

import { fromTable } from './answer.mjs';

/** The receipt in a reply of the server, in the exact words that the checks are about: reading and
 * writing it by `JSON.parse` would round large integers. */
export async function exactReceipt(text) {
  const { canonical, parse } = await import('/verifier/json.mjs');
  const receipt = parse(text).get('receipt');
  return receipt ? canonical(receipt) : null;
}

/** What a receipt tells, or null if it cannot be read or was redacted. */
export function told(text) {
  try {
    const receipt = JSON.parse(text);
    if (receipt.redacted !== undefined) return null;
    const release = statement(receipt.release).predicate;
    const { intent } = receipt;
    return {
      sql: String(intent.sql),
      query: String(intent.query),
      engine: String(intent.engine),
      day: dayWords(intent.day),
      cost: { rho: intent.cost.rho / 1e9, delta: intent.cost.delta / 1e18 },
      notes: (release.notes ?? []).map(String),
      sites: receipt.extracts.map((one) => String(statement(one).predicate.site)),
      answer: fromTable(release.table),
    };
  } catch {
    return null;
  }
}

/** The key of the log that a receipt names. */
export function logKey(text) {
  try {
    return JSON.parse(text).log.vkey ?? null;
  } catch {
    return null;
  }
}

function statement({ payload }) {
  const bytes = Uint8Array.from(atob(payload), (one) => one.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Days are counted from 1970-01-01. */
function dayWords(day) {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}
