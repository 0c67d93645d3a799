//! Methods that compare: risks of the exposed and others, ranks, items against all others.

use super::view::{Group, View};
use super::{Outcome, axis, figure, missing, names, plain, table, unit};
use crate::estimate::Estimate;
use crate::indicators::method::Method;
use crate::methods::inequality::{Group as Rank, concentration_index, relative_index, slope_index};
use crate::methods::proportions::{ProportionLimits, proportion};
use crate::methods::safety::Reports;
use crate::methods::two_by_two::TwoByTwo;
use crate::methods::{effectiveness, stratified};
use crate::report::model::{Cell, Column, Row, RowGroup, Unit};
use crate::report::plots::{Categories, Forest, ForestRow, Group as Drawn, Plot, Role};

/// Exposed against others, in each stratum and, where there are several, together.
pub(super) fn risks(view: &View<'_>) -> Outcome {
    let keys = view.keys_but(&["exposed"]);
    let groups = view.groups(&keys);
    let found: Vec<(String, Option<TwoByTwo>)> =
        groups.iter().map(|group| (group.label.clone(), two_by_two(view, group))).collect();
    let (mut rows, mut forest, mut methods) = (vec![], vec![], vec![]);
    for (label, counts) in &found {
        let label = if label.is_empty() { "all".to_owned() } else { label.clone() };
        let Some(counts) = counts else {
            rows.push(Row::new(label, vec![missing(); 3]));
            continue;
        };
        let [a, n, c, m] = counts.inputs();
        let risk = |part, whole| proportion(part, whole, ProportionLimits::Wilson, view.level);
        let result = compared(view.indicator.method, counts, view.level);
        methods.push(result.method);
        let cells = [Cell::from(&risk(a, n)), Cell::from(&risk(c, m)), Cell::from(&result)];
        rows.push(Row::new(label.clone(), cells));
        forest.push(ForestRow { label, role: Role::Single, cell: Cell::from(&result) });
    }
    let strata: Vec<TwoByTwo> = found.iter().filter_map(|(_, counts)| counts.clone()).collect();
    if let (Some(pooled), true) = (pooled(view, &strata), strata.len() > 1) {
        methods.push(pooled.method);
        let label = pooled_label(strata.len() == found.len());
        rows.push(Row::new(label.clone(), [Cell::Empty, Cell::Empty, Cell::from(&pooled)]));
        forest.push(ForestRow { label, role: Role::Total, cell: Cell::from(&pooled) });
    }
    let word = |exposed: &str| {
        let column = view.one("exposed").map(|(_, column)| column);
        let word = column.and_then(|column| column.values.get(exposed).cloned());
        word.unwrap_or_else(|| if exposed == "1" { "exposed" } else { "others" }.to_owned())
    };
    let (name, shown) = match view.indicator.method {
        Method::OddsRatio => ("Odds ratio", Unit::Ratio),
        Method::RiskDifference => ("Risk difference", Unit::Share),
        Method::Effectiveness => ("Effectiveness", Unit::Share),
        _ => ("Risk ratio", Unit::Ratio),
    };
    let heading: Vec<String> = keys.iter().map(|(_, column)| column.label.clone()).collect();
    let heading = heading.join(", ");
    let columns = vec![
        Column::new(heading.clone(), Unit::Other(String::new())),
        Column::new(format!("Risk, {}", word("1")), Unit::Share),
        Column::new(format!("Risk, {}", word("0")), Unit::Share),
        Column::new(name, shown.clone()),
    ];
    let mut value = axis(view, name);
    value.unit = shown.clone();
    let plot = if shown == Unit::Ratio {
        let sides = (format!("fewer if {}", word("1")), format!("more if {}", word("1")));
        Plot::Forest(Forest { row: heading, value, rows: forest, null: 1.0, sides })
    } else {
        let categories = forest.iter().map(|row| row.label.clone()).collect();
        let cells = forest.into_iter().map(|row| row.cell).collect();
        let groups = vec![Drawn { name: String::new(), cells }];
        Plot::Rates(Categories { category: heading, value, categories, groups, reference: None })
    };
    let table = table(view, columns, plain(rows));
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}

