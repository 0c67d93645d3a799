//! The contract's words: calls, answers, events and errors, and the entries that they stand for.
//!
//! ```text
//! Entry ──call──▶ calldata ──entry──▶ Entry        revert bytes ──fault──▶ LedgerError
//! ```
//! It asks nobody anything. The bindings come from the artifact that is checked in with the source.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall as _, SolEvent as _, SolInterface as _};

use self::abi::GrauntLedger as contract;
use self::abi::GrauntLedger::{GrauntLedgerCalls as Call, GrauntLedgerErrors as Fault};
use crate::charge::{AccountEffect, Attestation, ChargeRequest, KeyRole, KeyRotation, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{Inactive, LedgerError};

/// Code that makes a new contract.
pub(super) fn bytecode() -> &'static [u8] {
    &contract::BYTECODE
}

/// Code that the contract has once it is made.
pub(super) fn deployed_bytecode() -> &'static [u8] {
    &contract::DEPLOYED_BYTECODE
}

/// May give roles to others.
pub(super) const OWNER: u8 = 1;
/// May open accounts; attest, supersede and revoke extracts.
pub(super) const STEWARD: u8 = 2;
/// May charge and release.
pub(super) const ENGINE: u8 = 4;

/// The call that records an entry.
pub(super) fn call(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::Open(Opening { account, cap }) => {
            contract::openCall { account: word(*account), cap: packed(*cap) }.abi_encode()
        }
        Entry::Charge(request) => {
            let (shape, query, costs) = (shape(request), query(request), costs(request).collect());
            contract::chargeCall { shape, query, costs }.abi_encode()
        }
        Entry::Release { query, commitment } => {
            let (query, commitment) = (word(*query), word(*commitment));
            contract::releaseCall { query, commitment }.abi_encode()
        }
        Entry::Attest(new) => contract::attestCall { new_: extract(new) }.abi_encode(),
        Entry::Supersede { old, new } => {
            contract::supersedeCall { old: word(*old), new_: extract(new) }.abi_encode()
        }
        Entry::Revoke { root } => contract::revokeCall { root: word(*root) }.abi_encode(),
        Entry::Redact { query } => contract::redactCall { query: word(*query) }.abi_encode(),
        Entry::Commit { query, round, root } => {
            let (query, root) = (word(*query), word(*root));
            contract::commitCall { query, round: *round, root }.abi_encode()
        }
        Entry::Key(KeyRotation { role, old, new }) => {
            let (old, key) = (word(*old), word(*new));
            let role = match role {
                KeyRole::Site => SITE,
                KeyRole::Log => LOG,
            };
            contract::rotateCall { role, old, key }.abi_encode()
        }
    }
}

/// The call that charges each of some queries for itself; they have the same accounts in the same
/// order, the same inputs and the same day. `None` for no query.
pub(super) fn charge_many<'a>(
    mut requests: impl Iterator<Item = &'a ChargeRequest>,
) -> Option<Vec<u8>> {
    let first = requests.next()?;
    let shape = shape(first);
    let (mut queries_, mut all_costs) = (vec![query(first)], Vec::from_iter(costs(first)));
    for request in requests {
        queries_.push(query(request));
        all_costs.extend(costs(request));
    }
    Some(contract::chargeManyCall { shape, queries_, costs: all_costs }.abi_encode())
}

/// Whether two charges can be of one batch.
pub(super) fn has_shape_of(request: &ChargeRequest, other: &ChargeRequest) -> bool {
    let accounts = |request: &ChargeRequest| -> Vec<Digest> {
        request.items.iter().map(|(account, _)| *account).collect()
    };
    (request.day, &request.inputs) == (other.day, &other.inputs)
        && accounts(request) == accounts(other)
}

/// The call that says what an address may do.
pub(super) fn grant(who: Address, given: u8) -> Vec<u8> {
    contract::grantCall { who, given }.abi_encode()
}

/// The call that remembers a checkpoint of a log.
pub(super) fn anchor(log: Digest, size: u64, root: Digest) -> Vec<u8> {
    contract::anchorCall { log: word(log), size, root: word(root) }.abi_encode()
}

/// The entries that a call records, in order; none for calls that are about something else.
pub(super) fn entries(calldata: &[u8]) -> Result<Vec<Entry>, LedgerError> {
    let call = Call::abi_decode_validate(calldata).map_err(|error| malformed("call", &error))?;
    Ok(match call {
        Call::open(call) => {
            vec![Entry::Open(Opening { account: digest(call.account), cap: cost(call.cap) })]
        }
        Call::charge(call) => vec![request(&call.shape, &call.query, &call.costs)],
        Call::chargeMany(call) => {
            let costs = call.costs.chunks(call.shape.accounts.len().max(1));
            let queries = call.queries_.iter().zip(costs);
            queries.map(|(query, costs)| request(&call.shape, query, costs)).collect()
        }
        Call::release(call) => {
            let (query, commitment) = (digest(call.query), digest(call.commitment));
            vec![Entry::Release { query, commitment }]
        }
        Call::attest(call) => vec![Entry::Attest(attestation(&call.new_))],
        Call::supersede(call) => {
            let (old, new) = (digest(call.old), attestation(&call.new_));
            vec![Entry::Supersede { old, new }]
        }
        Call::revoke(call) => vec![Entry::Revoke { root: digest(call.root) }],
        Call::redact(call) => vec![Entry::Redact { query: digest(call.query) }],
        Call::commit(call) => {
            let (query, root) = (digest(call.query), digest(call.root));
            vec![Entry::Commit { query, round: call.round, root }]
        }
        Call::rotate(call) if call.role == SITE => {
            let (old, new) = (digest(call.old), digest(call.key));
            vec![Entry::Key(KeyRotation { role: KeyRole::Site, old, new })]
        }
        _ => Vec::new(),
    })
}

