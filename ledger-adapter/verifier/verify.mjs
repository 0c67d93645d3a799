// Verifies a Graunt receipt off line, in a browser or in Node, with nothing but this directory.
//
// It makes the checks of src/receipt/verify.rs and src/receipt/policy.rs, from the same words of
// the same receipt, and agrees with them on the vectors. What a receipt cannot prove is said in
// src/receipt/mod.rs.
//
//   import { verify } from './verify.mjs';
//   const { ok, trusted, checks } = await verify(receiptText, policyText);

import { fromBase64, fromHex, labelled, sha256, toHex, utf8, verifyEd25519 } from './bytes.mjs';
import { Malformed, canonical, fromUtf8, parse } from './json.mjs';
import { LOG_KEY, isIncluded, keyid, openCheckpoint, preAuthentication, verifierKey }
  from './log.mjs';
import { hasQuorum, readTrust } from './policy.mjs';
import { carriesOut, price } from './price.mjs';
import { entry as entryShape, extract as extractShape, receipt as receiptShape,
  redacted as redactedShape, release as releaseShape } from './shapes.mjs';

/**
 * Verifies a receipt, as text or bytes, by a trust file. Without one the receipt's own keys are
 * used, and `trusted` is false: then it is consistent, by whomever it is.
 *
 * Of a receipt whose query was redacted only charge and extracts are left; `redacted` says so, and
 * the checks are fewer.
 *
 * Every check has a name, whether it holds, and why; `ok` says that all hold. It never throws for
 * what is in a receipt or a policy.
 */
export async function verify(receiptText, policyText = null) {
  const facts = { text: receiptText, policyText };
  const checks = [];
  for (const { name, needs, run, left = true } of CHECKS) {
    if (facts.receipt?.redacted !== undefined && !left) continue;
    const missing = needs.filter((need) => facts[need] === undefined);
    if (missing.length > 0) {
      const detail = `not reached, for want of the ${missing.join(', ')}`;
      checks.push({ name, ok: false, detail });
      continue;
    }
    try {
      checks.push({ name, ok: true, detail: await run(facts) });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      checks.push({ name, ok: false, detail: error.message });
    }
  }
  const ok = checks.every((check) => check.ok);
  const redacted = facts.receipt?.redacted !== undefined;
  return { ok, trusted: ok && policyText !== null, redacted, checks };
}

// In the order of the Rust ones. What is false under `left` is gone from a redacted receipt.
const CHECKS = [
  { name: 'receipt', needs: [], run: readReceipt },
  { name: 'trust', needs: ['receipt'], run: checkTrust },
  { name: 'checkpoint', needs: ['receipt', 'trust'], run: checkCheckpoint },
  { name: 'entries', needs: ['receipt', 'checkpoint'], run: checkEntries },
  { name: 'release', needs: ['receipt', 'trust'], run: checkRelease, left: false },
  { name: 'charge', needs: ['receipt', 'entries'], run: checkCharge },
  { name: 'balance', needs: ['receipt', 'entries', 'release'], run: checkBalance, left: false },
  { name: 'extracts', needs: ['receipt', 'entries', 'charge'], run: checkExtracts },
  { name: 'mechanisms', needs: ['receipt', 'release'], run: checkMechanisms, left: false },
  { name: 'order', needs: ['receipt', 'entries', 'charge'], run: checkOrder },
  { name: 'roles', needs: ['trust', 'manifests'], run: checkRoles },
];

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const EXTRACT_TYPE = 'https://graunt.dev/attestation/extract/v1';
const RELEASE_TYPE = 'https://graunt.dev/attestation/dp-release/v1';

function readReceipt(facts) {
  const value = parse(facts.text);
  if (value instanceof Map && value.has('redacted')) {
    const left = redactedShape(value, 'receipt');
    holds(left.version === 1n, 'it is of another version');
    facts.receipt = left;
    return 'it has the form of version 1, redacted: nothing is said of question and answer';
  }
  const receipt = receiptShape(value, 'receipt');
  holds(receipt.version === 1n && receipt.intent.version === 1n, 'it is of another version');
  facts.receipt = receipt;
  return 'it has the form of version 1';
}

/** The log and all keys of the receipt are among those that are trusted. */
async function checkTrust(facts) {
  const { keys, log } = facts.receipt;
  const policy = facts.policyText === null ? null : await readTrust(facts.policyText);
  if (policy) {
    holds(policy.log.logs.some((one) => one.text === log.vkey), 'the log is not trusted here');
    holds(keys.length > 0, 'the receipt has no keys');
    holds(keys.every(({ text }) => policy.keys.includes(text)), 'a key is not trusted here');
  }
  const named = keys.map(async ({ text, key }) => ({ text, key, id: await keyid(key) }));
  facts.trust = { policy, keys: await Promise.all(named) };
  return policy ? 'log and keys are trusted' : "log and keys are the receipt's own word";
}

