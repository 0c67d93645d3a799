// The cost of noise, compared in exact integers: src/receipt/exact.rs.
//
// Source: Bun and Steinke 2016, Proposition 1.6; Canonne, Kamath and Steinke 2020, Theorem 4;
// Cesar and Rogers 2021, Lemma 3.2; Harrison and Manurangsi 2025 for the discrete Laplace.

const NANO = 1_000_000_000n;

/** Whether a record's rho pays for its noise: 'paid', 'owed', or 'unknown' for other mechanisms. */
export function price(record) {
  const rule = RULES[Object.hasOwn(RULES, record.mechanism) ? record.mechanism : 'unknown'];
  return rule ? (rule(record) ? 'paid' : 'owed') : 'unknown';
}

/** Whether a mechanism is what was reserved for it: the same, or, where something was to be chosen
 * privately, one that costs no more. The threshold may always be chosen late. */
export function carriesOut(record, reserved) {
  const same = (names) => names.every((name) => record[name] === reserved[name]);
  if (reserved.sensitivity !== 0n && reserved.scale_numerator !== 0n) {
    return same(Object.keys(reserved).filter((name) => name !== 'threshold'));
  }
  return same(['column', 'decimal_places'])
    && record.rho <= reserved.rho && record.delta <= reserved.delta;
}

const RULES = {
  // rho >= groups * sensitivity^2 / (2 * scale^2)
  'discrete-gaussian': (record) => {
    const { scale, places, moved, groups } = parts(record);
    if (scale === 0n || moved === 0n || groups === 0n) return false;
    return record.rho * scale * scale * 2n >= (groups * moved * moved * NANO) << (2n * places);
  },
  // rho >= groups * x * (moved - (1 - e^(-x moved)) / sinh x) with x = 1 / scale, to a billionth
  'discrete-laplace': (record) => {
    const { scale, places, moved, groups } = parts(record);
    if (scale === 0n || moved === 0n || groups === 0n) return false;
    const x = 2 ** Number(places) / Number(scale);
    const lost = Number(moved) + Math.expm1(-x * Number(moved)) / Math.sinh(x);
    return Number(record.rho) / 1e9 >= Number(groups) * x * lost * (1 - 1e-9);
  },
  // rho >= groups * (moved * sharpness)^2 / 8
  exponential: (record) => {
    const { scale, places, moved, groups } = parts(record);
    if (moved === 0n || groups === 0n) return false;
    return (record.rho * 8n) << (2n * places) >= groups * NANO * moved * moved * scale * scale;
  },
  // Its table of probabilities is not on record.
  'key-selection': () => true,
};

const parts = (record) => ({
  scale: record.scale_numerator,
  places: record.scale_log2_denominator,
  moved: record.sensitivity,
  groups: record.groups_per_person,
});
