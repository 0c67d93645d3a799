//! Standardised rates: published results, impossible inputs, and how often intervals cover.

use super::{DirectLimits, Stratum, direct, expected, indirect, ratio};
use crate::estimate::Estimate;
use crate::methods::counts::Limits;
use crate::methods::expected::{Row, close, rows};
use crate::methods::populations::{AgeBand, StandardPopulation};
use crate::methods::simulation::{Random, noise_deviation};
use std::sync::Arc;

/// A number of a cell where nothing means none.
fn or_none(row: &Row, column: &str) -> Estimate {
    let number = row.number(column);
    Estimate::exact(if number.is_nan() { 0.0 } else { number })
}

/// The strata of PHEindicatormethods' test data for this area.
fn phe_strata(area: &str) -> Option<Vec<Stratum>> {
    if area == "testdata_1976" {
        let rows = rows("expected/phe/DSR_ISR__testdata_1976.csv")?;
        let weights = StandardPopulation::named("ESP 1976")?.weights;
        let stratum = |(row, &(_, weight)): (&Row, &(u16, f64))| {
            assert_eq!(row.number("esp1976"), weight);
            Stratum::new(or_none(row, "count"), or_none(row, "pop"), weight)
        };
        return Some(rows.iter().zip(weights).map(stratum).collect());
    }
    let recurrent = area.contains("nonind");
    let file = if recurrent { "testdata_nonindepe" } else { "testdata_multiarea" };
    let rows = rows(&format!("expected/phe/DSR_ISR__{file}.csv"))?;
    let rows = rows.iter().filter(|row| row.text("area") == area);
    let bands = bands_of_phe();
    let weights = StandardPopulation::named("ESP 2013")?.weights_of(&bands)?;
    let stratum = |(row, weight): (&Row, f64)| {
        let person_time = or_none(row, "pop");
        if recurrent {
            let people = ["f1", "f2", "f3", "f4"].map(|column| or_none(row, column));
            return Stratum::recurrent(&people, person_time, weight);
        }
        Stratum::new(or_none(row, "count"), person_time, weight)
    };
    Some(rows.zip(weights).map(stratum).collect())
}

/// 0-4 to 90+ by fives.
fn bands_of_phe() -> Vec<AgeBand> {
    let band = |index: u16| AgeBand { from: 5 * index, to: (index < 18).then_some(5 * index + 4) };
    (0..19).map(band).collect()
}

/// R package PHEindicatormethods, `phe_dsr`: all 12 rows, with recurrent events. The file's
/// limits of 99.8 % for 1976 are ten times too large.
#[test]
fn direct_rates_are_those_of_english_public_health() {
    let Some(results) = rows("expected/phe/DSR_ISR__testresults_DSR.csv") else { return };
    assert_eq!(results.len(), 12);
    for row in results {
        let Some(strata) = phe_strata(row.text("area")) else { return };
        let published = row.number("value").is_finite();
        assert_eq!(strata.len(), if row.text("area") == "testdata_1976" { 18 } else { 19 });
        for (level, lower, upper) in
            [(0.95, "lower95_0cl", "upper95_0cl"), (0.998, "lower99_8cl", "upper99_8cl")]
        {
            let rate = direct(&strata, DirectLimits::Dobson, level);
            assert_eq!(rate.interval.is_some(), published);
            assert_eq!(rate.value.is_nan(), !published);
            let Some(interval) = rate.interval else { continue };
            let unit = row.text("statistic").trim_start_matches("dsr per ");
            let unit = unit.parse::<f64>().unwrap();
            close(rate.value * unit, row.number("value"), 1e-11);
            let ten_times = level == 0.998 && row.text("area") == "testdata_1976";
            let unit = if ten_times { 10.0 * unit } else { unit };
            close(interval.lower * unit, row.number(lower), 1e-11);
            close(interval.upper * unit, row.number(upper), 1e-11);
        }
    }
}

/// PHE's erroneous inputs: a negative count, nobody, a negative population, a negative weight.
#[test]
fn impossible_strata_leave_no_rate() {
    for file in ["err1", "err3", "err4"] {
        let path = format!("expected/phe/DSR_ISR__testdata_{file}.csv");
        let Some(rows) = rows(&path) else { return };
        let strata: Vec<Stratum> = rows
            .iter()
            .map(|row| {
                let weight = row.number("stdpop");
                Stratum::new(or_none(row, "count"), or_none(row, "pop"), weight)
            })
            .collect();
        let rate = direct(&strata, DirectLimits::FayFeuer, 0.95);
        assert!(rate.value.is_nan() && rate.interval.is_none(), "{file}");
    }
    let nobody = Stratum::new(Estimate::exact(25.0), Estimate::exact(0.0), 1.0);
    assert!(direct(&[nobody], DirectLimits::Dobson, 0.95).value.is_nan());
    assert!(direct(&[], DirectLimits::Dobson, 0.95).value.is_nan());
}

