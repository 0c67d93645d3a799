//! Published figures, an independent slow computation, and what must hold of any accountant.
//!
//! The figures are those of Google's dp-accounting 0.6.0, run at a grid of 10⁻⁴, optimistic and
//! pessimistic, or of a closed form where one exists. All of them are in
//! shared/reference/acct_ref.json and cross_ref.json; a selection is written down here.

use super::*;

mod plans;
mod shared;
mod slow;

fn epsilon_of(loss: PrivacyLoss, times: u64, delta: f64) -> f64 {
    compose(&[(loss, times)]).epsilon(delta)
}

/// Whether ε is pessimistic, and less than 0.1 % above the published upper bound.
fn assert_between(found: f64, lower: f64, upper: f64, case: &str) {
    assert!(found >= lower - 1e-9, "{case}: {found} is below {lower}");
    assert!(found <= upper * 1.001, "{case}: {found} is above {upper}");
}

#[test]
fn gaussian_losses_are_those_of_the_closed_form() {
    // acct_ref.json, "gauss": σ, times, δ, and ε by Balle and Wang 2018, Theorem 8, for both ends.
    for (sigma, times, delta, exact) in [
        (1.0, 1, 1e-6, 4.886_554_117_462_212),
        (4.0, 1, 1e-6, 1.060_701_862_328_273_6),
        (10.0, 1, 1e-6, 0.396_857_377_644_042_7),
        (10.0, 10, 1e-6, 1.367_571_475_084_070_4),
        (50.0, 100, 1e-6, 0.834_117_548_624_050_5),
        (30.0, 1000, 1e-6, 5.189_036_640_821_884),
        (1.0, 1, 1e-9, 6.173_935_046_670_91),
        (2.0, 1, 1e-9, 2.909_732_380_763_618_4),
        (10.0, 1, 1e-9, 0.535_148_231_553_174_7),
        (10.0, 100, 1e-9, 6.173_935_046_670_91),
        (50.0, 100, 1e-9, 1.104_040_262_592_290_7),
        (100.0, 1000, 1e-9, 1.788_024_826_940_981_7),
    ] {
        let found = epsilon_of(PrivacyLoss::gaussian(1.0, sigma).unwrap(), times, delta);
        assert_between(found, exact, exact, &format!("{sigma} × {times} at {delta}"));
    }
}

#[test]
fn laplace_losses_are_the_published_ones() {
    // acct_ref.json, "lap": ε of one, times, δ, and the bounds on ε.
    for (one, times, delta, lower, upper) in [
        (1.0, 1, 1e-6, 0.999_997_999_998_002, 0.999_998_000_048_000_8),
        (1.0, 10, 1e-6, 9.998_977_838_892_5, 9.998_978_093_725_023),
        (0.5, 20, 1e-6, 9.670_844_727_369_438, 9.670_920_170_196_59),
        (0.1, 100, 1e-6, 4.692_449_037_180_821, 4.692_667_438_643_727),
        (0.01, 100, 1e-6, 0.391_302_137_949_070_7, 0.391_325_461_266_477_3),
        (0.1, 1000, 1e-6, 18.947_936_143_979_636, 18.950_287_504_354_83),
        (0.01, 1000, 1e-6, 1.362_677_292_440_200_9, 1.362_924_634_917_648_5),
        (0.5, 100, 1e-6, 30.482_876_905_689_768, 30.483_726_361_938_682),
        (0.1, 10, 1e-9, 0.999_998_976_000_499_7, 0.999_998_976_257_032_9),
        (0.05, 100, 1e-9, 2.796_313_521_948_901_5, 2.796_414_008_978_778_6),
        (0.1, 1000, 1e-9, 22.817_048_941_978_076, 22.819_405_043_861_128),
        (0.5, 100, 1e-9, 35.313_026_914_632_005, 35.313_818_319_095_134),
    ] {
        let found = epsilon_of(PrivacyLoss::laplace(one, 1.0).unwrap(), times, delta);
        assert_between(found, lower, upper, &format!("{one} × {times} at {delta}"));
    }
}

