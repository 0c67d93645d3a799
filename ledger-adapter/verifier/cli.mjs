#!/usr/bin/env node
// node ledger-adapter/verifier/cli.mjs receipt.json [policy.json]: prints the checks of a receipt.
// Ends with 0 if all hold, 1 if not, 2 if it was not asked properly.

import { readFile } from 'node:fs/promises';

import { verify } from './verify.mjs';

const [receipt, policy, ...rest] = process.argv.slice(2);
if (receipt === undefined || rest.length > 0) {
  console.error('usage: node cli.mjs receipt.json [policy.json]');
  process.exit(2);
}
try {
  const texts = await Promise.all([receipt, policy].map((path) => path && readFile(path)));
  const { ok, trusted, redacted, checks } = await verify(texts[0], texts[1] ?? null);
  for (const check of checks) {
    console.log(`${check.ok ? 'ok ' : 'bad'}  ${check.name.padEnd(10)}  ${check.detail}`);
  }
  const what = redacted ? 'REDACTED; its charge is verified' : 'verified';
  console.log(ok ? what + (trusted ? '' : ', by keys of its own only') : 'NOT VERIFIED');
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