/// R package epitools, `ageadjust.direct` on Selvin's table: 1960's rates in 1940's population.
#[test]
fn a_direct_rate_is_that_of_epitools() {
    let Some(rows) = selvin() else { return };
    let Some(results) = statistics("direct") else { return };
    let strata: Vec<Stratum> = rows
        .iter()
        .map(|row| {
            let (deaths, people) = (row.number("dth60"), row.number("pop60"));
            Stratum::new(Estimate::exact(deaths), Estimate::exact(people), row.number("pop40"))
        })
        .collect();
    let rate = direct(&strata, DirectLimits::FayFeuer, 0.95);
    let interval = rate.interval.unwrap();
    let got = [rate.value, interval.lower, interval.upper];
    for (got, expected) in got.into_iter().zip(&results[1..]) {
        close(got, *expected, 1e-12);
    }
}

/// R package epitools, `ageadjust.indirect`: 1940's deaths at 1960's rates.
#[test]
fn an_indirect_rate_is_that_of_epitools() {
    let Some(rows) = selvin() else { return };
    let Some(results) = statistics("indirect") else { return };
    let sum = |column: &str| rows.iter().map(|row| row.number(column)).sum::<f64>();
    let strata: Vec<(Estimate, Estimate)> = rows
        .iter()
        .map(|row| {
            let rate = row.number("dth60") / row.number("pop60");
            (Estimate::exact(row.number("pop40")), Estimate::exact(rate))
        })
        .collect();
    let observed = Estimate::exact(sum("dth40"));
    let expected = expected(&strata);
    let smr = ratio(&observed, &expected, Limits::Log, 0.95);
    let ends = smr.interval.unwrap();
    let crude = sum("dth60") / sum("pop60");
    let rate = indirect(&observed, &expected, crude, Limits::Log, 0.95);
    let of_rate = rate.interval.unwrap();
    let got = [observed.value, expected.value, smr.value, ends.lower, ends.upper];
    for (got, expected) in got.into_iter().zip(&results[..5]) {
        close(got, *expected, 1e-12);
    }
    for (got, expected) in [rate.value, of_rate.lower, of_rate.upper].into_iter().zip(&results[6..])
    {
        close(got, *expected, 1e-12);
    }
}

fn selvin() -> Option<Vec<Row>> {
    rows("expected/r/epitools_selvin_input.csv")
}

fn statistics(kind: &str) -> Option<Vec<f64>> {
    let rows = rows(&format!("expected/r/epitools_ageadjust_{kind}_selvin.csv"))?;
    Some(rows.iter().map(|row| row.number("value")).collect())
}

/// Fay–Feuer rates of deaths in Puerto Rico in five standards: 90 rows, per 100,000.
#[test]
fn rates_of_puerto_rico_are_right_in_five_standards() {
    let Some(counts) = rows("expected/r/puerto_rico_age_sex_year_counts.csv") else { return };
    let Some(results) = rows("expected/r/puerto_rico_asr_fayfeuer.csv") else { return };
    assert_eq!(results.len(), 90);
    for row in results {
        let standard = match row.text("standard") {
            "WHO_2000_2025_18" => "WHO 2000-2025 (18 bands)",
            "ESP_1976" => "ESP 1976",
            "ESP_2013_18" => "ESP 2013",
            "SEGI_WORLD_1960" => "Segi 1960",
            "US2000_18" => "US 2000",
            other => panic!("{other}"),
        };
        let sexes = |sex: &str| row.text("sex") == "both" || row.text("sex") == sex;
        let (mut deaths, mut people) = ([0.0; 18], [0.0; 18]);
        for count in counts.iter().filter(|count| count.text("year") == row.text("year")) {
            if sexes(count.text("sex")) {
                let age = count.text("agegroup").split('-').next().unwrap();
                let band = age.parse::<usize>().unwrap() / 5;
                deaths[band] += count.number("outcome");
                people[band] += count.number("py");
            }
        }
        let rate =
            direct(&five_year_strata(standard, &deaths, &people), DirectLimits::FayFeuer, 0.95)
                .times(100_000.0);
        close(rate.value, row.number("asr"), 1e-12);
        close(rate.interval.unwrap().lower, row.number("lo"), 1e-11);
        close(rate.interval.unwrap().upper, row.number("hi"), 1e-11);
    }
}

