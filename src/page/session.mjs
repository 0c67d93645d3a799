// What the views share: who is logged in, and what the server says of itself. It stores nothing in
// the browser; the login is in a cookie that scripts cannot read.

import { load, send } from './api.mjs';

let about = null;
let analyst = null;
const watchers = [];

/** What the server says of itself; asked for once. */
export function aboutServer() {
  about ??= load('/api/about').catch((fault) => {
    about = null;
    throw fault;
  });
  return about;
}

export const currentAnalyst = () => analyst;

/** Calls `watcher` whenever somebody logs in or out. */
export function onLogin(watcher) {
  watchers.push(watcher);
}

export async function resume() {
  become((await load('/api/me')).analyst ?? null);
}

export async function login(name, password) {
  const { value } = await send('/api/login', { analyst: name, password });
  become(value.analyst ?? name);
}

export async function logout() {
  await send('/api/logout');
  become(null);
}

/** The server says that the login is over. */
export function ended() {
  become(null);
}

function become(name) {
  if (name === analyst) return;
  analyst = name;
  for (const watcher of watchers) watcher(name);
}
