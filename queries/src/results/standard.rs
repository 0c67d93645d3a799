//! Methods over age bands or units: standardised rates, life tables, standardised ratios, funnels.

use super::view::{Group, View};
use super::{Outcome, axis, figure, missing, multiplier, names, plain, table, unit};
use crate::estimate::{Estimate, Interval};
use crate::indicators::indicator::FigureKind;
use crate::indicators::method::Standard;
use crate::methods::counts::{Limits as CountLimits, Noise};
use crate::methods::funnel::Position;
use crate::methods::lifetable::{Band, life_expectancy};
use crate::methods::populations::AgeBand;
use crate::methods::standardisation::{self, DirectLimits, Stratum};
use crate::methods::{funnel as funnels, rates};
use crate::report::model::{Cell, Column, Row, Unit};
use crate::report::plots::{
    Axis, Categories, Funnel, FunnelPoint, Group as Drawn, Limits, Plot, Reference,
};

/// Directly standardised rates of groups, beside their crude rates.
pub(super) fn direct(view: &View<'_>, standard: Standard) -> Outcome {
    let factor = multiplier(&view.indicator.figure);
    let of_group = |group: &Group| (group.label.clone(), rates_of(view, group, standard, factor));
    let keys = view.keys_but(&["age"]);
    let groups = view.groups(&keys);
    let found: Vec<(String, Option<[Estimate; 4]>)> = groups.iter().map(of_group).collect();
    let shown = unit(&view.indicator.figure, view.indicator.method);
    let columns = vec![
        Column::new(heading(view), Unit::Other(String::new())),
        Column::new(view.label("numerator"), Unit::Count),
        Column::new(view.label("denominator"), Unit::Count),
        Column::new("Crude rate", shown.clone()),
        Column::new("Standardised rate", shown),
    ];
    let rows = found.iter().map(|(label, numbers)| {
        let cells = match numbers {
            Some(numbers) => numbers.iter().map(Cell::from).collect(),
            None => vec![missing(); 4],
        };
        Row::new(name(label), cells)
    });
    let methods = names(found.iter().flat_map(|(_, numbers)| numbers).map(|n| n[3].method));
    let cells = found.iter().map(|(_, numbers)| {
        numbers.as_ref().map_or_else(missing, |numbers| Cell::from(&numbers[3]))
    });
    let plot = categories(view, &found, cells.collect(), "Standardised rate", None);
    Outcome {
        table: table(view, columns, plain(rows.collect())),
        figure: figure(view, plot),
        methods,
    }
}

/// Events, person-time, crude and standardised rate of a group; none if an age band is missing or
/// is none of the standard population.
fn rates_of(
    view: &View<'_>,
    group: &Group,
    standard: Standard,
    factor: f64,
) -> Option<[Estimate; 4]> {
    let (bands, numbers) = bands(view, group)?;
    let weights = standard.population()?.weights_of(&bands)?;
    let strata = numbers.iter().zip(&weights);
    let strata: Vec<Stratum> =
        strata.map(|((x, n), w)| Stratum::new((*x).clone(), (*n).clone(), *w)).collect();
    let events = Estimate::sum(numbers.iter().map(|(events, _)| *events));
    let persons = Estimate::sum(numbers.iter().map(|(_, persons)| *persons));
    let crude = rates::crude(&events, &persons, CountLimits::ByarFrom10, view.level).times(factor);
    let direct = standardisation::direct(&strata, DirectLimits::Dobson, view.level).times(factor);
    Some([events, persons, crude, direct])
}

/// Numerator and denominator by age band.
type Banded<'a> = (Vec<AgeBand>, Vec<(&'a Estimate, &'a Estimate)>);

/// The age bands of a group; none if one of those that the indicator names was not released: its
/// neighbours are not to stand for it.
fn bands<'a>(view: &View<'a>, group: &Group) -> Option<Banded<'a>> {
    let (_, column) = view.one("age")?;
    let bands = column.age_bands()?;
    let numbers = bands.iter().map(|band| {
        let from = band.from.to_string();
        let row = group.rows.iter().find(|row| view.key(**row, "age") == Some(&from))?;
        view.estimate(*row, "numerator").zip(view.estimate(*row, "denominator"))
    });
    let numbers = numbers.collect::<Option<Vec<_>>>()?;
    Some((bands, numbers))
}

