//! Methods about how something spreads: quantiles, classes, stages, first digits.

use super::view::View;
use super::{Outcome, axis, figure, missing, multiplier, names, plain, table, unit};
use crate::estimate::Estimate;
use crate::methods::billing::{Conformity, Digits, benford as compare};
use crate::methods::proportions::{ProportionLimits, proportion};
use crate::report::model::{Cell, Column, Row, RowGroup, Unit};
use crate::report::plots::{Categories, Group, Plot};

/// Quantiles as they were released.
pub(super) fn quantiles(view: &View<'_>) -> Outcome {
    let keys = view.keys_but(&[]);
    let factor = multiplier(&view.indicator.figure);
    let shown = unit(&view.indicator.figure, view.indicator.method);
    let wanted: Vec<_> = view.all("quantile").collect();
    let cell = |row: usize, place: usize| {
        let value = view.estimate_at(row, place).cloned();
        value.map_or_else(missing, |value| Cell::from(&value.times(factor)))
    };
    let heading: Vec<String> = keys.iter().map(|(_, column)| column.label.clone()).collect();
    let mut columns = vec![Column::new(heading.join(", "), Unit::Other(String::new()))];
    columns
        .extend(wanted.iter().map(|(_, column)| Column::new(column.label.clone(), shown.clone())));
    let groups = view.groups(&keys);
    let rows: Vec<Row> = groups
        .iter()
        .filter_map(|group| {
            let row = *group.rows.first()?;
            let name = if group.label.is_empty() { "all" } else { &group.label };
            Some(Row::new(name, wanted.iter().map(|(place, _)| cell(row, *place))))
        })
        .collect();
    let drawn = wanted.iter().enumerate().map(|(i, (_, column))| Group {
        name: column.label.clone(),
        cells: rows.iter().map(|row| row.cells[i].clone()).collect(),
    });
    let plot = Plot::Rates(Categories {
        category: heading.join(", "),
        value: axis(view, &view.indicator.numerator),
        categories: rows.iter().map(|row| row.label.clone()).collect(),
        groups: drawn.collect(),
        reference: None,
    });
    let methods = vec!["private quantiles (exponential mechanism)".to_owned()];
    let table = table(view, columns, plain(rows));
    Outcome { table, figure: figure(view, Some(plot)), methods }
}

/// Classes, and the share of each.
pub(super) fn distribution(view: &View<'_>) -> Outcome {
    shares(view, "bin", |counts| Some(Estimate::sum(counts.iter())))
}