/// What a call that reverted with these bytes says; `None` if they are not of this contract.
pub(super) fn fault(revert: &[u8]) -> Option<LedgerError> {
    Some(match Fault::abi_decode_validate(revert).ok()? {
        Fault::Denied(_) => {
            LedgerError::Refused { rule: "the contract gives the chain's key no such role" }
        }
        Fault::Refused(found) => LedgerError::Refused { rule: RULES.get(usize::from(found.rule))? },
        Fault::Conflict(found) => {
            LedgerError::Conflict { what: THINGS.get(usize::from(found.thing))? }
        }
        Fault::Inactive(found) => {
            let why = *WHYS.get(usize::from(found.why))?;
            LedgerError::Inactive { root: digest(found.root), why }
        }
        Fault::Exhausted(found) => LedgerError::Exhausted {
            account: digest(found.account),
            asked: cost(found.asked),
            left: cost(found.left),
        },
        Fault::Behind(_) => LedgerError::Refused { rule: "the anchor of a log does not go back" },
    })
}

/// An event of the contract, as a receipt holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Log {
    pub(super) topics: Vec<B256>,
    pub(super) data: Vec<u8>,
}

/// What a charge did to its accounts, from the events of its transaction; `None` if it was not
/// charged there.
pub(super) fn effects(request: &ChargeRequest, logs: &[Log]) -> Option<Vec<AccountEffect>> {
    let charged: Vec<_> = logs
        .iter()
        .filter_map(|log| {
            contract::Charged::decode_raw_log_validate(log.topics.iter().copied(), &log.data).ok()
        })
        .filter(|event| event.query == word(request.query))
        .collect();
    request
        .items
        .iter()
        .map(|(account, cost)| {
            let event = charged.iter().find(|event| event.account == word(*account))?;
            let (spent_after, cap) = balance(event.balance);
            let spent_before = spent_after.checked_sub(*cost)?;
            Some(AccountEffect { account: *account, cost: *cost, spent_before, spent_after, cap })
        })
        .collect()
}

/// Why a query of a batch was not charged, from the events of its transaction.
pub(super) fn rejection(query: Digest, logs: &[Log]) -> Option<LedgerError> {
    logs.iter()
        .filter_map(|log| {
            contract::Rejected::decode_raw_log_validate(log.topics.iter().copied(), &log.data).ok()
        })
        .find(|event| event.query == word(query))
        .and_then(|event| fault(&event.reason))
}

/// Asks for an account's word; see [`balance`].
pub(super) const fn account(account: Digest) -> contract::accountsCall {
    contract::accountsCall(word(account))
}

/// Asks for an extract's word; see [`standing`].
pub(super) const fn extract_of(root: Digest) -> contract::extractsCall {
    contract::extractsCall(word(root))
}

/// Asks for a query's word; see [`marks`] and [`is_charged_by`].
pub(super) const fn query_of(query: Digest) -> contract::queriesCall {
    contract::queriesCall(word(query))
}

/// Whether a query's word is of just this request, as far as a digest of 16 bytes tells.
pub(super) fn is_charged_by(word: U256, request: &ChargeRequest) -> bool {
    let contract::Shape { day, accounts, inputs } = shape(request);
    let head = U256::from(accounts.len()) << 32 | U256::from(day);
    let costs = costs(request).map(|cost| B256::from(U256::from(cost)));
    let mut words = vec![self::word(request.query), self::word(request.intent), B256::from(head)];
    words.extend(accounts.into_iter().chain(costs).chain(inputs));
    let [.., low, high] = U256::from_be_bytes(keccak256(words.concat()).0).into_limbs();
    let [.., found_low, found_high] = word.into_limbs();
    (low, high) == (found_low, found_high)
}

/// Asks for the root of the set of contributions of a round; 0 if none is committed.
pub(super) const fn set_of(query: Digest, round: u32) -> contract::setsCall {
    contract::setsCall { _0: word(query), _1: round }
}

/// Asks for the key that took a key's place; 0 if none did.
pub(super) const fn replacement(key: Digest) -> contract::retiredCall {
    contract::retiredCall(word(key))
}

/// Whether a query is released, and whether it is redacted, from its word.
pub(super) fn marks(word: U256) -> (bool, bool) {
    let [low, high, ..] = word.into_limbs();
    (high != 0 || low > 1, low & 1 == 1)
}

