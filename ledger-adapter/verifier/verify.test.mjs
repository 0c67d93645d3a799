// The verifier against the vectors that the Rust one is tested with: tests/vectors.
// `node --test ledger-adapter/verifier`; GRAUNT_FLIP_STEP=1 flips every bit.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { fromBase64, publicKey, toBase64, toHex, utf8, verifyEd25519 } from './bytes.mjs';
import { Float, Malformed, canonical, parse } from './json.mjs';
import { isCosigned, openCheckpoint, verifierKey } from './log.mjs';
import { mutated } from './mutated.mjs';
import { hasQuorum, readLogPolicy, readTrust } from './policy.mjs';
import { carriesOut, price } from './price.mjs';
import { verify } from './verify.mjs';

const path = (name) => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
const read = (name) => readFile(path(name));
const policy = await read('policy.json');
const texts = new Map();
for (const name of ['former', 'joint', 'plain', 'redacted', 'wide']) {
  texts.set(name, (await read(`${name}.receipt.json`)).toString());
}

const failed = ({ checks }) => checks.filter(({ ok }) => !ok);

test('good receipts are accepted', async () => {
  for (const [name, text] of texts) {
    const { ok, trusted, redacted, checks } = await verify(text, policy);
    assert.deepEqual(failed({ checks }), []);
    assert.deepEqual([ok, trusted, redacted], [true, true, name === 'redacted']);
    const gone = redacted ? ['release', 'balance', 'mechanisms'] : [];
    const all = ['receipt', 'trust', 'checkpoint', 'entries', 'release', 'charge', 'balance',
      'extracts', 'mechanisms', 'order', 'roles'];
    assert.deepEqual(checks.map((check) => check.name), all.filter((one) => !gone.includes(one)));
    const alone = await verify(utf8(text));
    assert.deepEqual([alone.ok, alone.trusted], [true, false]);
  }
});

test('lies are refused by the check that is written down', async () => {
  const lies = parse(await read('refused.json'));
  assert.ok(lies.length > 70);
  for (const lie of lies) {
    const [first] = failed(await verify(canonical(lie.get('receipt')), policy));
    assert.equal(first?.name, lie.get('check'), `${lie.get('name')}: ${first?.detail}`);
  }
});

/** Expects that all of many receipts are refused, several at a time. */
async function areRefused(spoilt) {
  const workers = Array.from({ length: 8 }, async () => {
    for (const [name, text] of spoilt) {
      assert.equal((await verify(text, policy)).ok, false, name);
    }
  });
  await Promise.all(workers);
}

test('whatever is changed is refused', async () => {
  const mutations = parse(await read('mutations.json'));
  assert.ok(mutations.length > 900);
  await areRefused(function* () {
    for (const mutation of mutations) {
      yield [canonical(mutation), mutated(texts.get(mutation.get('of')), mutation)];
    }
  }());
});

test('every flipped bit is refused', async () => {
  // A stride that is prime to 8 meets every bit of the byte.
  const step = Number(process.env.GRAUNT_FLIP_STEP ?? 53);
  await areRefused(function* () {
    for (const [name, text] of texts) {
      const whole = utf8(text);
      // The last newline may be any white space.
      for (let bit = 0; bit < (whole.length - 1) * 8; bit += step) {
        const bytes = whole.slice();
        bytes[bit >> 3] ^= 1 << (bit & 7);
        yield [`${name}, bit ${bit}`, bytes];
      }
    }
  }());
});

test('every text that is cut is refused', async () => {
  const text = texts.get('plain').trimEnd();
  for (let end = 0; end < text.length; end += 7) {
    assert.equal((await verify(text.slice(0, end), policy)).ok, false);
  }
});

test('an expected value is a failed check and never an exception', async () => {
  for (const text of ['', '{}', '[]', 'null', '\ud800', new Uint8Array([0xff]), '['.repeat(1e5)]) {
    const { ok, checks } = await verify(text, policy);
    assert.equal(ok, false);
    assert.equal(checks[0].name, 'receipt');
  }
  for (const wrong of ['', '{}', policy.toString().replace('quorum both', 'quorum east')]) {
    assert.deepEqual(failed(await verify(texts.get('plain'), wrong))[0].name, 'trust');
  }
});

