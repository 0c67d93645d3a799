//! ROLLUP, CUBE and GROUPING SETS: margins are sums of the noisy cells of the finest keys, so that
//! they add up.

use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};

use crate::error::{Code, Rejection};
use crate::privacy::contributions::{Contribution, Nested};

/// Which sums over keys are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Margins {
    /// One number per asked set, in their order: bit i, counted from the last key, is 1 if that
    /// key is summed over; as GROUPING counts.
    pub(crate) sets: Vec<u32>,
    /// Number of keys.
    pub(crate) keys: usize,
}

impl Margins {
    /// Whether `key` is summed over in `set`.
    pub(crate) const fn is_summed(&self, set: u32, key: usize) -> bool {
        set >> (self.keys - 1 - key) & 1 == 1
    }
}

/// The margins of an aggregate and its distinct keys; `None` if it has plain keys.
///
/// # Errors
/// `R-OPERATOR` for more than sixteen keys, or one set twice.
pub(crate) fn margins(aggregate: &Aggregate) -> Result<Option<(Margins, Vec<Expr>)>, Rejection> {
    let [Expr::GroupingSet(grouping)] = aggregate.group_expr.as_slice() else { return Ok(None) };
    let keys: Vec<Expr> = grouping.distinct_expr().into_iter().cloned().collect();
    if keys.is_empty() || keys.len() > KEYS_MAX {
        let reason = format!("grouping sets of more than {KEYS_MAX} keys have no rule");
        return Err(Rejection::new(Code::Operator, reason));
    }
    let bit = |key: usize| 1u32 << (keys.len() - 1 - key);
    let all: u32 = (0..keys.len()).map(bit).sum();
    let sets: Vec<u32> = match grouping {
        GroupingSet::Rollup(_) => {
            let mut sets = vec![0];
            for key in (0..keys.len()).rev() {
                sets.push(sets[sets.len() - 1] | bit(key));
            }
            sets
        }
        GroupingSet::Cube(_) => (0..=all).collect(),
        GroupingSet::GroupingSets(lists) => {
            let set = |list: &Vec<Expr>| {
                let kept = keys.iter().enumerate().filter(|(_, key)| list.contains(key));
                all & !kept.map(|(i, _)| bit(i)).sum::<u32>()
            };
            lists.iter().map(set).collect()
        }
    };
    let mut once = sets.clone();
    once.sort_unstable();
    once.dedup();
    if once.len() < sets.len() {
        return Err(Rejection::new(Code::Operator, "a grouping set is asked for twice"));
    }
    Ok(Some((Margins { sets, keys: keys.len() }, keys)))
}

/// Refuses columns that do not add up over keys.
///
/// # Errors
/// `R-AGGREGATE`.
pub(crate) fn check(
    columns: &[Contribution],
    nested: &[Nested],
    single: bool,
) -> Result<(), Rejection> {
    let refused = |label: &str| {
        let reason = format!("{label} does not add up over ROLLUP, CUBE or GROUPING SETS");
        Err(Rejection::new(Code::Aggregate, reason)
            .hint("ask one GROUP BY at a time, and put them together with UNION ALL"))
    };
    if let Some(nested) = nested.first() {
        return refused(&nested.label);
    }
    let persons = columns.iter().find(|c| c.label.contains("DISTINCT") && c.upper == 1);
    match persons {
        Some(column) if !single => refused(&column.label),
        _ => Ok(()),
    }
}

/// Most keys of grouping sets: 65,536 sets.
const KEYS_MAX: usize = 16;
