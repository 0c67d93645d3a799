//! The curve that can be drawn: from counts made consistent, events and censored persons apart,
//! so that neither are taken for the other.

use super::FollowUpInterval;
use crate::methods::consistency::consistent;

/// Survival after each interval, by the product-limit formula of the consistent counts.
pub(super) fn survival(intervals: &[FollowUpInterval]) -> Vec<f64> {
    let events = consistent(intervals.iter().map(|interval| &interval.events));
    let censored = consistent(intervals.iter().map(|interval| &interval.censored));
    let mut at_risk: f64 = events.iter().chain(&censored).sum();
    let mut survival = 1.0;
    let mut row = |(events, censored): (&f64, &f64)| {
        // Rounding may leave a little less at risk than there are events.
        if at_risk > 0.0 {
            survival *= (1.0 - events / at_risk).max(0.0);
        }
        at_risk -= events + censored;
        survival
    };
    events.iter().zip(&censored).map(&mut row).collect()
}
