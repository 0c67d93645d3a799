// What the test of the page needs: the library that drives the browser, a receipt spoilt on
// purpose, and checks that run inside the page. It has no tests of its own.

import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

/** The library that drives the browser, or null where it is not installed. */
export function playwright() {
  const { PLAYWRIGHT_CORE, NODE_PATH = '' } = process.env;
  const places = [PLAYWRIGHT_CORE,
    ...NODE_PATH.split(delimiter).filter(Boolean).map((path) => join(path, 'playwright-core'))];
  const require = createRequire(import.meta.url);
  for (const place of places.filter(Boolean)) {
    try {
      return require(place);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return null;
}

/** The receipt with one number of its answer changed, under the signature of the right one. */
export function tampered(text) {
  const receipt = JSON.parse(text);
  const statement = JSON.parse(Buffer.from(receipt.release.payload, 'base64').toString('utf8'));
  const { rows } = statement.predicate.table;
  rows[0][rows[0].length - 1] += 1;
  receipt.release.payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return JSON.stringify(receipt);
}

/** In the page: what has no name, more or fewer than one h1, tables without what they need, ids
 * that are there twice. */
export function faultsOfForm() {
  const faults = [];
  const isSeen = (one) => one.getClientRects().length > 0;
  const headings = [...document.querySelectorAll('h1')];
  if (headings.length !== 1) faults.push(`${headings.length} headings h1`);
  for (const control of document.querySelectorAll('input, select, textarea')) {
    const isNamed = control.labels.length > 0 && control.labels[0].textContent.trim() !== '';
    if (isSeen(control) && !isNamed) faults.push(`no label: ${control.outerHTML}`);
  }
  for (const control of document.querySelectorAll('button, a[href], summary')) {
    const name = control.getAttribute('aria-label') ?? control.textContent;
    if (name.trim() === '') faults.push(`no name: ${control.outerHTML}`);
  }
  for (const table of document.querySelectorAll('table')) {
    if (!table.caption) faults.push('a table without a caption');
    if (table.querySelector('th:not([scope])')) faults.push('a table head without a scope');
  }
  for (const picture of document.querySelectorAll('svg')) {
    if (picture.getAttribute('role') !== 'img' || !picture.getAttribute('aria-label')) {
      faults.push('a picture without words');
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  for (const id of ids) {
    if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`the id ${id} is there twice`);
  }
  if (document.documentElement.lang === '') faults.push('no language');
  if (document.querySelectorAll('[style*=url], script:not([src])').length) faults.push('inline');
  return faults;
}

/** In the page: texts whose contrast is below that of WCAG 2.2, AA (4.5, large text 3). */
export function contrast() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => {
      const share = one / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faults = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
    if (!hasText || element.getClientRects().length === 0 || element.matches(':disabled')) continue;
    const style = getComputedStyle(element);
    const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) {
      const name = element.getAttribute('class') ?? '';
      faults.add(`${element.tagName} .${name}: ${ratio.toFixed(2)}`);
    }
  }
  return [...faults];
}

/** In the page: what reaches past its right edge, if that makes the page scroll sideways. */
export function tooWide() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const found = [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > width + 1)
    .map((one) => `${one.tagName}.${one.getAttribute('class') ?? ''}`);
  return [`${document.documentElement.scrollWidth} of ${width}`, ...found];
}
