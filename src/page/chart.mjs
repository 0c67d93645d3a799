// Draws one column of an answer with its intervals: rows of bars for labels, and points in order
// for years, dates and ages. It draws what it is given, and a table says the same for those who
// cannot see it.

import { freshId, svg } from './dom.mjs';
import { plain, significant, withDecimals } from './numbers.mjs';
import { confidenceWords } from './answer.mjs';

// Bars beyond this are too thin to tell apart; the table has them.
const BARS_MAX = 40;
const BAR_HEIGHT = 30;
// The mean width of a character at the size of the text in charts, a little on the wide side.
const CHARACTER = 7;

/** The picture and its caption. */
export function chart(answer, { column, isFromZero, width }) {
  const label = labels(answer);
  const points = answer.rows.map((row, at) => ({ ...row[column], label: label.of(row), at }))
    .filter(({ value }) => typeof value === 'number');
  const order = places(label, points);
  const shown = order ? points : points.slice(0, BARS_MAX);
  const { name, decimals } = answer.columns[column];
  const by = label.names.length > 0 ? ` by ${label.names.join(' and ')}` : '';
  const cut = shown.length < points.length ? `; the first ${shown.length} of ${points.length}` : '';
  const caption = `${name}${by}, with ${confidenceWords(answer)}intervals${cut}`;
  const plot = { points: shown, order, width, decimals, isFromZero };
  const text = `Chart of ${caption}. The table of the answer holds the same numbers.`;
  const picture = svg('svg', { class: 'plot', role: 'img', 'aria-label': text });
  (order ? drawSeries : drawBars)(picture, plot);
  return { picture, caption };
}

/** The columns that name a row: those of text, or else whatever has no interval. */
function labels({ columns, rows }) {
  const without = columns.map((column, at) => ({ ...column, at })).filter((c) => !c.hasInterval);
  const texts = without.filter(({ at }) => rows.some((row) => typeof row[at].value === 'string'));
  const chosen = without.length > texts.length && texts.length > 0 && isUnique(texts, rows)
    ? texts : without;
  return {
    names: chosen.map(({ name }) => name),
    of: (row) => chosen.map(({ at }) => plain(row[at].value)).join(' · '),
  };
}

/** Whether these columns tell the rows apart. */
function isUnique(columns, rows) {
  const texts = rows.map((row) => columns.map(({ at }) => plain(row[at].value)).join('\n'));
  return new Set(texts).size === rows.length;
}

/** Where labels lie on a line, if they are times or ages in order; a code is a number as well, but
 * has no place. */
function places({ names }, points) {
  if (names.length !== 1 || points.length < 3) return null;
  const at = points.map(({ label }) => {
    if (/^\d{4}-\d{2}(-\d{2})?/.test(label)) return Date.parse(label.slice(0, 10));
    return /year|month|quarter|week|day|date|hour|age$|^age/i.test(names[0]) && label !== ''
      ? Number(label) : NaN;
  });
  const isRising = at.every((one, index) => index === 0 || one > at[index - 1]);
  return at.every(Number.isFinite) && isRising ? at : null;
}

/** The ends of the axis and its marks: one, two or five times a power of ten apart. */
function scale(values, isFromZero, count) {
  let low = Math.min(...values, ...(isFromZero ? [0] : []));
  let high = Math.max(...values, ...(isFromZero ? [0] : []));
  if (low === high) {
    low -= Math.abs(low) * 0.1 || 1;
    high += Math.abs(high) * 0.1 || 1;
  }
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  const marks = [];
  for (let at = first; at <= last; at += 1) marks.push(at * step);
  return { low: first * step, high: last * step, marks, step };
}

const ends = (points) => points.flatMap(({ value, lower, upper }) =>
  [value, lower, upper].filter((one) => typeof one === 'number'));

function markWords(value, step) {
  if (Math.abs(value) < step / 1e6) return '0';
  const size = Math.abs(value);
  if (size >= 1e6) return `${significant(value / 1e6, 4)} M`;
  return withDecimals(value, Math.max(0, Math.min(8, -Math.floor(Math.log10(step)))));
}

