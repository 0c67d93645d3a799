//! One plot of each kind, of made-up numbers.

use chrono::Days;

use super::{axis, cell, date, number, per_100_000, ratio, strings};
use crate::report::model::{Cell, Unit};
use crate::report::plots::{
    Categories, Curve, Forest, ForestRow, Form, Funnel, FunnelPoint, Group, Limits, Multiples,
    Panel, Plot, Pyramid, Reference, Role, Series, Survival, TimeSeries,
};

pub(crate) fn rates() -> Plot {
    let women = [(18.2, 9.1), (96.4, 14.2), (311.0, 24.8), (742.5, 51.0), (1504.8, 130.2)];
    let men = [(24.9, 10.4), (131.6, 16.9), (422.7, 30.1), (981.3, 66.4), (1846.1, 171.9)];
    let group = |name: &str, values: [(f64, f64); 5]| Group {
        name: name.to_owned(),
        cells: values.map(|(value, side)| cell(value, side)).to_vec(),
    };
    let mut women = group("Women", women);
    women.cells[0] = Cell::suppressed("fewer than 11 persons");
    Plot::Rates(Categories {
        category: "Age".to_owned(),
        value: axis("Incidence", per_100_000()),
        categories: strings(&["18–39", "40–54", "55–64", "65–74", "75 and older"]),
        groups: vec![women, group("Men", men)],
        reference: Some(Reference { value: 388.2, label: "all adults 388".to_owned() }),
    })
}

pub(crate) fn bars() -> Plot {
    let shares = [0.412, 0.346, 0.288, 0.214, 0.097, -0.004];
    Plot::Bars(Categories {
        category: "Comorbidity".to_owned(),
        value: axis("Persons with COPD who have it too", Unit::Share),
        categories: strings(&[
            "Hypertension",
            "Ischaemic heart disease or heart failure of any cause",
            "Type 2 diabetes",
            "Depression or anxiety disorder",
            "Chronic kidney disease",
            "Asthma (childhood onset)",
        ]),
        groups: vec![Group {
            name: String::new(),
            cells: shares.map(|share| cell(share, 0.018)).to_vec(),
        }],
        reference: None,
    })
}

fn wave(week: u32, shift: f64, height: f64) -> f64 {
    let x = (f64::from(week) - 26.0 - shift) / 5.5;
    14.0 + height * (-x * x / 2.0).exp() + 6.0 * (f64::from(week) * 2.399).sin()
}

pub(crate) fn epidemic(shift: f64, height: f64, weeks: u32) -> TimeSeries {
    let days = |week: u32| date(2025, 8, 4).checked_add_days(Days::new(u64::from(week) * 7));
    let series = |name: &str, form, of: &dyn Fn(u32) -> Cell| Series {
        name: name.to_owned(),
        form,
        points: (0..weeks).filter_map(|week| Some((days(week)?, of(week)))).collect(),
    };
    let expected =
        |week: u32| 22.0 + 14.0 * (f64::from(week) / 52.0 * std::f64::consts::TAU).cos().abs();
    TimeSeries {
        time: "Week beginning".to_owned(),
        value: axis("Admissions", Unit::Count),
        series: vec![
            series("Observed", Form::Columns, &|week| cell(wave(week, shift, height), 9.5)),
            series("Expected, with 95% band", Form::Line, &|week| cell(expected(week), 8.0)),
            series("Alert threshold", Form::Dashes, &|week| Cell::exact(expected(week) + 20.0)),
        ],
        marks: vec![],
    }
}

pub(crate) fn pyramid() -> Plot {
    let bands: Vec<String> = (0..18).map(|band| format!("{}–{}", band * 5, band * 5 + 4)).collect();
    let of = |name: &str, tilt: f64| Group {
        name: name.to_owned(),
        cells: (0..18)
            .map(|band| {
                let age = f64::from(band);
                cell(5200.0 * (1.0 - ((age - 9.0) / 13.0).powi(2)) + tilt * age * 40.0, 240.0)
            })
            .collect(),
    };
    Plot::Pyramid(Pyramid {
        band: "Age".to_owned(),
        value: axis("Persons under observation", Unit::Count),
        bands,
        left: of("Women", 1.0),
        right: of("Men", -0.6),
    })
}

