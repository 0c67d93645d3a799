//! A publisher's rule over an answer, before anything is made of it.
//!
//! Small counts go first, so that no share, ratio or curve is made of what is not shown. What
//! whoever checks outputs needs to see goes into packets beside the report.

use crate::disclosure::check::{Reason, Shown};
use crate::disclosure::packet::{Context, Packet};
use crate::disclosure::rules::Rule;
use crate::disclosure::table::{Cell, Group, Table};
use crate::disclosure::{self};
use crate::estimate::{Estimate, Interval};
use crate::indicators::indicator::Indicator;
use crate::indicators::method::Method;
use crate::released::{Released, Value};

/// The roles whose numbers are counts of persons or events.
const COUNTED: [&str; 6] = ["numerator", "denominator", "count", "events", "censored", "stage"];

/// An answer as a rule shows it, and a packet for each of its columns of counts. `earlier` holds
/// the tables that readers have seen already, and gets what they see of this one: two totals of
/// which the difference is a small count are told in the packet.
///
/// # Errors
/// [`disclosure::Error`] if two rows are of one group.
pub fn disclosed(
    rule: &Rule,
    indicator: &Indicator,
    released: Released,
    context: &Context,
    earlier: &mut Vec<Table>,
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
            let mut group = group(&released, row);
            group.insert("counted".to_owned(), counted_persons(indicator, role).to_owned());
            Cell { group, count: count.clone(), denominator }
        });
        let table = Table::new(cells.collect())?;
        let mut seen = Vec::new();
        let kept = counted.iter().zip(rule.check(&table)).zip(table.cells());
        for (((at, count), checked), cell) in kept {
            let rest = cell.denominator.as_ref().map(|of| of.value - count.value);
            if rule.complement && rest.is_some_and(|rest| rule.is_small(rest)) {
                rows[*at][place] = Value::Suppressed(words(Reason::Complement, rule));
                continue;
            }
            if checked.reason.is_none() {
                seen.push(cell.clone());
            }
            rows[*at][place] = match (checked.reason, checked.shown) {
                (Some(reason), _) => Value::Suppressed(words(reason, rule)),
                (None, Shown::Number(value)) => Value::Estimate(rounded(count, value, rule)),
                (None, Shown::Text(text)) => Value::Suppressed(text),
            };
        }
        let title = format!("{}: {}", indicator.title, column.label);
        let context =
            Context { title, population: indicator.population.clone(), ..context.clone() };
        packets.push(Packet::new(context, rule, &table, earlier));
        earlier.push(Table::new(seen)?);
    }
    Ok((released.with_rows(rows), packets))
}

/// Who is counted in a column: only what counts the same is compared with earlier tables.
fn counted_persons<'a>(indicator: &'a Indicator, role: &str) -> &'a str {
    if role == "denominator" { &indicator.population } else { &indicator.numerator }
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

/// A count as it is shown, with an interval around that: nothing of it depends on what was rounded
/// off. Rounding is one more error, uniform over the width of a class.
fn rounded(count: &Estimate, shown: f64, rule: &Rule) -> Estimate {
    let Some(width) = rule.round_to.or(rule.midpoint_of).map(f64::from) else {
        return count.clone();
    };
    let reach = Z95 * count.noise_variance.sqrt() + width / 2.0;
    let (lower, upper) = ((shown - reach).max(0.0), (shown + reach).max(0.0));
    let noise_variance = count.noise_variance + width * width / 12.0;
    let interval = Some(Interval { lower, upper });
    Estimate { value: shown, noise_variance, interval, ..count.clone() }
}

/// The flow of persons through a cohort as a rule shows it: [`Definition::attrition_sql`] answered.
///
/// [`Definition::attrition_sql`]: crate::cohort::definition::Definition::attrition_sql
pub fn disclosed_flow(rule: &Rule, released: Released) -> Released {
    let shown = |value: &Value| match value {
        Value::Estimate(count) => match rule.shown(count.value) {
            Shown::Number(value) => Value::Estimate(rounded(count, value, rule)),
            Shown::Text(_) => Value::Suppressed(words(Reason::SmallCount, rule)),
        },
        other => other.clone(),
    };
    let rows = released.rows().iter().map(|row| row.iter().map(shown).collect()).collect();
    released.with_rows(rows)
}

/// Standard deviations of a normal law in half an interval of 95 %.
const Z95: f64 = 1.959_963_984_540_054;

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
        let (shown, packets) =
            disclosed(cms, asthma, answer(), &Context::default(), &mut vec![]).unwrap();
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
    fn what_two_tables_tell_together_is_in_the_packet() {
        let catalogue = Catalogue::built_in().unwrap();
        let asthma = catalogue.find("asthma-prevalence").unwrap();
        let rules = Rules::built_in();
        let cms = rules.named("cms").unwrap();
        let mut earlier = vec![];
        let mut ask = |released, receipt: &str| {
            let receipt = std::sync::Arc::from(receipt);
            let mut answer: Released = released;
            let rows = answer.rows().iter().map(|row| {
                let under = |value: &Value| match value.estimate() {
                    Some(of) => Value::Estimate(Estimate::released(of.value, 0.0, &receipt)),
                    None => value.clone(),
                };
                row.iter().map(under).collect()
            });
            answer = answer.clone().with_rows(rows.collect());
            disclosed(cms, asthma, answer, &Context::default(), &mut earlier).unwrap().1
        };
        assert!(ask(answer(), "first").iter().all(|packet| packet.differences.is_empty()));
        // A year later there are four cases more among the older men.
        let mut rows = answer().rows().to_vec();
        rows[1][2] = Value::Estimate(Estimate::exact(47.0));
        let packets = ask(answer().with_rows(rows), "second");
        let found: Vec<f64> = packets[0].differences.iter().map(|d| d.difference).collect();
        assert_eq!(found, [4.0]);
    }

    #[test]
    fn rounding_is_part_of_the_error() {
        let catalogue = Catalogue::built_in().unwrap();
        let asthma = catalogue.find("asthma-prevalence").unwrap();
        let rules = Rules::built_in();
        let rule = rules.named("opensafely").unwrap();
        let (shown, _) =
            disclosed(rule, asthma, answer(), &Context::default(), &mut vec![]).unwrap();
        let count = shown.rows()[1][2].estimate().unwrap();
        assert_eq!((count.value, count.noise_variance), (45.0, 25.0 / 12.0));
        let ends = count.interval.unwrap();
        assert_eq!((ends.lower, ends.upper), (42.5, 47.5));
    }
}
