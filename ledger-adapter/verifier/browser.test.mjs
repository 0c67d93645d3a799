// The verifier in a browser, against the vectors that Node and Rust are tested with.
// GRAUNT_CHROMIUM names the browser; without one, the test says that it is skipped.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const browser = process.env.GRAUNT_CHROMIUM ??
  ['chromium', 'chromium-browser', 'google-chrome'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );

/** What the page does: all receipts that are right, all lies, and every mutation. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>verifier</title><script type="module">
import { canonical, parse } from './verifier/json.mjs';
import { mutated } from './verifier/mutated.mjs';
import { verify } from './verifier/verify.mjs';
const told = { accepted: [], lies: 0, mutations: 0, faults: [] };
try {
  const read = async (name) => new Uint8Array(await (await fetch('vectors/' + name)).arrayBuffer());
  const policy = await read('policy.json');
  const texts = new Map();
  for (const name of ['former', 'joint', 'plain', 'redacted', 'wide']) {
    texts.set(name, new TextDecoder().decode(await read(name + '.receipt.json')));
    const { ok, trusted } = await verify(texts.get(name), policy);
    if (ok && trusted) told.accepted.push(name);
  }
  for (const lie of parse(await read('refused.json'))) {
    const { checks } = await verify(canonical(lie.get('receipt')), policy);
    const first = checks.find(({ ok }) => !ok)?.name;
    if (first === lie.get('check')) told.lies += 1;
    else told.faults.push(lie.get('name') + ': ' + first);
  }
  for (const mutation of parse(await read('mutations.json'))) {
    const spoilt = mutated(texts.get(mutation.get('of')), mutation);
    if ((await verify(spoilt, policy)).ok) told.faults.push(canonical(mutation));
    else told.mutations += 1;
  }
} catch (error) {
  told.faults.push(String(error));
}
await fetch('told', { method: 'POST', body: JSON.stringify(told) });
</script>`;

/** Milliseconds after which a browser that hangs is given up. */
const LONGEST = 300_000;

test('a browser accepts and refuses what Node does', { skip: !browser && 'no browser' }, async () => {
  let answer;
  const told = new Promise((resolve) => { answer = resolve; });
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (request.method === 'POST') {
      let body = '';
      for await (const part of request) body += part;
      response.end();
      answer(JSON.parse(body));
      return;
    }
    const [, directory, name] = url.pathname.split('/');
    if (url.pathname === '/') {
      response.setHeader('content-type', 'text/html; charset=utf-8').end(PAGE);
      return;
    }
    const there = { verifier: '.', vectors: '../vectors' }[directory];
    if (!there || !/^[a-z.]+$/.test(name ?? '')) {
      response.writeHead(404).end();
      return;
    }
    const kind = name.endsWith('.mjs') ? 'text/javascript' : 'application/json';
    const path = fileURLToPath(new URL(`${there}/${name}`, import.meta.url));
    response.setHeader('content-type', kind).end(await readFile(path));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const profile = await mkdtemp(join(tmpdir(), 'graunt-browser-'));
  const running = spawn(browser, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', `--user-data-dir=${profile}`,
    `http://127.0.0.1:${server.address().port}/`,
  ], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { running.on('exit', resolve); });
  const gone = ended.then((code) => ({ faults: [`the browser ended with ${code}`] }));
  let timer;
  const silent = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ faults: ['the browser says nothing'] }), LONGEST);
  });
  try {
    const { accepted, lies, mutations, faults } = await Promise.race([told, gone, silent]);
    assert.deepEqual(faults, []);
    assert.deepEqual(accepted, ['former', 'joint', 'plain', 'redacted', 'wide']);
    assert.ok(lies > 70 && mutations > 900, `${lies} lies, ${mutations} mutations`);
  } finally {
    clearTimeout(timer);
    running.kill('SIGKILL');
    await ended;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