test('numbers are read exactly and written in their one form', () => {
  const numbers = [
    ['18446744073709551615', '18446744073709551615'], ['9007199254740993', '9007199254740993'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['18446744073709551616', '1.8446744073709552e+19'],
    ['-0', '-0.0'], ['0.0', '0.0'], ['1E2', '100.0'], ['1e16', '1e+16'],
    ['12345e11', '1234500000000000.0'],
    ['1.5e16', '1.5e+16'], ['1e-5', '0.00001'], ['0.0000015', '1.5e-6'],
    ['5e-324', '5e-324'], ['0.10', '0.1'], ['123.456', '123.456'],
  ];
  for (const [text, written] of numbers) assert.equal(canonical(parse(text)), written);
  assert.equal(parse('9007199254740993'), 9007199254740993n);
  assert.ok(parse('1.0') instanceof Float);
});

test('keys are in the order of their bytes, and none is there twice', () => {
  const text = '{"\u{10000}":1,"\uffff":{"b":null,"a":[true]},'
    + '"":"\\u001f\\"\\/\\ud83d\\ude00\x7f"}';
  assert.equal(canonical(parse(text)),
    '{"":"\\u001f\\"/\u{1f600}\x7f","\uffff":{"a":[true],"b":null},"\u{10000}":1}');
  for (const wrong of ['{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '[1,]', '{"a":1,}', '01', '+1', '1.',
    '.5', '1e', '"\t"', '"\\x"', '"\\ud800"', '"\\udc00"', 'NaN', 'nul', '[1] 2', '\ufeff1',
    '1e999',
    "'a'", '{1:2}', '[', '"', `${'['.repeat(128)}${']'.repeat(128)}`]) {
    assert.throws(() => parse(wrong), Malformed, wrong);
  }
  assert.ok(parse(`${'['.repeat(127)}${']'.repeat(127)}`));
});

test('base64 has one spelling', () => {
  assert.equal(toHex(fromBase64('AP8=')), '00ff');
  assert.equal(toBase64(Uint8Array.of(0, 255, 1, 2)), 'AP8BAg==');
  for (const wrong of ['AP8', 'AP9=', 'AP8=\n', 'AP-=', 'A===', '====', 'AP8=AP8=']) {
    assert.equal(fromBase64(wrong), null, wrong);
  }
});

test('the published vector of Ed25519 verifies, and weak keys do not', async () => {
  // RFC 8032, section 7.1, test 2.
  const key = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
  const signature = '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da'
    + '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  assert.equal(await verifyEd25519(bytes(key), Uint8Array.of(0x72), bytes(signature)), true);
  assert.equal(await verifyEd25519(bytes(key), Uint8Array.of(0x73), bytes(signature)), false);
  // The neutral point signs anything for a verifier that does not look; the others are of order
  // 2, 4 and 8, and -1 written as p - 1 and the neutral point written as p + 1.
  const weak = ['01'.padEnd(64, '0'), `ec${'ff'.repeat(30)}7f`, '00'.repeat(32),
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    `ee${'ff'.repeat(30)}7f`, `01${'00'.repeat(30)}80`];
  for (const hex of weak) {
    const forged = bytes(hex + '00'.repeat(32));
    assert.equal(await verifyEd25519(bytes(hex), Uint8Array.of(1), forged), false);
    assert.throws(() => publicKey(toBase64(bytes(hex))), Malformed, hex);
  }
  // y = 2 is no point's.
  assert.throws(() => publicKey(toBase64(bytes('02'.padEnd(64, '0')))), Malformed);
  assert.ok(publicKey(toBase64(bytes(key))));
});

test('a published verifier key is read', async () => {
  // The Go checksum database's key, golang.org/x/mod/sumdb/note.
  const text = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8';
  assert.equal((await verifierKey(text, 1)).name, 'sum.golang.org');
  await assert.rejects(verifierKey(text.replace('033de0ae', '033de0af'), 1), Malformed);
  await assert.rejects(verifierKey(text, 4), Malformed);
});

test('a checkpoint of a public log is read with its public witness', async () => {
  // The staging log arche2025h1, cosigned by remora.n621.de in May 2026: src/cosignature.rs.
  const name = 'arche2025h1.staging.ct.transparency.dev';
  const note = `${name}\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n`
    + `\u2014 ${name} ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bf`
    + 'TW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n\u2014 remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27w'
    + 'gxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n';
  const log = await verifierKey(`${name}+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f`, 1);
  const witness =
    await verifierKey('remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2', 4);
  assert.equal((await openCheckpoint(note, log)).size, 1_432_088_532n);
  assert.equal(await isCosigned(note, witness), true);
  const other = note.replace('\n1432088532\n', '\n1432088533\n');
  await assert.rejects(openCheckpoint(other, log), Malformed);
  await assert.rejects(isCosigned(other, witness), Malformed);
});

test('a policy is understood in full or not at all', async () => {
  const wire = JSON.parse(policy);
  assert.equal((await readTrust(policy)).keys.length, 4);
  const spoil = [
    (it) => { it.version = 2; }, (it) => { it.more = 1; }, (it) => { it.log_policy.pop(); },
    (it) => { it.log_policy.push('quorum both'); }, (it) => { it.log_policy[6] = 'quorum east'; },
    (it) => { it.log_policy.push(it.log_policy[1]); }, (it) => { it.log_policy.push('mirror x'); },
    (it) => { it.log_policy[5] = 'group both 3 north south'; },
    (it) => { it.log_policy[5] = 'group both 02 north south'; },
    (it) => { it.log_policy[5] = 'group both any north north'; },
    (it) => { it.log_policy[5] = 'group none any north'; },
    (it) => { it.log_policy[6] = 'quorum both\nquorum both'; },
    (it) => { it.log_policy = it.log_policy.filter((line) => !line.startsWith('log')); },
    (it) => { it.former_logs.push(it.former_logs[0]); }, (it) => { it.log_policy.splice(2, 1); },
    (it) => { it.former_logs[0].size = -1; },
    (it) => { it.sites[1].name = 'city'; }, (it) => { it.sites[1].keys = it.release; },
    (it) => { it.sites[1].retired = it.sites[0].retired; },
    (it) => { it.sites[0].retired.push(it.sites[0].retired[0]); },
  ];
  for (const change of spoil) {
    const wrong = structuredClone(wire);
    change(wrong);
    await assert.rejects(readTrust(JSON.stringify(wrong)), Malformed, `${change}`);
  }
});

test('a quorum is as many of its members as it says', async () => {
  const lines = JSON.parse(policy).log_policy.slice(1, 5);
  const note = JSON.parse(texts.get('plain')).log.checkpoint;
  const [text, signatures] = note.trimEnd().split('\n\n');
  const [log, north, south] = signatures.split('\n');
  const met = async (group, ...kept) => {
    const read = await readLogPolicy([...lines, group, 'quorum q']);
    return hasQuorum(read, `${text}\n\n${[log, ...kept].join('\n')}\n`);
  };
  assert.equal(await met('group q all north south', north, south), true);
  assert.equal(await met('group q all north south', north), false);
  assert.equal(await met('group q any north south', south), true);
  assert.equal(await met('group q 2 north south', south), false);
  assert.equal(await met('group q any north south'), false);
  await assert.rejects(met('group q any north south', north, south.replace(/.{8}==$/, 'AAAAAA==')));
});

test('prices are exact to the last billionth', () => {
  // The worked examples of src/receipt/exact.rs.
  const of = (mechanism, sensitivity, groups, [scale, places], rho) => price({
    mechanism, sensitivity, groups_per_person: groups, scale_numerator: scale,
    scale_log2_denominator: places, rho,
  });
  for (const [moved, groups, scale, rho] of [
    [1n, 1n, [10n, 0n], 5_000_000n], [7n, 3n, [5n, 1n], 11_760_000_000n],
    [1n, 1n, [3n, 0n], 55_555_556n],
    [1n << 40n, 1n << 20n, [1n << 63n, 20n], 1_000_000_000n << 13n],
  ]) {
    assert.equal(of('discrete-gaussian', moved, groups, scale, rho), 'paid');
    assert.equal(of('discrete-gaussian', moved, groups, scale, rho - 1n), 'owed');
  }
  assert.equal(of('exponential', 3n, 2n, [5n, 2n], 3_515_625_000n), 'paid');
  assert.equal(of('exponential', 3n, 2n, [5n, 2n], 3_515_624_999n), 'owed');
  assert.equal(of('discrete-laplace', 1n, 1n, [1n, 0n], 462_117_158n), 'paid');
  assert.equal(of('discrete-laplace', 1n, 1n, [1n, 0n], 462_117_150n), 'owed');
  for (const name of ['none', 'toString', '__proto__']) {
    assert.equal(of(name, 1n, 1n, [1n, 0n], 1n), 'unknown');
  }
  const fixed = { column: 'n', sensitivity: 4n, scale_numerator: 8n, rho: 2n, delta: 0n,
    decimal_places: 0n, threshold: null };
  const open = { ...fixed, sensitivity: 0n };
  assert.ok(carriesOut({ ...fixed, threshold: 7n }, fixed));
  assert.ok(carriesOut({ ...fixed, rho: 1n }, open));
  assert.ok(!carriesOut({ ...fixed, rho: 1n }, fixed) && !carriesOut({ ...fixed, rho: 3n }, open));
  assert.ok(!carriesOut({ ...fixed, column: 'm' }, open));
});

test('the command says what holds and ends accordingly', async () => {
  const run = (...given) => promisify(execFile)(process.execPath,
    [fileURLToPath(new URL('cli.mjs', import.meta.url)), ...given]);
  const good = await run(path('plain.receipt.json'), path('policy.json'));
  assert.match(good.stdout, /^ok {3}receipt[^]*\nverified\n$/);
  const alone = await run(path('plain.receipt.json'));
  assert.match(alone.stdout, /\nverified, by keys of its own only\n$/);
  const spoilt = join(await mkdtemp(join(tmpdir(), 'receipt-')), 'spoilt.json');
  await writeFile(spoilt, texts.get('plain').replace('"day": 20050', '"day": 20051'));
  await assert.rejects(run(spoilt, path('policy.json')), ({ code, stdout }) =>
    code === 1 && /\nbad {2}release /.test(stdout) && stdout.endsWith('NOT VERIFIED\n'));
  await assert.rejects(run(), ({ code }) => code === 2);
  await assert.rejects(run('no such file'), ({ code }) => code === 2);
});
