//! Plots of an answer in the terminal: one row per point, its interval as a line, a common axis.
//!
//! It draws no colours and no columns: dates, too, stand below each other, one row each. It takes
//! every character to be one cell wide, and it leaves the order of the points as it is.

use crate::numbers::readable;

/// One row of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// What the row is called.
    pub(crate) label: String,
    /// Where its mark stands; what is not finite is told as "no value".
    pub(crate) value: f64,
    /// Lower and upper end, either of which may be infinite; left out where they are out of order.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Point {
    /// The interval, where there is a value and both ends are numbers in order.
    fn ends(&self) -> Option<(f64, f64)> {
        self.interval.filter(|(lower, upper)| self.value.is_finite() && lower <= upper)
    }
}

/// Draws the first 40 points below the title, within `columns`, of which there are taken to be 40
/// at least and 200 at most. With `ascii` nothing else is in the text, and a `?` is for what was.
///
/// The axis holds zero only where that is near the values. It holds each value, but not an
/// interval that is far wider than the others: where one goes on beyond it, `‹` or `›` is its end.
pub(crate) fn plot(title: &str, points: &[Point], columns: usize, ascii: bool) -> String {
    if points.is_empty() {
        return "nothing to plot".to_owned();
    }
    let marks = if ascii { &ASCII } else { &UNICODE };
    let columns = columns.clamp(40, 200);
    let shown = &points[..points.len().min(ROWS_MAX)];
    let labels: Vec<String> = shown.iter().map(|point| plain(&point.label, ascii)).collect();
    let numbers = numbers(shown, columns * 2 / 5);
    let room = columns.saturating_sub(widest(&numbers) + 2);
    let label_width = widest(&labels).min(room / 2);
    let area_width = room - label_width;
    let axis = range(shown).map(|(low, high)| Axis::over(low, high, area_width - 2));
    let mut lines = Vec::with_capacity(shown.len() + 4);
    if !title.is_empty() {
        lines.push(cut(&plain(title, ascii), columns, marks));
    }
    for ((point, label), numbers) in shown.iter().zip(&labels).zip(&numbers) {
        let label = cut(label, label_width, marks);
        let area = match &axis {
            Some(axis) => axis.row(point, marks),
            None => " ".repeat(area_width),
        };
        lines.push(format!("{label:<label_width$} {area} {numbers}"));
    }
    if let Some(axis) = &axis {
        lines.push(format!("{:label_width$} {}", "", axis.rule(marks)));
        lines.push(axis.tick_line(label_width + 2, columns));
    }
    if points.len() > shown.len() {
        lines.push(format!("{} and {} more", marks.more, points.len() - shown.len()));
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// The scale of a plot. A row of it is a cell wider on each side, for ends beyond it.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    cells: usize,
}

impl Axis {
    /// An axis that holds both ends, with as many ticks as have room.
    fn over(low: f64, high: f64, cells: usize) -> Self {
        let (low, high) = widened(low, high);
        let mut fewest = None;
        for count in (2..=(cells / 8).clamp(2, 10)).rev() {
            fewest = Self::with_ticks(low, high, count, cells).or(fewest);
            if let Some(axis) = fewest.take_if(|axis| axis.has_room()) {
                return axis;
            }
        }
        fewest.unwrap_or_else(|| {
            let zero = (low < 0.0 && high > 0.0).then_some(0.0);
            let ticks = [Some(low), zero, Some(high)].into_iter().flatten();
            let ticks = ticks.map(|tick| (tick, readable(tick))).collect();
            Self { low, high, ticks, cells }
        })
    }

    /// `None` where the next ticks outwards are no floats any more.
    fn with_ticks(low: f64, high: f64, count: usize, cells: usize) -> Option<Self> {
        let (step, exponent) = nice((high / 2.0 - low / 2.0) / count as f64 * 2.0)?;
        // What is a whole number of steps but for rounding is taken as it.
        let first = (low / step + SLACK).floor();
        let last = (high / step - SLACK).ceil();
        let magnitude = low.abs().max(high.abs());
        let mut ticks = Vec::with_capacity(count + 2);
        let mut steps = first;
        while steps <= last && ticks.len() < count + 3 {
            let tick = steps * step;
            ticks.push((tick, tick_text(tick, exponent, magnitude)));
            steps += 1.0;
        }
        let (low, high) = (low.min(first * step), high.max(last * step));
        (low.is_finite() && high.is_finite()).then_some(Self { low, high, ticks, cells })
    }

    /// Whether two spaces fit between any two of its ticks' numbers.
    fn has_room(&self) -> bool {
        let longest = self.ticks.iter().map(|(_, text)| text.len()).max().unwrap_or_default();
        (longest + 2) * self.ticks.len().saturating_sub(1) < self.cells
    }

    /// The cell of a value, from 1 to `cells`; never falls where the value rises.
    fn cell(&self, value: f64) -> usize {
        // Halves, because the whole width of an axis may be beyond the floats.
        let fraction = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let steps = self.cells.saturating_sub(1) as f64;
        let cell = (fraction * steps).round().clamp(0.0, steps);
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below the width")]
        #[expect(clippy::cast_sign_loss, reason = "clamped to zero and above")]
        let cell = cell as usize;
        cell + 1
    }

    /// The cell of an interval's end, and its mark: another one where it is beyond the axis.
    fn end(&self, value: f64, mark: char, marks: &Marks) -> (usize, char) {
        if value < self.low {
            (0, marks.beyond_left)
        } else if value > self.high {
            (self.cells + 1, marks.beyond_right)
        } else {
            (self.cell(value), mark)
        }
    }

    /// The cell of zero, where the axis holds it.
    fn zero(&self) -> Option<usize> {
        (self.low <= 0.0 && self.high >= 0.0).then(|| self.cell(0.0))
    }

    /// A point's interval and value, in front of the line of zero.
    fn row(&self, point: &Point, marks: &Marks) -> String {
        let zero = self.zero();
        let mut row = vec![' '; self.cells + 2];
        let mut set = |cell: usize, mark| row[cell.min(self.cells + 1)] = mark;
        if let Some(zero) = zero {
            set(zero, marks.zero);
        }
        if let Some((lower, upper)) = point.ends() {
            let (start, left) = self.end(lower, marks.left, marks);
            let (end, right) = self.end(upper, marks.right, marks);
            for cell in start..=end {
                set(cell, if zero == Some(cell) { marks.crossing } else { marks.line });
            }
            set(start, left);
            set(end, right);
        }
        if point.value.is_finite() {
            set(self.cell(point.value), marks.value);
        }
        row.into_iter().collect()
    }

    /// The line below the rows, with a mark at each tick.
    fn rule(&self, marks: &Marks) -> String {
        let mut rule = vec![marks.line; self.cells + 2];
        (rule[0], rule[self.cells + 1]) = (' ', ' ');
        for (tick, _) in &self.ticks {
            rule[self.cell(*tick)] = marks.tick;
        }
        if let Some(zero) = self.zero() {
            rule[zero] = marks.crossing;
        }
        rule.into_iter().collect()
    }

    /// The ticks' numbers, each centred below its tick; those without room are left out. `start`
    /// is the column of the first cell.
    fn tick_line(&self, start: usize, columns: usize) -> String {
        let mut line = String::new();
        let mut previous = "";
        for (tick, text) in &self.ticks {
            let centre = start + self.cell(*tick) - 1;
            let at = centre.saturating_sub(text.len() / 2).min(columns.saturating_sub(text.len()));
            let is_free = line.is_empty() || at > line.len();
            if is_free && text != previous && at + text.len() <= columns {
                line.push_str(&" ".repeat(at - line.len()));
                line.push_str(text);
                previous = text;
            }
        }
        line
    }
}

/// Value and interval of each point as text: of one width up to where the intervals start, and
/// without intervals where any would make it wider than allowed.
fn numbers(points: &[Point], width_max: usize) -> Vec<String> {
    let value = |point: &Point| {
        if point.value.is_finite() { readable(point.value) } else { "no value".to_owned() }
    };
    let values: Vec<String> = points.iter().map(value).collect();
    let width = widest(&values);
    let values: Vec<String> = values.iter().map(|value| format!("{value:>width$}")).collect();
    let with_interval = |(value, point): (&String, &Point)| match point.ends() {
        Some((lower, upper)) => format!("{value} [{}, {}]", readable(lower), readable(upper)),
        None => value.clone(),
    };
    let whole: Vec<String> = values.iter().zip(points).map(with_interval).collect();
    if widest(&whole) <= width_max { whole } else { values }
}

/// What the axis must hold: all values, and the ends of all intervals that are not far wider than
/// a typical one. `None` where there is no value.
fn range(points: &[Point]) -> Option<(f64, f64)> {
    let values = points.iter().map(|point| point.value).filter(|value| value.is_finite());
    let lowest = values.clone().reduce(f64::min)?;
    let highest = values.reduce(f64::max)?;
    let ends: Vec<(f64, f64)> = points.iter().filter_map(Point::ends).collect();
    let halves = ends.iter().map(|(lower, upper)| upper / 2.0 - lower / 2.0);
    let mut halves: Vec<f64> = halves.filter(|half| half.is_finite()).collect();
    halves.sort_by(f64::total_cmp);
    let typical = halves.get(halves.len() / 2).copied().unwrap_or_default();
    let reach = REACH * 2.0 * typical.max(highest / 2.0 - lowest / 2.0);
    let lower = ends.iter().map(|end| end.0).filter(|end| end.is_finite());
    let upper = ends.iter().map(|end| end.1).filter(|end| end.is_finite());
    let low = lower.filter(|end| *end >= lowest - reach).fold(lowest, f64::min);
    let high = upper.filter(|end| *end <= highest + reach).fold(highest, f64::max);
    Some((low, high))
}

/// A range that a float can divide: one that is no wider than rounding gets room on both sides.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let magnitude = low.abs().max(high.abs());
    if high / 2.0 - low / 2.0 > (magnitude * 1e-12).max(TINY) {
        return (low, high);
    }
    let room = if magnitude > TINY { magnitude / 2.0 } else { 1.0 };
    ((low - room).max(f64::MIN), (high + room).min(f64::MAX))
}

