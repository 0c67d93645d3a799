//! What can go wrong with a ledger, sorted by who must act.

use std::io;
use std::path::PathBuf;

use crate::chain::rpc::RpcError;
use crate::charge::Finality;
use crate::cost::Cost;
use crate::digest::Digest;

/// Why a ledger refused, or could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The analyst must ask for less: the account does not hold that much.
    #[error("the account holds {left}, and {asked} was asked")]
    Exhausted {
        /// The account.
        account: Digest,
        /// What was asked.
        asked: Cost,
        /// What is left.
        left: Cost,
    },
    /// The extract may not be queried.
    #[error("extract {root} is {why}")]
    Inactive {
        /// Root of the extract.
        root: Digest,
        /// Which way.
        why: Inactive,
    },
    /// The same name stands for something else already.
    #[error("{what} is on the ledger already, and differs")]
    Conflict {
        /// What kind of thing.
        what: &'static str,
    },
    /// The request can never be granted, whatever the balance.
    #[error("the ledger refuses: {rule}")]
    Refused {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The ledger cannot make a record as final as was asked.
    #[error("this ledger's records are {has:?}, and {need:?} is asked")]
    Finality {
        /// What it can do.
        has: Finality,
        /// What was asked.
        need: Finality,
    },
    /// Bytes are not what their digest, proof or signature says: stop and investigate.
    #[error("{place}: {fault}")]
    Untrusted {
        /// File or record.
        place: String,
        /// What is wrong.
        fault: Untrusted,
    },
    /// Input that cannot be read as what it should be.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The file system failed; nothing that was acknowledged is lost.
    #[error("{path}: {action} failed")]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The chain did not answer, so nothing was asked of it.
    #[error("the chain cannot be asked")]
    Chain(#[source] RpcError),
    /// A transaction was sent and is not as final as it must be: what it asks counts as spent.
    #[error("transaction {transaction} is not final yet; what it asks counts as spent")]
    Unsettled {
        /// Hash of the transaction.
        transaction: Digest,
        /// What the node said last, if it was not pleased: a price that is too low, perhaps.
        source: Option<Box<RpcError>>,
    },
    /// An earlier write failed, so what is on disk is not known: open the ledger again.
    #[error("an earlier write failed; open the ledger again")]
    Poisoned,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy,
    /// A server could not be asked, or did not answer in time.
    #[error("{url} does not answer")]
    Unreachable {
        /// Its address.
        url: String,
        /// What happened.
        source: io::Error,
    },
    /// A server refused.
    #[error("{url} answered with status {status}")]
    Answered {
        /// Its address.
        url: String,
        /// Status of its answer.
        status: u16,
    },
    /// Too few witnesses cosigned the log as it is. Whatever was recorded stands and counts as
    /// spent; the same call succeeds once they do.
    #[error("too few witnesses cosigned; what is recorded stands, so ask again: {detail}")]
    Unwitnessed {
        /// What each of the others said.
        detail: String,
    },
}

/// Why an extract may not be queried.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Inactive {
    /// Past its last day.
    #[error("expired")]
    Expired,
    /// Withdrawn.
    #[error("revoked")]
    Revoked,
    /// Replaced.
    #[error("superseded by another extract")]
    Superseded,
    /// Never put on this ledger.
    #[error("not attested on this ledger")]
    Unattested,
    /// Attested for another population.
    #[error("attested for another account")]
    OtherAccount,
}

/// What does not match.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// The bytes do not match their digest.
    #[error("the bytes do not match their attested digest")]
    Digest,
    /// The length is not the attested one.
    #[error("{found} bytes where {attested} are attested")]
    Length {
        /// Attested.
        attested: u64,
        /// Found.
        found: u64,
    },
    /// The file is not there.
    #[error("the file is missing")]
    Missing,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The signer is not one that is trusted here.
    #[error("signed by a key that is not trusted here")]
    Signer,
    /// The log is shorter than a checkpoint that was signed for it.
    #[error("truncated: {found} entries where a signed checkpoint has {signed}")]
    Truncated {
        /// In the signed checkpoint.
        signed: u64,
        /// Found.
        found: u64,
    },
    /// An entry is not the one that was signed for.
    #[error("edited: its entries do not hash to the signed checkpoint")]
    Edited,
    /// The log is older than what the witness has seen.
    #[error("rolled back: it has {found} entries, and the witness has seen {seen}")]
    RolledBack {
        /// Seen by the witness.
        seen: u64,
        /// Found.
        found: u64,
    },
    /// The log is not a continuation of what the witness has seen.
    #[error("forked: it is not a continuation of what the witness has seen")]
    Forked,
    /// A record that the chain had is gone: stop, and open the ledger again.
    #[error("the chain took back a record that it had")]
    Equivocated,
    /// A private key or secret that others can read.
    #[error("a secret that others may read; set its mode to 0600 and consider it known")]
    Exposed,
    /// A recorded step breaks the rules of the account.
    #[error("entry {index} breaks the rules of the account")]
    Rule {
        /// Index of the entry.
        index: u64,
    },
    /// Fewer cosignatures than the policy asks for.
    #[error("the policy asks for more than its cosignatures of {has} witnesses")]
    Quorum {
        /// Witnesses of the policy that cosigned.
        has: usize,
    },
    /// Two statements that should agree do not.
    #[error("{0}")]
    Disagrees(&'static str),
}

impl LedgerError {
    /// Whether the same call may succeed later without anyone doing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Store { .. }
                | Self::Entropy
                | Self::Chain(_)
                | Self::Unreachable { .. }
                | Self::Unwitnessed { .. }
        )
    }
}
