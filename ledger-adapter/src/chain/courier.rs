//! Brings calls to the contract, each exactly once, whatever fails in between.
//!
//! ```text
//! run ▶ sign ▶ outbox on disk ▶ send ▶ receipt? ──no──▶ send again
//!  └─reverts: refused, nothing is spent   └─yes──▶ final enough? ──▶ done, or reverted
//! ```
//! Errors of sending are not believed: nodes give them for transactions that were mined. Only the
//! receipt of the hash counts. What has no answer in time stays in the outbox and is asked for
//! again before anything else is sent.

use std::path::Path;
use std::time::Instant;

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;

use crate::chain::Network;
use crate::chain::contract::{self, Log, Standing};
use crate::chain::key::ChainKey;
use crate::chain::outbox::{Outbox, Owner};
use crate::chain::rpc::{Call, Moment, Receipt, Rpc, RpcError};
use crate::chain::transaction::{Draft, Sealed};
use crate::charge::{Finality, Opening};
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};

/// What became of a transaction, as final as was asked.
#[derive(Debug)]
pub(super) enum Delivery {
    /// It did what it says; its events of this contract.
    Done(Vec<Log>),
    /// It changed nothing, for this reason.
    Reverted(LedgerError),
    /// The number of the transaction is used up, and the node knows of no receipt: another took its
    /// place, or the node has forgotten it. Holds the entries that the chain has nonetheless.
    Displaced(Vec<Entry>),
}

/// What one look for a transaction found.
enum Look {
    Delivered(Delivery),
    /// It is in a block that is not final enough.
    Waiting,
    /// It was in no block, so it was sent. The node's answer decides nothing, good or bad.
    Sent(Result<(), RpcError>),
}

/// A key, its outbox, and the node that they speak to.
#[derive(Debug)]
pub(super) struct Courier {
    rpc: Rpc,
    network: Network,
    key: ChainKey,
    contract: Address,
    pub(super) outbox: Outbox,
    #[cfg(test)]
    pub(super) dies_at: Option<Step>,
}

/// Where a process may be killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Signed,
    Stored,
    Sent,
    Included,
    Recorded,
}

impl Courier {
    /// Finds the contract, and opens the outbox.
    ///
    /// # Errors
    /// [`LedgerError::Chain`], [`Untrusted::Disagrees`] for another chain or code, or as
    /// [`Outbox::open`].
    pub(super) fn open(
        network: Network,
        key: ChainKey,
        outbox: &Path,
    ) -> Result<Self, LedgerError> {
        let rpc = Rpc::new(&network.url, network.timeout);
        check_chain(&rpc, &network)?;
        let contract = network.contract.0;
        if rpc.code(contract).map_err(LedgerError::Chain)? != contract::deployed_bytecode() {
            let disagrees = "the code at the contract's address is not that of this version";
            return Err(untrusted(&network, Untrusted::Disagrees(disagrees)));
        }
        let owner = Owner { chain_id: network.chain_id, contract, sender: key.sender() };
        let outbox = Outbox::open(outbox, owner)?;
        Ok(Self {
            rpc,
            network,
            key,
            contract,
            outbox,
            #[cfg(test)]
            dies_at: None,
        })
    }

    pub(super) const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    pub(super) fn sender(&self) -> Address {
        self.key.sender()
    }

    /// Asks the contract a question.
    pub(super) fn ask<C: SolCall>(&self, question: &C) -> Result<C::Return, LedgerError> {
        self.put(question).map_err(LedgerError::Chain)
    }

    /// Runs a call without recording it, signs it if it would succeed, and puts it in the outbox.
    ///
    /// # Errors
    /// What the contract says against it, or [`LedgerError::Chain`]: nothing was sent then.
    pub(super) fn accept(&mut self, input: Vec<u8>) -> Result<Sealed, LedgerError> {
        let call = Call { from: self.key.sender(), to: self.contract, input: &input };
        let gas = self.rpc.gas(&call).map_err(explained)?;
        let used = self.rpc.nonce(self.key.sender(), Moment::Pending);
        let used = used.map_err(LedgerError::Chain)?;
        let draft = Draft {
            chain_id: self.network.chain_id,
            // The key may have been used elsewhere, and the node may have forgotten what it had.
            nonce: used.max(self.outbox.next_nonce()),
            // Another engine's charge may come between and make this one dearer, or refused.
            gas_limit: gas + gas / 4 + GAS_RESERVE,
            fees: self.network.fees,
            to: Some(self.contract),
            input,
        };
        let sealed = draft.sign(&self.key)?;
        self.passes(Step::Signed)?;
        self.outbox.put(sealed.clone())?;
        self.passes(Step::Stored)?;
        Ok(sealed)
    }

