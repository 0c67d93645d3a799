// Makes elements of the page from values. Text goes in as text nodes only, as it may come from
// anybody; nothing here reads HTML or sets style attributes.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children. Functions become listeners; false and null are left
 * out; strings and numbers become text. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Puts children in the place of whatever an element holds. */
export function replace(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

let identifiers = 0;

/** An id that no other element of the page has. */
export function freshId(word) {
  identifiers += 1;
  return `${word}-${identifiers}`;
}

/** A control under its label, with a hint that belongs to it. */
export function field(label, control, hint = null) {
  const id = control.id || freshId('field');
  control.id = id;
  const told = hint && el('p', { class: 'hint', id: `${id}-hint` }, hint);
  if (told) control.setAttribute('aria-describedby', told.id);
  return el('div', { class: 'field' }, el('label', { for: id }, label), control, told);
}

export function button(label, click, attributes = {}) {
  return el('button', { type: 'button', click, ...attributes }, label);
}

/** Tells those who listen to the page; nothing is seen of it. */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  // The same words twice would not be told twice, so the region is emptied first.
  announcer.textContent = '';
  setTimeout(() => { announcer.textContent = text; }, 50);
}

/** A table in a container of its own, which scrolls where the page is narrow. Columns are
 * `{ name, numeric }`; rows are lists of what goes into cells, the first of which names its row. */
export function table(caption, columns, rows, attributes = {}) {
  const kind = (at) => (columns[at].numeric ? 'number' : null);
  const heads = columns.map(({ name }, at) => el('th', { scope: 'col', class: kind(at) }, name));
  const line = (cells) => el('tr', {}, cells.map((cell, at) => (at === 0
    ? el('th', { scope: 'row', class: kind(at) }, cell)
    : el('td', { class: kind(at) }, cell))));
  const id = freshId('caption');
  const box = el('div', { class: 'scroll', role: 'region', 'aria-labelledby': id },
    el('table', attributes,
      el('caption', { id }, caption),
      el('thead', {}, el('tr', {}, heads)),
      el('tbody', {}, rows.map(line))));
  // Keys can scroll what has the focus; where all is seen, that would be a stop for nothing.
  new ResizeObserver(() => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute('tabindex');
  }).observe(box);
  return box;
}

/** Hands a text to the one who reads the page, as a file. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the address after this, so it is given up later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