/// The persons of each class over `whole` of all.
fn shares(view: &View<'_>, role: &str, whole: impl Fn(&[Estimate]) -> Option<Estimate>) -> Outcome {
    let keys = view.keys_but(&[role]);
    let (mut groups, mut drawn, mut methods) = (vec![], vec![], vec![]);
    let mut classes: Vec<String> = vec![];
    for group in view.groups(&keys) {
        let counts: Vec<Estimate> =
            group.rows.iter().filter_map(|row| view.estimate(*row, "count")).cloned().collect();
        // Shares are of all classes, so none may be left out.
        let all = whole(&counts).filter(|_| counts.len() == group.rows.len());
        let (mut rows, mut cells) = (vec![], vec![]);
        for row in group.rows {
            let Some((place, column)) = view.one(role) else { continue };
            let label = view.word(row, place, column);
            let pair = view.estimate(row, "count").zip(all.as_ref());
            let share = pair
                .map(|(part, whole)| proportion(part, whole, ProportionLimits::Wilson, view.level));
            methods.extend(share.as_ref().map(|share| share.method));
            let cell = share.as_ref().map_or_else(missing, Cell::from);
            rows.push(Row::new(label.clone(), [view.cell(row, "count"), cell.clone()]));
            cells.push(cell);
            if !classes.contains(&label) {
                classes.push(label);
            }
        }
        drawn.push(Group { name: group.label.clone(), cells });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let columns = vec![
        Column::new(view.label(role), Unit::Other(String::new())),
        Column::new(view.label("count"), Unit::Count),
        Column::new("Share", Unit::Share),
    ];
    let mut value = axis(view, "Share");
    value.unit = Unit::Share;
    let category = view.label(role);
    let plot = Categories { category, value, categories: classes, groups: drawn, reference: None };
    let figure = figure(view, Some(Plot::Bars(plot)));
    Outcome { table: table(view, columns, groups), figure, methods: names(methods) }
}

/// Who gets so far, as a share of those at the first stage.
pub(super) fn cascade(view: &View<'_>) -> Outcome {
    use crate::indicators::indicator::Role;
    let keys = view.keys_but(&[]);
    let mut stages: Vec<_> = view.all("stage").collect();
    stages.sort_by_key(|(_, column)| match column.role {
        Role::Stage { place } => place,
        _ => 0,
    });
    let (mut groups, mut drawn, mut methods) = (vec![], vec![], vec![]);
    for group in view.groups(&keys) {
        let Some(row) = group.rows.first().copied() else { continue };
        let of = |place: usize| view.estimate_at(row, place);
        let first = stages.first().and_then(|(place, _)| of(*place));
        let (mut rows, mut cells) = (vec![], vec![]);
        for (place, column) in &stages {
            let share = of(*place)
                .zip(first)
                .map(|(part, whole)| proportion(part, whole, ProportionLimits::Wilson, view.level));
            methods.extend(share.as_ref().map(|share| share.method));
            let count = of(*place).map_or_else(missing, Cell::from);
            // Nobody's share of itself is estimated.
            let is_first = rows.is_empty();
            let share =
                if is_first { Some(Cell::exact(1.0)) } else { share.map(|s| Cell::from(&s)) };
            let cell = share.unwrap_or_else(missing);
            rows.push(Row::new(column.label.clone(), [count, cell.clone()]));
            cells.push(cell);
        }
        drawn.push(Group { name: group.label.clone(), cells });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let columns = vec![
        Column::new("Stage", Unit::Other(String::new())),
        Column::new("Persons", Unit::Count),
        Column::new("Share", Unit::Share),
    ];
    let mut value = axis(view, "Share of the first stage");
    value.unit = Unit::Share;
    let plot = Plot::Bars(Categories {
        category: "Stage".to_owned(),
        value,
        categories: stages.iter().map(|(_, column)| column.label.clone()).collect(),
        groups: drawn,
        reference: None,
    });
    let table = table(view, columns, groups);
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}

/// First digits beside the law of Benford.
pub(super) fn benford(view: &View<'_>) -> Outcome {
    let keys = view.keys_but(&["digit"]);
    let (mut groups, mut drawn, mut methods) = (vec![], vec![], vec![]);
    let law = Digits::First.expected();
    let digits: Vec<String> = (1..=9).map(|digit: u32| digit.to_string()).collect();
    for group in view.groups(&keys) {
        let count = |digit: &String| {
            let of = |row: &&usize| view.key(**row, "digit") == Some(digit.as_str());
            view.estimate(*group.rows.iter().find(of)?, "count").cloned()
        };
        let counts: Vec<Option<Estimate>> = digits.iter().map(count).collect();
        let there: Vec<Estimate> = counts.iter().flatten().cloned().collect();
        let all = Estimate::sum(there.iter());
        let is_whole = there.len() == digits.len();
        let (mut rows, mut cells) = (vec![], vec![]);
        for ((digit, count), expected) in digits.iter().zip(&counts).zip(&law) {
            let share = count
                .as_ref()
                .filter(|_| is_whole)
                .map(|part| proportion(part, &all, ProportionLimits::Wilson, view.level));
            let cell = share.as_ref().map_or_else(missing, Cell::from);
            let number = count.as_ref().map_or_else(missing, Cell::from);
            rows.push(Row::new(digit.clone(), [number, cell.clone(), Cell::exact(*expected)]));
            cells.push(cell);
        }
        if let Some(test) = compare(Digits::First, &there) {
            let p = Cell::exact(test.p_value);
            let row = Row::new("p-value of chi-square", [Cell::Empty, p, Cell::Empty]);
            rows.push(Row { unit: Some(Unit::Probability), ..row });
            let deviation = Cell::from(&test.mean_absolute_deviation);
            let word = match test.conformity {
                Some(Conformity::Close) => "close conformity",
                Some(Conformity::Acceptable) => "acceptable conformity",
                Some(Conformity::Marginal) => "marginal conformity",
                Some(Conformity::None) => "nonconformity",
                None => "not told: noise alone could make it",
            };
            let cells = [Cell::text(word), deviation, Cell::Empty];
            rows.push(Row::new("mean absolute deviation", cells));
            methods.push(test.mean_absolute_deviation.method);
        }
        drawn.push(Group { name: group.label.clone(), cells });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let cells = law.iter().map(|share| Cell::exact(*share)).collect();
    drawn.push(Group { name: "law of Benford".to_owned(), cells });
    let columns = vec![
        Column::new(view.label("digit"), Unit::Other(String::new())),
        Column::new(view.label("count"), Unit::Count),
        Column::new("Share", Unit::Share),
        Column::new("By the law", Unit::Share),
    ];
    let mut value = axis(view, "Share");
    value.unit = Unit::Share;
    let category = view.label("digit");
    let plot = Categories { category, value, categories: digits, groups: drawn, reference: None };
    let figure = figure(view, Some(Plot::Bars(plot)));
    Outcome { table: table(view, columns, groups), figure, methods: names(methods) }
}