/// The next 1, 2 or 5 times a power of ten, and that power's exponent.
fn nice(step: f64) -> Option<(f64, i32)> {
    let text = format!("{step:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (mantissa, exponent): (f64, i32) = (mantissa.parse().ok()?, exponent.parse().ok()?);
    let fitting = [1, 2, 5].into_iter().find(|digit| mantissa <= f64::from(*digit) + SLACK);
    let (digit, exponent) = fitting.map_or((1, exponent + 1), |digit| (digit, exponent));
    let step: f64 = format!("{digit}e{exponent}").parse().ok()?;
    step.is_finite().then_some((step, exponent))
}

/// The ticks of one axis have the same decimals, unless they are tiny or huge.
fn tick_text(tick: f64, exponent: i32, magnitude: f64) -> String {
    if magnitude >= 1e15 || (exponent < -4 && magnitude < 0.01) {
        return readable(tick);
    }
    let decimals = usize::try_from(-exponent).unwrap_or_default();
    format!("{tick:.decimals$}")
}

/// Text that does nothing to a terminal: no controls, and nothing that turns its direction.
fn plain(text: &str, ascii: bool) -> String {
    let of = |letter: char| match letter {
        letter if letter.is_whitespace() || letter.is_control() => ' ',
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => '?',
        letter if ascii && !letter.is_ascii() => '?',
        letter => letter,
    };
    text.chars().map(of).collect()
}

/// Text of at most this width, with a sign where its end is missing.
fn cut(text: &str, width: usize, marks: &Marks) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(marks.more.chars().count()));
    kept.chain(marks.more.chars()).take(width).collect()
}

