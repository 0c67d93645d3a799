//! A publisher's rule over an answer, before anything is made of it.
//!
//! Small counts go first, so that no share, ratio or curve is made of what is not shown. What
//! whoever checks outputs needs to see goes into packets beside the report.

use crate::disclosure::check::{Reason, Shown};
use crate::disclosure::packet::{Context, Packet};
use crate::disclosure::rules::Rule;
use crate::disclosure::table::{Cell, Group, Table};
use crate::disclosure::{self};
use crate::estimate::Estimate;
use crate::indicators::indicator::Indicator;
use crate::indicators::method::Method;
use crate::released::{Released, Value};

/// The roles whose numbers are counts of persons or events.
const COUNTED: [&str; 6] = ["numerator", "denominator", "count", "events", "censored", "stage"];

/// An answer as a rule shows it, and a packet for each of its columns of counts.
///
/// # Errors
/// [`disclosure::Error`] if two rows are of one group.
pub fn disclosed(
    rule: &Rule,
    indicator: &Indicator,
    released: Released,
    context: &Context,
) -> Result<(Released, Vec<Packet>), disclosure::Error> {
    let is_counted =
        !matches!(indicator.method, Method::Mean | Method::Quantiles | Method::RatioOfSums);
    let mut rows = released.rows().to_vec();
    let mut packets = Vec::new();
    let place_of = |role: &str| {
        let mut columns = indicator.columns.iter();
        let (name, _) = columns.find(|(_, column)| column.role.name() == role)?;
        released.place(name)
    };
    let whole = place_of("denominator");
    for (name, column) in &indicator.columns {
        let role = column.role.name();
        let Some(place) = released.place(name).filter(|_| is_counted && COUNTED.contains(&role))
        else {
            continue;
        };
        let of = |row: &Vec<Value>, place: usize| row.get(place)?.estimate().cloned();
        let counted: Vec<(usize, Estimate)> = released
            .rows()
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((at, of(row, place)?)))
            .collect();
        let cells = counted.iter().map(|(at, count)| {
            let row = &released.rows()[*at];
            let denominator = whole.filter(|_| role == "numerator").and_then(|at| of(row, at));
            Cell { group: group(&released, row), count: count.clone(), denominator }
        });
        let table = Table::new(cells.collect())?;
        for ((at, count), checked) in counted.iter().zip(rule.check(&table)) {
            rows[*at][place] = match (checked.reason, checked.shown) {
                (Some(reason), _) => Value::Suppressed(words(reason, rule)),
                (None, Shown::Number(value)) => Value::Estimate(rounded(count, value)),
                (None, Shown::Text(text)) => Value::Suppressed(text),
            };
        }
        let title = format!("{}: {}", indicator.title, column.label);
        let context =
            Context { title, population: indicator.population.clone(), ..context.clone() };
        packets.push(Packet::new(context, rule, &table, &[]));
    }
    Ok((released.with_rows(rows), packets))
}

/// The keys of a row by the names of their columns.
fn group(released: &Released, row: &[Value]) -> Group {
    let named = released.columns().iter().zip(row);
    let keys = named.filter_map(|(name, value)| match value {
        Value::Key(key) => Some((name.clone(), key.clone())),
        Value::Null => Some((name.clone(), "not known".to_owned())),
        Value::Estimate(_) | Value::Suppressed(_) => None,
    });
    keys.collect()
}

/// A count as it is shown. Rounding is one more error, as if it were noise of the same spread.
fn rounded(count: &Estimate, shown: f64) -> Estimate {
    let moved = shown - count.value;
    if moved == 0.0 {
        return count.clone();
    }
    let noise_variance = count.noise_variance + moved * moved;
    let shifted = count.interval.map(|interval| crate::estimate::Interval {
        lower: interval.lower.min(shown),
        upper: interval.upper.max(shown),
    });
    Estimate { value: shown, noise_variance, interval: shifted, ..count.clone() }
}

/// Why a number is not shown, for readers.
fn words(reason: Reason, rule: &Rule) -> String {
    match reason {
        Reason::SmallCount => format!("fewer than {}", rule.suppress_below),
        Reason::SmallDenominator => format!("of fewer than {}", rule.denominator_below),
        Reason::Complement => "another would follow from it".to_owned(),
        Reason::BlockedTable => "the table has small counts".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::disclosed;
    use crate::disclosure::packet::Context;
    use crate::disclosure::rules::Rules;
    use crate::estimate::Estimate;
    use crate::indicators::catalogue::Catalogue;
    use crate::released::{Released, Value};
    use crate::report::model::Cell;
    use crate::results::Outcome;

    /// Men and women of two ages; one count of cases is small.
    fn answer() -> Released {
        let row = |sex: &str, age: &str, cases: f64, persons: f64| {
            let number = |value| Value::Estimate(Estimate::exact(value));
            let key = |text: &str| Value::Key(text.to_owned());
            vec![key(sex), key(age), number(cases), number(persons)]
        };
        let columns = ["sex", "age", "cases", "persons"].map(str::to_owned).to_vec();
        let rows = vec![
            row("8507", "0", 7.0, 500.0),
            row("8507", "10", 43.0, 512.0),
            row("8532", "0", 28.0, 3.0),
            row("8532", "10", 12.0, 480.0),
        ];
        Released::new(columns, rows, None, vec![])
    }

    #[test]
    fn small_counts_and_what_is_made_of_them_are_not_shown() {
        let catalogue = Catalogue::built_in().unwrap();
        let asthma = catalogue.find("asthma-prevalence").unwrap();
        let rules = Rules::built_in();
        let cms = rules.named("cms").unwrap();
        let (shown, packets) = disclosed(cms, asthma, answer(), &Context::default()).unwrap();
        let kinds: Vec<bool> =
            shown.rows().iter().map(|row| matches!(row[2], Value::Suppressed(_))).collect();
        assert_eq!(kinds, [true, false, false, false]);
        assert_eq!(packets.len(), 2);
        assert!(!packets[0].is_clear());
        let table = Outcome::of(asthma, &shown, 0.95).unwrap().table;
        let rows: Vec<_> = table.groups.iter().flat_map(|group| &group.rows).collect();
        assert_eq!(rows[0].cells[0], Cell::suppressed("fewer than 11"));
        assert!(matches!(rows[0].cells[2], Cell::Suppressed { .. }));
        assert!(matches!(rows[1].cells[2], Cell::Number(_)));
        // A denominator below the threshold is a small count as well.
        assert!(matches!(rows[2].cells[1], Cell::Suppressed { .. }));
        assert!(matches!(rows[2].cells[2], Cell::Suppressed { .. }));
    }

    #[test]
    fn rounding_is_part_of_the_error() {
        let catalogue = Catalogue::built_in().unwrap();
        let asthma = catalogue.find("asthma-prevalence").unwrap();
        let rules = Rules::built_in();
        let rule = rules.named("opensafely").unwrap();
        let (shown, _) = disclosed(rule, asthma, answer(), &Context::default()).unwrap();
        let count = shown.rows()[1][2].estimate().unwrap();
        assert_eq!((count.value, count.noise_variance), (45.0, 4.0));
    }
}
