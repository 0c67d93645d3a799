// The page in a browser, against a server that runs: what an analyst does from login to answer, and
// what everybody may read. It starts no server; it does not test what the server decides.
//
// GRAUNT_URL, GRAUNT_ANALYST and GRAUNT_PASSWORD say where and as whom; the population is that of
// `graunt demo`. PLAYWRIGHT_CORE is the directory of playwright-core, which else is looked for in
// NODE_PATH. GRAUNT_SHOTS names a directory for pictures of the page.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { contrast, faultsOfForm, playwright, tampered, tooWide } from './browser.mjs';

const { GRAUNT_URL, GRAUNT_ANALYST, GRAUNT_PASSWORD, GRAUNT_SHOTS } = process.env;
const CHROMIUM = process.env.GRAUNT_CHROMIUM ?? '/usr/bin/chromium';
const core = playwright();
const skip = !core ? 'playwright-core is not there: set PLAYWRIGHT_CORE or NODE_PATH'
  : !GRAUNT_URL || !GRAUNT_ANALYST || !GRAUNT_PASSWORD
    ? 'no server: set GRAUNT_URL, GRAUNT_ANALYST and GRAUNT_PASSWORD' : false;
if (skip) console.log(`tests of the page are skipped: ${skip}`);

const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync'];

// At EPSILON this costs little, and nothing the second time.
const QUESTION = 'SELECT gender_concept_id, COUNT(*) AS persons\nFROM person\n'
  + 'GROUP BY gender_concept_id\nORDER BY gender_concept_id';
const EPSILON = '0.1';

/** Milliseconds that a busy server may take for one answer. */
const LONGEST = 20_000;

shows('refuses a wrong password, and logs in and out', async ({ page, open, login, shoot }) => {
  await open();
  await page.getByLabel('Analyst').fill(GRAUNT_ANALYST);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('do not belong together').waitFor();
  await shoot('login');
  await login();
  assert.equal(await page.locator('#who strong').textContent(), GRAUNT_ANALYST);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.locator('#who strong').waitFor({ state: 'detached' });
  await page.reload();
  await page.getByLabel('Password').waitFor();
});

shows('explains and prices without charging', async ({ page, login, put, shoot }) => {
  await login();
  await put(QUESTION);
  await page.getByRole('button', { name: 'Explain and price' }).click();
  await page.locator('.quote').waitFor();
  assert.ok(await page.locator('.plan li').count() >= 2, 'a plan has steps');
  assert.match(await page.locator('.price').textContent(), /would cost (ρ|nothing)/);
  assert.match(await page.locator('.quote table').textContent(), /±/);
  await shoot('explain');
});

shows('answers with a table, a chart and files', async ({ page, login, ask, shoot, saved }) => {
  await login();
  await ask(QUESTION);
  const table = page.locator('.reply table.data');
  assert.ok(await table.locator('tbody tr').count() >= 2);
  assert.match(await table.locator('tbody tr').first().textContent(), /\d to \d/);
  assert.equal(await table.locator('th:not([scope])').count(), 0);
  assert.ok(await table.locator('caption').count() === 1);
  const chart = page.locator('.reply svg[role=img]');
  assert.match(await chart.getAttribute('aria-label'), /persons by gender_concept_id/);
  assert.equal(await chart.locator('.whisker').count(), await table.locator('tbody tr').count());
  await page.getByLabel('Begin the axis at zero').uncheck();
  assert.ok(await chart.locator('.dot').count() >= 2);
  assert.match(await page.locator('.reply .cost').textContent(), /ost/);
  const csv = await saved('Download CSV');
  const [head, first] = csv.text.split('\r\n');
  assert.equal(head, 'gender_concept_id,persons,persons_lo,persons_hi');
  assert.match(first, /^\d+,-?\d+(,-?[\d.]+){2}$/);
  await shoot('answer');
});

shows('shows years as points in their order', async ({ page, login, ask, shoot }) => {
  await login();
  await ask('SELECT EXTRACT(YEAR FROM visit_start_date) AS year, COUNT(*) AS visits\n'
    + 'FROM visit_occurrence\nWHERE EXTRACT(YEAR FROM visit_start_date) BETWEEN 2019 AND 2023\n'
    + 'GROUP BY 1\nORDER BY 1');
  assert.equal(await page.locator('.reply .series').count(), 1);
  assert.ok(await page.locator('.reply .dot').count() >= 3);
  await shoot('years');
});