function drawBars(picture, { points, width, decimals, isFromZero }) {
  const isNarrow = width < 480;
  const longest = Math.max(...points.map(({ label }) => [...label].length), 0);
  const left = isNarrow ? 4 : Math.min(width * 0.36, longest * CHARACTER + 16);
  const words = points.map(({ value }) => withDecimals(value, decimals));
  const right = Math.max(...words.map((one) => one.length)) * CHARACTER + 14;
  const height = isNarrow && longest > 0 ? BAR_HEIGHT + 18 : BAR_HEIGHT;
  const foot = points.length * height + 6;
  const room = width - left - right;
  const axis = scale(ends(points), isFromZero, Math.max(2, Math.floor(room / 90)));
  const x = (value) => left + room * (value - axis.low) / (axis.high - axis.low);
  size(picture, width, foot + 24);
  for (const mark of axis.marks) {
    const isZero = Math.abs(mark) < axis.step / 1e6;
    picture.append(
      line(x(mark), 0, x(mark), foot, isZero ? 'axis' : 'grid'),
      lettering(x(mark), foot + 17, markWords(mark, axis.step), anchorOf(mark, axis)));
  }
  points.forEach((point, at) => {
    const middle = at * height + height - BAR_HEIGHT / 2 + 2;
    const most = Math.floor((isNarrow ? width : left - 12) / CHARACTER);
    const name = isNarrow
      ? lettering(left, middle - 16, cut(point.label, most), 'start')
      : lettering(left - 10, middle + 4, cut(point.label, most), 'end');
    name.append(svg('title', {}, point.label));
    if (point.label !== '') picture.append(name);
    if (isFromZero) {
      const [from, to] = [x(0), x(point.value)].sort((a, b) => a - b);
      picture.append(svg('rect', {
        class: 'column', x: from, y: middle - 8, width: Math.max(0, to - from), height: 16,
      }));
    }
    whisker(picture, point, (value) => [x(value), middle], [0, 6]);
    if (!isFromZero) picture.append(dot(x(point.value), middle));
    picture.append(lettering(width - 2, middle + 4, words[at], 'end', 'value'));
  });
}

function drawSeries(picture, { points, order, width, isFromZero }) {
  const height = Math.min(340, Math.max(220, width * 0.42));
  const axis = scale(ends(points), isFromZero, 5);
  const marks = axis.marks.map((mark) => markWords(mark, axis.step));
  const left = Math.max(...marks.map((one) => one.length)) * CHARACTER + 14;
  const foot = height - 28;
  const [first, last] = [order[0], order.at(-1)];
  const inset = 18;
  const x = (at) => left + inset + (width - left - 2 * inset) * (at - first) / (last - first);
  const y = (value) => foot - (foot - 10) * (value - axis.low) / (axis.high - axis.low);
  size(picture, width, height);
  axis.marks.forEach((mark, at) => {
    const isZero = Math.abs(mark) < axis.step / 1e6;
    picture.append(
      line(left, y(mark), width, y(mark), isZero ? 'axis' : 'grid'),
      lettering(left - 8, y(mark) + 4, marks[at], 'end'));
  });
  const path = points.map(({ value }, at) => `${at ? 'L' : 'M'}${x(order[at])} ${y(value)}`);
  picture.append(svg('path', { class: 'series', d: path.join('') }));
  const longest = Math.max(...points.map(({ label }) => label.length)) * CHARACTER + 12;
  let free = -Infinity;
  points.forEach((point, at) => {
    const here = x(order[at]);
    whisker(picture, point, (value) => [here, y(value)], [5, 0]);
    picture.append(dot(here, y(point.value)));
    // A label that would touch the one before it is left out; the table has them all.
    if (here - longest / 2 < free) return;
    free = here + longest / 2;
    const most = width - longest / 2 + 6;
    picture.append(lettering(Math.min(here, most), height - 8, point.label, 'middle'));
  });
}

/** The interval of a point, with a short stroke across either end. */
function whisker(picture, { lower, upper }, at, [across, along]) {
  if (typeof lower !== 'number' || typeof upper !== 'number') return;
  const [[x1, y1], [x2, y2]] = [at(lower), at(upper)];
  const group = svg('g', { class: 'whisker' },
    line(x1, y1, x2, y2, 'stem'),
    line(x1 - across, y1 - along, x1 + across, y1 + along, 'end'),
    line(x2 - across, y2 - along, x2 + across, y2 + along, 'end'));
  picture.append(group);
}

const dot = (x, y) => svg('circle', { class: 'dot', cx: x, cy: y, r: 4 });

const line = (x1, y1, x2, y2, kind) => svg('line', { class: kind, x1, y1, x2, y2 });

function lettering(x, y, text, anchor, kind = null) {
  return svg('text', { x, y, 'text-anchor': anchor, class: kind }, text);
}

/** The first mark has no room to its left where labels are above the bars. */
const anchorOf = (mark, { marks }) => (mark === marks[0] ? 'start' : 'middle');

function size(picture, width, height) {
  picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
  picture.setAttribute('width', width);
  picture.setAttribute('height', height);
  picture.id = freshId('plot');
}

function cut(text, most) {
  const characters = [...text];
  if (characters.length <= most) return text;
  return `${characters.slice(0, Math.max(1, most - 1)).join('')}…`;
}
