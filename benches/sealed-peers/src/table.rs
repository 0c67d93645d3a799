//! The table: times and bytes per counter, as a reader compares them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::round::{Cost, Round};

/// Its first two lines.
pub(crate) const HEAD: &str = "\
| scheme | who opens | run at | site | aggregators | of it adding | opening | bytes |\n\
| --- | --- | --- | --: | --: | --: | --: | --: |";

/// A line of it. Everything is of one counter; sites and aggregators, of one site's too.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) opens: &'static str,
    pub(crate) round: Round,
    pub(crate) cost: Cost,
}

impl Display for Row {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, opens, round: Round { sites, counters }, cost } = self;
        let counted = *counters as f64;
        let each = counted * f64::from(*sites);
        let columns = [
            time(cost.sites.0, each),
            time(cost.reading.0 + cost.adding.0, each),
            time(cost.adding.0, each),
            time(cost.opening.0, counted),
        ];
        let bytes = digits(cost.bytes as f64 / counted);
        let columns = columns.join(" | ");
        write!(formatter, "| {name} | {opens} | {sites} x {counters} | {columns} | {bytes} |")
    }
}

/// A time divided, in the unit that fits.
fn time(spent: Duration, by: f64) -> String {
    let ns = spent.as_secs_f64() * 1e9 / by;
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((1.0, "ns"));
    format!("{} {name}", digits(ns / unit))
}

/// Two digits at least, and no more after the point than help.
fn digits(number: f64) -> String {
    let after = if number < 1.0 {
        2
    } else if number < 100.0 {
        1
    } else {
        0
    };
    format!("{number:.after$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Spent;

    #[test]
    fn a_row_divides_by_counters_and_sites() {
        let spent = |us| Spent(Duration::from_micros(us));
        let cost = Cost {
            sites: spent(10_000),
            reading: spent(20),
            adding: spent(3),
            opening: spent(1_500),
            bytes: 5250,
        };
        let round = Round { sites: 10, counters: 1000 };
        let row = Row { name: "a", opens: "one", round, cost }.to_string();
        assert_eq!(row, "| a | one | 10 x 1000 | 1.0 µs | 2.3 ns | 0.30 ns | 1.5 µs | 5.2 |");
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        assert_eq!(time(Duration::from_secs(400), 100.0), "4.0 s");
        assert_eq!(time(Duration::from_millis(394), 1.0), "394 ms");
        assert_eq!(time(Duration::from_nanos(24), 100.0), "0.24 ns");
    }
}
