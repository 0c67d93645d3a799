// Receipts that are changed as `vectors/mutations.json` says, for tests in Node and in browsers.

import { canonical, parse } from './json.mjs';

/** As tests/vectors/mutations.rs does it, on values that are read exactly. */
export function mutated(text, mutation) {
  const find = mutation.get('find');
  if (find !== undefined) {
    if (text.split(find).length !== 2) throw new Error(`not there once: ${find}`);
    return text.split(find).join(mutation.get('put'));
  }
  const pointer = mutation.get('remove') ?? mutation.get('set');
  const to = mutation.get('to');
  if (pointer === '') return canonical(to);
  const whole = parse(text);
  const names = pointer.split('/').slice(1);
  const last = names.pop();
  const parent = names.reduce(
    (value, name) => (value instanceof Map ? value.get(name) : value[Number(name)]), whole);
  if (parent instanceof Map) {
    if (mutation.has('set')) parent.set(last, to);
    else if (!parent.delete(last)) throw new Error(`nothing to remove: ${pointer}`);
  } else if (mutation.has('set')) {
    parent[Number(last)] = to;
  } else {
    parent.splice(Number(last), 1);
  }
  return canonical(whole);
}
