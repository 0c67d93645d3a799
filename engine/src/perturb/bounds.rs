//! Choosing bounds from noisy profiles: how many persons would need which bound.
//!
//! It sees noisy counts and public parameters only.

/// The number of groups per person that loses next to nothing: the rung beyond which lies less
/// than a five-hundredth of what all persons contribute.
///
/// `profile` has the noisy number of persons by the least rung that is not below their number of
/// groups; `spread` is the standard deviation of that noise.
pub(super) fn choose_groups(rungs: &[u64], profile: &[i128], spread: f64) -> usize {
    let counts = significant(profile, spread);
    let pairs = |rung: usize| counts[rung] * rungs[rung] as f64;
    let all: f64 = (0..rungs.len()).map(pairs).sum();
    let lost = |kept: usize| -> f64 {
        let beyond = kept + 1..rungs.len();
        beyond.map(|rung| counts[rung] * (rungs[rung] - rungs[kept]) as f64).sum()
    };
    (0..rungs.len()).find(|kept| lost(*kept) * LOST_MAX <= all).unwrap_or(rungs.len() - 1)
}

/// The norm under which noise and what is cut off are least together, and what it cuts off of all
/// cells together, at most, with 97.5 % confidence.
///
/// `noises` are the standard deviations of the noise under each norm. Persons beyond the last clear
/// rung may hide in the noise of the profile: as many as one standard deviation of it are taken to
/// be there, a few rungs up. All in steps of the column's grid.
pub(super) fn choose_norm(
    norms: &[u64],
    profile: &[i128],
    spread: f64,
    noises: &[f64],
    cells: usize,
) -> (usize, f64) {
    let counts = seen(profile, spread);
    let cells = cells.max(1) as f64;
    let middle = |rung: usize| {
        let below = if rung == 0 { 0 } else { norms[rung - 1] };
        f64::midpoint(below as f64, norms[rung] as f64)
    };
    let far = norms[(last_clear(profile, spread) + HIDDEN_RUNGS).min(norms.len() - 1)] as f64;
    let cut = |kept: usize| -> f64 {
        let norm = norms[kept] as f64;
        let beyond = kept + 1..norms.len();
        let lost: f64 = beyond.map(|rung| counts[rung] * (middle(rung) - norm).max(0.0)).sum();
        (lost + spread * (far - norm).max(0.0)) / cells
    };
    let error = |rung: usize| noises[rung].powi(2) + cut(rung).powi(2);
    let best = (0..norms.len()).min_by(|a, b| error(*a).total_cmp(&error(*b)));
    let best = best.unwrap_or(norms.len().saturating_sub(1));
    (best, cut_at_most(best, norms, profile, spread))
}

/// What persons above the norm `kept` are above it, all together, at most: each is taken to be at
/// the upper end of its rung, and the noise of the profile to have hidden some. Beyond the last
/// clear rung, where nothing is seen for noise, twice its spread may be hidden in the next rung,
/// and half as many in each further one: a tail that falls with the square of the norm.
fn cut_at_most(kept: usize, norms: &[u64], profile: &[i128], spread: f64) -> f64 {
    let above = |rung: usize| norms[rung].saturating_sub(norms[kept]) as f64;
    let clear = last_clear(profile, spread);
    let seen: f64 = (kept..=clear).map(|rung| above(rung) * profile[rung] as f64).sum();
    let missed = (kept..=clear).map(|rung| above(rung).powi(2)).sum::<f64>().sqrt() * spread;
    let mut persons = 4.0 * spread;
    let unseen = (clear + 1..norms.len()).map(|rung| {
        persons /= 2.0;
        persons * above(rung)
    });
    unseen.sum::<f64>() + (seen + NORMAL_975 * missed).max(0.0)
}

/// The counts up to the last rung that has clearly more persons than noise makes seem; none below
/// zero, and zero beyond. If no rung has, the one that has most.
fn significant(profile: &[i128], spread: f64) -> Vec<f64> {
    let floor = CLEAR * spread;
    let last = profile.iter().rposition(|count| *count as f64 > floor);
    let most = profile.iter().enumerate().max_by_key(|(_, count)| **count).map(|(i, _)| i);
    let last = last.or(most).unwrap_or(0);
    let kept = |(i, count): (usize, &i128)| {
        if i > last {
            0.0
        } else if i == last {
            (*count as f64).max(1.0)
        } else {
            (*count as f64).max(0.0)
        }
    };
    profile.iter().enumerate().map(kept).collect()
}

