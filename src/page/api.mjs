// Calls the server of this page, and nobody else. What it answers is handed on as it came; a
// refusal becomes a `Refused`, with its code, place and hint.

/** What the server refused, or could not do. */
export class Refused extends Error {
  constructor(status, fault) {
    super(fault.message ?? 'the server does not say why');
    this.status = status;
    this.code = fault.code ?? `HTTP ${status}`;
    this.line = fault.line ?? null;
    this.column = fault.column ?? null;
    this.hint = fault.hint ?? null;
  }
}

export async function load(path) {
  return (await loadExact(path)).value;
}

/** The same, with the text as well, in which integers are exact. */
export async function loadExact(path) {
  return call(path, { headers: { accept: 'application/json' } });
}

/** Sends a body, and gives what came back both read and as text. */
export async function send(path, body = {}) {
  return call(path, {
    method: 'POST',
    // The header cannot be set by another site's form, so the server knows that this page asks.
    headers: { 'content-type': 'application/json', 'x-graunt': '1' },
    body: JSON.stringify(body),
  });
}

async function call(path, options) {
  let response;
  let text;
  try {
    response = await fetch(path, { ...options, credentials: 'same-origin', cache: 'no-store' });
    text = await response.text();
  } catch {
    throw new Refused(0, {
      code: 'unreachable',
      message: 'the server of this page cannot be reached',
      hint: 'try again; if a question was under way, ask it again: a repeat costs nothing',
    });
  }
  const value = read(text);
  if (!response.ok) throw new Refused(response.status, fault(value, response.status));
  return { value, text };
}

function read(text) {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** The fault that a body tells, which for a login may be a bare text. */
function fault(value, status) {
  const told = value?.error;
  if (typeof told === 'string') return { code: `HTTP ${status}`, message: told };
  return told ?? { message: `the server answered with status ${status}` };
}