#[test]
fn discrete_losses_are_the_published_ones() {
    // acct_ref.json, "dlap": ε of one, times, δ, and ε at sensitivities 1 (whose lower bound is
    // the closed form of Kairouz, Oh and Viswanath 2015) and 4.
    for (one, times, delta, at_one, at_four) in [
        (1.0, 1, 1e-6, 0.999_998_632_119_623_1, 0.999_998_221_197_634_8),
        (1.0, 10, 1e-6, 9.999_977_065_820_733, 9.999_682_793_558_536),
        (0.1, 100, 1e-6, 4.774_567_588_107_983, 4.697_276_768_525_494),
        (0.5, 20, 1e-6, 9.986_797_869_640_325, 9.717_514_754_102_936),
        (0.1, 100, 1e-9, 5.959_649_502_126_28, 5.859_603_132_236_843),
        (0.5, 20, 1e-9, 9.999_986_884_549_505, 9.999_687_569_939_313),
    ] {
        for (sensitivity, expected) in [(1, at_one), (4, at_four)] {
            let scale = sensitivity as f64 / one;
            let loss = PrivacyLoss::discrete_laplace(sensitivity, scale).unwrap();
            let found = epsilon_of(loss, times, delta);
            // Their pessimistic figure stands for the lower bound, less its own grid.
            let lower = expected * (1.0 - 1e-5);
            assert_between(found, lower, expected, &format!("{sensitivity}/{scale} × {times}"));
        }
    }
    // acct_ref.json, "dgauss": σ, times, δ, and the bounds on ε.
    for (sigma, times, delta, lower, upper) in [
        (1.0, 1, 1e-6, 4.499_590_982_194_307, 4.499_590_982_194_307),
        (4.0, 1, 1e-6, 1.063_386_358_371_728_2, 1.063_486_358_371_728_7),
        (10.0, 10, 1e-6, 1.367_385_709_604_750_4, 1.367_596_402_916_333_4),
        (10.0, 100, 1e-6, 4.885_214_101_170_675, 4.887_102_158_179_094),
        (1.0, 1, 1e-9, 6.321_419_129_811_859, 6.321_419_129_811_859),
        (4.0, 1, 1e-9, 1.396_191_875_990_763_7, 1.396_291_875_990_763_4),
        (10.0, 10, 1e-9, 1.787_799_767_970_221_3, 1.788_026_215_456_391_3),
        (10.0, 100, 1e-9, 6.172_500_542_015_074, 6.174_408_794_740_055),
    ] {
        let loss = PrivacyLoss::discrete_gaussian(1, sigma).unwrap();
        let found = epsilon_of(loss, times, delta);
        assert_between(found, lower, upper, &format!("{sigma} × {times} at {delta}"));
    }
}

#[test]
fn unlike_losses_compose_to_the_published_figure() {
    // acct_ref.json, "mixed"; the lower bound is its 4.8029 less 1e-4 of the grid.
    let mixed = compose(&[
        (PrivacyLoss::laplace(0.1, 1.0).unwrap(), 50),
        (PrivacyLoss::gaussian(1.0, 10.0).unwrap(), 50),
        (PrivacyLoss::approximate(0.0, 1e-8).unwrap(), 5),
    ]);
    assert_between(mixed.epsilon(1e-6), 4.8024, 4.802_915_652_050_538_5, "mixed");
    assert!(mixed.epsilon(4e-8).is_infinite());
}

#[test]
fn calibrated_scales_are_the_published_ones() {
    // cross_ref.json: ε, δ, times, the ε of one Laplace mechanism, and the exact σ.
    for (epsilon, delta, times, laplace, sigma) in [
        (1.0, 1e-6, 10, 0.100_102_150_702_171_54, 13.359_607_673_103_168),
        (1.0, 1e-6, 100, 0.024_102_219_820_403_593, 42.246_788_893_268_21),
        (1.0, 1e-6, 1000, 0.007_505_095_667_662_993, 133.596_076_731_031_67),
        (1.0, 1e-9, 100, 0.018_714_837_827_628_162, 54.952_661_572_383_064),
        (0.5, 1e-6, 100, 0.012_601_170_163_851_089, 80.576_184_807_250_27),
        (3.0, 1e-6, 20, 0.166_448_920_875_652_86, 6.904_358_155_971_066),
    ] {
        let workload = Workload { sensitivity: 1, groups: 1, times };
        let found = |family| calibrate(family, workload, epsilon, delta).unwrap();
        let case = format!("({epsilon}, {delta}) × {times}");
        assert_between(found(Family::Gaussian), sigma, sigma, &case);
        // The published one is pessimistic too, so the best scale may be a little below it.
        let scale = 1.0 / laplace;
        assert_between(found(Family::Laplace), scale * (1.0 - 5e-4), scale, &case);
    }
}

