// JSON as the ledger means it: read strictly and exactly, and written in one form.
//
// `JSON.parse` rounds integers past 2^53 and lets the last of two equal keys win; a commitment or a
// cost must do neither. Objects become `Map`s, integers `BigInt`s, other numbers `Float`s.
// Source: RFC 8259; the one form is that of src/canonical.rs.

/** Input that is not what it should be; its message says why. */
export class Malformed extends Error {}

/** A number with a fraction or an exponent, or beyond 64 bits. */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

/** Reads a document from text or UTF-8 bytes. */
export function parse(input) {
  const reader = new Reader(typeof input === 'string' ? input : fromUtf8(input));
  const value = reader.value(0);
  reader.space();
  if (reader.at < reader.text.length) reader.fail('something follows the document');
  return value;
}

/** Writes a value: keys in order of their bytes, no white space. Takes what `parse` gives, and
 * plain objects in the place of `Map`s. */
export function canonical(value) {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return `${value}`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Float) return writeFloat(value.value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object') throw new Malformed('a value has no form in JSON');
  const fields = [...(value instanceof Map ? value : Object.entries(value))];
  fields.sort(([a], [b]) => compareCodePoints(a, b));
  return `{${fields.map(([key, of]) => `${JSON.stringify(key)}:${canonical(of)}`).join(',')}}`;
}

/** Decodes UTF-8, and nothing that is nearly UTF-8. */
export function fromUtf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed('not UTF-8');
  }
}

// Deepest nesting that is read, as serde_json has it.
const DEPTH_MAX = 127;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = {
  '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t',
};

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    if (/\p{Surrogate}/u.test(text)) this.fail('half a character');
  }

  fail(what) {
    throw new Malformed(`${what}, at character ${this.at}`);
  }

  space() {
    while (' \n\t\r'.includes(this.text[this.at] ?? '-')) this.at += 1;
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  value(depth) {
    this.space();
    const next = this.text[this.at];
    if ((next === '{' || next === '[') && depth === DEPTH_MAX) this.fail('nested too deeply');
    if (next === '{') return this.object(depth);
    if (next === '[') return this.array(depth);
    if (next === '"') return this.string();
    for (const [word, value] of [['null', null], ['true', true], ['false', false]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  /** Steps over `first`, then calls `item` for each of the items up to `last`. */
  list(last, item) {
    this.at += 1;
    this.space();
    if (this.text[this.at] === last) {
      this.at += 1;
      return;
    }
    for (;;) {
      item();
      this.space();
      const next = this.text[this.at];
      if (next !== ',' && next !== last) this.fail(`neither , nor ${last}`);
      this.at += 1;
      if (next === last) return;
    }
  }

  object(depth) {
    const fields = new Map();
    this.list('}', () => {
      this.space();
      if (this.text[this.at] !== '"') this.fail('a key is not a string');
      const key = this.string();
      if (fields.has(key)) this.fail(`the key ${JSON.stringify(key)} is there twice`);
      this.space();
      if (this.text[this.at] !== ':') this.fail('no : after a key');
      this.at += 1;
      fields.set(key, this.value(depth + 1));
    });
    return fields;
  }

  array(depth) {
    const items = [];
    this.list(']', () => items.push(this.value(depth + 1)));
    return items;
  }

  string() {
    this.at += 1;
    let out = '';
    for (;;) {
      out += this.take(PLAIN)[0];
      const next = this.text[this.at];
      this.at += 1;
      if (next === '"') break;
      if (next !== '\\') this.fail('a string is cut, or has a control character');
      const escape = this.text[this.at];
      this.at += 1;
      if (escape === 'u') {
        const unit = this.text.slice(this.at, this.at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(unit)) this.fail('\\u needs four digits');
        out += String.fromCharCode(parseInt(unit, 16));
        this.at += 4;
      } else if (Object.hasOwn(ESCAPES, escape ?? '')) {
        out += ESCAPES[escape];
      } else {
        this.fail('an unknown escape');
      }
    }
    if (/\p{Surrogate}/u.test(out)) this.fail('half a character');
    return out;
  }

  number() {
    const found = this.take(NUMBER);
    if (!found) this.fail('not a value');
    const [text, fraction, exponent] = found;
    if (fraction === undefined && exponent === undefined && text !== '-0') {
      const value = BigInt(text);
      if (value >= -(1n << 63n) && value < 1n << 64n) return value;
    }
    const value = Number(text);
    if (!Number.isFinite(value)) this.fail('a number is out of range');
    return new Float(value);
  }
}

/** The shortest digits that read back as the number, laid out as serde_json does. */
function writeFloat(value) {
  const [, sign, first, rest = '', power] =
    /^(-?)([0-9])(?:\.([0-9]+))?e([+-][0-9]+)$/.exec(value.toExponential());
  const minus = sign || (Object.is(value, -0) ? '-' : '');
  const digits = first + rest;
  const exponent = Number(power);
  if (exponent < -5 || exponent > 15) {
    return `${minus}${first}${rest && `.${rest}`}e${power}`;
  }
  if (exponent < 0) return `${minus}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${minus}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

/** The order of UTF-8 bytes, which is that of code points and not of UTF-16. */
function compareCodePoints(a, b) {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < left.length && at < right.length; at += 1) {
    const order = left[at].codePointAt(0) - right[at].codePointAt(0);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