/// What all strata are called together, or those that are shown.
fn pooled_label(is_whole: bool) -> String {
    let of = if is_whole { "all" } else { "those shown" };
    format!("{of}, by Mantel and Haenszel")
}

/// Cases and persons, exposed and not, of a stratum.
fn two_by_two(view: &View<'_>, group: &Group) -> Option<TwoByTwo> {
    let of = |exposed: &str, role: &str| {
        let mut rows = group.rows.iter().copied();
        let row = rows.find(|row| view.key(*row, "exposed") == Some(exposed))?;
        view.estimate(row, role).cloned()
    };
    Some(TwoByTwo::of_totals([
        of("1", "numerator")?,
        of("1", "denominator")?,
        of("0", "numerator")?,
        of("0", "denominator")?,
    ]))
}

fn compared(method: Method, counts: &TwoByTwo, level: f64) -> Estimate {
    match method {
        Method::OddsRatio => counts.odds_ratio(level),
        Method::RiskDifference => counts.risk_difference(level),
        Method::Effectiveness => effectiveness::effectiveness(&counts.risk_ratio(level)),
        _ => counts.risk_ratio(level),
    }
}

/// All strata together; differences of risks are not pooled.
fn pooled(view: &View<'_>, strata: &[TwoByTwo]) -> Option<Estimate> {
    let level = view.level;
    match view.indicator.method {
        Method::OddsRatio => Some(stratified::odds_ratio(strata, level)),
        Method::RiskRatio => Some(stratified::risk_ratio(strata, level)),
        Method::Effectiveness => {
            Some(effectiveness::effectiveness(&stratified::risk_ratio(strata, level)))
        }
        _ => None,
    }
}

