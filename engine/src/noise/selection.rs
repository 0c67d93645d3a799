//! With which probability a key is shown that so many persons have.
//!
//! Showing a key tells that somebody has it. The tables here are the best ones there are: among
//! all ways to decide from the exact count of persons alone, none shows a key with a greater
//! probability, but for rounding. Neighbouring databases differ by one person, who moves the
//! counts of at most `groups` keys by one each.
//!
//! Probabilities are integers in units of 2⁻⁶⁴, rounded down; a key is shown if a uniform 64-bit
//! word is below. The recursions start from the rounded value each time, and round outward by
//! more than the float error, so it is the table as it stands that is private. It never reaches 1,
//! only 1 - 2⁻⁶⁴, so its last entry can stand for all larger counts.
//!
//! It draws nothing and sees no counts.

use ledger_adapter::cost::{Delta, Rho};

use super::{KeepTable, NoiseError};

/// The best table for approximate zero-concentrated privacy.
///
/// # Errors
/// [`NoiseError::NoSensitivity`] if `groups` is zero; [`NoiseError::Underfunded`] if `rho` is
/// zero; [`NoiseError::BadDelta`] if `delta` is 1 or more, or below 2⁻⁶⁴ for one of the keys;
/// [`NoiseError::Overflow`] if there would be more than 65 536 entries: ρ below about
/// `groups` · 10⁻⁸.
///
/// # Privacy
/// Each key costs (ρ, δ) divided by `groups`. For adjacent counts with probabilities p < q there
/// are events of probability 1 - δ, which leave out δ of "dropped" on the side of p and δ of
/// "shown" on the side of q. Given them, the two are shown with s = p/(1-δ) and
/// r = (q-δ)/(1-δ), and Bernoulli r and s are ρα-close in Rényi divergence in both directions at
/// every order α > 1.
///
/// # Source
/// Bun and Steinke 2016, Definition 8.1; the greedy recursion is the one of arXiv 2603.09167 for
/// all orders at once.
pub fn keep_table(rho: Rho, delta: Delta, groups: u64) -> Result<KeepTable, NoiseError> {
    if groups == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    if rho.nano() == 0 {
        return Err(NoiseError::Underfunded { needed: Rho::from_nano(1), granted: rho });
    }
    let limit = rho.as_f64() / groups as f64 * (1.0 - MARGIN);
    let probabilities = table(delta.as_f64() / groups as f64, |last, failure| {
        // What is left of either side once `failure` is left out.
        let rest = UNITS - failure;
        let dropped = last.dropped - failure;
        if dropped <= 0.0 {
            return Chance { shown: UNITS, dropped: 0.0 };
        }
        let odds = Odds::of(last.shown / rest, dropped / rest).furthest(limit);
        Chance { shown: rest * odds.shown() + failure, dropped: rest * odds.dropped() }
    })?;
    Ok(KeepTable { probabilities, rho, delta })
}

/// The best table for (ε, δ), of use where nothing else is asked of the budget.
///
/// Shape: by count of persons, from 0 on; the last entry is for all larger counts. Units of 2⁻⁶⁴.
///
/// # Errors
/// [`NoiseError::BadEpsilon`] unless `epsilon` is from 0.001 to 10 000; else as [`keep_table`].
///
/// # Privacy
/// Each key gets (ε, δ) divided by `groups`. With p and q for adjacent counts, q is at most
/// exp(ε)·p + δ, and 1 - p at most exp(ε)·(1 - q) + δ.
///
/// # Source
/// Desfontaines, Voss, Gipson and Mandayam 2022 (the optimal primitive, as a recursion).
pub fn keep_probabilities_pure(
    epsilon: f64,
    delta: f64,
    groups: u64,
) -> Result<Vec<u64>, NoiseError> {
    if groups == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    if !(1e-3..=1e4).contains(&epsilon) {
        return Err(NoiseError::BadEpsilon);
    }
    // A smaller factor is as private, and beyond this one a table has two steps anyway.
    let factor = (epsilon / groups as f64).min(100.0).exp();
    table(delta / groups as f64, |last, failure| {
        let shown = factor * last.shown + failure;
        // What is left of 1 by a subtraction is uncertain by the rounding of 1.
        let rising = Chance { shown, dropped: UNITS - shown * (1.0 - FLOAT_ERROR) };
        let dropped = (last.dropped - failure).max(0.0) / factor;
        let falling = Chance { shown: UNITS - dropped, dropped };
        if rising.shown <= falling.shown { rising } else { falling }
    })
}

