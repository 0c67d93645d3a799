//! From values to places on an axis, and where an axis has its ticks.

use chrono::{Datelike, Days, Months, NaiveDate};

use crate::report::model::{Number, Unit};
use crate::report::numbers::tick;

/// The values that an axis must show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// An axis: from values to points.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    is_log: bool,
    /// Values at both ends.
    span: Span,
    /// Points at both ends.
    ends: (f64, f64),
    pub(super) ticks: Vec<Tick>,
}

/// A tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
    /// A second line; mostly empty.
    pub(super) below: String,
}

/// A value on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) at: f64,
    /// Whether the value itself lies beyond the end of the axis.
    pub(super) is_beyond: bool,
}

impl Span {
    /// The least that holds all of these that are finite.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values = values.filter(|value| value.is_finite());
        values.map(|value| value.clamp(-HUGE, HUGE)).fold(None, |span: Option<Self>, value| {
            let span = span.unwrap_or(Self { low: value, high: value });
            Some(Self { low: span.low.min(value), high: span.high.max(value) })
        })
    }

    /// What shows these numbers and their intervals. One interval that is far wider than others
    /// does not squeeze them: it goes beyond the axis.
    pub(super) fn of_numbers<'a>(
        numbers: impl Iterator<Item = &'a Number> + Clone,
    ) -> Option<Self> {
        Self::reaching(numbers, |value| value)
    }

    /// The same for a logarithmic axis.
    pub(super) fn of_ratios<'a>(numbers: impl Iterator<Item = &'a Number> + Clone) -> Option<Self> {
        let span = Self::reaching(numbers, f64::ln)?;
        Some(Self { low: span.low.exp(), high: span.high.exp() })
    }

    fn reaching<'a>(
        numbers: impl Iterator<Item = &'a Number> + Clone,
        scaled: fn(f64) -> f64,
    ) -> Option<Self> {
        let ends = numbers.clone().flat_map(|number| {
            let ends = number.interval.map(|ends| [ends.lower, ends.upper]);
            ends.into_iter().flatten().map(|end| (number.value, end))
        });
        let scaled_ends: Vec<(f64, f64)> =
            ends.map(|(value, end)| (scaled(value), scaled(end))).collect();
        let values: Vec<f64> = numbers.map(|number| scaled(number.value)).collect();
        let mut sides: Vec<f64> = scaled_ends
            .iter()
            .map(|(value, end)| (end - value).abs())
            .filter(|side| side.is_finite() && *side > 0.0)
            .collect();
        sides.sort_unstable_by(f64::total_cmp);
        let usual = sides.get(sides.len() / 2).copied().unwrap_or(0.0);
        let spread = Self::of(values.iter().copied()).map_or(0.0, |span| span.high - span.low);
        let reach = SIDES_MAX * usual.max(spread / SIDES_MAX);
        let limited = scaled_ends.iter().map(|(value, end)| {
            if value.is_finite() { end.clamp(value - reach, value + reach) } else { *end }
        });
        Self::of(limited.chain(values.iter().copied()))
    }

    /// The least that holds both.
    pub(super) fn and(self, value: f64) -> Self {
        Self { low: self.low.min(value), high: self.high.max(value) }
    }

    /// With zero, if it is not far: an axis should begin there unless that hides what differs.
    pub(super) fn near_zero(self) -> Self {
        let is_near = self.low > 0.0 && self.low < 0.6 * self.high;
        if is_near { self.and(0.0) } else { self }
    }
}

impl Scale {
    /// Equal steps, ticks some `spacing` points apart.
    pub(super) fn linear(span: Option<Span>, ends: (f64, f64), spacing: f64, unit: &Unit) -> Self {
        let span = widened(span.unwrap_or(Span { low: 0.0, high: 1.0 }));
        let step = step(span, ends, spacing, unit);
        // An axis ends at a tick, or just beyond the values where a tick is far.
        let (first, last) = ((span.low / step).floor(), (span.high / step).ceil());
        let low = if span.low - first * step > FAR * step {
            span.low - NEAR * step
        } else {
            first * step
        };
        let high = if last * step - span.high > FAR * step {
            span.high + NEAR * step
        } else {
            last * step
        };
        let ticks = whole((last - first).clamp(1.0, TICKS_MAX))
            .map(|index| (first + index) * step)
            .filter(|value| (low..=high).contains(value))
            .map(|value| Tick { value, label: tick(value, step, unit), below: String::new() })
            .collect();
        Self { is_log: false, span: widened(Span { low, high }), ends, ticks }
    }