/// Asks for the active extract of the same account and key holder.
pub(super) const fn successor(root: Digest) -> contract::successorCall {
    contract::successorCall { root: word(root) }
}

/// Asks for the last anchor of a log.
pub(super) const fn anchored(who: Address, log: Digest) -> contract::anchorsCall {
    contract::anchorsCall { _0: who, _1: word(log) }
}

/// How an extract stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    Unattested,
    Active,
    Superseded,
    Revoked,
}

/// How an extract stands, from its word.
pub(super) fn standing(word: U256) -> Standing {
    let [low, ..] = word.into_limbs();
    match low & u64::from(u32::MAX) {
        0 => Standing::Unattested,
        1 => Standing::Active,
        2 => Standing::Superseded,
        _ => Standing::Revoked,
    }
}

/// What an account has spent and holds at most, from its word.
pub(super) fn balance(word: U256) -> (Cost, Cost) {
    let [cap_delta, cap_rho, spent_delta, spent_rho] = word.into_limbs();
    let cost = |rho, delta| Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) };
    (cost(spent_rho, spent_delta), cost(cap_rho, cap_delta))
}

pub(super) const fn word(digest: Digest) -> B256 {
    B256::new(*digest.as_bytes())
}

pub(super) const fn digest(word: B256) -> Digest {
    Digest::from_bytes(word.0)
}

fn packed(cost: Cost) -> u128 {
    u128::from(cost.rho.nano()) << 64 | u128::from(cost.delta.atto())
}

fn cost(packed: u128) -> Cost {
    let (_, cap) = balance(U256::from(packed));
    cap
}

fn shape(request: &ChargeRequest) -> contract::Shape {
    contract::Shape {
        day: request.day,
        accounts: request.items.iter().map(|(account, _)| word(*account)).collect(),
        inputs: request.inputs.iter().copied().map(word).collect(),
    }
}

const fn query(request: &ChargeRequest) -> contract::Query {
    contract::Query { id: word(request.query), intent: word(request.intent) }
}

fn costs(request: &ChargeRequest) -> impl Iterator<Item = u128> {
    request.items.iter().map(|(_, cost)| packed(*cost))
}

fn request(shape: &contract::Shape, query: &contract::Query, costs: &[u128]) -> Entry {
    let items = shape.accounts.iter().zip(costs);
    Entry::Charge(ChargeRequest {
        query: digest(query.id),
        items: items.map(|(account, packed)| (digest(*account), cost(*packed))).collect(),
        intent: digest(query.intent),
        inputs: shape.inputs.iter().copied().map(digest).collect(),
        day: shape.day,
    })
}

const fn extract(new: &Attestation) -> contract::Extract {
    let Attestation { root, account, key, expires_day } = *new;
    contract::Extract {
        root: word(root),
        account: word(account),
        key: word(key),
        expiresDay: expires_day,
    }
}

const fn attestation(new: &contract::Extract) -> Attestation {
    Attestation {
        root: digest(new.root),
        account: digest(new.account),
        key: digest(new.key),
        expires_day: new.expiresDay,
    }
}

fn malformed(what: &'static str, error: &alloy_sol_types::Error) -> LedgerError {
    LedgerError::Malformed { what, detail: error.to_string() }
}

/// What [`KeyRole::Site`] is in a call.
const SITE: u8 = 0;

/// What [`KeyRole::Log`] would be: a chain has no such key, and [`super::ledger`] refuses it.
const LOG: u8 = 1;

/// The contract's `Rule`, in its order and in the words of [`crate::account`].
const RULES: [&str; 21] = [
    "an account holds something at first",
    "delta is a probability, at most 1",
    "a charge names an account",
    "a charge names the extracts that are read",
    "a charge costs something",
    "a charge names an account once",
    "a charge names an extract once",
    "an account is opened before it is charged",
    "an account is opened before extracts are attested for it",
    "a query is charged before it is released",
    "an extract is superseded by one of the same account and key holder",
    "a charge has a cost for each account",
    "a redacted query is not released",
    "a query is charged before it is redacted",
    "a key attests nothing after another took its place",
    "a key attests before another takes its place",
    "a key that takes another's place was never used before",
    "a query has at most 256 rounds",
    "a set of contributions has a root",
    "a query is charged before a set of contributions is committed",
    "no set is committed after a query is released or redacted",
];

/// The contract's `Thing`, in its order.
const THINGS: [&str; 8] = [
    "account",
    "query",
    "release",
    "extract",
    "an active extract of this account and key",
    "anchor",
    "key",
    "set of contributions",
];

/// The contract's `Why`, in its order.
const WHYS: [Inactive; 5] = [
    Inactive::Expired,
    Inactive::Revoked,
    Inactive::Superseded,
    Inactive::Unattested,
    Inactive::OtherAccount,
];

/// What the compiler of the bindings makes of the artifact.
pub(super) mod abi {
    alloy_sol_types::sol!(GrauntLedger, "contracts/GrauntLedger.json");
}