/// The chances of a key, in units of 2⁻⁶⁴, each as precise as a float can be.
#[derive(Clone, Copy)]
struct Chance {
    shown: f64,
    dropped: f64,
}

impl Chance {
    /// Those of an entry of a table.
    fn of(entry: u64) -> Self {
        Self { shown: entry as f64, dropped: (u64::MAX - entry) as f64 + 1.0 }
    }

    /// The entry with at most this chance of being shown.
    fn entry(self) -> u64 {
        if self.shown < UNITS / 2.0 {
            return to_integer((self.shown * (1.0 - FLOAT_ERROR)).floor());
        }
        // From 1 to 2⁶³ and a little: 2⁶⁴ less that is an entry.
        let dropped = to_integer((self.dropped * (1.0 + FLOAT_ERROR)).ceil().max(1.0));
        u64::MAX - (dropped - 1)
    }
}

/// Iterates from "never shown" on, until no more can be had.
///
/// `next` gives the greatest chance that may follow a chance, if so many units may fail.
fn table(delta: f64, next: impl Fn(Chance, f64) -> Chance) -> Result<Vec<u64>, NoiseError> {
    if !(delta > 0.0 && delta < 1.0) {
        return Err(NoiseError::BadDelta);
    }
    let failure = delta * UNITS * (1.0 - FLOAT_ERROR);
    // The chance of a person who is alone with a key.
    let mut last = to_integer(failure.floor());
    if last == 0 {
        return Err(NoiseError::BadDelta);
    }
    let mut probabilities = vec![0, last];
    while last < u64::MAX {
        let entry = next(Chance::of(last), failure).entry();
        if entry <= last {
            break;
        }
        if probabilities.len() > LENGTH_MAX {
            return Err(NoiseError::Overflow { what: "the table of keys" });
        }
        probabilities.push(entry);
        last = entry;
    }
    Ok(probabilities)
}

/// ln of shown over dropped, for the part of a chance that must not fail.
#[derive(Clone, Copy)]
struct Odds(f64);

impl Odds {
    fn of(shown: f64, dropped: f64) -> Self {
        Self((shown / dropped).ln())
    }

    fn shown(self) -> f64 {
        1.0 / (1.0 + (-self.0).exp())
    }

    fn dropped(self) -> f64 {
        1.0 / (1.0 + self.0.exp())
    }

    /// The greatest odds whose divergence from these is at most `limit`, from below.
    ///
    /// By false position on the root of the divergence, which is close to linear in the odds.
    fn furthest(self, limit: f64) -> Self {
        let room = ODDS_MAX - self.0;
        if room <= 0.0 {
            return self;
        }
        let target = limit.sqrt();
        let excess = |gap: f64| self.divergence(gap).sqrt() - target;
        let spread = (self.shown() * self.dropped()).sqrt();
        let rare = self.shown().min(self.dropped()).ln();
        let mut high = (target * std::f64::consts::SQRT_2 / spread).min(limit - rare).min(room);
        while excess(high) <= 0.0 {
            if high >= room {
                return Self(ODDS_MAX);
            }
            high = (2.0 * high).min(room);
        }
        let (mut low, mut missing) = (0.0, target);
        let (mut below, mut above) = (-target, excess(high));
        // The end that moved last; an end that stays twice counts for half (Illinois).
        let mut moved = 0_i8;
        for _ in 0..100 {
            let middle = if above.is_finite() {
                low + (high - low) * below / (below - above)
            } else {
                f64::midpoint(low, high)
            };
            if middle <= low || middle >= high || missing < 1e-8 * target {
                break;
            }
            let found = excess(middle);
            if found <= 0.0 {
                above *= if moved == 1 { 0.5 } else { 1.0 };
                (low, below, missing, moved) = (middle, found, -found, 1);
            } else {
                below *= if moved == -1 { 0.5 } else { 1.0 };
                (high, above, moved) = (middle, found, -1);
            }
        }
        Self(self.0 + low)
    }

