// The log's side of a receipt: verifier keys, signed checkpoints, cosignatures, inclusion.
//
// Source: C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1.0.1 (Ed25519 only);
// RFC 6962 section 2.1 (hashes), RFC 9162 section 2.1.3.2 (inclusion).

import {
  concat, fromBase64, fromHex, publicKey, sha256, toBase64, toHex, utf8, verifyEd25519,
} from './bytes.mjs';
import { Malformed } from './json.mjs';

/** Algorithm numbers of verifier keys: who signs checkpoints, and who cosigns them. */
export const LOG_KEY = 1;
export const WITNESS_KEY = 4;

/** Reads `<name>+<key id>+<base64>` in its one spelling. */
export async function verifierKey(text, algorithm) {
  const [name, , ...rest] = text.split('+');
  const bytes = fromBase64(rest.join('+'));
  checkName(name);
  if (bytes?.length !== 33 || bytes[0] !== algorithm) {
    throw new Malformed(`a verifier key is not one of algorithm ${algorithm}`);
  }
  const key = publicKey(toBase64(bytes.slice(1)));
  const id = (await sha256(utf8(`${name}\n`), bytes)).slice(0, 4);
  if (`${name}+${toHex(id)}+${toBase64(bytes)}` !== text) {
    throw new Malformed("a verifier key's id is another key's");
  }
  return { text, name, key, id };
}

function checkName(name) {
  // Printable ASCII without space and +.
  if (!/^[!-*,-~]{1,200}$/.test(name)) throw new Malformed('an origin is not 1 to 200 characters');
}

// Longest note, and most signatures on it, that is read: src/note.rs.
const NOTE_BYTES_MAX = 65_536;
const SIGNATURES_MAX = 64;

/** Splits a note into what is signed and its signature lines, each of which must be one. */
function splitNote(note) {
  const bad = (what) => {
    throw new Malformed(`the checkpoint ${what}`);
  };
  if (utf8(note).length > NOTE_BYTES_MAX) bad('is too long');
  if (/[^\n -\u{10ffff}]/u.test(note)) bad('has a control character');
  const end = note.lastIndexOf('\n\n');
  if (end < 0) bad('has no signatures');
  if (!note.endsWith('\n')) bad('is cut');
  const signatures = note.slice(end + 2, -1).split('\n').map((line) => {
    const found = /^\u2014 ([^\s+]+) (.*)$/.exec(line);
    const bytes = found && fromBase64(found[2]);
    if (!bytes || bytes.length < 5) bad('has a signature line that is not one');
    return { name: found[1], id: bytes.slice(0, 4), bytes: bytes.slice(4) };
  });
  const signers = new Set(signatures.map(({ name, id }) => `${name}+${toHex(id)}`));
  if (signers.size < signatures.length) bad('has two signatures of one key');
  if (signatures.length > SIGNATURES_MAX) bad('has too many signatures');
  return { text: note.slice(0, end + 1), signatures };
}

const isBy = (key) => ({ name, id }) => name === key.name && toHex(id) === toHex(key.id);

/** Verifies a note by the log's key and gives its checkpoint. */
export async function openCheckpoint(note, key) {
  const { text, signatures } = splitNote(note);
  const ours = signatures.find(isBy(key));
  if (!ours) throw new Malformed('the checkpoint is not signed by the key of the log');
  if (!(await verifyEd25519(key.key, utf8(text), ours.bytes))) {
    throw new Malformed("the checkpoint's signature does not verify");
  }
  const found = /^([^\n]*)\n(0|[1-9][0-9]{0,19})\n([^\n]*)\n$/.exec(text);
  const root = found && fromBase64(found[3]);
  if (root?.length !== 32) throw new Malformed('the checkpoint is not three lines');
  const size = BigInt(found[2]);
  if (found[1] !== key.name || size >= 1n << 64n) {
    throw new Malformed('the checkpoint is of another log');
  }
  return { size, root };
}

/** Whether a witness cosigned the note; a line that says so must be right. */
export async function isCosigned(note, key) {
  const { text, signatures } = splitNote(note);
  const line = signatures.find(isBy(key));
  if (!line) return false;
  const bytes = line.bytes.length === 72 ? line.bytes : new Uint8Array(72).fill(255);
  const time = new DataView(bytes.buffer).getBigUint64(0);
  const message = utf8(`cosignature/v1\ntime ${time}\n${text}`);
  if (time >= 1n << 63n || !(await verifyEd25519(key.key, message, bytes.slice(8)))) {
    throw new Malformed(`the cosignature of ${key.name} does not verify`);
  }
  return true;
}

/** Whether an entry is at its index under the root of a checkpoint. */
export async function isIncluded({ entry, index, path }, { size, root }) {
  if (index >= size) return false;
  let hash = await sha256(Uint8Array.of(0), utf8(entry));
  let [node, last] = [index, size - 1n];
  for (const sibling of path.map(fromHex)) {
    if (last === 0n) return false;
    if (node & 1n || node === last) {
      hash = await sha256(Uint8Array.of(1), sibling, hash);
      while (!(node & 1n) && node > 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      hash = await sha256(Uint8Array.of(1), hash, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n && toHex(hash) === toHex(root);
}

/** SHA-256 of a key's 32 bytes, which is its name in statements and entries. */
export const keyid = async (key) => toHex(await sha256(key));

/** What a DSSE signature covers: PAE(type, payload), DSSE v1.0.2. */
export const preAuthentication = (type, payload) =>
  concat(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);
