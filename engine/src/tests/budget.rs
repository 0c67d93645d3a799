//! How many questions an account holds, and how far off each may be.
//!
//! # Source
//! DPSQL+ (arXiv 2602.22699) run on COUNT and SUM by an unknown key, at least eleven persons, each
//! question (0.5, 1e-8)-private and all of them (10, 1e-5): it admits 899 by ρ and 1,154 as a plan
//! fixed beforehand, with noise of 29.41 persons. The peers note, section 4, has the run.

use ledger_adapter::account::{State, Verdict};
use ledger_adapter::charge::{Attestation, ChargeRequest, Opening};
use ledger_adapter::cost::{Cost, Delta};
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;

use crate::engine::{Query, Quote};
use crate::noise::rho_within;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{World, block_on, clinic, world};
use crate::tests::sensitivity::{database, seeded};

/// What COUNT and SUM by a key that nobody declared cost, with one row of each person.
fn quote(world: &World, epsilon: f64) -> Quote {
    let text = "SELECT code, COUNT(*), SUM(cost) FROM visit GROUP BY code".to_owned();
    let bounds = ContributionBounds {
        rows_per_person: Some(1),
        groups_per_person: Some(1),
        persons_min: 11,
        ..ContributionBounds::default()
    };
    block_on(world.engine.quote(&Query { text, epsilon, delta: 1e-8, bounds })).unwrap()
}

/// How many questions at this cost an account of (10, 1e-5) admits, one by one.
fn admitted(cost: Cost) -> u64 {
    let digest = |number: u64| Digest::sha256(&number.to_be_bytes());
    let (account, root) = (digest(0), digest(1));
    // As `graunt budget open` splits δ.
    let cap =
        Cost { rho: rho_within(10.0, 5e-6).unwrap(), delta: Delta::from_atto(5_000_000_000_000) };
    let mut state = State::default();
    state.apply(&Entry::Open(Opening { account, cap })).unwrap();
    let attestation = Attestation { root, account, key: digest(2), expires_day: 20_000 };
    state.apply(&Entry::Attest(attestation)).unwrap();
    for count in 0.. {
        let request = ChargeRequest {
            query: digest(3 + count),
            items: vec![(account, cost)],
            intent: root,
            inputs: vec![root],
            day: 19_000,
        };
        match state.apply(&Entry::Charge(request)) {
            Ok(Verdict::Accepted(_)) => {}
            Ok(Verdict::Repeated(_)) => panic!("a question was asked twice"),
            Err(_) => return count,
        }
    }
    unreachable!()
}

#[test]
fn an_account_admits_more_questions_than_that_of_dpsql_plus_with_less_noise() {
    let world = world(&[clinic(&database(&mut seeded(6)))], 1);
    // Each is (0.5, 1e-8)-private, as theirs are, and more; each is less noisy than theirs.
    let quoted = quote(&world, 0.27);
    let count = &quoted.columns[0];
    assert!((26.5..27.1).contains(&count.noise), "{}", count.noise);
    let queries = admitted(quoted.cost);
    assert!((1_154..1_300).contains(&queries), "{queries}");
    // What takes all of ε and δ has half of the noise of theirs, and fewer such questions fit.
    let whole = quote(&world, 0.5);
    assert!((14.5..15.2).contains(&whole.columns[0].noise), "{}", whole.columns[0].noise);
    let queries = admitted(whole.cost);
    assert!((370..420).contains(&queries), "{queries}");
}