    /// Sends a transaction of the outbox until it is as final as is needed.
    ///
    /// # Errors
    /// [`LedgerError::Unsettled`] when patience ends. It may be mined later.
    pub(super) fn deliver(&self, sealed: &Sealed, need: Finality) -> Result<Delivery, LedgerError> {
        let start = Instant::now();
        loop {
            // No error here decides anything: the node may be down, and come back.
            let source = match self.look(sealed, need) {
                Ok(Look::Delivered(delivery)) => return Ok(delivery),
                Ok(Look::Waiting) => None,
                Ok(Look::Sent(answer)) => answer.err(),
                Err(error) => Some(error),
            };
            if start.elapsed() >= self.network.patience {
                let transaction = contract::digest(sealed.hash);
                return Err(LedgerError::Unsettled { transaction, source: source.map(Box::new) });
            }
            self.passes(Step::Sent)?;
            std::thread::sleep(self.network.poll);
        }
    }

    /// Looks for a transaction once, and sends it if it is in no block.
    fn look(&self, sealed: &Sealed, need: Finality) -> Result<Look, RpcError> {
        if let Some(receipt) = self.rpc.receipt(sealed.hash)? {
            let is_enough = self.network.finality.of(&self.rpc, receipt.block)? >= need;
            return if is_enough {
                self.read(sealed, receipt).map(Look::Delivered)
            } else {
                Ok(Look::Waiting)
            };
        }
        if self.is_displaced(sealed)? {
            return self.found(sealed).map(Delivery::Displaced).map(Look::Delivered);
        }
        Ok(Look::Sent(self.rpc.send(&sealed.raw)))
    }

    /// Whether the transaction is in a block now, and did what it says.
    pub(super) fn is_done(&self, hash: B256) -> Result<bool, RpcError> {
        Ok(self.rpc.receipt(hash)?.is_some_and(|receipt| receipt.is_success))
    }

    /// Whether the transaction is in a block that is final.
    pub(super) fn is_final(&self, hash: B256) -> Result<bool, RpcError> {
        match self.rpc.receipt(hash)? {
            Some(receipt) => {
                Ok(self.network.finality.of(&self.rpc, receipt.block)? == Finality::Final)
            }
            None => Ok(false),
        }
    }

    fn read(&self, sealed: &Sealed, receipt: Receipt) -> Result<Delivery, RpcError> {
        if receipt.is_success {
            let ours = receipt.logs.into_iter().filter(|(address, _)| *address == self.contract);
            return Ok(Delivery::Done(ours.map(|(_, log)| log).collect()));
        }
        // A receipt says only that it failed. The same call after its block says why.
        let call = Call { from: self.key.sender(), to: self.contract, input: &sealed.input };
        let why = match self.rpc.run(&call, Moment::At(receipt.block)) {
            Err(error @ RpcError::Refused { .. }) => explained(error),
            Err(error) => return Err(error),
            Ok(_) => LedgerError::Refused { rule: "the chain reverted it, for lack of gas" },
        };
        Ok(Delivery::Reverted(why))
    }

    /// Whether the number of the transaction is used up by others, finally.
    fn is_displaced(&self, sealed: &Sealed) -> Result<bool, RpcError> {
        let Some(last) = self.network.finality.final_block(&self.rpc)? else { return Ok(false) };
        let used = self.rpc.nonce(self.key.sender(), Moment::At(last))?;
        if used <= sealed.nonce {
            return Ok(false);
        }
        // The receipt is asked for again: the transaction may have been mined since, and a busy
        // node may show that its number is used before it shows the receipt.
        for _ in 0..RECEIPT_LOOKS {
            if self.rpc.receipt(sealed.hash)?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(self.network.poll);
        }
        Ok(true)
    }

