// The view of the reports that this server holds. Each is a page of its own, made by graunt report.

import { load } from './api.mjs';
import { el } from './dom.mjs';

export const title = 'Reports';

export async function fill(section) {
  const { reports } = await load('/api/reports');
  // An address of another site, or of a script, is no report of this server.
  const ours = reports.filter(({ url }) => /^\/reports\/[^\\]/.test(url));
  section.append(ours.length === 0
    ? el('p', {}, 'There are no reports here yet. The command graunt report makes one.')
    : el('ul', { class: 'reports' },
      ours.map(({ name, url }) => el('li', {}, el('a', { href: url }, name)))));
}