    /// Equal steps, and ends exactly at those of the span: for time.
    pub(super) fn tight(span: Option<Span>, ends: (f64, f64), spacing: f64, unit: &Unit) -> Self {
        let scale = Self::linear(span, ends, spacing, unit);
        let span = widened(span.unwrap_or(Span { low: 0.0, high: 1.0 }));
        let is_in = |tick: &Tick| tick.value >= span.low && tick.value <= span.high;
        Self { span, ticks: scale.ticks.into_iter().filter(is_in).collect(), ..scale }
    }

    /// Equal factors.
    pub(super) fn log(span: Option<Span>, ends: (f64, f64), spacing: f64, unit: &Unit) -> Self {
        let span = span.filter(|span| span.high > 0.0).unwrap_or(Span { low: 0.5, high: 2.0 });
        let low = if span.low > 0.0 { span.low } else { span.high / 100.0 };
        let span = Span { low: low.max(1e-9) / 1.08, high: span.high.clamp(2e-9, 1e15) * 1.08 };
        let count_max = ((ends.1 - ends.0).abs() / spacing).max(2.0);
        let ticks = if span.high / span.low < 2.5 {
            Self::tight(Some(span), ends, spacing, unit).ticks
        } else {
            let lists = [&MANTISSAS[..], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
            let mut lists = lists.iter().map(|list| log_ticks(span, list, unit));
            let fits = |ticks: &Vec<Tick>| ticks.len() as f64 <= count_max;
            let found = lists.clone().find(fits);
            // Every second, third, ... power of ten where there are too many of them.
            let thinned = || {
                let all = lists.next_back().unwrap_or_default();
                let every = (all.len() as f64 / count_max).ceil();
                let keep = |index: usize| index as f64 % every == 0.0;
                all.into_iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, t)| t).collect()
            };
            found.unwrap_or_else(thinned)
        };
        Self { is_log: true, span, ends, ticks }
    }

    /// Days, as [`day`] numbers them; ticks at days, months or years.
    pub(super) fn days(span: Option<Span>, ends: (f64, f64), spacing: f64) -> Self {
        let span = widened(span.unwrap_or(Span { low: 738_000.0, high: 738_365.0 }));
        let count_max = ((ends.1 - ends.0).abs() / spacing).max(2.0);
        let found = CALENDAR.iter().map(|step| calendar_ticks(span, *step));
        let mut found = found.filter(|ticks| ticks.len() as f64 <= count_max);
        let ticks = found.next().unwrap_or_default();
        Self { is_log: false, span, ends, ticks }
    }

    /// The same with ticks at these values.
    #[must_use]
    pub(super) fn ticked(self, values: &[f64], unit: &Unit) -> Self {
        let values = values.iter().copied().filter(|value| value.is_finite());
        let gaps = values.clone().zip(values.clone().skip(1)).map(|(a, b)| b - a);
        let step = gaps.filter(|gap| *gap > 0.0).fold(f64::INFINITY, f64::min);
        let step = if step.is_finite() { step } else { 1.0 };
        let label =
            |value| tick(value, if value % 1.0 == 0.0 && step >= 1.0 { 1.0 } else { step }, unit);
        let ticks = values.map(|value| Tick { value, label: label(value), below: String::new() });
        Self { ticks: ticks.collect(), ..self }
    }

    /// Where a value is; at the end of the axis if it lies beyond, nowhere if it is NaN.
    pub(super) fn place(&self, value: f64) -> Option<Place> {
        if value.is_nan() {
            return None;
        }
        let scaled =
            |value: f64| if self.is_log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let (low, high) = (scaled(self.span.low), scaled(self.span.high));
        let part = (scaled(value.clamp(-HUGE, HUGE)) - low) / (high - low);
        let is_beyond = !(-1e-9..=1.0 + 1e-9).contains(&part);
        let at = self.ends.0 + part.clamp(0.0, 1.0) * (self.ends.1 - self.ends.0);
        Some(Place { at, is_beyond })
    }

    /// Where a value is that is on the axis.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.place(value).map_or(self.ends.0, |place| place.at)
    }

    /// Points at both ends.
    pub(super) const fn ends(&self) -> (f64, f64) {
        self.ends
    }
}

/// The number of a day on an axis.
pub(super) fn day(date: NaiveDate) -> f64 {
    f64::from(date.num_days_from_ce())
}

fn widened(span: Span) -> Span {
    if span.high > span.low {
        return span;
    }
    let room = if span.low == 0.0 { 1.0 } else { span.low.abs() / 2.0 };
    Span { low: span.low - room, high: span.high + room }
}