fn five_year_strata(standard: &str, deaths: &[f64; 18], people: &[f64; 18]) -> Vec<Stratum> {
    let band = |index: u16| AgeBand { from: 5 * index, to: (index < 17).then_some(5 * index + 4) };
    let bands: Vec<AgeBand> = (0..18).map(band).collect();
    let weights = StandardPopulation::named(standard).unwrap().weights_of(&bands).unwrap();
    let cells = deaths.iter().zip(people).zip(weights);
    let stratum = |((deaths, people), weight): ((&f64, &f64), f64)| {
        Stratum::new(Estimate::exact(*deaths), Estimate::exact(*people), weight)
    };
    cells.map(stratum).collect()
}

/// R package PHEindicatormethods, `phe_isr` and `calculate_ISRatio`: all 16 rows. In the last
/// four `Area1` has nobody in one band.
#[test]
fn indirect_rates_and_ratios_are_those_of_english_public_health() {
    let Some(results) = rows("expected/phe/DSR_ISR__testresults_ISR.csv") else { return };
    let Some(areas) = rows("expected/phe/DSR_ISR__testdata_multiarea_isr.csv") else { return };
    let Some(other_areas) = rows("expected/phe/DSR_ISR__testdata_err2.csv") else { return };
    let Some(reference) = rows("expected/phe/DSR_ISR__refdata.csv") else { return };
    assert_eq!(results.len(), 16);
    let rate = |row: &Row| row.number("refcount") / row.number("refpop");
    for row in results {
        let areas = if row.text("area").starts_with("Area") { &other_areas } else { &areas };
        let bands: Vec<&Row> =
            areas.iter().filter(|band| band.text("area") == row.text("area")).collect();
        let observed = Estimate::sum(
            bands.iter().map(|band| or_none(band, "count")).collect::<Vec<_>>().iter(),
        );
        let strata: Vec<(Estimate, Estimate)> = bands
            .iter()
            .zip(&reference)
            .map(|(band, reference)| (or_none(band, "pop"), Estimate::exact(rate(reference))))
            .collect();
        let expected = expected(&strata);
        close(observed.value, row.number("observed"), 0.0);
        close(expected.value, row.number("expected"), 1e-12);
        let unit = row.text("statistic").rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        let unit = if row.number("ref_rate").is_nan() { unit } else { row.number("ref_rate") };
        for (level, lower, upper) in
            [(0.95, "lower95_0cl", "upper95_0cl"), (0.998, "lower99_8cl", "upper99_8cl")]
        {
            let rate = indirect(&observed, &expected, unit, Limits::ByarFrom10, level);
            close(rate.value, row.number("value"), 1e-12);
            if !row.text(lower).is_empty() {
                close(rate.interval.unwrap().lower, row.number(lower), 1e-9);
                close(rate.interval.unwrap().upper, row.number(upper), 1e-9);
            }
        }
    }
}

#[test]
fn hardly_any_noise_hardly_moves_the_limits_of_fay_and_feuer() {
    let receipt = Arc::from("a");
    let strata = |variance: f64| {
        [(5.0, 1_000.0, 0.7), (20.0, 500.0, 0.3)].map(|(events, people, weight)| {
            let events = Estimate::released(events, variance, &receipt);
            Stratum::new(events, Estimate::exact(people), weight)
        })
    };
    let exact = direct(&strata(0.0), DirectLimits::FayFeuer, 0.95);
    let almost = direct(&strata(0.01), DirectLimits::FayFeuer, 0.95);
    assert_eq!(almost.method, "directly standardised rate (gamma with noise)");
    let (exact, almost) = (exact.interval.unwrap(), almost.interval.unwrap());
    close(almost.lower, exact.lower, 0.01);
    close(almost.upper, exact.upper, 0.02);
}

