//! How final a block is, in the four steps of [`Finality`].
//!
//! ```text
//! Local       signed, on this disk, sent
//! Witnessed   in a block
//! Confirmed   in a block with so many on top of it, itself included
//! Final       by the rule of the chain
//! ```
//! A block that is not final may be replaced by another without the charge; noise that was drawn
//! for it would not be paid for.

use crate::chain::rpc::{Moment, Rpc, RpcError};
use crate::charge::Finality;

/// When a block is final.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FinalRule {
    /// When the node says so, by its `finalized` tag: proof of stake, and what is built on it.
    Tag,
    /// When so many blocks are there, itself included. 1 is right only where blocks are never
    /// replaced, by the chain's own rules: Besu's and Quorum's QBFT and IBFT.
    Blocks(u64),
}

/// What is asked of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FinalityRules {
    /// Blocks after which a record is [`Finality::Confirmed`], its own included; at least 1.
    pub confirmations: u64,
    /// When it is [`Finality::Final`].
    pub rule: FinalRule,
}

impl FinalityRules {
    /// How final the block of this number is.
    pub(super) fn of(&self, rpc: &Rpc, block: u64) -> Result<Finality, RpcError> {
        if self.final_block(rpc)?.is_some_and(|last| block <= last) {
            return Ok(Finality::Final);
        }
        let head = rpc.block(Moment::Latest)?.unwrap_or_default();
        let is_confirmed = head.checked_sub(block).is_some_and(|on_top| {
            // A block has itself on its side, and then those on top of it.
            on_top + 1 >= self.confirmations.max(1)
        });
        Ok(if is_confirmed { Finality::Confirmed } else { Finality::Witnessed })
    }

    /// The last final block; `None` if there is none yet.
    pub(super) fn final_block(&self, rpc: &Rpc) -> Result<Option<u64>, RpcError> {
        match self.rule {
            FinalRule::Tag => rpc.block(Moment::Finalized),
            FinalRule::Blocks(count) => {
                let head = rpc.block(Moment::Latest)?;
                Ok(head.and_then(|head| (head + 1).checked_sub(count.max(1))))
            }
        }
    }
}