/// 1, 2 or 5 times a power of ten, so that ticks are `spacing` apart; whole for counts.
fn step(span: Span, ends: (f64, f64), spacing: f64, unit: &Unit) -> f64 {
    let count = ((ends.1 - ends.0).abs() / spacing).max(1.0);
    let least = ((span.high - span.low) * unit.factor() / count).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    let step = factor.unwrap_or(10.0) * power;
    if *unit == Unit::Count { step.max(1.0) } else { step / unit.factor() }
}

fn whole(count: f64) -> impl Iterator<Item = f64> {
    (0_u32..).map(f64::from).take_while(move |index| *index <= count)
}

fn log_ticks(span: Span, mantissas: &[f64], unit: &Unit) -> Vec<Tick> {
    let (first, last) = (span.low.log10().floor(), span.high.log10().floor());
    let powers = whole(last - first).map(|index| 10_f64.powf(first + index));
    let ticks = powers.flat_map(|power| mantissas.iter().map(move |m| (m * power, power, *m)));
    ticks
        .filter(|(value, ..)| (span.low..=span.high).contains(value))
        .map(|(value, power, mantissa)| {
            let step = if mantissa.fract() == 0.0 { power } else { power / 2.0 };
            Tick { value, label: tick(value, step, unit), below: String::new() }
        })
        .collect()
}

/// Steps between days with a tick.
#[derive(Clone, Copy, Debug)]
enum Calendar {
    Days(u64),
    Months(u32),
}

fn calendar_ticks(span: Span, step: Calendar) -> Vec<Tick> {
    let Some(low) = date(span.low.ceil()) else { return vec![] };
    let first = match step {
        Calendar::Days(_) => Some(low),
        Calendar::Months(months) => {
            let count = months_of(low) + u32::from(low.day() > 1);
            month(count.div_ceil(months) * months)
        }
    };
    let next = |date: &NaiveDate| match step {
        Calendar::Days(days) => date.checked_add_days(Days::new(days)),
        Calendar::Months(months) => date.checked_add_months(Months::new(months)),
    };
    let dates = std::iter::successors(first, next).take_while(|date| day(*date) <= span.high);
    let mut year = None;
    dates
        .take(CALENDAR_TICKS_MAX)
        .map(|date| {
            let is_new = year.replace(date.year()) != Some(date.year());
            let years = || if is_new { date.year().to_string() } else { String::new() };
            let (label, below) = match step {
                Calendar::Months(months) if months >= 12 => {
                    (date.year().to_string(), String::new())
                }
                Calendar::Months(_) => (date.format("%b").to_string(), years()),
                Calendar::Days(_) => (date.format("%-d %b").to_string(), years()),
            };
            Tick { value: day(date), label, below }
        })
        .collect()
}

fn date(day: f64) -> Option<NaiveDate> {
    // Dates of chrono lie within some 262,000 years.
    #[expect(clippy::cast_possible_truncation, reason = "rounded and within the clamp")]
    let number = day.round().clamp(-9e7, 9e7) as i32;
    NaiveDate::from_num_days_from_ce_opt(number)
}

/// Months since the year 0.
fn months_of(date: NaiveDate) -> u32 {
    u32::try_from(date.year()).unwrap_or(0) * 12 + date.month0()
}

fn month(count: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::try_from(count / 12).ok()?, count % 12 + 1, 1)
}

/// Whatever is larger is as large.
const HUGE: f64 = 1e290;
/// How many of the usual sides of an interval an axis reaches beyond a value.
const SIDES_MAX: f64 = 4.0;
const TICKS_MAX: f64 = 50.0;
/// How far from all values a tick ends no axis, in steps; and where the axis ends then.
const FAR: f64 = 0.6;
const NEAR: f64 = 0.08;
const CALENDAR_TICKS_MAX: usize = 100;
const MANTISSAS: [f64; 7] = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0];
const CALENDAR: [Calendar; 14] = [
    Calendar::Days(1),
    Calendar::Days(2),
    Calendar::Days(7),
    Calendar::Days(14),
    Calendar::Months(1),
    Calendar::Months(2),
    Calendar::Months(3),
    Calendar::Months(6),
    Calendar::Months(12),
    Calendar::Months(24),
    Calendar::Months(60),
    Calendar::Months(120),
    Calendar::Months(600),
    Calendar::Months(6_000),
];

#[cfg(test)]
mod tests {
    use super::{Scale, Span, day};
    use crate::estimate::Interval;
    use crate::report::model::{Number, Unit};
    use chrono::NaiveDate;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn span(low: f64, high: f64) -> Option<Span> {
        Some(Span { low, high })
    }

