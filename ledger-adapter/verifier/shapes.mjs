// The shapes of what is in a receipt: which fields there are, and what may be in them.
//
// They are those of the Rust types, read as strictly: no unknown field, no missing one, integers
// within their width. A struct written as an array, which serde would take, is refused.

import { publicKey } from './bytes.mjs';
import { Malformed } from './json.mjs';

const fail = (where, what) => {
  throw new Malformed(`${where} ${what}`);
};

const text = (value, where) =>
  typeof value === 'string' ? value : fail(where, 'is not a string');

const integer = (least, most) => (value, where) =>
  typeof value === 'bigint' && value >= least && value <= most
    ? value : fail(where, 'is not an integer of its range');

const u8 = integer(0n, (1n << 8n) - 1n);
const u32 = integer(0n, (1n << 32n) - 1n);
const u64 = integer(0n, (1n << 64n) - 1n);
const i64 = integer(-(1n << 63n), (1n << 63n) - 1n);

const flag = (value, where) =>
  typeof value === 'boolean' ? value : fail(where, 'is neither true nor false');

const digest = (value, where) =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
    ? value : fail(where, 'is not 64 lower-case hex digits');

const anything = (value) => value;

/** A public key: its text, and its bytes. */
const key = (value, where) => ({ text: value, key: publicKey(text(value, where)) });

const exactly = (...words) => (value, where) =>
  words.includes(value) ? value : fail(where, `is none of ${words.join(', ')}`);

const list = (item) => (value, where) =>
  Array.isArray(value)
    ? value.map((one, at) => item(one, `${where}[${at}]`)) : fail(where, 'is not a list');

const pair = (first, second) => (value, where) =>
  Array.isArray(value) && value.length === 2
    ? [first(value[0], `${where}[0]`), second(value[1], `${where}[1]`)]
    : fail(where, 'is not a pair');

const map = (item) => (value, where) => {
  if (!(value instanceof Map)) fail(where, 'is not an object');
  return new Map([...value].map(([name, of]) => [name, item(of, `${where}.${name}`)]));
};

/** What may be missing, and then is `otherwise`. */
const optional = (read, otherwise) => Object.assign(
  (value, where) => (value === undefined ? otherwise : read(value, where)), { optional: true });

/** What may be missing or null, and both mean the same. */
const maybe = (read) =>
  optional((value, where) => (value === null ? null : read(value, where)), null);

const struct = (shape) => (value, where) => {
  if (!(value instanceof Map)) fail(where, 'is not an object');
  for (const name of value.keys()) {
    if (!Object.hasOwn(shape, name)) fail(where, `has an unknown field ${JSON.stringify(name)}`);
  }
  const read = ([name, of]) => {
    if (!value.has(name) && !of.optional) fail(where, `has no ${name}`);
    return [name, of(value.get(name), `${where}.${name}`)];
  };
  return Object.fromEntries(Object.entries(shape).map(read));
};

/** One of several, as an object with one field that says which. */
const either = (shapes) => (value, where) => {
  const [name] = value instanceof Map && value.size === 1 ? value.keys() : [];
  if (name === undefined || !Object.hasOwn(shapes, name)) fail(where, 'is of no known kind');
  return { kind: name, ...shapes[name](value.get(name), `${where}.${name}`) };
};

const cost = struct({ rho: u64, delta: u64 });

const mechanism = struct({
  column: text,
  mechanism: text,
  sensitivity: u64,
  groups_per_person: u64,
  scale_numerator: u64,
  scale_log2_denominator: u8,
  rho: u64,
  delta: u64,
  decimal_places: u8,
  threshold: maybe(i64),
});

const intent = struct({
  version: u32,
  query: digest,
  sql: text,
  plan: digest,
  engine: text,
  inputs: list(digest),
  cost,
  account: digest,
  mechanisms: list(mechanism),
  day: u32,
});

const envelope = struct({
  payloadType: text,
  payload: text,
  signatures: list(struct({ keyid: digest, sig: text })),
});

const logProof = struct({
  checkpoint: text,
  vkey: text,
  entries: list(struct({ index: u64, entry: text, path: list(digest) })),
});

/** A whole receipt. */
export const receipt = struct({
  version: u32,
  release: envelope,
  release_salt: digest,
  intent,
  intent_salt: digest,
  extracts: list(envelope),
  keys: list(key),
  log: logProof,
});

/** What is left of a receipt when question and answer are erased: src/receipt/redacted.rs. */
export const redacted = struct({
  version: u32,
  redacted: digest,
  extracts: list(envelope),
  keys: list(key),
  log: logProof,
});

const attestation = { root: digest, account: digest, key: digest, expires_day: u32 };

/** A ledger entry, with `kind` beside its fields. */
export const entry = struct({
  entry: either({
    open: struct({ account: digest, cap: cost }),
    charge: struct({
      query: digest,
      items: list(pair(digest, cost)),
      intent: digest,
      inputs: list(digest),
      day: u32,
    }),
    release: struct({ query: digest, commitment: digest }),
    attest: struct(attestation),
    supersede: struct({ old: digest, new: struct(attestation) }),
    revoke: struct({ root: digest }),
    redact: struct({ query: digest }),
    commit: struct({ query: digest, round: u32, root: digest }),
    key: struct({ role: exactly('site', 'log'), old: digest, new: digest }),
  }),
  version: u32,
});

const statement = (predicate) => struct({
  _type: text,
  subject: list(struct({ name: text, digest: map(text) })),
  predicateType: text,
  predicate,
});

const cells = list(list(anything));

/** The statement of a release. */
export const release = statement(struct({
  query: digest,
  intent: digest,
  effects: list(struct({
    account: digest, cost, spent_before: cost, spent_after: cost, cap: cost,
  })),
  table: struct({ columns: list(text), rows: cells, lower: cells, upper: cells }),
  notes: list(text),
  finality: exactly('local', 'witnessed', 'confirmed', 'final'),
  mechanisms: optional(list(mechanism), []),
}));

const bounds = struct({ lower: i64, upper: i64, scale: u8 });

const keyValue = (value, where) =>
  typeof value === 'string' ? value : i64(value, where);

const perPerson = struct({
  'per-person': struct({ unit: text, rows_per_person_max: u32 }),
});

/** The statement of an extract. */
export const extract = statement(struct({
  version: u32,
  extract: digest,
  population: text,
  account: digest,
  site: text,
  data_model: text,
  key_epoch: text,
  policy: struct({ name: text, basis: text, digest, actions: list(text) }),
  persons_min: optional(u32, 0n),
  buckets: u32,
  tables: list(struct({
    name: text,
    rows: (value, where) => (value === 'public' ? value : perPerson(value, where)),
    columns: list(struct({
      name: text,
      kind: exactly('integer', 'float', 'text', 'date'),
      nullable: flag,
      bounds: maybe(bounds),
      person_total: maybe(bounds),
      domain: maybe(list(keyValue)),
      generalised: maybe(text),
    })),
    files: list(struct({ path: text, bytes: u64, blake3: digest })),
  })),
  supersedes: maybe(digest),
  issued_day: u32,
  expires_day: u32,
}));

/** The file that says whom to trust: src/receipt/policy.rs. */
export const trust = struct({
  version: u32,
  log_policy: list(text),
  former_logs: optional(list(struct({ key: text, size: u64 })), []),
  sites: list(struct({
    name: text,
    keys: list(key),
    retired: optional(list(struct({ key, from: u64 })), []),
  })),
  release: list(key),
});