/// Expectation of life at the first age of each band.
pub(super) fn life_table(view: &View<'_>) -> Outcome {
    let keys = view.keys_but(&["age"]);
    let years = Unit::Other("years".to_owned());
    let mut methods = Vec::new();
    let mut groups = Vec::new();
    let mut drawn = Vec::new();
    let bands_of = view.one("age").and_then(|(_, column)| column.age_bands()).unwrap_or_default();
    let ages: Vec<String> = bands_of.iter().map(|band| band.from.to_string()).collect();
    for group in view.groups(&keys) {
        let expected = match bands(view, &group) {
            None => vec![],
            Some((bands, numbers)) => {
                let band = |(band, (deaths, persons)): (&AgeBand, &(&Estimate, &Estimate))| Band {
                    from: f64::from(band.from),
                    deaths: (*deaths).clone(),
                    population: (*persons).clone(),
                };
                let bands: Vec<Band> = bands.iter().zip(&numbers).map(band).collect();
                life_expectancy(&bands, view.level)
            }
        };
        methods.extend(expected.iter().map(|estimate| estimate.method));
        let mut cells: Vec<Cell> = expected.iter().map(Cell::from).collect();
        cells.resize(ages.len(), missing());
        let rows = ages.iter().zip(&cells);
        let rows = rows.map(|(age, cell)| Row::new(age.clone(), [cell.clone()])).collect();
        let heading = group.label.clone();
        groups.push(crate::report::model::RowGroup { heading, rows });
        drawn.push(Drawn { name: group.label, cells });
    }
    let columns = vec![
        Column::new("At age", Unit::Other(String::new())),
        Column::new("Further life", years.clone()),
    ];
    let plot = Plot::Rates(Categories {
        category: "At age".to_owned(),
        value: Axis { label: "Further life".to_owned(), unit: years },
        categories: ages,
        groups: drawn,
        reference: None,
    });
    let table = table(view, columns, groups);
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}

/// Standardised ratios: of each unit, observed over expected at the rates of all units together.
pub(super) fn ratios(view: &View<'_>) -> Outcome {
    // The rate of all units that are shown, at an age.
    let rate = |age: u16| {
        let age = age.to_string();
        let of_age = view.rows().filter(|row| view.key(*row, "age") == Some(&age));
        let pair = |row| view.estimate(row, "numerator").zip(view.estimate(row, "denominator"));
        let all: Vec<(&Estimate, &Estimate)> = of_age.filter_map(pair).collect();
        let events = Estimate::sum(all.iter().map(|(events, _)| *events));
        let persons = Estimate::sum(all.iter().map(|(_, persons)| *persons));
        let limits = CountLimits::ByarFrom10;
        (!all.is_empty()).then(|| rates::crude(&events, &persons, limits, view.level))
    };
    let units: Vec<_> = view.all("unit").collect();
    let mut found = Vec::new();
    for group in view.groups(&units) {
        let numbers = bands(view, &group).and_then(|(bands, numbers)| {
            let strata = bands.iter().zip(&numbers);
            let strata: Option<Vec<(Estimate, Estimate)>> =
                strata.map(|(band, (_, n))| Some(((*n).clone(), rate(band.from)?))).collect();
            let observed = Estimate::sum(numbers.iter().map(|(events, _)| *events));
            let expected = standardisation::expected(&strata?);
            let limits = CountLimits::ByarFrom10;
            let ratio = standardisation::ratio(&observed, &expected, limits, view.level);
            Some([observed, expected, ratio])
        });
        found.push((group.label, numbers));
    }
    let columns = vec![
        Column::new(view.label("unit"), Unit::Other(String::new())),
        Column::new("Observed", Unit::Count),
        Column::new("Expected", Unit::Other(String::new())),
        Column::new("Ratio", Unit::Ratio),
    ];
    let rows = found.iter().map(|(label, numbers)| {
        let cells = match numbers {
            Some(numbers) => numbers.iter().map(Cell::from).collect(),
            None => vec![missing(); 3],
        };
        Row::new(name(label), cells)
    });
    let methods = names(found.iter().flat_map(|(_, numbers)| numbers).map(|n| n[2].method));
    let plot = match view.indicator.figure.kind {
        FigureKind::Funnel => {
            let points = found.iter().filter_map(|(label, numbers)| {
                let [_, expected, ratio] = numbers.as_ref()?;
                let (label, size) = (label.clone(), expected.value);
                Some(FunnelPoint { label, size, cell: Cell::from(ratio) })
            });
            let noise = found.iter().flat_map(|(_, numbers)| numbers).map(|n| n[0].noise_variance);
            let noise = Noise { variance: noise.fold(0.0, f64::max), relative_variance: 0.0 };
            let limits = |size, level| funnels::ratio_limits(size, noise, level);
            let size = Axis { label: "Expected".to_owned(), unit: Unit::Count };
            Some(drawn_funnel(view, points.collect(), 1.0, size, limits))
        }
        _ => {
            let cells = found.iter().map(|(_, numbers)| {
                numbers.as_ref().map_or_else(missing, |numbers| Cell::from(&numbers[2]))
            });
            categories(view, &found, cells.collect(), "Ratio", Some((1.0, "all together")))
        }
    };
    let table = table(view, columns, plain(rows.collect()));
    Outcome { table, figure: figure(view, plot), methods }
}