    #[test]
    fn ticks_are_round_and_hold_the_span() {
        let unit = Unit::Other(String::new());
        let cases: [(f64, f64, &[&str]); 7] = [
            (0.0, 9.3, &["0", "2", "4", "6", "8", "10"]),
            (-4.0, 11.0, &["−5", "0", "5", "10"]),
            (0.12, 0.31, &["0.10", "0.15", "0.20", "0.25", "0.30"]),
            (-0.4, 9.3, &["0", "2", "4", "6", "8", "10"]),
            (5.0, 5.0, &["2", "3", "4", "5", "6", "7", "8"]),
            (0.0, 10.0, &["0", "2", "4", "6", "8", "10"]),
            (0.0, 123_456.0, &["0", "50,000", "100,000", "150,000"]),
        ];
        for (low, high, expected) in cases {
            let scale = Scale::linear(span(low, high), (0.0, 250.0), 45.0, &unit);
            assert_eq!(labels(&scale), expected, "{low}..{high}");
        }
        let share = Scale::linear(span(0.0, 0.09), (0.0, 250.0), 45.0, &Unit::Share);
        assert_eq!(labels(&share), ["0%", "2%", "4%", "6%", "8%", "10%"]);
        let count = Scale::linear(span(0.0, 1.0), (0.0, 250.0), 45.0, &Unit::Count);
        assert_eq!(labels(&count), ["0", "1"]);
    }

    #[test]
    fn hostile_spans_give_finite_axes() {
        let ends = [0.0, -0.0, 1.0, -1e300, 1e300, 1e-300, f64::MIN_POSITIVE, f64::MAX];
        for low in ends {
            for high in ends.into_iter().filter(|high| *high >= low) {
                let span = Span::of([low, high, f64::NAN, f64::INFINITY].into_iter());
                for unit in [Unit::Count, Unit::Share, Unit::Ratio] {
                    for scale in [
                        Scale::linear(span, (0.0, 300.0), 50.0, &unit),
                        Scale::tight(span, (300.0, 0.0), 50.0, &unit),
                        Scale::log(span, (0.0, 300.0), 50.0, &unit),
                        Scale::days(span, (0.0, 300.0), 50.0),
                    ] {
                        assert!(scale.ticks.len() <= 60, "{low}..{high} {:?}", scale.ticks.len());
                        let at = scale.at(high);
                        assert!((0.0..=300.0).contains(&at), "{low}..{high} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn ratios_have_equal_factors_apart() {
        let scale = Scale::log(span(0.2, 5.0), (0.0, 400.0), 60.0, &Unit::Ratio);
        assert_eq!(labels(&scale), ["0.2", "0.5", "1", "2", "5"]);
        assert!((scale.at(1.0) - 200.0).abs() < 1e-9);
        let wide = Scale::log(span(1e-6, 1e6), (0.0, 400.0), 60.0, &Unit::Ratio);
        assert_eq!(wide.ticks.len(), 7);
        let narrow = Scale::log(span(0.95, 1.1), (0.0, 400.0), 60.0, &Unit::Ratio);
        assert_eq!(labels(&narrow), ["0.90", "0.95", "1.00", "1.05", "1.10", "1.15"]);
    }

    #[test]
    fn days_have_ticks_at_months_and_years() {
        let date = |y, m, d| day(NaiveDate::from_ymd_opt(y, m, d).unwrap());
        let of = |low, high| Scale::days(span(low, high), (0.0, 600.0), 60.0);
        let year = of(date(2025, 8, 4), date(2026, 5, 25));
        let texts: Vec<String> =
            year.ticks.iter().map(|t| format!("{} {}", t.label, t.below)).collect();
        let expected =
            ["Sep 2025", "Oct ", "Nov ", "Dec ", "Jan 2026", "Feb ", "Mar ", "Apr ", "May "];
        assert_eq!(texts, expected);
        let fortnight = of(date(2026, 2, 27), date(2026, 3, 6));
        assert_eq!(labels(&fortnight)[..3], ["27 Feb", "28 Feb", "1 Mar"]);
        let century = of(date(1925, 1, 1), date(2026, 1, 1));
        assert_eq!(labels(&century)[..2], ["1930", "1940"]);
    }

    #[test]
    fn one_wide_interval_goes_beyond_the_axis() {
        let number = |value: f64, side: f64| Number {
            interval: Some(Interval { lower: value - side, upper: value + side }),
            ..Number::exact(value)
        };
        let numbers = [number(10.0, 1.0), number(12.0, 1.5), number(11.0, 500.0)];
        let span = Span::of_numbers(numbers.iter()).unwrap();
        assert_eq!((span.low, span.high), (5.0, 17.0));
        let scale = Scale::linear(Some(span), (0.0, 100.0), 50.0, &Unit::Ratio);
        assert!(scale.place(511.0).is_some_and(|place| place.is_beyond && place.at == 100.0));
        assert_eq!(scale.place(f64::NAN), None);
    }
}
