//! What holds for all plots, whatever is in them.

use roxmltree::{Document, Node};

use super::{
    Axis, Categories, Curve, Forest, ForestRow, Form, Funnel, FunnelPoint, Group, Limits,
    Multiples, Names, Panel, Plot, Pyramid, Reference, Role, Series, Survival, TimeSeries, Width,
};
use crate::estimate::Interval;
use crate::report::model::{Cell, Number, Unit};
use crate::report::sample::{
    bars, date, epidemic, forest, funnel, multiples, pyramid, rates, survival,
};

const NAMES: Names<'_> = Names { id: "figure-1", title: "Title", description: "Description" };

/// Every value that a plot must bear.
const HOSTILE: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    0.0,
    -0.0,
    1.0,
    -37.5,
    1e9,
    1e-9,
];

fn hostile_cells() -> Vec<Cell> {
    let mut cells = vec![
        Cell::Empty,
        Cell::text("<script>alert(1)</script>"),
        Cell::suppressed("fewer than 11 & more than \"0\" <persons>\u{0}"),
    ];
    for value in HOSTILE {
        cells.push(Cell::exact(value));
        for end in [f64::NAN, f64::INFINITY, f64::MIN, 1e-9] {
            let interval = Some(Interval { lower: end, upper: value });
            cells.push(Cell::Number(Number { interval, noise_sd: end, ..Number::exact(value) }));
            let interval = Some(Interval { lower: value, upper: end });
            cells.push(Cell::Number(Number { interval, ..Number::exact(value) }));
        }
    }
    cells
}

fn axis(unit: Unit) -> Axis {
    Axis { label: "<b>Label</b> & \u{1} \u{FFFE} ]]> ".repeat(20), unit }
}

fn label(index: usize) -> String {
    format!("<script>{index}</script> & \"quoted\" 'so' 表示 \u{0}{}", "long ".repeat(index % 30))
}

fn names(cells: &[Cell]) -> Vec<String> {
    (0..cells.len()).map(label).collect()
}

fn values(cells: &[Cell]) -> Vec<f64> {
    cells.iter().filter_map(Cell::number).map(|number| number.value).collect()
}

fn group(name: usize, cells: &[Cell]) -> Group {
    Group { name: label(name), cells: cells.to_vec() }
}

fn categories(cells: &[Cell], value: Axis) -> Categories {
    let reference = values(cells).first().map(|value| Reference { value: *value, label: label(3) });
    let groups = vec![group(2, cells), group(40, cells)];
    Categories { category: label(1), value, categories: names(cells), groups, reference }
}

fn time(cells: &[Cell], value: Axis) -> TimeSeries {
    let dates = |at: usize| date(2024, 1, 1) + chrono::Days::new(at as u64 * 7);
    let series = |form| Series {
        name: label(7),
        form,
        points: cells.iter().enumerate().map(|(at, cell)| (dates(at), cell.clone())).collect(),
    };
    TimeSeries {
        time: label(5),
        value,
        series: [Form::Columns, Form::Line, Form::Dashes].map(series).to_vec(),
        marks: cells.iter().enumerate().take(9).map(|(at, _)| (dates(at), label(at))).collect(),
    }
}

fn steps(cells: &[Cell], value: Axis) -> Survival {
    let times = values(cells);
    let curve = Curve {
        name: label(9),
        start: times.first().copied().unwrap_or(1.0),
        steps: times.iter().copied().zip(cells.iter().cloned()).collect(),
        at_risk: cells.to_vec(),
    };
    let time = axis(Unit::Other("days".to_owned()));
    Survival { time, value, curves: vec![curve.clone(), curve], risk_times: times }
}

fn ratios(cells: &[Cell], value: Axis) -> Forest {
    let rows = names(cells).into_iter().zip(cells).enumerate();
    let rows = rows.map(|(index, (label, cell))| ForestRow {
        label,
        role: [Role::Single, Role::Total, Role::Heading][index % 3],
        cell: cell.clone(),
    });
    let null = values(cells).first().copied().unwrap_or(1.0);
    Forest { row: label(6), value, rows: rows.collect(), null, sides: (label(8), label(29)) }
}

fn units(cells: &[Cell], value: Axis) -> Funnel {
    let sizes = values(cells);
    let points = names(cells).into_iter().zip(cells).zip(&sizes);
    let points =
        points.map(|((label, cell), size)| FunnelPoint { label, size: *size, cell: cell.clone() });
    let limits = sizes.windows(3).map(|three| (three[0], three[1], three[2]));
    Funnel {
        unit: label(3),
        size: axis(Unit::Count),
        value,
        points: points.collect(),
        centre: sizes.first().copied().unwrap_or(1.0),
        limits: vec![Limits { name: label(20), points: limits.collect() }],
    }
}

/// Each kind of plot, of these cells.
fn plots(cells: &[Cell], unit: &Unit) -> [Plot; 8] {
    let value = || axis(unit.clone());
    let panel = |index| Panel { title: label(index), plot: time(cells, value()) };
    [
        Plot::Rates(categories(cells, value())),
        Plot::Bars(categories(cells, value())),
        Plot::Multiples(Multiples { panels: (0..5).map(panel).collect() }),
        Plot::Time(time(cells, value())),
        Plot::Pyramid(Pyramid {
            band: label(4),
            value: value(),
            bands: names(cells),
            left: group(0, cells),
            right: group(60, cells),
        }),
        Plot::Survival(steps(cells, value())),
        Plot::Forest(ratios(cells, value())),
        Plot::Funnel(units(cells, value())),
    ]
}

