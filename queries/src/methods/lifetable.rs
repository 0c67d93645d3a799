//! Abridged life tables: life expectancy at each age, from deaths and populations by age band.

use super::distribution::normal_quantile;
use crate::estimate::{Estimate, Interval};

/// An age band of a life table.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// The age in years at which it starts; it ends where the next starts, and the last never.
    pub from: f64,
    /// Deaths in it.
    pub deaths: Estimate,
    /// Person-years in it, or the population.
    pub population: Estimate,
}

/// The life expectancy at the start of each band, in years: one per band, in their order.
///
/// Chiang's abridged life table: who dies in the first year of life lives 0.1 of it, in any other
/// band half of it. The variance is Chiang's with the last band's by Silcocks, plus the noise of
/// deaths and populations by the delta method; the interval is normal. A band where noise took the
/// deaths below 0 has a negative rate and no sampling variance.
///
/// NaN without an interval, for all bands, where the ages do not rise, a population is not above
/// 0, there are no deaths in the last band, noise took deaths below what a rate could be, or deaths
/// without noise are negative or more than the population. Below 5,000 person-years English public
/// health gives none: that is for the caller.
///
/// # Source
/// Chiang 1968, Introduction to Stochastic Processes in Biostatistics, chapter 9; Silcocks, Jenner
/// and Reza 2001, J Epidemiol Community Health 55:38; the R package PHEindicatormethods,
/// `phe_life_expectancy`.
pub fn life_expectancy(bands: &[Band], level: f64) -> Vec<Estimate> {
    let method = "life expectancy (Chiang, Silcocks)";
    let inputs =
        |from: usize| bands.iter().skip(from).flat_map(|band| [&band.deaths, &band.population]);
    let Some(rows) = rows(bands) else {
        return (0..bands.len())
            .map(|from| Estimate::of(inputs(from), method, f64::NAN, f64::NAN, None))
            .collect();
    };
    let z = normal_quantile((1.0 + level) / 2.0);
    let mut estimates: Vec<Estimate> = Vec::new();
    let (mut after, mut sampling, mut noise) = (0.0, 0.0, 0.0);
    for (index, row) in rows.iter().enumerate().rev() {
        // Expectancy here from that of the next band on: e = L + p·e', per person alive here.
        let survive = 1.0 - row.dying;
        let per_death = row.width_lost + after;
        let value = row.lived + survive * after;
        sampling = survive * survive * sampling + per_death * per_death * row.sampling_variance;
        noise = survive * survive * noise + per_death * per_death * row.noise_variance;
        let reach = z * (sampling + noise).sqrt();
        let ends = Interval { lower: value - reach, upper: value + reach };
        let interval = reach.is_finite().then_some(ends);
        estimates.push(Estimate::of(inputs(index), method, value, noise, interval));
        after = value;
    }
    estimates.reverse();
    estimates
}

/// One band of the table, per person who reaches it.
struct Row {
    /// Probability of dying in it; 1 in the last.
    dying: f64,
    /// Years lived in it.
    lived: f64,
    /// Years of it that one who dies in it does not live. In the last band 1, for there the
    /// variances are of the years lived.
    width_lost: f64,
    /// Variance of `dying`, in the last band of `lived`.
    sampling_variance: f64,
    /// The same from noise.
    noise_variance: f64,
}

fn rows(bands: &[Band]) -> Option<Vec<Row>> {
    let ends = bands.iter().skip(1).map(|next| Some(next.from)).chain([None]);
    bands.iter().zip(ends).map(|(band, end)| row(band, end)).collect()
}

/// The row of a band that ends at this age; none where it has none.
fn row(band: &Band, end: Option<f64>) -> Option<Row> {
    let (deaths, people) = (band.deaths.value, band.population.value);
    let noisy = band.deaths.noise_variance > 0.0 || band.population.noise_variance > 0.0;
    let possible = noisy || (0.0..=people).contains(&deaths);
    if !(people > 0.0 && people.is_finite() && deaths.is_finite() && possible) {
        return None;
    }
    let rate = deaths / people;
    let rate_noise = (band.deaths.noise_variance + rate * rate * band.population.noise_variance)
        / (people * people);
    let Some(end) = end else {
        let lived = (rate > 0.0).then(|| 1.0 / rate)?;
        let sampling_variance = lived * lived / deaths;
        let noise_variance = lived.powi(4) * rate_noise;
        return Some(Row { dying: 1.0, lived, width_lost: 1.0, sampling_variance, noise_variance });
    };
    let width = end - band.from;
    if width.is_nan() || width <= 0.0 {
        return None;
    }
    let fraction = if band.from == 0.0 { 0.1 } else { 0.5 };
    let width_lost = (1.0 - fraction) * width;
    let whole = 1.0 + rate * width_lost;
    // So many deaths that nobody would be left at the end of the band: nobody is.
    let dying = if whole > 0.0 { (width * rate / whole).min(1.0) } else { return None };
    let by_rate = if dying < 1.0 { width / (whole * whole) } else { 0.0 };
    let sampling_variance = if deaths > 0.0 { dying * dying * (1.0 - dying) / deaths } else { 0.0 };
    Some(Row {
        dying,
        lived: width - dying * width_lost,
        width_lost,
        sampling_variance,
        noise_variance: by_rate * by_rate * rate_noise,
    })
}

#[cfg(test)]
mod tests;