async function checkCheckpoint(facts) {
  const { checkpoint, vkey } = facts.receipt.log;
  const key = await verifierKey(vkey, LOG_KEY);
  const read = await openCheckpoint(checkpoint, key);
  const { policy } = facts.trust;
  holds(!policy || await hasQuorum(policy.log, checkpoint), 'too few witnesses cosigned');
  const largest = policy?.former.get(vkey);
  holds(largest === undefined || read.size <= largest,
    'the checkpoint is of a key after another took its place');
  facts.checkpoint = read;
  return `${key.name} signed a log of ${read.size} entries`;
}

async function checkEntries(facts) {
  const read = async (proved) => {
    holds(await isIncluded(proved, facts.checkpoint), 'an entry is not in the log');
    holds(utf8(proved.entry).length <= 65_535, 'an entry is too long');
    const value = parse(proved.entry);
    const { entry, version } = entryShape(value, 'entry');
    holds(version === 1n, 'an entry is of another version');
    holds(canonical(value) === proved.entry, 'an entry is not in canonical form');
    return { index: proved.index, entry };
  };
  const entries = [];
  for (const proved of facts.receipt.log.entries) entries.push(await read(proved));
  facts.entries = entries;
  return `${entries.length} entries are under the checkpoint`;
}

/** The release statement: signed, about this query and intent, and about this table. */
async function checkRelease(facts) {
  const { receipt, trust } = facts;
  const { payload, signers } = await openEnvelope(receipt.release, trust.keys);
  const { predicate, subject } = readStatement(payload, releaseShape, RELEASE_TYPE);
  const { table } = predicate;
  const fits = (rows) =>
    rows.length === table.rows.length && rows.every((row) => row.length === table.columns.length);
  holds(fits(table.rows) && fits(table.lower) && fits(table.upper),
    "the answer's intervals do not have the shape of its values");
  const digest = toHex(await sha256(utf8(canonical(table))));
  const [{ digest: stated } = { digest: new Map() }] = subject;
  holds(subject.length === 1 && stated.size === 1 && stated.get('sha256') === digest,
    'the answer does not match its attested digest');
  holds(predicate.query === receipt.intent.query,
    'the release is of another query than the intent');
  const intent = await intentOf(receipt);
  holds(predicate.intent === intent, 'the release is of another intent');
  facts.release = { predicate, payload, signers };
  return 'the answer is the one in the signed release statement';
}

/** The charge on the ledger is for this intent, word for word. */
async function checkCharge(facts) {
  const { receipt, entries } = facts;
  const charge = chargeOf(entries, receipt.redacted ?? receipt.intent.query);
  const { index, entry } = charge;
  facts.charge = charge;
  if (receipt.redacted !== undefined) {
    for (const [account, cost] of entry.items) {
      holds(isWithin(cost, capOf(entries, account)), 'the charge is beyond the cap');
    }
    return `entry ${index} charges ${entry.items.map(([, cost]) => printed(cost)).join('; ')}`;
  }
  const { intent } = receipt;
  holds(entry.intent === await intentOf(receipt), 'the charge is for another intent');
  // The population's account pays first; whoever asks may pay the same out of their own.
  holds(same(entry.items[0], [intent.account, intent.cost])
    && entry.items.every(([, cost]) => same(cost, intent.cost)),
  'the charge is of another cost or account than the intent');
  holds(same(entry.inputs, intent.inputs), 'the charge is for other extracts than the intent');
  holds(entry.day === intent.day, 'the charge is of another day than the intent');
  return `entry ${index} charges ${printed(intent.cost)} for the stated intent`;
}

/** What the charge did to the account: before and cost are after, within the cap as opened. */
function checkBalance({ receipt, entries, release }) {
  const { intent } = receipt;
  const { effects } = release.predicate;
  holds(effects.length === 1, 'the release does not state one account');
  const [{ account, cost, spent_before: before, spent_after: after, cap }] = effects;
  holds(account === intent.account && same(cost, intent.cost),
    'the release states another cost or account than the intent');
  holds(same(sum(before, cost), after), 'the stated balance does not add up');
  holds(isWithin(after, cap), 'the stated balance is beyond the cap');
  holds(same(capOf(entries, account), cap), 'the account was opened with another cap');
  return `spent after it: ${printed(after)}, of ${printed(cap)}`;
}

/** Each extract is attested for a charged account, its statement is signed by the attested key,
 * and it had not expired. */