#[test]
fn a_hundred_counts_at_one_need_a_scale_below_42_4() {
    let workload = |groups, times| Workload { sensitivity: 1, groups, times };
    let found = calibrate(Family::DiscreteGaussian, workload(1, 100), 1.0, 1e-6).unwrap();
    assert!((42.24..=42.4).contains(&found), "{found}");
    // Cells of one vector count like mechanisms, and sensitivity like a unit of the grid.
    let grouped = calibrate(Family::DiscreteGaussian, workload(100, 1), 1.0, 1e-6).unwrap();
    assert!((grouped - found).abs() < 1e-9);
    let wide = Workload { sensitivity: 1000, groups: 10, times: 10 };
    let wide = calibrate(Family::DiscreteGaussian, wide, 1.0, 1e-6).unwrap();
    assert!((wide / (1000.0 * found) - 1.0).abs() < 1e-3, "{wide}");
    let fits = |scale| epsilon_of(PrivacyLoss::discrete_gaussian(1, scale).unwrap(), 100, 1e-6);
    assert!(fits(found) <= 1.0 && fits(found * 0.999) > 1.0);
}

#[test]
fn wide_discrete_laws_are_close_to_the_continuous_ones() {
    for (sensitivity, relative, times) in
        [(1, 255.9, 300), (1, 256.1, 300), (1, 1e5, 10), (1, 1e5, 100_000), (1 << 40, 50.0, 100)]
    {
        let scale = relative * sensitivity as f64;
        let discrete = PrivacyLoss::discrete_gaussian(sensitivity, scale).unwrap();
        let smooth = PrivacyLoss::gaussian(sensitivity as f64, scale).unwrap();
        let found = epsilon_of(discrete, times, 1e-7);
        let expected = epsilon_of(smooth, times, 1e-7);
        assert!((found / expected - 1.0).abs() < 3e-4, "{sensitivity}, {relative}: {found}");
    }
    for sensitivity in [1_000, 20_000, 1 << 40] {
        let discrete = PrivacyLoss::discrete_laplace(sensitivity, sensitivity as f64 * 20.0);
        let smooth = PrivacyLoss::laplace(1.0, 20.0).unwrap();
        let found = epsilon_of(discrete.unwrap(), 100, 1e-7);
        let expected = epsilon_of(smooth, 100, 1e-7);
        assert!((found / expected - 1.0).abs() < 3e-4, "{sensitivity}: {found}, {expected}");
    }
}

#[test]
fn epsilon_is_monotone() {
    let gaussian = |sensitivity, scale| PrivacyLoss::discrete_gaussian(sensitivity, scale).unwrap();
    let laplace = |sensitivity, scale| PrivacyLoss::discrete_laplace(sensitivity, scale).unwrap();
    let base = [(gaussian(2, 30.0), 20_u64), (laplace(3, 90.0), 20)];
    let epsilon = |parts: &[(PrivacyLoss, u64)], delta| compose(parts).epsilon(delta);
    let mut last = f64::INFINITY;
    for delta in [1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5] {
        let found = epsilon(&base, delta);
        assert!(found < last, "{delta}");
        last = found;
    }
    let found = epsilon(&base, 1e-6);
    for more in [
        vec![(gaussian(2, 30.0), 21), (laplace(3, 90.0), 20)],
        vec![(gaussian(3, 30.0), 20), (laplace(3, 90.0), 20)],
        vec![(gaussian(2, 29.0), 20), (laplace(3, 90.0), 20)],
        vec![(gaussian(2, 30.0), 20), (laplace(4, 90.0), 20)],
        vec![(gaussian(2, 30.0), 20), (laplace(3, 85.0), 20)],
        [base.to_vec(), vec![(PrivacyLoss::approximate(0.0, 1e-7).unwrap(), 1)]].concat(),
        [base.to_vec(), vec![(PrivacyLoss::approximate(0.2, 0.0).unwrap(), 1)]].concat(),
    ] {
        assert!(epsilon(&more, 1e-6) > found, "{}", epsilon(&more, 1e-6));
    }
    // Any coarsening of a mechanism that is (0.5, 1e-9)-private costs less than this.
    let any = epsilon(&[(PrivacyLoss::approximate(0.5, 1e-9).unwrap(), 30)], 1e-6);
    assert!((any / 15.0 - 1.0).abs() < 0.2, "{any}");
}

