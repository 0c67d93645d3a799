//! Attack A15, optimism: the accountant against sums that no transform, tilt or window touches.

use crate::noise::pld::{PrivacyLoss, compose};

/// A loss in whole multiples of [`UNIT`], with its exact probabilities: the independent account.
struct Slow {
    /// The loss of the first entry.
    least: i64,
    masses: Vec<f64>,
    infinite: f64,
}

impl Slow {
    fn certain() -> Self {
        Self { least: 0, masses: vec![1.0], infinite: 0.0 }
    }

    /// Adds an independent loss, atom by atom.
    fn add(&mut self, atoms: &[(i64, f64)], infinite: f64) {
        let least = atoms.iter().map(|(loss, _)| *loss).min().unwrap();
        let most = atoms.iter().map(|(loss, _)| *loss).max().unwrap();
        let mut sum = vec![0.0; self.masses.len() + usize::try_from(most - least).unwrap()];
        for (loss, share) in atoms {
            let shift = usize::try_from(loss - least).unwrap();
            for (to, mass) in sum[shift..].iter_mut().zip(&self.masses) {
                *to += mass * share;
            }
        }
        self.least += least;
        self.masses = sum;
        self.infinite += infinite - self.infinite * infinite;
    }

    /// Every loss with its probability.
    fn atoms(&self) -> impl Iterator<Item = (f64, f64)> {
        let losses = (self.least..).map(|loss| loss as f64 * UNIT);
        losses.zip(self.masses.iter().copied())
    }

    fn delta(&self, epsilon: f64) -> f64 {
        let above = self.atoms().filter(|(loss, _)| *loss > epsilon);
        let finite: f64 = above.map(|(loss, mass)| mass * -(epsilon - loss).exp_m1()).sum();
        self.infinite + finite
    }

    /// By halving: the profile falls in ε.
    fn epsilon(&self, delta: f64) -> f64 {
        if self.delta(0.0) <= delta {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, 1e4);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.delta(middle) > delta {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    fn deviation(&self) -> f64 {
        let moment =
            |power| -> f64 { self.atoms().map(|(loss, mass)| mass * loss.powi(power)).sum() };
        (moment(2) - moment(1).powi(2)).max(0.0).sqrt()
    }
}

/// One mechanism whose losses are multiples of [`UNIT`], as we and as the slow account see it.
fn mechanism(draw: &mut Lcg) -> (PrivacyLoss, Vec<(i64, f64)>, f64) {
    let multiple = draw.between(1, 3);
    let unit = UNIT * multiple as f64;
    match draw.between(0, 2) {
        0 => {
            // Loss s(2x + s)/(2σ²): multiples of `unit` if σ² is s/(2·unit).
            let sensitivity = draw.between(1, 3);
            let square = sensitivity as f64 / (2.0 * unit);
            let loss = PrivacyLoss::discrete_gaussian(sensitivity.unsigned_abs(), square.sqrt());
            let weight = |x: i64| (-(x as f64).powi(2) / (2.0 * square)).exp();
            let total: f64 = (-100..=100).map(weight).sum();
            let atoms = (-100..=100)
                .map(|x| ((2 * x + sensitivity) * multiple, weight(x) / total))
                .filter(|(_, mass)| *mass > 1e-30);
            (loss.unwrap(), atoms.collect(), 0.0)
        }
        1 => {
            // Loss (s - 2x)/scale for outcomes from 0 to s; both tails are summed.
            let sensitivity = draw.between(1, 6);
            let scale = 1.0 / unit;
            let loss = PrivacyLoss::discrete_laplace(sensitivity.unsigned_abs(), scale);
            let weight = |x: i64| (-(x.abs() as f64) / scale).exp();
            let total: f64 = (-400..=400).map(weight).sum();
            let atoms = (0..=sensitivity).map(|merged| {
                let alike = (-400..=400).filter(|x| *x.clamp(&0, &sensitivity) == merged);
                let mass = alike.map(weight).sum::<f64>() / total;
                ((sensitivity - 2 * merged) * multiple, mass)
            });
            (loss.unwrap(), atoms.collect(), 0.0)
        }
        _ => {
            let infinite = [0.0, 1e-20, 1e-12, 1e-8][usize::try_from(multiple).unwrap()];
            let loss = PrivacyLoss::approximate(unit, infinite);
            let truth = unit.exp() / (1.0 + unit.exp());
            let atoms = vec![
                (multiple, (1.0 - infinite) * truth),
                (-multiple, (1.0 - infinite) * (1.0 - truth)),
            ];
            (loss.unwrap(), atoms, infinite)
        }
    }
}

#[test]
fn a15_random_mixes_are_never_optimistic_and_hardly_pessimistic() {
    // 200 mixes of up to three kinds, each up to four times, and both questions.
    let mut draw = Lcg(15);
    for mix in 0..200_usize {
        let mut slow = Slow::certain();
        let mut parts = Vec::new();
        for _ in 0..draw.between(1, 3) {
            let (loss, atoms, infinite) = mechanism(&mut draw);
            let times = draw.between(1, 4);
            for _ in 0..times {
                slow.add(&atoms, infinite);
            }
            parts.push((loss, times.unsigned_abs()));
        }
        let composed = compose(&parts);
        let slack = 1e-4 * slow.deviation();
        for delta in [1e-6, [1e-2, 1e-15][mix % 2]] {
            let found = composed.epsilon(delta);
            let exact = if slow.infinite >= delta { f64::INFINITY } else { slow.epsilon(delta) };
            assert!(found >= exact * (1.0 - 1e-12), "mix {mix} at {delta}: {found} < {exact}");
            if exact.is_finite() {
                let most = exact * 1.001 + slack;
                assert!(found <= most, "mix {mix} at {delta}: {found} > {exact}");
            }
        }
        let epsilon = [0.0, 0.5, 2.0][mix % 3];
        let (found, exact) = (composed.delta(epsilon), slow.delta(epsilon));
        assert!(found >= exact * (1.0 - 1e-12), "mix {mix} at {epsilon}: {found} < {exact}");
        let most = slow.delta((epsilon * 0.999 - slack).max(0.0)) * 1.005;
        assert!(found <= most + 1e-24, "mix {mix} at {epsilon}: {found} > {exact}");
    }
}

/// Knuth's linear congruential generator, for parameters only.
struct Lcg(u64);

impl Lcg {
    fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        least + i64::try_from((self.0 >> 33) % (most - least + 1).unsigned_abs()).unwrap()
    }
}

/// All losses of this test are multiples of it.
const UNIT: f64 = 0.1;