async function checkExtracts(facts) {
  const { receipt, charge: { entry: charge } } = facts;
  const inputs = receipt.intent?.inputs ?? charge.inputs;
  holds(receipt.extracts.length === inputs.length
    && (inputs.length > 0 || receipt.redacted !== undefined),
  'there is not one extract statement for each input');
  const releasers = receipt.release
    ? (await openEnvelope(receipt.release, facts.trust.keys)).signers : [];
  const manifests = [];
  for (const [at, root] of inputs.entries()) {
    const { key, site, signers } = await checkInput(facts, root, receipt.extracts[at]);
    holds(!releasers.some(({ id }) => id === key),
      'the release is signed by a site, which may only attest');
    manifests.push({ site, signers });
  }
  facts.manifests = manifests;
  return `attested and signed: the extracts of ${manifests.map(({ site }) => site).join(', ')}`;
}

async function checkInput({ entries, charge, trust }, root, envelope) {
  const { payload, signers } = await openEnvelope(envelope, trust.keys);
  holds(toHex(await sha256(payload)) === root, 'an extract statement is not the attested one');
  const { index, attested } = attestationOf(entries, root);
  const signer = signers.find(({ id }) => id === attested.key);
  holds(signer, 'an extract statement is signed by another key than attested');
  const retired = trust.policy?.retired.get(signer.text);
  holds(retired === undefined || index < retired,
    'an extract is attested by a key after another took its place');
  holds(charge.entry.items.some(([account]) => account === attested.account),
    'an extract is attested for another account');
  holds(charge.entry.day <= attested.expires_day,
    'an extract had expired on the day of the charge');
  const manifest = readStatement(payload, extractShape, EXTRACT_TYPE).predicate;
  holds(manifest.account === attested.account,
    "an extract's manifest names another account than attested");
  holds(manifest.expires_day === attested.expires_day,
    "an extract's manifest expires on another day than attested");
  return { key: attested.key, site: manifest.site, signers };
}

/** The noise costs no more than is stated, in sum no more than was charged; and where a bound was
 * chosen privately, the release carries out what the intent reserved. */
function checkMechanisms({ receipt, release }) {
  const reserved = receipt.intent.mechanisms;
  const carried = release.predicate.mechanisms;
  const stated = carried.length === 0 ? reserved : carried;
  const agree = stated.length === reserved.length
    && stated.every((record, at) => carriesOut(record, reserved[at]));
  holds(agree, 'the release has other mechanisms than were reserved');
  let total = { rho: 0n, delta: 0n };
  for (const [at, record] of stated.entries()) {
    const found = price(record);
    holds(found !== 'owed', 'a stated mechanism costs more than it states');
    holds(found === 'paid', 'the cost of a stated mechanism cannot be recomputed');
    total = sum(total, reserved[at]);
  }
  holds(stated.length > 0, 'no mechanism is stated');
  holds(isWithin(total, receipt.intent.cost), 'the stated mechanisms cost more than was charged');
  return `the noise of ${stated.length} columns costs at most ${printed(total)}`;
}

/** Opened, attested, charged, released: in this order, and the release is this one. Whatever was
 * opened of the query lies between the last two. */
async function checkOrder({ receipt, entries, charge }) {
  if (receipt.redacted !== undefined) return checkRedaction(receipt, entries, charge);
  const { intent } = receipt;
  const released = one(entries, 'the release is not in the proof',
    ({ entry }) => entry.kind === 'release' && entry.query === intent.query);
  const commitment =
    await labelled('graunt/release/v1', fromHex(receipt.release_salt), payloadOf(receipt.release));
  holds(released.entry.commitment === toHex(commitment),
    'the ledger has another release of this query');
  checkSets(entries, intent.query, charge, released);
  const isBeforeCharge = (index) => index < charge.index;
  const isInOrder = {
    release: () => true,
    commit: () => true,
    open: isBeforeCharge,
    attest: isBeforeCharge,
    supersede: isBeforeCharge,
    charge: (index) => index < released.index,
    revoke: () => false,
    redact: () => false,
    key: () => false,
  };
  holds(entries.every(({ index, entry }) => isInOrder[entry.kind](index)),
    'the entries are not in the order of a release');
  return `entry ${released.index} records the release, after the charge`;
}

/** Each committed set of contributions is of this query, lies between its charge and its end, and
 * is the only one of its round. */
function checkSets(entries, query, charge, end) {
  const sets = entries.filter(({ entry }) => entry.kind === 'commit');
  holds(sets.every(({ entry }) => entry.query === query),
    'a set of contributions is of another query');
  holds(sets.every(({ index }) => index > charge.index && index < end.index),
    'a set of contributions is not of the time of its query');
  holds(new Set(sets.map(({ entry }) => entry.round)).size === sets.length,
    'a round has two sets of contributions');
}

