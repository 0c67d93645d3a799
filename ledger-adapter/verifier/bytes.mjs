// Bytes: base64 and hex in their one spelling, SHA-256, and Ed25519 as strict as the engine's.
//
// WebCrypto does the hashing and the curve. Node has had it as `globalThis.crypto` since 19, with
// the algorithm named 'Ed25519' and raw public keys; before 18.4 it was 'NODE-ED25519'.

import { Malformed } from './json.mjs';

const encoder = new TextEncoder();

/** UTF-8 of a text. */
export const utf8 = (text) => encoder.encode(text);

/** All parts, one after the other. */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Lower-case hex. */
export const toHex = (bytes) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Reads lower-case hex of known good form. */
export const fromHex = (text) =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Standard base64 with padding. */
export function toBase64(bytes) {
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b = 0, c = 0] = bytes.slice(at, at + 3);
    const bits = (a << 16) | (b << 8) | c;
    for (let digit = 0; digit < 4; digit += 1) {
      const isThere = at + digit <= bytes.length;
      out += isThere ? ALPHABET[(bits >> (18 - 6 * digit)) & 63] : '=';
    }
  }
  return out;
}

/** Reads standard base64 in its one spelling; null for anything else. */
export function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const digits = text.replace(/=+$/, '');
  const out = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let [bits, count, at] = [0, 0, 0];
  for (const digit of digits) {
    bits = ((bits << 6) | ALPHABET.indexOf(digit)) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[at] = (bits >> count) & 255;
      at += 1;
    }
  }
  // Padding of the wrong length, or bits that no byte takes, would be a second spelling.
  return toBase64(out) === text ? out : null;
}

/** SHA-256 of all parts. */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...parts)));
}

/** SHA-256 under a label, every part with its length before it: src/digest.rs, `labelled`. */
export function labelled(label, ...parts) {
  const withLength = (part) => {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(part.length));
    return concat(length, part);
  };
  return sha256(...[utf8(label), ...parts].map(withLength));
}

/** Whether `key` signed `message`; no signature has a second form, and no weak key or point is
 * taken: what ed25519-dalek calls `verify_strict`. WebCrypto refuses a scalar past the order. */
export async function verifyEd25519(key, message, signature) {
  if (signature.length !== 64 || isSmall(key) || isSmall(signature.slice(0, 32))) return false;
  try {
    const imported =
      await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, message);
  } catch {
    return false;
  }
}

/** Reads a public key, as it is written in receipts: base64 of a point that is not a weak one. */
export function publicKey(text) {
  const key = fromBase64(text);
  if (key?.length !== 32) throw new Malformed('a public key is not 32 bytes of base64');
  if (isSmall(key) || !isPoint(key)) {
    throw new Malformed('a public key is not a point of the curve, or a weak one');
  }
  return key;
}

// The field and the curve of Ed25519: RFC 8032, section 5.1.
const PRIME = (1n << 255n) - 19n;
const TWISTED_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
// The y of the points of order 8; the others of small order have y = 0, 1 and -1.
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_Y = [0n, 1n, PRIME - 1n, ORDER_8_Y, PRIME - ORDER_8_Y];

/** The y of an encoded point, modulo the prime; its top bit is the sign of x. */
function yOf(encoded) {
  const y = BigInt(`0x${toHex(encoded.slice().reverse())}`) & ((1n << 255n) - 1n);
  return y % PRIME;
}

const isSmall = (encoded) => SMALL_Y.includes(yOf(encoded));

/** Whether x^2 = (y^2 - 1) / (d y^2 + 1) has a root, by Euler's criterion. */
function isPoint(encoded) {
  const square = yOf(encoded) ** 2n;
  const [above, below] = [square - 1n, TWISTED_D * square + 1n];
  const criterion = power((above * below) % PRIME, (PRIME - 1n) / 2n);
  return criterion === 1n || criterion === 0n;
}

function power(base, exponent) {
  let [result, factor] = [1n, ((base % PRIME) + PRIME) % PRIME];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % PRIME;
    factor = (factor * factor) % PRIME;
  }
  return result;
}
