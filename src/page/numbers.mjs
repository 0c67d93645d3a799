// Writes numbers for people: no more digits than the noise leaves, and costs as the command line
// has them. It computes nothing that anybody should rely on; receipts hold the exact integers.

const GROUPED = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 20 });

/** A number with so many significant digits, small and large ones as powers of ten. */
export function significant(value, digits = 3) {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) {
    return value.toExponential(digits - 1).replace(/\.?0+e/, 'e').replace('e+', 'e');
  }
  if (size >= 10 ** digits) return GROUPED.format(Math.round(value));
  return GROUPED.format(Number(value.toPrecision(digits)));
}

/** How many decimals are worth showing beside an interval of this half-width. */
export function decimalsFor(halfWidth) {
  if (!Number.isFinite(halfWidth) || halfWidth <= 0) return 2;
  return Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(halfWidth))));
}

/** A value with an interval around it, with the decimals that the interval leaves. */
export function withDecimals(value, decimals) {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return String(value);
  const size = Math.abs(value);
  if (size >= 1e15) return significant(value, 6);
  return new Intl.NumberFormat('en-GB', {
    minimumFractionDigits: Number.isInteger(value) ? 0 : decimals,
    maximumFractionDigits: decimals,
  }).format(value);
}

/** A value without an interval, as it is: a year or a code is not grouped by thousands. */
export function plain(value) {
  if (value === null || value === undefined) return '–';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function percent(share) {
  const value = share * 100;
  return `${Number(value.toPrecision(value >= 99 && value < 100 ? 4 : 2))} %`;
}

/** A cost in words. */
export function costWords(cost) {
  if (!cost || (cost.rho === 0 && cost.delta === 0)) return 'nothing';
  return together(cost.rho, cost.delta);
}

/** An amount of an account in words, with what it is in epsilon where the server says so. */
export function amountWords(amount) {
  const epsilon = typeof amount.epsilon === 'number'
    ? ` (ε\u00a0${significant(amount.epsilon)} at δ\u00a0${significant(amount.epsilon_at_delta)})`
    : '';
  return `${together(amount.rho, amount.delta)}${epsilon}`;
}

/** The letters stay on the line of their numbers. */
const together = (rho, delta) => `ρ\u00a0${significant(rho)}, δ\u00a0${significant(delta)}`;

/** What an account would hold after a cost, in the integers that the ledger counts in. */
export function leftAfter(left, cost) {
  const rho = left.rho_nano - cost.rho_nano;
  const delta = left.delta_atto - cost.delta_atto;
  return { rho: rho / 1e9, delta: delta / 1e18, isEnough: rho >= 0 && delta >= 0 };
}

/** A number that somebody typed, or null. */
export function typedNumber(text) {
  const value = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value > 0 ? value : null;
}