fn numbers(node: Node<'_, '_>, names: &[&str]) -> Vec<f64> {
    let values = names.iter().filter_map(|name| node.attribute(*name));
    values
        .flat_map(|value| value.split([' ', ',']))
        .filter(|value| !value.is_empty())
        .map(|value| value.parse().unwrap())
        .collect()
}

/// Well-formed, named for those who do not see it, and all of it on the canvas.
fn check(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let ids: Vec<&str> = root.attribute("aria-labelledby").unwrap().split(' ').collect();
    for (id, tag) in ids.iter().zip(["title", "desc"]) {
        let node =
            root.children().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", tag)));
        assert_eq!(node.unwrap().attribute("id"), Some(*id));
    }
    let size = numbers(root, &["viewBox"]);
    for node in root.descendants() {
        assert!(!["script", "b", "path"].contains(&node.tag_name().name()), "{node:?}");
        let (tag, points) = (node.tag_name().name(), numbers(node, &["points"]));
        let xs = numbers(node, &["x", "x1", "x2", "cx"]);
        let ys = numbers(node, &["y", "y1", "y2", "cy"]);
        let (xs, ys) = if points.is_empty() {
            (xs, ys)
        } else {
            (
                points.iter().step_by(2).copied().collect(),
                points.iter().skip(1).step_by(2).copied().collect(),
            )
        };
        let is_in =
            |values: &[f64], end: f64| values.iter().all(|v| (-60.0..=end + 60.0).contains(v));
        assert!(is_in(&xs, size[2]) && is_in(&ys, size[3]), "{tag} {xs:?} {ys:?} {size:?}");
    }
}

fn both(plot: &Plot) -> [String; 2] {
    [Width::Wide, Width::Narrow].map(|width| plot.svg(NAMES, width).unwrap())
}

#[test]
fn every_plot_bears_every_value_in_every_unit() {
    let cells = hostile_cells();
    let rate = Unit::Rate("per <100,000>".to_owned());
    for unit in [Unit::Count, rate] {
        for plot in plots(&cells, &unit) {
            both(&plot).iter().for_each(|svg| check(svg));
        }
    }
}

#[test]
fn every_plot_bears_any_single_value_and_none() {
    let mut cells = hostile_cells();
    cells.truncate(30);
    for cell in cells {
        for plot in plots(&[cell], &Unit::Share) {
            both(&plot).iter().for_each(|svg| check(svg));
        }
    }
    for plot in plots(&[], &Unit::Count) {
        both(&plot).iter().for_each(|svg| check(svg));
        assert_eq!(plot.sheets(NAMES, Width::Wide).unwrap(), [both(&plot)[0].clone()]);
    }
}

#[test]
fn equal_plots_are_equal_bytes() {
    let time = || Plot::Time(epidemic(0.0, 90.0, 40));
    let made = || [rates(), bars(), time(), pyramid(), survival(), forest(), funnel(), multiples()];
    for (one, other) in made().iter().zip(&made()) {
        let drawn = both(one);
        assert_eq!(drawn, both(other));
        drawn.iter().for_each(|svg| check(svg));
    }
}

#[test]
fn two_hundred_categories_are_sheets_on_one_axis() {
    let Plot::Rates(mut plot) = rates() else { unreachable!() };
    plot.categories = (0..200).map(|index| format!("District {index}")).collect();
    let cells = (0..200).map(|index| Cell::exact(f64::from(index * index))).collect();
    plot.groups = vec![Group { name: String::new(), cells }];
    plot.reference = None;
    let sheets = Plot::Rates(plot).sheets(NAMES, Width::Wide).unwrap();
    assert_eq!(sheets.len(), 5);
    for (index, sheet) in sheets.iter().enumerate() {
        check(sheet);
        assert!(
            sheet
                .contains(&format!("<title id=\"figure-1-{0}-title\">Title ({0} of 5)", index + 1))
        );
        assert!(sheet.contains(&format!("\nDistrict {}\n", index * 40)));
        assert!(sheet.contains(&format!("\nDistrict {}\n", index * 40 + 39)));
        assert!(sheet.contains("\n40,000\n"), "the axis is that of all");
    }
}

#[test]
fn what_is_suppressed_is_said_and_what_is_cut_short_is_whole_under_a_pointer() {
    let Plot::Rates(mut plot) = rates() else { unreachable!() };
    let long = "Ischaemic heart disease, heart failure of any cause, what follows from both, \
                and whatever else there is";
    plot.categories[2] = long.to_owned();
    let svg = Plot::Rates(plot).svg(NAMES, Width::Wide).unwrap();
    let document = Document::parse(&svg).unwrap();
    let texts: Vec<&str> = document
        .descendants()
        .filter(|n| n.has_tag_name("text"))
        .filter_map(|n| n.text())
        .collect();
    assert!(texts.iter().any(|text| text.trim() == "suppressed: fewer than 11 persons"));
    assert!(!texts.iter().any(|text| text.trim() == long));
    assert!(texts.iter().any(|text| text.trim().ends_with('…')));
    assert!(svg.contains(&format!("<title>{long}</title>")));
    assert!(svg.contains("<title>40–54, Men: 132 (115–148)</title>"));
}