    /// The least ρ with which these odds and those `gap` above are ρα-close at all orders α, both
    /// ways.
    ///
    /// The ratio of the greater chance of being shown to the lesser is one over
    /// 1 + dropped·(exp(-gap) - 1), and likewise for being dropped: no difference of near numbers.
    fn divergence(self, gap: f64) -> f64 {
        let pair = Pair {
            shown: self.shown(),
            dropped: self.dropped(),
            log_shown: -(self.dropped() * (-gap).exp_m1()).ln_1p(),
            log_dropped: -(self.shown() * gap.exp_m1()).ln_1p(),
        };
        let greater = Self(self.0 + gap);
        let back = Pair {
            shown: greater.shown(),
            dropped: greater.dropped(),
            log_shown: -pair.log_shown,
            log_dropped: -pair.log_dropped,
        };
        pair.most().max(back.most())
    }
}

/// A Bernoulli law, and the logarithms of how much likelier another makes its two outcomes.
struct Pair {
    shown: f64,
    dropped: f64,
    log_shown: f64,
    log_dropped: f64,
}

impl Pair {
    /// The divergence of the other law from this one at order α, over α.
    fn rate(&self, order: f64) -> f64 {
        let moment = self.shown * (order * self.log_shown).exp_m1()
            + self.dropped * (order * self.log_dropped).exp_m1();
        moment.ln_1p() / ((order - 1.0) * order)
    }

    /// Its limit for α to 1: the divergence of Kullback and Leibler.
    fn limit(&self) -> f64 {
        self.shown * self.log_shown.exp() * self.log_shown
            + self.dropped * self.log_dropped.exp() * self.log_dropped
    }

    /// The supremum of the rate over α > 1: on a coarse grid of ln(α-1), then by golden section.
    ///
    /// Where the moment is dominated by one outcome, of log ratio u and probability exp(-L), the
    /// best order is near 2L/u. Beyond four times that it only falls.
    fn most(&self) -> f64 {
        let rare = -self.shown.min(self.dropped).ln();
        let ratio = self.log_shown.max(self.log_dropped);
        let last = (8.0 * (rare + 1.0) / ratio).max(1.0).ln();
        let at = |log: f64| self.rate(1.0 + log.exp());
        let step = (last - ORDER_MIN_LOG) / f64::from(GRID);
        let mut best = (self.limit(), ORDER_MIN_LOG);
        for point in 0..=GRID {
            let log = ORDER_MIN_LOG + step * f64::from(point);
            let found = at(log);
            // A moment that overflows is above every limit.
            if found.is_nan() || found > best.0 {
                best = (if found.is_nan() { f64::INFINITY } else { found }, log);
            }
        }
        let (mut low, mut high) = (best.1 - step, best.1 + step);
        let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (mut at_left, mut at_right) = (at(left), at(right));
        let mut most = best.0;
        for _ in 0..REFINEMENTS {
            most = most.max(at_left).max(at_right);
            if at_left > at_right {
                (high, right, at_right) = (right, left, at_left);
                left = high - GOLDEN * (high - low);
                at_left = at(left);
            } else {
                (low, left, at_left) = (left, right, at_right);
                right = low + GOLDEN * (high - low);
                at_right = at(right);
            }
        }
        most
    }
}

/// A whole float from 0 to 2⁶⁴, or the nearest end of the integers.
#[expect(clippy::cast_possible_truncation, reason = "a cast from float saturates")]
#[expect(clippy::cast_sign_loss, reason = "a cast from float saturates")]
fn to_integer(whole: f64) -> u64 {
    whole as u64
}

/// 2⁶⁴.
const UNITS: f64 = 18_446_744_073_709_551_616.0;

/// Above the relative error of the few float operations between an entry and the next.
const FLOAT_ERROR: f64 = 1e-14;

/// Share of ρ that is held back for the error of the search for the worst order, which is the
/// square of the width of the last interval.
const MARGIN: f64 = 1e-6;

/// A key is dropped with less than half a unit at these odds.
const ODDS_MAX: f64 = 46.0;

/// Entries of the longest table, which takes a second or two. A key of more persons than this is
/// no secret, and a threshold on a noisy count shows it for as little.
const LENGTH_MAX: usize = 1 << 16;

/// ln(α-1) at the least order that is looked at; below, the rate is hardly above its limit.
const ORDER_MIN_LOG: f64 = -5.0;

/// Intervals between the least and the greatest order.
const GRID: u32 = 24;

/// Golden sections of the best two intervals: their width falls to 1/2200.
const REFINEMENTS: usize = 16;

/// (√5 - 1) / 2.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

#[cfg(test)]
mod tests;
