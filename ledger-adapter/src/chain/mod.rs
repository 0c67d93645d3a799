//! The ledger on an EVM chain: a contract that holds the accounts, and a client of any node.
//!
//! ```text
//! ChainLedger ─┬─ LogLedger   what was recorded: receipts and proofs come from it
//!              └─ courier ── outbox ── node ── GrauntLedger.sol: balances, decided for all engines
//! ```
//! The contract decides by the same rules as [`crate::account`], and its word on a balance is the
//! last: several engines, none of which trusts another's disk, spend from one account. An entry is
//! first decided here, then executed on the chain, waited for, and only then recorded in the log.
//! If the chain does not answer, nothing is granted; what was sent and has no answer counts as
//! spent. Everything on a chain is public for ever: it holds digests and integers only.
//!
//! # What it needs of a network
//! - JSON-RPC over plain HTTP: `eth_chainId`, `eth_getBlockByNumber`, `eth_getCode`, `eth_call`,
//!   `eth_estimateGas`, `eth_getTransactionCount`, `eth_sendRawTransaction`,
//!   `eth_getTransactionReceipt`. No filters, no subscriptions, no keys in the node.
//! - The London instruction set (2021), nothing newer.
//! - Besu (QBFT, IBFT2): blocks are final at once, so [`FinalRule::Blocks`] of 1. Where gas is free
//!   (`--min-gas-price=0`, `zeroBaseFee` in the genesis), [`Fees::Fixed`] with price 0.
//! - `GoQuorum` (QBFT, IBFT): the same; it has no EIP-1559, so always [`Fees::Fixed`]. Raft lacks
//!   the guarantee of QBFT and is not for this.
//! - geth, reth and others on a public chain: [`FinalRule::Tag`] and [`Fees::Dynamic`]. A second
//!   layer is final when the first is: its node must give `finalized` that meaning.
//! - The node is one's own. A node that lies can hide what others spent until a charge is mined,
//!   and can pretend that it was mined: noise would be drawn for a charge that nobody else sees.
//!
//! # Source
//! EIP-1474 (JSON-RPC), EIP-155 and EIP-1559 (transactions), EIP-3675 (`finalized`).

pub mod anchor;
mod contract;
mod courier;
pub mod finality;
pub mod key;
pub mod lease;
pub mod ledger;
mod outbox;
mod queue;
pub mod rpc;
pub mod transaction;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use self::finality::{FinalRule, FinalityRules};
use self::key::ChainKey;
use self::transaction::Fees;
use crate::charge::Finality;
use crate::error::LedgerError;

/// An address on the chain: `0x` and 40 hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address(alloy_primitives::Address);

impl FromStr for Address {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let bad = || LedgerError::Malformed { what: "address", detail: text.to_owned() };
        let read: alloy_primitives::Address = text.parse().map_err(|_| bad())?;
        // Mixed case is a checksum (EIP-55), and a wrong one is a typing error.
        let is_plain = text == text.to_lowercase();
        if is_plain || read.to_string() == text { Ok(Self(read)) } else { Err(bad()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chain, and how it is spoken to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// Where a node listens: `http://127.0.0.1:8545`.
    pub url: String,
    /// The chain's number (EIP-155); a node of another chain is refused.
    pub chain_id: u64,
    /// The contract.
    pub contract: Address,
    /// What gas may cost.
    pub fees: Fees,
    /// When a record is how final.
    pub finality: FinalityRules,
    /// How final a record is made: [`Finality::Final`], unless one knows what one does.
    pub need: Finality,
    /// Longest wait for one answer of the node.
    pub timeout: Duration,
    /// Longest wait for a transaction to be as final as is needed.
    pub patience: Duration,
    /// Time between two looks for a transaction.
    pub poll: Duration,
}

impl Network {
    /// A network with the careful settings: final by the node's tag, twenty minutes of patience.
    pub fn new(url: &str, chain_id: u64, contract: Address, fees: Fees) -> Self {
        Self {
            url: url.to_owned(),
            chain_id,
            contract,
            fees,
            finality: FinalityRules { confirmations: 1, rule: FinalRule::Tag },
            need: Finality::Final,
            timeout: Duration::from_secs(10),
            patience: Duration::from_secs(1200),
            poll: Duration::from_millis(50),
        }
    }
}

/// What an address may do on the contract.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Roles {
    /// Gives roles, and takes them back.
    pub owner: bool,
    /// Opens accounts; attests, supersedes and revokes extracts.
    pub steward: bool,
    /// Charges and releases.
    pub engine: bool,
}

impl Network {
    /// Makes a new contract, whose owner is the key, and gives its address; that of this network
    /// is not looked at.
    ///
    /// # Errors
    /// [`LedgerError::Chain`], [`LedgerError::Unsettled`].
    pub fn deploy(&self, key: &ChainKey) -> Result<Address, LedgerError> {
        courier::deploy(self, key, self.need).map(Address)
    }

    /// Says, as the contract's owner, what an address may do from now on, and nothing else.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if the key is not the owner's, [`LedgerError::Chain`],
    /// [`LedgerError::Unsettled`].
    pub fn grant(&self, key: &ChainKey, who: Address, roles: Roles) -> Result<(), LedgerError> {
        let held = [
            (roles.owner, contract::OWNER),
            (roles.steward, contract::STEWARD),
            (roles.engine, contract::ENGINE),
        ];
        let bits = held.iter().filter(|(is_held, _)| *is_held).map(|(_, bit)| bit).sum();
        courier::grant(self, key, who.0, bits, self.need)
    }
}

#[cfg(test)]
mod tests;