    /// The entries of a transaction that the chain has, whoever brought them there.
    fn found(&self, sealed: &Sealed) -> Result<Vec<Entry>, RpcError> {
        let mut found = Vec::new();
        for entry in contract::entries(&sealed.input).unwrap_or_default() {
            if self.has(&entry)? {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// Whether the chain has an entry, word for word: something of its name is there, and doing it
    /// again is allowed, as only for a repetition.
    fn has(&self, entry: &Entry) -> Result<bool, RpcError> {
        let marks = |query| Ok(contract::marks(self.put(&contract::query_of(query))?));
        let standing = |root| self.put(&contract::extract_of(root)).map(contract::standing);
        let is_there = match entry {
            Entry::Open(Opening { account, .. }) => {
                !self.put(&contract::account(*account))?.is_zero()
            }
            Entry::Charge(request) => !self.put(&contract::query_of(request.query))?.is_zero(),
            Entry::Release { query, .. } => marks(*query)?.0,
            Entry::Redact { query } => marks(*query)?.1,
            Entry::Attest(new) | Entry::Supersede { new, .. } => {
                standing(new.root)? != Standing::Unattested
            }
            Entry::Revoke { root } => standing(*root)? == Standing::Revoked,
            Entry::Commit { query, round, .. } => {
                !self.put(&contract::set_of(*query, *round))?.is_zero()
            }
            Entry::Key(rotation) => !self.put(&contract::replacement(rotation.old))?.is_zero(),
        };
        let input = contract::call(entry);
        let call = Call { from: self.key.sender(), to: self.contract, input: &input };
        match self.rpc.run(&call, Moment::Latest) {
            Ok(_) => Ok(is_there),
            Err(RpcError::Refused { revert: Some(_), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a question to the contract.
    fn put<C: SolCall>(&self, question: &C) -> Result<C::Return, RpcError> {
        self.rpc.ask(self.contract, question)
    }

    /// In tests, ends here as if the process were killed.
    #[cfg(test)]
    pub(super) fn passes(&self, step: Step) -> Result<(), LedgerError> {
        if self.dies_at == Some(step) { Err(LedgerError::Poisoned) } else { Ok(()) }
    }

    #[cfg(not(test))]
    pub(super) const fn passes(&self, _: Step) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// Makes a new contract, whose owner is the key, and waits until it is as final as is needed.
/// Whoever is killed in between makes another one; a contract that nobody names does no harm.
pub(super) fn deploy(
    network: &Network,
    key: &ChainKey,
    need: Finality,
) -> Result<Address, LedgerError> {
    let rpc = Rpc::new(&network.url, network.timeout);
    check_chain(&rpc, network)?;
    let receipt = send_once(&rpc, network, key, None, contract::bytecode().to_vec(), need)?;
    receipt.made.ok_or(LedgerError::Chain(RpcError::Unreadable { method: "contractAddress" }))
}

/// Says what an address may do. The same again changes nothing, so it needs no outbox.
pub(super) fn grant(
    network: &Network,
    key: &ChainKey,
    who: Address,
    roles: u8,
    need: Finality,
) -> Result<(), LedgerError> {
    let rpc = Rpc::new(&network.url, network.timeout);
    check_chain(&rpc, network)?;
    let (to, input) = (Some(network.contract.0), contract::grant(who, roles));
    send_once(&rpc, network, key, to, input, need).map(drop)
}

fn send_once(
    rpc: &Rpc,
    network: &Network,
    key: &ChainKey,
    to: Option<Address>,
    input: Vec<u8>,
    need: Finality,
) -> Result<Receipt, LedgerError> {
    let nonce = rpc.nonce(key.sender(), Moment::Pending).map_err(LedgerError::Chain)?;
    let Network { chain_id, fees, .. } = *network;
    let gas_limit = if to.is_some() { GAS_OF_GRANT } else { GAS_OF_DEPLOYMENT };
    let sealed = Draft { chain_id, nonce, gas_limit, fees, to, input }.sign(key)?;
    let start = Instant::now();
    loop {
        let refusal = match look_once(rpc, network, &sealed, need).map_err(LedgerError::Chain)? {
            Ok(receipt) if receipt.is_success => return Ok(receipt),
            Ok(_) => return Err(LedgerError::Refused { rule: "the chain reverted it" }),
            Err(refusal) => refusal,
        };
        if start.elapsed() >= network.patience {
            let transaction = contract::digest(sealed.hash);
            let source = refusal.map(Box::new);
            return Err(LedgerError::Unsettled { transaction, source });
        }
        std::thread::sleep(network.poll);
    }
}

/// The receipt of a transaction that is final enough, or what the node said when it was sent.
fn look_once(
    rpc: &Rpc,
    network: &Network,
    sealed: &Sealed,
    need: Finality,
) -> Result<Result<Receipt, Option<RpcError>>, RpcError> {
    let Some(receipt) = rpc.receipt(sealed.hash)? else {
        return Ok(Err(rpc.send(&sealed.raw).err()));
    };
    let is_enough = network.finality.of(rpc, receipt.block)? >= need;
    Ok(if is_enough { Ok(receipt) } else { Err(None) })
}

fn check_chain(rpc: &Rpc, network: &Network) -> Result<(), LedgerError> {
    if rpc.chain_id().map_err(LedgerError::Chain)? == network.chain_id {
        Ok(())
    } else {
        Err(untrusted(network, Untrusted::Disagrees("the node is of another chain")))
    }
}

/// What the contract says, if it is the contract that refused.
fn explained(error: RpcError) -> LedgerError {
    match &error {
        RpcError::Refused { revert: Some(revert), .. } => {
            contract::fault(revert).unwrap_or(LedgerError::Chain(error))
        }
        _ => LedgerError::Chain(error),
    }
}

fn untrusted(network: &Network, fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: network.url.clone(), fault }
}

/// Gas for what changes between the run and the block: an account that is charged for the first
/// time, or a longer way to a refusal.
const GAS_RESERVE: u64 = 30_000;

const GAS_OF_GRANT: u64 = 100_000;

/// A third more than it takes, and below what every network lets one transaction take.
const GAS_OF_DEPLOYMENT: u64 = 3_000_000;

/// How often a receipt is looked for whose transaction's number is used.
const RECEIPT_LOOKS: u32 = 5;