/** Charged, perhaps opened and released, then redacted; nothing else of any query. */
function checkRedaction({ redacted: query }, entries, charge) {
  const redaction = one(entries, 'the redaction is not in the proof',
    ({ entry }) => entry.kind === 'redact' && entry.query === query);
  checkSets(entries, query, charge, redaction);
  const isBeforeCharge = (index) => index < charge.index;
  const isInOrder = {
    commit: () => true,
    open: isBeforeCharge,
    attest: isBeforeCharge,
    supersede: isBeforeCharge,
    charge: (index, entry) => entry.query === query && index < redaction.index,
    release: (index, entry) =>
      entry.query === query && index >= charge.index && index < redaction.index,
    redact: (_, entry) => entry.query === query,
    revoke: () => false,
    key: () => false,
  };
  holds(entries.every(({ index, entry }) => isInOrder[entry.kind](index, entry)),
    'the entries are not in the order of a redaction');
  return `entry ${redaction.index} redacts the query: question, answer and salts are destroyed`;
}

/** A release key signed the release, and each site its own extract. */
function checkRoles({ receipt, trust: { policy }, release, manifests }) {
  if (!policy) return 'no policy says who may sign what';
  const isAmong = (keys) => ({ text }) => keys.includes(text);
  holds(receipt.redacted !== undefined || release?.signers.some(isAmong(policy.release)),
    'the release is not signed by a release key');
  for (const { site, signers } of manifests) {
    holds(policy.sites.has(site), 'an extract is of a site that is not trusted here');
    holds(signers.some(isAmong(policy.sites.get(site))),
      "an extract is not signed by its site's key");
  }
  return 'each is signed by a key of its role';
}

function holds(condition, otherwise) {
  if (!condition) throw new Malformed(otherwise);
}

function payloadOf(envelope) {
  holds(envelope.payloadType === PAYLOAD_TYPE, 'a payload is not an in-toto statement');
  const payload = fromBase64(envelope.payload);
  holds(payload !== null, 'a payload is not base64');
  return payload;
}

/** The payload of an envelope that at least one of the keys signed, and the keys that did. */
async function openEnvelope(envelope, keys) {
  const payload = payloadOf(envelope);
  const message = preAuthentication(envelope.payloadType, payload);
  const named = envelope.signatures.flatMap(({ keyid: id, sig }) =>
    keys.filter((key) => key.id === id).map((key) => ({ key, sig })));
  holds(named.length > 0, 'a statement is signed by a key that is not trusted here');
  const signers = [];
  for (const { key, sig } of named) {
    const bytes = fromBase64(sig) ?? new Uint8Array();
    if (await verifyEd25519(key.key, message, bytes)) signers.push(key);
  }
  holds(signers.length > 0, 'the signature of a statement does not verify');
  return { payload, signers };
}

function readStatement(payload, shape, type) {
  const statement = shape(parse(fromUtf8(payload)), 'statement');
  holds(statement._type === STATEMENT_TYPE && statement.predicateType === type,
    'the type of a statement is another');
  return statement;
}

async function intentOf({ intent, intent_salt: salt }) {
  return toHex(await labelled('graunt/intent/v1', fromHex(salt), utf8(canonical(intent))));
}

const chargeOf = (entries, query) => one(entries, 'the charge is not in the proof',
  ({ entry }) => entry.kind === 'charge' && entry.query === query);

const capOf = (entries, account) => one(entries, 'the opening of the account is not in the proof',
  ({ entry }) => entry.kind === 'open' && entry.account === account).entry.cap;

function attestationOf(entries, root) {
  const attestation = (entry) => ({ attest: entry, supersede: entry.new })[entry.kind];
  const { index, entry } = one(entries, "an extract's attestation is not in the proof",
    (found) => attestation(found.entry)?.root === root);
  return { index, attested: attestation(entry) };
}

function one(entries, missing, isWanted) {
  const found = entries.filter(isWanted);
  holds(found.length > 0, missing);
  holds(found.length === 1, 'the proof has an entry twice');
  return found[0];
}

/** Whether two values are written alike, which for what was read means that they are equal. */
const same = (a, b) => a !== null && b !== null && canonical(a) === canonical(b);

/** The sum of two costs, or null past 64 bits. */
function sum(a, b) {
  if (a === null) return null;
  const total = { rho: a.rho + b.rho, delta: a.delta + b.delta };
  return total.rho < 1n << 64n && total.delta < 1n << 64n ? total : null;
}

const isWithin = (cost, cap) => cost !== null && cost.rho <= cap.rho && cost.delta <= cap.delta;

const printed = ({ rho, delta }) => `rho ${rho} / 10^9, delta ${delta} / 10^18`;