/// Shares of units against the limits of chance around the share of all.
pub(super) fn funnel(view: &View<'_>) -> Outcome {
    use crate::methods::proportions::{ProportionLimits, proportion};
    let keys = view.keys_but(&[]);
    let mut rows = Vec::new();
    let mut points = Vec::new();
    let mut methods = Vec::new();
    let pair = |row: usize| view.estimate(row, "numerator").zip(view.estimate(row, "denominator"));
    let both: Vec<_> = view.rows().filter_map(pair).collect();
    let part = Estimate::sum(both.iter().map(|(part, _)| *part));
    let whole = Estimate::sum(both.iter().map(|(_, whole)| *whole));
    let centre = part.value / whole.value;
    let factor = multiplier(&view.indicator.figure);
    for group in view.groups(&keys) {
        let Some((part, whole)) = group.rows.first().and_then(|row| pair(*row)) else {
            rows.push(Row::new(group.label, vec![missing(); 4]));
            continue;
        };
        let share = proportion(part, whole, ProportionLimits::Wilson, view.level);
        let position = funnels::proportion_position(part, whole, centre);
        let word = position.map_or("not told", against_chance);
        methods.push(share.method);
        let share = share.times(factor);
        let cells = [Cell::from(part), Cell::from(whole), Cell::from(&share), Cell::text(word)];
        rows.push(Row::new(group.label.clone(), cells));
        let (label, size) = (group.label, whole.value);
        points.push(FunnelPoint { label, size, cell: Cell::from(&share) });
    }
    let columns = vec![
        Column::new(view.label("unit"), Unit::Other(String::new())),
        Column::new(view.label("numerator"), Unit::Count),
        Column::new(view.label("denominator"), Unit::Count),
        Column::new("Share", unit(&view.indicator.figure, view.indicator.method)),
        Column::new("Against chance", Unit::Other(String::new())),
    ];
    let most = |of: fn(&(&Estimate, &Estimate)) -> f64| both.iter().map(of).fold(0.0, f64::max);
    let noise = Noise {
        variance: most(|(part, _)| part.noise_variance),
        relative_variance: most(|(_, n)| n.noise_variance / (n.value * n.value).max(1.0)),
    };
    let limits = |size, level| {
        let ends = funnels::proportion_limits(centre, size, noise, level);
        Interval { lower: ends.lower * factor, upper: ends.upper * factor }
    };
    let size = Axis { label: view.label("denominator"), unit: Unit::Count };
    let plot = drawn_funnel(view, points, centre * factor, size, limits);
    let table = table(view, columns, plain(rows));
    Outcome { table, figure: figure(view, Some(plot)), methods: names(methods) }
}

/// Where a unit lies, for readers.
const fn against_chance(position: Position) -> &'static str {
    match position {
        Position::FarBelow => "below 99.8 % limits",
        Position::Below => "below 95 % limits",
        Position::Within => "within",
        Position::Above => "above 95 % limits",
        Position::FarAbove => "above 99.8 % limits",
    }
}

fn drawn_funnel(
    view: &View<'_>,
    points: Vec<FunnelPoint>,
    centre: f64,
    size: Axis,
    limits: impl Fn(f64, f64) -> Interval,
) -> Plot {
    let sizes = funnels::axis(points.iter().map(|point| point.size));
    let curve = |level: f64, name: &str| Limits {
        name: name.to_owned(),
        points: sizes
            .iter()
            .map(|size| {
                let ends = limits(*size, level);
                (*size, ends.lower, ends.upper)
            })
            .collect(),
    };
    Plot::Funnel(Funnel {
        unit: view.label("unit"),
        size,
        value: axis(view, if centre == 1.0 { "Ratio" } else { "Share" }),
        points,
        centre,
        limits: vec![curve(0.95, "95 % limits"), curve(0.998, "99.8 % limits")],
    })
}

/// One number for each group.
fn categories<T>(
    view: &View<'_>,
    found: &[(String, T)],
    cells: Vec<Cell>,
    label: &str,
    reference: Option<(f64, &str)>,
) -> Option<Plot> {
    if found.len() < 2 {
        return None;
    }
    let reference = reference.map(|(value, label)| Reference { value, label: label.to_owned() });
    let categories = found.iter().map(|(name, _)| name.clone()).collect();
    let groups = vec![Drawn { name: String::new(), cells }];
    let category = heading(view);
    let plot = Categories { category, value: axis(view, label), categories, groups, reference };
    Some(match view.indicator.figure.kind {
        FigureKind::Bars => Plot::Bars(plot),
        _ => Plot::Rates(plot),
    })
}

/// What the groups are.
fn heading(view: &View<'_>) -> String {
    let labels: Vec<String> =
        view.keys_but(&["age"]).iter().map(|(_, column)| column.label.clone()).collect();
    labels.join(", ")
}

fn name(label: &str) -> String {
    if label.is_empty() { "all".to_owned() } else { label.to_owned() }
}