/// Shares by rank, and the indices of inequality over them.
pub(super) fn inequality(view: &View<'_>) -> Outcome {
    let keys = view.keys_but(&["rank"]);
    let (mut groups, mut drawn, mut methods) = (vec![], vec![], vec![]);
    let mut ranks: Vec<String> = vec![];
    for group in view.groups(&keys) {
        let (mut rows, mut cells, mut places) = (vec![], vec![], vec![]);
        for row in group.rows {
            let Some((place, column)) = view.one("rank") else { continue };
            let label = view.word(row, place, column);
            let pair = view.estimate(row, "numerator").zip(view.estimate(row, "denominator"));
            let share = pair.map(|(part, whole)| {
                places.push(Rank::of_cases(part, whole));
                proportion(part, whole, ProportionLimits::Wilson, view.level)
            });
            let cell = share.as_ref().map_or_else(missing, Cell::from);
            methods.extend(share.map(|share| share.method));
            rows.push(Row::new(
                label.clone(),
                [view.cell(row, "numerator"), view.cell(row, "denominator"), cell.clone()],
            ));
            cells.push(cell);
            if !ranks.contains(&label) {
                ranks.push(label);
            }
        }
        let indices = [
            ("Slope index", slope_index(&places, view.level), Unit::Share),
            ("Relative index", relative_index(&places, view.level), Unit::Ratio),
            ("Concentration index", concentration_index(&places, view.level), Unit::Ratio),
        ];
        for (name, index, unit) in indices {
            methods.push(index.method);
            let cells = [Cell::Empty, Cell::Empty, Cell::from(&index)];
            rows.push(Row { unit: Some(unit), ..Row::new(name, cells) });
        }
        drawn.push(Drawn { name: group.label.clone(), cells });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let shown = unit(&view.indicator.figure, view.indicator.method);
    let columns = vec![
        Column::new(view.label("rank"), Unit::Other(String::new())),
        Column::new(view.label("numerator"), Unit::Count),
        Column::new(view.label("denominator"), Unit::Count),
        Column::new("Share", shown),
    ];
    let plot = Plot::Rates(Categories {
        category: view.label("rank"),
        value: axis(view, "Share"),
        categories: ranks,
        groups: drawn,
        reference: None,
    });
    let table = table(view, columns, groups);
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}

/// Each item against all others together: reporting ratios, and the rule of Evans for signals.
pub(super) fn disproportionality(view: &View<'_>) -> Outcome {
    let pair = |row| view.estimate(row, "numerator").zip(view.estimate(row, "denominator"));
    let all: Vec<_> = view.rows().filter_map(pair).collect();
    // All others are only known if none of them is left out.
    let is_whole = all.len() == view.rows().count();
    let (mut rows, mut forest, mut methods) = (vec![], vec![], vec![]);
    for row in view.rows() {
        let Some((place, column)) = view.one("item") else { continue };
        let label = view.word(row, place, column);
        let Some((both, product)) = pair(row).filter(|_| is_whole) else {
            let counts = [view.cell(row, "numerator"), view.cell(row, "denominator")];
            let ratios = [missing(), missing(), Cell::text("not told")];
            rows.push(Row::new(label, counts.into_iter().chain(ratios)));
            continue;
        };
        let others = |of: fn(&(&Estimate, &Estimate)) -> f64, own: &Estimate| {
            all.iter().map(of).sum::<f64>() - own.value
        };
        let noise = |of: fn(&(&Estimate, &Estimate)) -> f64, own: &Estimate| {
            (all.iter().map(of).sum::<f64>() - own.noise_variance).max(0.0)
        };
        let receipts =
            |estimate: Estimate| Estimate { receipts: both.receipts.clone(), ..estimate };
        let event_only = receipts(Estimate {
            noise_variance: noise(|(x, _)| x.noise_variance, both),
            ..Estimate::exact(others(|(x, _)| x.value, both))
        });
        let rest = receipts(Estimate {
            noise_variance: noise(|(_, n)| n.noise_variance, product),
            ..Estimate::exact(others(|(_, n)| n.value, product))
        });
        let counts =
            TwoByTwo::of_totals([both.clone(), product.clone(), event_only.clone(), rest.clone()]);
        let reports = Reports::of_totals(both, product, &event_only, &rest);
        // Where noise took all that others have, there is an interval and no ratio.
        let over = |estimate: Estimate| match event_only.value > 0.0 && rest.value > 0.0 {
            true => estimate,
            false => Estimate { value: f64::NAN, ..estimate },
        };
        let ratio = over(counts.risk_ratio(view.level));
        let odds = over(counts.odds_ratio(view.level));
        methods.extend([ratio.method, odds.method]);
        let signal = if reports.is_signal() { "signal" } else { "none" };
        let cells = [
            Cell::from(both),
            Cell::from(product),
            Cell::from(&ratio),
            Cell::from(&odds),
            Cell::text(signal),
        ];
        rows.push(Row::new(label.clone(), cells));
        forest.push(ForestRow { label, role: Role::Single, cell: Cell::from(&odds) });
    }
    let columns = vec![
        Column::new(view.label("item"), Unit::Other(String::new())),
        Column::new(view.label("numerator"), Unit::Count),
        Column::new(view.label("denominator"), Unit::Count),
        Column::new("Proportional reporting ratio", Unit::Ratio),
        Column::new("Reporting odds ratio", Unit::Ratio),
        Column::new("By the rule of Evans", Unit::Other(String::new())),
    ];
    let mut value = axis(view, "Reporting odds ratio");
    value.unit = Unit::Ratio;
    let sides = ("fewer than after others".to_owned(), "more than after others".to_owned());
    let plot =
        Plot::Forest(Forest { row: view.label("item"), value, rows: forest, null: 1.0, sides });
    let table = table(view, columns, plain(rows));
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}