shows('checks a receipt, and names the check that a tampered one fails',
  async ({ page, login, ask, shoot, saved }) => {
  await login();
  await ask(QUESTION);
  await page.getByRole('button', { name: 'Check this receipt' }).click();
  await page.locator('.verdict').waitFor();
  assert.equal(await page.locator('.verdict').getAttribute('data-ok'), 'true');
  assert.equal(await page.locator('.check.holds').count(), 11);
  await shoot('checked');
  const receipt = await saved('Download the receipt');
  assert.match(receipt.name, /^graunt-[0-9a-f]{16}\.json$/);

  await page.getByRole('link', { name: 'Check', exact: true }).click();
  const give = async (name, text) => {
    await page.getByLabel('Receipt file').setInputFiles(
      { name, mimeType: 'application/json', buffer: Buffer.from(text) });
    await page.locator('.verdict').waitFor();
  };
  await give('receipt.json', receipt.text);
  assert.equal(await page.locator('.verdict').getAttribute('data-ok'), 'true');
  assert.match(await page.locator('.told').textContent(), /GROUP BY gender_concept_id/);
  await give('tampered.json', tampered(receipt.text));
  await page.locator('.verdict[data-ok=false]').waitFor();
  assert.match(await page.locator('.verdict').textContent(), /“release” fails/);
  assert.equal(
    await page.locator('.check[data-check=release]').getAttribute('data-outcome'), 'fails');
  assert.equal(await page.locator('.told').count(), 0, 'what does not verify is not shown');
  await shoot('tampered');

  await page.getByText('Paste it instead').click();
  await page.getByLabel('Receipt as text').fill('{"version": 1}');
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await page.locator('.check[data-check=receipt][data-outcome=fails]').waitFor();
});

shows('shows a refusal with code, place and hint', async ({ page, login, ask, shoot }) => {
  await login();
  await ask('SELECT person_id,\n  gender_concept_id\nFROM person');
  const box = page.locator('.refusal');
  assert.equal(await box.getAttribute('data-code'), 'R-ROWS');
  assert.match(await box.textContent(), /R-ROWS/);
  assert.match(await box.textContent(), /Hint:/);
  assert.match(await box.textContent(), /Nothing was charged/);
  await ask('SELECT COUNT(*) AS n\nFROM persons_of_the_moon');
  const text = await box.textContent();
  assert.match(text, /R-TABLE/);
  if (/Line \d/.test(text)) assert.equal(await box.locator('.marker').count(), 1);
  await shoot('refused');
});

shows('says what can be done when the budget does not hold a question',
  async ({ page, login, ask, shoot }) => {
  await login();
  await ask('SELECT COUNT(*) AS n FROM death', '90');
  const code = await page.locator('.refusal').getAttribute('data-code');
  // An analyst may have a limit for one question below the budget: then that is the refusal.
  if (code === 'exhausted') {
    assert.match(await page.locator('.refusal').textContent(), /What you can do/);
    await page.locator('.refusal .meter').first().waitFor();
  }
  await shoot('exhausted');
});

shows('cancels the question that is under way', async ({ page, login, put }) => {
  await login();
  let asked;
  let end;
  const cancelled = new Promise((resolve) => { end = resolve; });
  await page.route('**/api/ask', async (route) => {
    asked = route.request().postDataJSON();
    await cancelled;
    const error = { code: 'cancelled', message: 'cancelled: nothing was charged' };
    await route.fulfill({ status: 409, json: { error } });
  });
  await page.route('**/api/cancel', async (route) => {
    assert.equal(route.request().headers()['x-graunt'], '1');
    assert.deepEqual(route.request().postDataJSON(), { id: asked.id });
    await route.fulfill({ json: { charged: false } });
    end();
  });
  await put(QUESTION);
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('.refusal[data-code=cancelled]').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Cancel' }).count(), 0);
  assert.deepEqual(Object.keys(asked).sort(), ['delta', 'epsilon', 'id', 'sql']);
});

