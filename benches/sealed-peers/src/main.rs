//! What homomorphic sums cost: Graunt's sealed ones beside what others would do instead.
//!
//! ```text
//!  sites ──bytes──▶ aggregators: read, check, add ──▶ opening ──▶ totals, compared with the truth
//! ```
//! It prints a table in Markdown; `README.md` has one, and how to read it. Each scheme runs whole
//! rounds over the same counters, and a round with wrong totals is an error.
//!
//! # What it is not
//! A part of Graunt. The peers are run beside it and never linked into it, `prio` (MPL-2.0) among
//! them: this package is outside of the workspace, and nothing in there may depend on it (`tidy`).

mod clock;
mod collective;
#[cfg(feature = "tfhe-integers")]
mod integers;
mod round;
mod sealed;
mod shamir;
mod sum_vec;
mod table;

use std::error::Error;

use crate::round::{Cost, Round};
use crate::table::Row;

/// Why there is no table.
type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    for round in ROUNDS {
        println!("{} sites x {} counters\n\n{}", round.sites, round.counters, table::HEAD);
        for scheme in SCHEMES {
            let run = Round { counters: round.counters.min(scheme.counters_max), ..round };
            let cost = Cost::least_of(|| (scheme.run)(run))?;
            println!("{}", Row { name: scheme.name, opens: scheme.opens, round: run, cost });
        }
        println!();
    }
    Ok(())
}

/// One line of the table.
struct Scheme {
    name: &'static str,
    /// Who together can open anything, the contribution of one site too.
    opens: &'static str,
    run: fn(Round) -> Result<Cost, Failure>,
    counters_max: usize,
}

const ROUNDS: [Round; 2] =
    [Round { sites: 10, counters: 1000 }, Round { sites: 100, counters: 10_000 }];

const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "Graunt, sealed",
        opens: "three of five",
        run: sealed::run,
        counters_max: usize::MAX,
    },
    Scheme {
        name: "Shamir, plain",
        opens: "three of five",
        run: shamir::run,
        counters_max: usize::MAX,
    },
    Scheme {
        name: "Prio3SumVec",
        opens: "two of two",
        run: sum_vec::run,
        counters_max: usize::MAX,
    },
    Scheme {
        name: "BFV, multiparty",
        opens: "five of five",
        run: collective::run,
        counters_max: usize::MAX,
    },
    // A quarter of a second for each site's counter: the large round would take days.
    #[cfg(feature = "tfhe-integers")]
    Scheme { name: "FheUint32", opens: "one key's owner", run: integers::run, counters_max: 2 },
];