pub(crate) fn survival() -> Plot {
    let curve = |name: &str, hazard: f64, size: f64| Curve {
        name: name.to_owned(),
        start: 1.0,
        steps: (1..=36)
            .map(|month| {
                let s = (-hazard * f64::from(month).powf(1.1)).exp();
                let side = 0.006 + 0.0016 * f64::from(month);
                (
                    f64::from(month),
                    Cell::Number(number(s, s - side, (s + side).min(1.0), side / 4.0)),
                )
            })
            .collect(),
        at_risk: [0, 6, 12, 18, 24, 30, 36]
            .map(|month| cell((size * (-hazard * 1.6 * f64::from(month)).exp()).round(), 14.0))
            .to_vec(),
    };
    Plot::Survival(Survival {
        time: axis("Time since first diagnosis", Unit::Other("months".to_owned())),
        value: axis("Survival", Unit::Share),
        curves: vec![
            curve("Never smoked", 0.0042, 1204.0),
            curve("Former smoker", 0.0088, 2310.0),
            curve("Current smoker", 0.0151, 1877.0),
        ],
        risk_times: vec![0.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0],
    })
}

pub(crate) fn forest() -> Plot {
    let row = |label: &str, role, cell| ForestRow { label: label.to_owned(), role, cell };
    Plot::Forest(Forest {
        row: "Subgroup".to_owned(),
        value: axis("Rate ratio", Unit::Ratio),
        rows: vec![
            row("Sex", Role::Heading, Cell::Empty),
            row("Women", Role::Single, ratio(0.71, 1.19)),
            row("Men", Role::Single, ratio(0.83, 1.16)),
            row("Age", Role::Heading, Cell::Empty),
            row("Under 65", Role::Single, ratio(0.92, 1.31)),
            row("65–74", Role::Single, ratio(0.74, 1.2)),
            row("75 and older", Role::Single, ratio(0.66, 1.24)),
            row("Region", Role::Heading, Cell::Empty),
            row("Coastal districts and islands without a hospital", Role::Single, ratio(1.12, 6.4)),
            row("Inland", Role::Single, Cell::suppressed("fewer than 11 persons")),
            row("All", Role::Total, ratio(0.77, 1.1)),
        ],
        null: 1.0,
        sides: ("favours vaccination".to_owned(), "favours none".to_owned()),
    })
}

pub(crate) fn funnel() -> Plot {
    let points = (1..=42_u32).map(|unit| {
        let size = 6.0 + f64::from(unit * 37 % 211);
        let z = (f64::from(unit) * 7.77).sin() * 1.5 + if unit == 17 { 5.0 } else { 0.0 };
        let value = 1.0 + z / size.sqrt();
        FunnelPoint {
            label: format!("Hospital {unit:02}"),
            size,
            cell: cell(value, 0.9 / size.sqrt()),
        }
    });
    let limits = |name: &str, z: f64| Limits {
        name: name.to_owned(),
        points: (1..=110)
            .map(|at| f64::from(at) * 2.0 + 2.0)
            .map(|size| (size, 1.0 - z / size.sqrt(), 1.0 + z / size.sqrt()))
            .collect(),
    };
    Plot::Funnel(Funnel {
        unit: "Hospital".to_owned(),
        size: axis("Expected deaths", Unit::Count),
        value: axis("Standardised mortality ratio", Unit::Ratio),
        points: points.collect(),
        centre: 1.0,
        limits: vec![limits("95% limits", 1.96), limits("99.8% limits", 3.09)],
    })
}

pub(crate) fn multiples() -> Plot {
    let regions = ["North", "Coast", "Capital", "Lakes", "South", "Islands and highlands"];
    let panels = regions.iter().enumerate().map(|(index, title)| {
        let index = index as f64;
        Panel { title: (*title).to_owned(), plot: epidemic(index - 2.0, 70.0 + 12.0 * index, 42) }
    });
    Plot::Multiples(Multiples { panels: panels.collect() })
}