/// The counts up to the last clear rung, none below zero, and zero beyond.
fn seen(profile: &[i128], spread: f64) -> Vec<f64> {
    let last = last_clear(profile, spread);
    let kept = |(i, count): (usize, &i128)| match i.cmp(&last) {
        std::cmp::Ordering::Less => (*count as f64).max(0.0),
        std::cmp::Ordering::Equal => (*count as f64).max(1.0),
        std::cmp::Ordering::Greater => 0.0,
    };
    profile.iter().enumerate().map(kept).collect()
}

/// The last rung that ends a shortest run of rungs with clearly more persons than noise makes seem:
/// persons who are spread over many rungs are seen, though no rung alone has enough. If no run is
/// clear, the end of the one that is clearest.
fn last_clear(profile: &[i128], spread: f64) -> usize {
    let mut clearest = (f64::NEG_INFINITY, 0);
    let mut last = None;
    // Where the last run began: one that holds another one whole is not a shortest.
    let mut begun = None;
    for end in 0..profile.len() {
        let mut persons = 0.0;
        for start in (0..=end).rev() {
            persons += profile[start] as f64;
            let rungs = (end - start + 1) as f64;
            let excess = persons / (spread * rungs.sqrt());
            if excess > clearest.0 {
                clearest = (excess, end);
            }
            if excess > CLEAR_RUN {
                if begun.is_none_or(|begun| start > begun) {
                    (last, begun) = (Some(end), Some(start));
                }
                break;
            }
        }
    }
    last.unwrap_or(clearest.1)
}

/// Standard deviations of noise above which a count is no mere noise: one of a dozen rungs without
/// persons passes in some twenty thousand queries. One that does costs dearly: the threshold of
/// keys grows with the number of groups.
const CLEAR: f64 = 4.5;

/// The same for a run of rungs, of which there are some hundreds.
const CLEAR_RUN: f64 = 4.0;

/// The normal quantile that one in forty is above.
const NORMAL_975: f64 = 1.96;

/// How many rungs beyond the last clear one persons may hide: the norm grows by the root of two
/// with each.
const HIDDEN_RUNGS: usize = 3;

/// A five-hundredth.
const LOST_MAX: f64 = 500.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_persons_with_many_groups_do_not_raise_the_noise_for_all() {
        let rungs = [1, 2, 4, 8, 16];
        // 1,000 of 101,000 contributions lie beyond the second group.
        assert_eq!(choose_groups(&rungs, &[80_000, 10_000, 100, 0, 0], 1.0), 1);
        assert_eq!(choose_groups(&rungs, &[0, 0, 0, 0, 500], 1.0), 4);
        // Noise alone is no person.
        assert_eq!(choose_groups(&rungs, &[80_000, -20, 25, -30, 10], 30.0), 0);
    }

    #[test]
    fn the_norm_balances_noise_and_loss() {
        let norms = [1, 2, 4, 8, 16, 32, 64];
        let noises: Vec<f64> = norms.iter().map(|n| *n as f64 * 10.0).collect();
        let profile = [1_000, 5_000, 20_000, 20_000, 2_000, 6, 0];
        let (rung, cut) = choose_norm(&norms, &profile, 1.0, &noises, 10);
        assert_eq!(norms[rung], 16);
        // 6 persons who are at most 16 above 16, of whom noise may hide 1.96, and 2 at 64.
        assert!((cut - (6.0 + 1.96) * 16.0 - 2.0 * 48.0).abs() < 1e-9, "{cut}");
        // With little noise nothing is cut off.
        let quiet: Vec<f64> = norms.iter().map(|n| *n as f64 * 0.001).collect();
        let (rung, cut) = choose_norm(&norms, &profile, 1e-3, &quiet, 10);
        assert_eq!(norms[rung], 32);
        assert!(cut < 0.1, "{cut}");
    }
}
