//! Published p-values, tails against sums, error rates under noise, identifiers of Synthea.

use super::udi::{DeviceLot, UdiError};
use super::{Evidence, NoiseLaw, Suspicion, false_discovery_rates, suspicious_lots};
use crate::estimate::Estimate;
use crate::methods::simulation::{Random, noise_deviation};
use crate::shared::shared;
use chrono::NaiveDate;
use std::sync::Arc;

/// Benjamini and Hochberg 1995: fifteen p-values of a study of thrombolysis, of which
/// the first four are rejected at 0.05.
const THROMBOLYSIS: [f64; 15] = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
    0.6528, 0.7590, 1.0000,
];

#[test]
fn rejected_hypotheses_are_those_of_benjamini_and_hochberg() {
    let mut shuffled = THROMBOLYSIS.to_vec();
    shuffled.reverse();
    let mut rates = false_discovery_rates(&shuffled);
    rates.reverse();
    assert_eq!(rates.iter().filter(|rate| **rate <= 0.05).count(), 4);
    // 15/4 of the fourth, 15/3 of the third.
    assert!((rates[3] - 0.035625).abs() < 1e-12 && (rates[2] - 0.0095).abs() < 1e-12);
    // A rate is never above that of a larger p-value: the sixth takes that of the seventh.
    assert!((rates[5] - 0.0298 * 15.0 / 7.0).abs() < 1e-12);
    assert!(rates.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(false_discovery_rates(&[]).is_empty());
}

#[test]
fn tails_are_sums_of_the_laws() {
    let ratio = (-0.5_f64).exp();
    let variance = noise_deviation(0.5).powi(2);
    let law = |at: i32| ratio.powi(at.abs()) * (1.0 - ratio) / (1.0 + ratio);
    for least in [-3, 0, 1, 4, 12] {
        let sum: f64 = (least..200).map(law).sum();
        let tail = NoiseLaw::Laplace.tail(f64::from(least), variance);
        assert!((tail - sum).abs() < 1e-12, "{least} {tail} {sum}");
    }
    let weight = |at: i32| (-f64::from(at * at) / 18.0).exp();
    let all: f64 = (-100..100).map(weight).sum();
    for least in [-2, 0, 3, 9] {
        let sum: f64 = (least..100).map(weight).sum::<f64>() / all;
        let tail = NoiseLaw::Gaussian.tail(f64::from(least), 9.0);
        assert!((tail / sum - 1.0).abs() < 0.05, "{least} {tail} {sum}");
    }
    assert_eq!(NoiseLaw::Gaussian.tail(1.0, 0.0), 0.0);
    assert_eq!(NoiseLaw::Laplace.tail(0.0, 0.0), 1.0);
}

fn evidence(suspicion: Suspicion, counts: Vec<Estimate>) -> Evidence {
    Evidence { lot: "lot".to_owned(), suspicion, counts }
}

#[test]
fn exact_counts_are_decided_without_doubt() {
    let exact = |counts: &[f64]| counts.iter().copied().map(Estimate::exact).collect::<Vec<_>>();
    let flagged = |suspicion, counts: &[f64]| {
        let evidence = [evidence(suspicion, exact(counts))];
        suspicious_lots(&evidence, NoiseLaw::Gaussian, 0.05)[0].is_flagged
    };
    assert!(flagged(Suspicion::AfterExpiry, &[1.0]));
    assert!(!flagged(Suspicion::SerialRepeated, &[0.0]));
    assert!(flagged(Suspicion::AtSeveralSites, &[4.0, 0.0, 1.0]));
    assert!(!flagged(Suspicion::AtSeveralSites, &[4.0, 0.0, 0.0]));
    assert!(!flagged(Suspicion::AtSeveralSites, &[4.0]));
    assert!(!flagged(Suspicion::Unattested, &[]));
}

#[test]
fn few_of_the_flagged_lots_are_sound() {
    let receipt = Arc::from("lots");
    for (law, seed) in [(NoiseLaw::Gaussian, 1), (NoiseLaw::Laplace, 2)] {
        for epsilon in [0.1, 0.5, 1.0] {
            let mut random = Random::new(seed);
            let (mut shares, mut found, mut bad) = (0.0, 0.0, 0.0);
            for _ in 0..40 {
                let lots: Vec<(f64, Evidence)> = (0..200)
                    .map(|at| {
                        // One lot in ten is bad, with a count that its noise can tell.
                        let deviation = noise_deviation(epsilon);
                        let truth = if at % 10 == 0 { (8.0 * deviation).ceil() } else { 0.0 };
                        let noise = match law {
                            NoiseLaw::Gaussian => (deviation * random.normal()).round(),
                            NoiseLaw::Laplace => random.laplace(epsilon),
                        };
                        let variance = deviation * deviation;
                        let count = Estimate::released(truth + noise, variance, &receipt);
                        (truth, evidence(Suspicion::Unattested, vec![count]))
                    })
                    .collect();
                let (truths, lots): (Vec<f64>, Vec<Evidence>) = lots.into_iter().unzip();
                let findings = suspicious_lots(&lots, law, 0.05);
                let flagged: Vec<f64> = findings
                    .iter()
                    .zip(&truths)
                    .filter_map(|(finding, truth)| finding.is_flagged.then_some(*truth))
                    .collect();
                let wrong = flagged.iter().filter(|truth| **truth == 0.0).count() as f64;
                shares += wrong / (flagged.len() as f64).max(1.0) / 40.0;
                found += flagged.len() as f64 - wrong;
                bad += 20.0;
            }
            // The rate is 0.05 times the share of sound lots; its mean of 40 has a deviation
            // below 0.01.
            assert!(shares <= 0.065, "{law:?} {epsilon} {shares}");
            assert!(found / bad > 0.9, "{law:?} {epsilon} {found}");
        }
    }
}

#[test]
fn one_site_with_many_is_not_two_sites() {
    let receipt = Arc::from("lots");
    let mut random = Random::new(5);
    let mut flagged = 0;
    for _ in 0..2_000 {
        let mut count = |truth: f64| {
            Estimate::released(truth + (2.8 * random.normal()).round(), 2.8 * 2.8, &receipt)
        };
        let sites = vec![count(50.0), count(0.0), count(0.0), count(0.0)];
        let lot = [evidence(Suspicion::AtSeveralSites, sites)];
        flagged += u32::from(suspicious_lots(&lot, NoiseLaw::Gaussian, 0.05)[0].is_flagged);
    }
    // At most 5 %, and two deviations.
    assert!(flagged <= 120, "{flagged}");
    let sites = [50.0, 20.0, -3.0].map(|count| Estimate::released(count, 2.8 * 2.8, &receipt));
    let lot = [evidence(Suspicion::AtSeveralSites, sites.to_vec())];
    let finding = suspicious_lots(&lot, NoiseLaw::Gaussian, 0.05).remove(0);
    assert!(finding.is_flagged && finding.count.value == 67.0);
    assert!(finding.count.receipts.contains("lots") && finding.p_value == finding.q_value);
}

/// Synthea's devices, Apache-2.0: a stent of 1976.
#[test]
fn an_identifier_gives_its_lot_and_no_serial() {
    let text = "(01)13465995954590(11)760704(17)010719(10)8477791433724820(21)488266988";
    let lot = DeviceLot::parse(text, 1976).unwrap();
    assert_eq!(lot.gtin, "13465995954590");
    assert_eq!(lot.lot.as_deref(), Some("8477791433724820"));
    assert_eq!(lot.made, NaiveDate::from_ymd_opt(1976, 7, 4));
    assert_eq!(lot.expires, NaiveDate::from_ymd_opt(2001, 7, 19));
    assert_eq!(lot.is_expired(NaiveDate::from_ymd_opt(2001, 7, 19).unwrap()), Some(false));
    assert_eq!(lot.is_expired(NaiveDate::from_ymd_opt(2001, 7, 20).unwrap()), Some(true));
    assert!(!format!("{lot:?}").contains("488266988"));
}

#[test]
fn every_identifier_of_synthea_is_read() {
    let Some(path) = shared("data/synthea_csv_claims/devices.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut read = 0;
    for line in text.lines().skip(1) {
        let (rest, udi) = line.rsplit_once(',').unwrap();
        let lot = DeviceLot::parse(udi, rest[..4].parse().unwrap()).unwrap();
        // A device is made before it is used, and expires 25 years later.
        let (made, expires) = (lot.made.unwrap(), lot.expires.unwrap());
        assert!(made < rest[..10].parse().unwrap() && expires > made, "{line}");
        assert!(lot.lot.is_some());
        read += 1;
    }
    assert!(read >= 3, "{read}");
}

/// GS1's own example of a check digit: 629104150021 and 3.
#[test]
fn centuries_days_and_check_digits_are_as_gs1_has_them() {
    let at = |text: &str, near| DeviceLot::parse(&format!("(01)06291041500213(17){text}"), near);
    let year = |text: &str, near| {
        let expires = at(text, near).unwrap().expires.unwrap();
        expires.format("%Y-%m-%d").to_string()
    };
    assert_eq!(year("991231", 2026), "1999-12-31");
    assert_eq!(year("760704", 2026), "2076-07-04");
    assert_eq!(year("770704", 2026), "1977-07-04");
    assert_eq!(year("010719", 1976), "2001-07-19");
    assert_eq!(year("240200", 2026), "2024-02-29");
    assert!(at("240101", 2024).unwrap().has_check_digit());
    let wrong = DeviceLot::parse("(01)06291041500214", 2024).unwrap();
    assert!(!wrong.has_check_digit() && wrong.is_expired(NaiveDate::MAX).is_none());
    let error = |text: &str| DeviceLot::parse(text, 2026).unwrap_err();
    assert_eq!(error("01 06291041500213"), UdiError::Form);
    assert_eq!(error("(01)06291041500213(17)"), UdiError::Form);
    assert_eq!(error("(0x)06291041500213"), UdiError::Form);
    assert_eq!(error("(10)ABC"), UdiError::Gtin);
    assert_eq!(error("(01)0629104150021"), UdiError::Gtin);
    assert_eq!(error("(01)06291041500213(17)241301"), UdiError::Date);
    assert_eq!(error("(01)06291041500213(17)24130é"), UdiError::Date);
}
