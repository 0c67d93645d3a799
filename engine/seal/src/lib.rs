//! Ciphertexts of which only the sum is ever opened.
//!
//! It knows no queries, noise, ledgers or networks.

mod ciphertext;
mod lane;
mod opening;
mod packing;
mod ring;
mod sealing;
mod secret;
mod share;

pub use ciphertext::{Ciphertext, CiphertextError, Sum, SumError};
pub use lane::{Lane, LaneError};
pub use opening::{OpenError, Opened, Opening, open};
pub use ring::Context;
pub use sealing::{SealError, seal};
pub use secret::Role;
pub use share::{Share, ShareError};