/// The width of the widest.
fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or_default()
}

/// What a plot is drawn with.
struct Marks {
    value: char,
    left: char,
    right: char,
    line: char,
    beyond_left: char,
    beyond_right: char,
    zero: char,
    crossing: char,
    tick: char,
    more: &'static str,
}

/// For most terminals.
const UNICODE: Marks = Marks {
    value: '●',
    left: '├',
    right: '┤',
    line: '─',
    beyond_left: '‹',
    beyond_right: '›',
    zero: '│',
    crossing: '┼',
    tick: '┬',
    more: "…",
};

/// For terminals and files that hold nothing else.
const ASCII: Marks = Marks {
    value: 'o',
    left: '[',
    right: ']',
    line: '-',
    beyond_left: '<',
    beyond_right: '>',
    zero: '|',
    crossing: '+',
    tick: '+',
    more: "...",
};

/// As many rows as a terminal shows at once.
const ROWS_MAX: usize = 40;

/// How far an interval may lead the axis away from the values, in widths of a typical interval or
/// of the values, whichever is wider. With two, that keeps about a fifth of the axis.
const REACH: f64 = 2.0;

/// Below this no axis is divided, lest its ticks lose digits where floats end.
const TINY: f64 = 1e-290;

/// How much of a step or of a leading digit is rounding.
const SLACK: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(label: &str, value: f64, interval: Option<(f64, f64)>) -> Point {
        Point { label: label.to_owned(), value, interval }
    }

    fn years() -> Vec<Point> {
        vec![
            point("2023", 12.3, Some((10.0, 14.6))),
            point("2024", -1.5, Some((-4.25, 1.25))),
            point("2025 (until\tMarch)", f64::NAN, Some((1.0, 2.0))),
            point("2026, größer", 4.0, Some((-900.0, f64::INFINITY))),
            point("2027", 7.25, Some((9.0, 5.0))),
        ]
    }

    #[test]
    fn intervals_stand_on_a_common_axis() {
        let expected = "
Deaths per 100,000
2023                     │    ├●┤         12.3 [10, 14.6]
2024                   ├●┼┤               -1.5 [-4.25, 1.25]
2025 (until March)       │            no value
2026, größer       ‹─────┼─●────────›        4 [-900, inf]
2027                     │   ●            7.25
                    ┬────┼────┬────┬
                   -10   0   10   20";
        assert_eq!(plot("Deaths per 100,000", &years(), 60, false), expected.trim_start());
    }

    #[test]
    fn a_narrow_plain_plot_drops_the_numbers_of_intervals_and_cuts_labels() {
        let expected = "
Deaths pro Stra?e
2023                 |   [o]        12.3
2024               [o+]             -1.5
2025 (until ...      |          no value
2026, gr??er    <----+-o------>        4
2027                 |  o           7.25
                 +---+---+---+
                -10  0  10  20";
        assert_eq!(plot("Deaths pro Straße", &years(), 40, true), expected.trim_start());
        assert_eq!(plot("Deaths pro Straße", &years(), 0, true), expected.trim_start());
    }

    #[test]
    fn few_and_equal_points_have_room_around_them() {
        let equal = [point("a", 5.0, None), point("bc", 5.0, Some((5.0, 5.0)))];
        let expected = "
a                ●              5
bc               ●              5 [5, 5]
    ┬───────┬────────┬───────┬
    2       4        6       8";
        assert_eq!(plot("", &equal, 40, false), expected.trim_start_matches('\n'));
        let one = "
x       ├──────●─────┤       50 [44, 56]
   ┬─────┬─────┬────┬─────┬
  40    45    50   55    60";
        assert_eq!(plot("", &[point("x", 50.0, Some((44.0, 56.0)))], 40, false), one.trim_start());
    }

    #[test]
    fn nothing_is_told_as_nothing() {
        assert_eq!(plot("title", &[], 80, false), "nothing to plot");
        let none = [point("a", f64::NAN, None), point("b", f64::INFINITY, None)];
        let expected = ["a", "b"].map(|label| format!("{label}{:31}no value", ""));
        assert_eq!(plot("", &none, 40, false), expected.join("\n"));
    }

    #[test]
    fn the_widest_range_of_floats_has_an_axis() {
        let ends = [point("a", f64::MAX, None), point("b", f64::MIN, None)];
        let expected = "
a                       │                    ●   1.79769e308
b  ●                    │                       -1.79769e308
   ┬────────────────────┼────────────────────┬
-1.79769e308            0               1.79769e308";
        assert_eq!(plot("", &ends, 60, false), expected.trim_start());
    }

    #[test]
    fn rows_beyond_the_fortieth_are_counted() {
        let days: Vec<Point> =
            (0..43).map(|day| point(&format!("day {day}"), f64::from(day), None)).collect();
        let text = plot("", &days, 80, false);
        assert_eq!(text.lines().count(), 43);
        assert_eq!(text.lines().next_back(), Some("… and 3 more"));
        assert!(text.contains("day 39 ") && !text.contains("day 40 "));
    }

    /// Floats of all sizes, and those that are none.
    fn float(random: &mut impl FnMut() -> u32) -> f64 {
        match random() % 12 {
            0 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, -0.0]
                [random() as usize % 7],
            1 => f64::from_bits(u64::from(random()) << 32 | u64::from(random())),
            2 => 1e15 + f64::from(random() % 4),
            3..=6 => f64::from(random() % 2000) - 1000.0,
            _ => f64::from(random()) / f64::from(u32::MAX),
        }
    }

    #[test]
    fn no_line_is_too_wide_and_each_value_stands_within_its_interval() {
        // Knuth's generator (MMIX); its upper half is good enough here.
        let mut state = 20_260_317_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for _ in 0..2_000 {
            let columns = 40 + random() as usize % 161;
            let label =
                |length: u32| ["a", "ß", "\n", "\u{1b}[2J", "\u{202e}"][length as usize % 5];
            let points: Vec<Point> = (0..=random() % 45)
                .map(|_| {
                    let value = float(&mut random);
                    let (below, above) = (float(&mut random).abs(), float(&mut random).abs());
                    let interval = (random() % 4 > 0).then_some((value - below, value + above));
                    point(&label(random()).repeat(random() as usize % 50), value, interval)
                })
                .collect();
            let title = label(random()).repeat(random() as usize % 300);
            let plain = plot(&title, &points, columns, true);
            assert!(plain.lines().all(|line| line.len() <= columns && line.is_ascii()), "{plain}");
            let text = plot(&title, &points, columns, false);
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
            let rows = text.lines().skip(usize::from(!title.is_empty()));
            for (point, row) in points.iter().take(40).zip(rows) {
                let at = |marks: [char; 2]| row.find(marks);
                let value = row.find('●');
                assert_eq!(value.is_some(), point.value.is_finite(), "{text}");
                assert!(at(['├', '‹']).is_none_or(|left| Some(left) < value), "{text}");
                assert!(at(['┤', '›']).is_none_or(|right| Some(right) > value), "{text}");
            }
        }
    }
}
