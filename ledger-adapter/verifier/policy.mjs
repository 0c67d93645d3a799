// Whom a verifier trusts: the logs and their witnesses, the sites, and who may sign a release.
//
// The file is that of src/receipt/policy.rs. Its `log_policy` is a C2SP tlog-policy, line by line,
// so that the same lines serve other tools of transparency logs.
// Source: C2SP tlog-policy (policy file syntax and structure).

import { toHex } from './bytes.mjs';
import { Malformed, parse } from './json.mjs';
import { LOG_KEY, WITNESS_KEY, isCosigned, verifierKey } from './log.mjs';
import { trust as shape } from './shapes.mjs';

/** Reads a trust file. */
export async function readTrust(input) {
  const read = shape(parse(input), 'policy');
  if (read.version !== 1n) throw new Malformed('the policy is of another version');
  const names = read.sites.map((site) => site.name);
  if (new Set(names).size !== names.length) throw new Malformed('a site is there twice');
  const texts = (keys) => keys.map(({ text }) => text);
  const sites = new Map(read.sites.map((site) => [site.name, texts(site.keys)]));
  const release = texts(read.release);
  const keys = [...release, ...[...sites.values()].flat()];
  if (new Set(keys).size !== keys.length) throw new Malformed('a key is there twice');
  const retired = new Map();
  for (const site of read.sites) {
    for (const { key, from } of site.retired) {
      if (!sites.get(site.name).includes(key.text) || retired.has(key.text)) {
        throw new Malformed("a retired key is not its site's, or there twice");
      }
      retired.set(key.text, from);
    }
  }
  const log = await readLogPolicy(read.log_policy);
  if (log.logs.length === 0) throw new Malformed('the policy has no log');
  const former = new Map(read.former_logs.map(({ key, size }) => [key, size]));
  const hasLine = ({ key }) => log.logs.some(({ text }) => text === key);
  if (former.size !== read.former_logs.length || !read.former_logs.every(hasLine)) {
    throw new Malformed('a former key of a log has no line, or is there twice');
  }
  return { log, former, keys, release, sites, retired };
}

/** Reads the lines of a tlog-policy. */
export async function readLogPolicy(lines) {
  const policy = { logs: [], nodes: new Map(), quorum: undefined };
  const keys = new Set();
  const asNew = (key) => {
    // The same key under two names is still one.
    if (keys.has(toHex(key.key))) throw new Malformed('the policy has a key twice');
    keys.add(toHex(key.key));
    return key;
  };
  const members = new Set();
  for (const line of lines) {
    if (/[^\t -~\u0080-\uffff]/.test(line)) throw new Malformed('a line has a control character');
    const [word = '', ...items] = line.split(/[ \t]+/).filter((item) => item !== '');
    if (word === '' || word.startsWith('#')) continue;
    if (word === 'log' && items.length >= 1 && items.length <= 2) {
      policy.logs.push(asNew(await verifierKey(items[0], LOG_KEY)));
    } else if (word === 'witness' && items.length >= 2 && items.length <= 3) {
      const key = asNew(await verifierKey(items[1], WITNESS_KEY));
      define(policy, items[0], { key });
    } else if (word === 'group' && items.length >= 3) {
      define(policy, items[0], group(policy, members, items.slice(1)));
    } else if (word === 'quorum' && items.length === 1 && policy.quorum === undefined) {
      if (items[0] !== 'none') known(policy, items[0]);
      [policy.quorum] = items;
    } else {
      throw new Malformed(`not a line of a log policy: ${word}`);
    }
  }
  if (policy.quorum === undefined) throw new Malformed('the policy has no quorum line');
  return policy;
}

/** Whether enough witnesses cosigned the note; a cosignature that is wrong is refused. */
export async function hasQuorum(policy, note) {
  const met = new Map();
  // In the order of the lines, so members come before their groups.
  for (const [name, { key, least, of }] of policy.nodes) {
    const count = key ? 0 : of.filter((member) => met.get(member)).length;
    met.set(name, key ? await isCosigned(note, key) : count >= least);
  }
  return policy.quorum === 'none' || met.get(policy.quorum);
}

function define(policy, name, what) {
  if (name === 'none' || policy.nodes.has(name)) {
    throw new Malformed(`the policy cannot define ${name}`);
  }
  policy.nodes.set(name, what);
}

function known(policy, name) {
  if (!policy.nodes.has(name)) throw new Malformed(`the policy does not define ${name}`);
}

function group(policy, members, [threshold, ...of]) {
  for (const name of of) {
    known(policy, name);
    if (members.has(name)) throw new Malformed(`${name} is a member twice`);
    members.add(name);
  }
  const least = { all: of.length, any: 1 }[threshold] ?? Number(threshold);
  const isNumber = ['all', 'any'].includes(threshold) || /^[1-9][0-9]*$/.test(threshold);
  if (!isNumber || least > of.length) throw new Malformed('a group has no such threshold');
  return { least, of };
}