/// By hand: weights of a half each, noise of 4 and 9 in counts, 16 in the first population.
#[test]
fn the_noise_of_a_direct_rate_is_that_of_all_its_numbers() {
    let receipts = [Arc::from("a"), Arc::from("b")];
    let people = Estimate::released(100.0, 16.0, &receipts[1]);
    let first = Stratum::new(Estimate::released(20.0, 4.0, &receipts[0]), people, 3.0);
    let second = Estimate::released(-5.0, 9.0, &receipts[0]);
    let second = Stratum::new(second, Estimate::exact(50.0), 3.0);
    let rate = direct(&[first, second], DirectLimits::Dobson, 0.95);
    close(rate.value, 0.05, 1e-12);
    let noise = (4.0 + 0.2 * 0.2 * 16.0) / 40_000.0 + 9.0 / 10_000.0;
    close(rate.noise_variance, noise, 1e-12);
    assert_eq!(rate.receipts.len(), 2);
    assert_eq!(rate.interval.unwrap().lower, 0.0);
}

/// The points of `expected/dp_baseline/dsr_ci_coverage_puerto_rico_2018_male.csv`: deaths of men
/// in 2018, of all and of fewer people, in the standard of 2013.
#[test]
fn intervals_of_noisy_direct_rates_cover() {
    let Some(counts) = rows("expected/r/puerto_rico_age_sex_year_counts.csv") else { return };
    let (mut deaths, mut people) = ([0.0; 18], [0.0; 18]);
    for row in counts {
        if row.text("year") == "2018" && row.text("sex") == "male" {
            let age = row.text("agegroup").split('-').next().unwrap();
            let band = age.parse::<usize>().unwrap() / 5;
            deaths[band] = row.number("outcome");
            people[band] = row.number("py");
        }
    }
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    // The interval of some thousand events takes longest, and is safest.
    for (scale, draws) in [(1.0, 500), (0.1, 200), (0.01, 500)] {
        let (deaths, people) = (deaths.map(|x| x * scale), people.map(|n| n * scale));
        let base = five_year_strata("WHO 2000-2025 (18 bands)", &deaths, &people);
        let truth = direct(&base, DirectLimits::FayFeuer, 0.95).value;
        for epsilon in [0.1, 0.5, 1.0] {
            let deviation = noise_deviation(epsilon);
            let mut random = Random::new(3);
            let (mut naive, mut aware) = (0.0, 0.0);
            for _ in 0..draws {
                let noisy = deaths.map(|mean| random.poisson(mean) + random.noise(deviation));
                let covers = |deaths: &[f64; 18], variance: f64| {
                    let stratum = |(stratum, deaths): (&Stratum, &f64)| {
                        let events = Estimate::released(*deaths, variance, &receipt);
                        Stratum::new(events, stratum.person_time.clone(), stratum.weight)
                    };
                    let strata: Vec<Stratum> = base.iter().zip(deaths).map(stratum).collect();
                    let interval = direct(&strata, DirectLimits::Dobson, 0.95).interval;
                    interval.is_some_and(|ends| ends.lower <= truth && truth <= ends.upper)
                };
                let floored = noisy.map(|count| count.max(0.0));
                naive += f64::from(u8::from(covers(&floored, 0.0))) / f64::from(draws);
                aware += f64::from(u8::from(covers(&noisy, deviation.powi(2)))) / f64::from(draws);
            }
            lost = lost.min(naive);
            assert!(aware >= 0.94, "epsilon {epsilon}, scale {scale}: {aware}");
        }
    }
    assert!(lost < 0.4, "{lost}");
}

/// Observed deaths noisy, and the expected too.
#[test]
fn intervals_of_noisy_ratios_cover() {
    let receipt = Arc::from("a");
    let mut lost: f64 = 1.0;
    for (epsilon, size, truth) in [(0.1, 30.0, 1.2), (0.1, 100.0, 0.8), (0.5, 10.0, 1.0)] {
        let deviation = noise_deviation(epsilon);
        let mut random = Random::new(23);
        let (mut naive, mut aware) = (0.0, 0.0);
        for _ in 0..800 {
            let count = random.poisson(truth * size) + random.noise(deviation);
            let expected = size + 0.1 * random.noise(deviation);
            let covers = |variance: f64, count: f64| {
                let observed = Estimate::released(count, variance, &receipt);
                let expected = Estimate::released(expected, variance / 100.0, &receipt);
                let interval = ratio(&observed, &expected, Limits::Byar, 0.95).interval;
                interval.is_some_and(|ends| ends.lower <= truth && truth <= ends.upper)
            };
            naive += f64::from(u8::from(covers(0.0, count.max(0.0)))) / 800.0;
            aware += f64::from(u8::from(covers(deviation.powi(2), count))) / 800.0;
        }
        lost = lost.min(naive);
        assert!(aware >= 0.94, "epsilon {epsilon}, ratio {truth} of {size}: {aware}");
    }
    assert!(lost < 0.6, "{lost}");
}