#[test]
fn delta_undoes_epsilon() {
    for (loss, times) in [
        (PrivacyLoss::discrete_gaussian(1, 20.0).unwrap(), 100),
        (PrivacyLoss::discrete_gaussian(1, 2.0).unwrap(), 2),
        (PrivacyLoss::discrete_laplace(5, 100.0).unwrap(), 200),
        (PrivacyLoss::gaussian(1.0, 3.0).unwrap(), 4),
    ] {
        let composed = compose(&[(loss, times)]);
        for delta in [1e-4, 1e-8, 1e-12] {
            let found = composed.delta(composed.epsilon(delta));
            assert!((found / delta - 1.0).abs() < 1e-2, "{delta}: {found}");
        }
        assert!(composed.delta(0.0) < 1.0 && composed.delta(f64::NAN) < 1.0);
        assert_eq!(composed.delta(f64::INFINITY), composed.infinite);
        assert_eq!(composed.epsilon(1.0), 0.0);
        assert!(composed.epsilon(0.0).is_infinite() && composed.epsilon(f64::NAN).is_infinite());
    }
    let nothing = compose(&[]);
    assert_eq!((nothing.epsilon(1e-9), nothing.delta(0.0)), (0.0, 0.0));
    let certain = compose(&[(PrivacyLoss::approximate(1.0, 1.0).unwrap(), 1)]);
    assert!(certain.epsilon(0.999).is_infinite() && certain.delta(1.0) >= 1.0);
    let unmoved = PrivacyLoss::discrete_gaussian(0, 1.0).unwrap();
    assert_eq!(epsilon_of(unmoved, 5, 1e-9), 0.0);
}

#[test]
fn what_is_no_mechanism_is_refused() {
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = [
            PrivacyLoss::discrete_gaussian(1, scale),
            PrivacyLoss::discrete_laplace(1, scale),
            PrivacyLoss::gaussian(1.0, scale),
            PrivacyLoss::laplace(1.0, scale),
        ];
        assert!(refused.iter().all(|loss| matches!(loss, Err(NoiseError::BadScale))), "{scale}");
    }
    let refused = PrivacyLoss::discrete_gaussian(1_001, 1.0);
    assert!(matches!(refused, Err(NoiseError::Overflow { .. })));
    for sensitivity in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = PrivacyLoss::gaussian(sensitivity, 1.0);
        assert!(matches!(refused, Err(NoiseError::NoSensitivity)));
    }
    assert!(matches!(PrivacyLoss::approximate(-0.1, 0.1), Err(NoiseError::BadEpsilon)));
    assert!(matches!(PrivacyLoss::approximate(0.1, 1.1), Err(NoiseError::BadDelta)));
    let workload = |sensitivity, groups| Workload { sensitivity, groups, times: 1 };
    let family = Family::DiscreteGaussian;
    let refused = calibrate(family, workload(1, 1), 0.0, 1e-6);
    assert!(matches!(refused, Err(NoiseError::BadEpsilon)));
    let refused = calibrate(family, workload(1, 1), 1.0, 0.0);
    assert!(matches!(refused, Err(NoiseError::BadDelta)));
    let refused = calibrate(family, workload(0, 1), 1.0, 1e-6);
    assert!(matches!(refused, Err(NoiseError::NoSensitivity)));
    let many = Workload { sensitivity: 1, groups: u64::MAX, times: 2 };
    assert!(matches!(calibrate(family, many, 1.0, 1e-6), Err(NoiseError::Overflow { .. })));
}