shows('shows the answer of a question that was charged before it was cancelled',
  async ({ page, login, put }) => {
  await login();
  let end;
  const told = new Promise((resolve) => { end = resolve; });
  await page.route('**/api/ask', async (route) => {
    await told;
    await route.continue();
  });
  await page.route('**/api/cancel', (route) => route.fulfill({ json: { charged: true } }));
  await put(QUESTION);
  await page.getByRole('button', { name: 'Ask', exact: true }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('it is charged already, so the answer will be shown').waitFor();
  end();
  await page.locator('.reply table.data').waitFor();
  assert.equal(await page.locator('.refusal').count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Cancel' }).count(), 0);
});

shows('lists tables and columns, and searches them', async ({ page, open, shoot }) => {
  await open('#/data');
  await page.locator('details.table').first().waitFor();
  const all = await page.locator('details.table').count();
  await page.getByLabel('Search tables and columns').fill('gender_concept');
  assert.ok(await page.locator('details.table').count() < all);
  const person = page.locator('details[data-table=person]');
  assert.match(await person.textContent(), /gender_concept_id/);
  assert.match(await person.textContent(), /8507/);
  await shoot('data');
  await person.getByRole('link', { name: 'Ask about it' }).click();
  await page.getByRole('heading', { level: 1, name: 'Ask' }).waitFor();
});

shows('takes hostile names for text', async ({ page, open }) => {
  const name = '<img src=x onerror=alert(1)>';
  await page.route('**/api/catalogue', (route) => route.fulfill({ json: { tables: [{
    name, whose: 'public', unit: null, rows_per_person_max: null,
    columns: [{ name, kind: name, nullable: true, is_unit: false, lower: null, upper: null,
      values: [name], values_count: 1, generalised: name }] }] } }));
  await open('#/data');
  await page.locator('details.table summary').first().click();
  await page.getByText(name).first().waitFor();
  assert.equal(await page.locator('img').count(), 0);
});

shows('shows log and budget, and from there a release', async ({ page, login, ask, shoot }) => {
  await login();
  await ask(QUESTION);
  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await page.locator('.meter').first().waitFor();
  assert.match(await page.locator('.budget').first().textContent(), /Cap.*Spent.*Left/s);
  const rows = page.locator('main table').last().locator('tbody tr');
  const [newest, next] = await rows.locator('th').allTextContents();
  assert.ok(Number(newest) > Number(next), 'newest first');
  await shoot('log');
  await rows.locator('a').first().click();
  await page.getByRole('heading', { level: 1, name: 'Release' }).waitFor();
  await page.locator('dl.facts').first().waitFor();
  assert.match(await page.locator('dl.facts').first().textContent(), /Charged.*entry \d+/s);
  await page.getByRole('button', { name: 'Check this receipt' }).click();
  await page.locator('.verdict[data-ok=true]').waitFor();
  await shoot('release');
});

shows('turns to older entries', async ({ page, open }) => {
  const entry = (index) => ({ index, kind: 'charge', day: '2026-11-23', query: 'ab'.repeat(32),
    account: null, population: 'demo', cost: null, detail: `number ${index}` });
  await page.route('**/api/log?*', (route) => {
    const before = Number(new URL(route.request().url()).searchParams.get('before') ?? 60);
    const count = Math.min(50, before);
    const entries = Array.from({ length: count }, (_, at) => entry(before - 1 - at));
    return route.fulfill({ json: { size: 60, entries } });
  });
  await open('#/log');
  await page.getByRole('button', { name: 'Older' }).click();
  await page.getByText('number 9', { exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Older' }).count(), 0);
});

shows('goes from load to an answer by keys alone', async ({ page, open }) => {
  await open();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.type(GRAUNT_ANALYST);
  await page.keyboard.press('Tab');
  await page.keyboard.type(GRAUNT_PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByLabel('Question, in SQL').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  await page.keyboard.insertText(QUESTION);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Control+A');
  await page.keyboard.type(EPSILON);
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Control+Enter');
  await page.locator('.reply table.data').waitFor();
  assert.match(await page.locator('.status').first().textContent(), /Answered: \d+ rows/);
  for (let at = 0; at < 20; at += 1) {
    await page.keyboard.press('Tab');
    const name = await page.locator(':focus').textContent();
    if (name === 'Check this receipt') break;
    assert.ok(at < 19, 'the button is reached by Tab');
  }
  const outline = await page.locator(':focus').evaluate(
    (one) => getComputedStyle(one).outlineStyle);
  assert.notEqual(outline, 'none', 'the focus is seen');
  await page.keyboard.press('Enter');
  await page.locator('.verdict[data-ok=true]').waitFor();
});

shows('moves the focus to the heading of a new view', async ({ page, open }) => {
  await open('#/about');
  await page.getByRole('link', { name: 'Reports', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Reports' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Reports');
  assert.equal(await page.title(), 'Reports · Graunt');
  assert.equal(await page.locator('#ways [aria-current=page]').textContent(), 'Reports');
});

shows('tells how other programs reach the server', async ({ page, open, shoot }) => {
  await open('#/about');
  await page.getByText('What it does not promise').waitFor();
  assert.match(await page.locator('.samples').textContent(), /psql "host=\S+ port=\d+ user=/);
  await shoot('about');
});

shows('has labels, one heading, contrast and room at every width',
  async ({ page, login, ask, shoot }) => {
  await login();
  await ask(QUESTION);
  await page.getByRole('button', { name: 'Check this receipt' }).click();
  await page.locator('.verdict').waitFor();
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const view of ['ask', 'data', 'log', 'check', 'reports', 'about']) {
      await page.evaluate((to) => { location.hash = to; }, `#/${view}`);
      await page.waitForFunction((to) => document.querySelector('#ways [aria-current]')
        ?.getAttribute('href') === to && !document.querySelector('main')
        .textContent.includes('Loading…'), `#/${view}`);
      assert.deepEqual(await page.evaluate(faultsOfForm), [], `${view}, ${scheme}`);
      assert.deepEqual(await page.evaluate(contrast), [], `${view}, ${scheme}`);
      await page.setViewportSize({ width: 360, height: 740 });
      assert.deepEqual(await page.evaluate(tooWide), [], `${view} at 360 px`);
      await shoot(`phone-${view}-${scheme}`);
      await page.setViewportSize({ width: 1280, height: 860 });
      await shoot(`wide-${view}-${scheme}`);
    }
  }
});

let browser;
before(async () => {
  if (skip) return;
  browser = await core.chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
});
after(async () => browser?.close());

/** A test in a window of its own, in which nothing may be wrong in the console, and no other server
 * be asked. */
function shows(fact, steps) {
  test(fact, { skip, timeout: 120_000 }, async () => {
    const context = await browser.newContext({ acceptDownloads: true, colorScheme: 'light' });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(LONGEST);
      const faults = watch(page);
      await steps({ page, ...visitor(page) });
      assert.deepEqual(faults, [], 'errors in the console, or requests to others');
    } finally {
      await context.close();
    }
  });
}

/** What somebody does on the page. */
function visitor(page) {
  const open = async (hash = '') => {
    await page.goto(`${GRAUNT_URL}/${hash}`);
    await page.locator('main h1').waitFor();
  };
  const login = async () => {
    await open('#/ask');
    await page.getByLabel('Analyst').fill(GRAUNT_ANALYST);
    await page.getByLabel('Password').fill(GRAUNT_PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Question, in SQL').waitFor();
  };
  const put = async (sql, epsilon = EPSILON) => {
    await page.getByLabel('Question, in SQL').fill(sql);
    await page.getByLabel('ε, privacy loss').fill(epsilon);
  };
  const ask = async (sql, epsilon) => {
    await put(sql, epsilon);
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await page.locator('.reply, .refusal').first().waitFor();
  };
  const shoot = async (name) => {
    if (!GRAUNT_SHOTS) return;
    mkdirSync(GRAUNT_SHOTS, { recursive: true });
    await page.screenshot({ path: join(GRAUNT_SHOTS, `${name}.png`), fullPage: true });
  };
  const saved = async (name) => {
    const [file] = await Promise.all([page.waitForEvent('download'),
      page.getByRole('button', { name }).first().click()]);
    return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') };
  };
  return { open, login, put, ask, shoot, saved };
}

/** Collects what must not happen: errors in the console or of scripts, and requests to others. That
 * the server refuses is told by the browser as an error as well; that much is meant. */
function watch(page) {
  const faults = [];
  page.on('console', (message) => {
    const isRefusal = /^Failed to load resource: the server responded with a status of 4/.test(
      message.text()) && /\/api\/(login|ask|explain)$/.test(message.location().url);
    if (message.type() === 'error' && !isRefusal) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  const { origin } = new URL(GRAUNT_URL);
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.origin !== origin) faults.push(`request to ${url}`);
  });
  return faults;
}
