// The view that says what an answer promises and what it does not, and how other programs ask. The
// promises are argued in ARCHITECTURE.md, not here.

import { announce, button, el } from './dom.mjs';
import { fact } from './check.mjs';
import { aboutServer, currentAnalyst } from './session.mjs';

export const title = 'About';

const PROMISES = [
  'What anybody learns from all answers together changes little whether or not any one person’s'
    + ' records are there: by no more than the budget says, which the ledger keeps.',
  'The interval beside a number includes the noise that was added. At the stated confidence it'
    + ' holds the number that these records would have given without noise, once each person’s'
    + ' share is bounded.',
  'Every charge is on a public log before a record is read for it. Whoever has the receipt can'
    + ' check the charge, the noise and the signatures, off line.',
  'The same question asked again gives the same answer, and costs nothing.',
];

const LIMITS = [
  'Intervals are about these records. They do not include how few people were sampled, who is'
    + ' missing, or what was coded wrongly.',
  'Small groups are not shown where keys are not public. That a group is missing does not mean that'
    + ' nobody is in it.',
  'What is true of a whole population can be learnt, also about its members: that smokers fall ill'
    + ' more often says something about each smoker.',
  'A receipt proves that these sites attested these records, not that the records are right.',
];

export async function fill(section) {
  const server = await aboutServer();
  const list = (lines) => el('ul', { class: 'prose' }, lines.map((line) => el('li', {}, line)));
  section.append(
    el('p', {}, 'Graunt answers questions in SQL about de-identified health records of several'
      + ' sites, with differential privacy: noise that is just large enough that no answer gives'
      + ' any one person away.'),
    el('h2', {}, 'What an answer promises'), list(PROMISES),
    el('h2', {}, 'What it does not promise'), list(LIMITS),
    el('h2', {}, 'Asking from other programs'),
    el('p', {}, 'The analyst’s name and password are the same as on this page.'),
    ways(server),
    el('h2', {}, 'This server'),
    el('dl', { class: 'facts' },
      fact('Population', server.population ?? '–'),
      fact('Version', server.version ?? '–'),
      fact('Day', server.day ?? '–'),
      fact('Log', el('code', { class: 'long' }, server.origin ?? '–')),
      fact('Key of the log', el('code', { class: 'long' }, server.vkey ?? '–'))));
}

/** The part of an address before its port, as the reader reaches it. */
function address(text) {
  const [, host, port] = /^(.*):(\d+)$/.exec(text.replace(/^[a-z+]+:\/\//, '')) ?? [null, text, ''];
  const isAny = ['0.0.0.0', '[::]', '::', ''].includes(host);
  return { host: (isAny ? location.hostname : host).replace(/^\[|\]$/g, ''), port };
}

function ways({ postgres, flight, population, vkey }) {
  const user = currentAnalyst() ?? 'you';
  const isTls = location.protocol === 'https:';
  const parts = [];
  if (postgres) {
    const { host, port } = address(postgres);
    const words = `host=${host} port=${port} user=${user} dbname=${population}`;
    parts.push(
      sample('psql, and whatever speaks its protocol', `psql "${words}"`),
      sample('Python, by psycopg', [
        'import psycopg', '', `with psycopg.connect("${words} password=…") as connection:`,
        '    rows = connection.execute("SELECT COUNT(*) AS n FROM person").fetchall()'].join('\n')),
      sample('R, by RPostgres', [
        'connection <- DBI::dbConnect(RPostgres::Postgres(),',
        `  host = "${host}", port = ${port}, user = "${user}", dbname = "${population}",`,
        '  password = rstudioapi::askForPassword())',
        'DBI::dbGetQuery(connection, "SELECT COUNT(*) AS n FROM person")'].join('\n')));
  }
  if (flight) {
    const { host, port } = address(flight);
    const uri = `grpc${isTls ? '+tls' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    parts.push(sample('Arrow Flight SQL, by ADBC in Python', [
      'import adbc_driver_flightsql.dbapi as flightsql', '',
      `with flightsql.connect("${uri}", db_kwargs={"username": "${user}", "password": "…"}) as c:`,
      '    with c.cursor() as cursor:',
      '        cursor.execute("SELECT COUNT(*) AS n FROM person")',
      '        table = cursor.fetch_arrow_table()'].join('\n')));
  }
  parts.push(sample('Checking a receipt without this server',
    'graunt verify --policy policy.json receipt.json'));
  if (vkey) {
    const from = `${location.origin}/log`;
    parts.push(sample('Watching the log', `graunt mirror --log ${vkey} --from ${from}`));
  }
  return el('div', { class: 'samples' }, parts);
}

function sample(name, text) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce('Copied.');
    } catch {
      announce('This browser does not let the page copy.');
    }
  };
  return el('section', { class: 'sample' },
    el('div', { class: 'row between' }, el('h3', {}, name),
      button('Copy', copy, { class: 'small', 'aria-label': `Copy: ${name}` })),
    el('pre', { tabindex: 0 }, text));
}
