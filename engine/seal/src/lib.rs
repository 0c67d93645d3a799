//! Ciphertexts of which only the sum is ever opened.
//!
//! Every contributor seals its values under a secret of its own, and shares the secret among
//! holders. Ciphertexts are added up by anyone; a threshold of holders opens the sum, and nothing
//! less.
//!
//! ```text
//!  contributor                        anyone                    anyone, with what is released
//!  values ──seal──▶ Ciphertext ──▶ Sum::of ──────────────────────▶ open ──▶ totals, Opening
//!             └───▶ Share, one per holder ──▶ Share::sum ───────────┘                  │
//!                                             the holder, once per round    verify, by anyone
//! ```
//! ```
//! use seal::{Context, Lane, Role, Share, Sum, open, seal};
//!
//! // Two sites and three holders, of whom two open; four counters of 31 bits and a sign.
//! let lane = Lane::new(2, 3, 2, 4, 31)?;
//! let context = Context([0; 32]);
//! let (first, shares) = seal(&lane, &context, &[1, 2, 3, -4], Role::Site)?;
//! let (second, others) = seal(&lane, &context, &[10, 20, 30, -40], Role::Site)?;
//!
//! let sum = Sum::of(&lane, [&first, &second])?;
//! let mut released = vec![];
//! for (share, other) in shares.into_iter().zip(others).skip(1) {
//!     released.push(Share::sum(&[share, other])?);
//! }
//! let opened = open(&lane, &context, &sum, 2, 0, &released)?;
//! assert_eq!(opened.totals, [11, 22, 33, -44]);
//! assert_eq!(opened.opening.verify(&lane, &context, &sum, 2, 0)?, opened.totals);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who is trusted with what
//! Whoever adds up is trusted with nothing: others add up the same ciphertexts. A threshold of
//! holders together can open any set, also of one site; so each releases one sum per round, of a
//! set that was fixed before and is not too small, and then erases its shares. This crate cannot
//! see to that, nor that a site's values are true: only that they are in range together.
//!
//! # What it is not
//! It knows no queries, noise, ledgers or networks. Noise is part of the values.

#[cfg(feature = "baseline")]
pub mod baseline;
mod ciphertext;
#[cfg(feature = "gate")]
pub mod gate;
mod lane;
mod opening;
mod packing;
#[cfg(feature = "proofs")]
pub mod proof;
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
