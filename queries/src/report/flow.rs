//! The flow of persons through the rules of a cohort, from one released count of them.

use super::model::{Cell, Excluded, Flow, Step};
use crate::cohort::definition::Definition;
use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::normal_quantile;
use crate::released::{Released, Value};

/// The flow of a cohort: who has an index event, and who passes the rules one after the other.
///
/// `released` is the answer to [`Definition::attrition_sql`]: persons by how many rules they pass.
/// Counts of steps are sums of those of later ones; groups that were too small to be shown are
/// missing from all of them. Intervals, of this level, cover the noise: the persons are all there
/// are, and no sample.
pub fn flow(definition: &Definition, released: &Released, level: f64) -> Flow {
    let counts: Vec<(usize, &Estimate)> =
        released.rows().iter().filter_map(|row| count(row)).collect();
    let at_least = |rules: usize| {
        let of = counts.iter().filter(|(passed, _)| *passed >= rules).map(|(_, count)| *count);
        let sum = Estimate::sum(of);
        let half = sum.noise_variance.sqrt() * normal_quantile(f64::midpoint(1.0, level));
        let (lower, upper) = (sum.value - half, sum.value + half);
        Estimate {
            interval: Some(Interval { lower: lower.max(0.0), upper: upper.max(0.0) }),
            ..sum
        }
    };
    let leaving = |rules: usize| {
        let of = counts.iter().find(|(passed, _)| *passed == rules);
        of.map_or_else(|| Cell::suppressed("too few to be shown"), |(_, count)| Cell::from(*count))
    };
    let rules: Vec<&str> = definition.rules().collect();
    let left = |place: usize| {
        let next = rules.get(place)?;
        Some(Excluded { label: format!("not: {next}"), count: leaving(place) })
    };
    let labels = std::iter::once("with an index event").chain(rules.iter().copied());
    let steps = labels.enumerate().map(|(place, label)| Step {
        label: label.to_owned(),
        count: Cell::from(&at_least(place)),
        excluded: left(place).into_iter().collect(),
    });
    let title = definition.title().unwrap_or_else(|| definition.name());
    Flow {
        caption: format!("{title}: from the index event on"),
        steps: steps.collect(),
        arms: vec![],
    }
}

/// How many rules persons pass, and how many persons do.
fn count(row: &[Value]) -> Option<(usize, &Estimate)> {
    let passed = row.first()?.key()?.parse().ok()?;
    Some((passed, row.get(1)?.estimate()?))
}

#[cfg(test)]
mod tests {
    use super::flow;
    use crate::cohort::definition::Definition;
    use crate::estimate::Estimate;
    use crate::released::{Released, Value};
    use crate::report::model::Cell;

    #[test]
    fn steps_are_sums_of_those_who_get_as_far() {
        let text = "name = \"c\"\ntitle = \"C\"\n[index]\nevents = [{ table = \"death\" }]\n\
                    [[rules]]\nname = \"first\"\nall = [{ table = \"visit_occurrence\" }]\n\
                    [[rules]]\nname = \"second\"\nall = [{ table = \"visit_occurrence\" }]\n";
        let definition = Definition::from_toml("c.toml", text).unwrap();
        let row = |passed: &str, persons: f64| {
            let count = Estimate { noise_variance: 4.0, ..Estimate::exact(persons) };
            vec![Value::Key(passed.to_owned()), Value::Estimate(count)]
        };
        let columns = ["rules_passed", "persons"].map(str::to_owned).to_vec();
        let rows = vec![row("0", 100.0), row("2", 30.0)];
        let flow = flow(&definition, &Released::new(columns, rows, None, vec![]), 0.95);
        let counts: Vec<f64> =
            flow.steps.iter().map(|step| step.count.number().unwrap().value).collect();
        assert_eq!(counts, [130.0, 30.0, 30.0]);
        assert_eq!(flow.steps[0].count.number().unwrap().noise_sd, 8.0f64.sqrt());
        assert_eq!(flow.steps[1].label, "first");
        assert!(matches!(flow.steps[1].excluded[0].count, Cell::Suppressed { .. }));
        assert!(flow.steps[2].excluded.is_empty());
    }
}
