//! Bodies side by side without the bits that they drop.
//!
//! The first body is in the lowest bits of the first bytes. It knows no plaintexts.

#![deny(clippy::float_arithmetic)]

use crate::lane::{Section, low_word};

/// Appends the bodies of a section, whose dropped bits are zero.
pub(crate) fn pack(section: Section, bodies: &[u64], bytes: &mut Vec<u8>) {
    let end = bytes.len() + section.bytes();
    let (mut pending, mut filled) = (0u128, 0);
    for body in bodies {
        pending |= u128::from(body >> section.dropped) << filled;
        filled += section.kept();
        if filled >= 64 {
            bytes.extend(low_word(pending).to_le_bytes());
            pending >>= 64;
            filled -= 64;
        }
    }
    bytes.extend(low_word(pending).to_le_bytes());
    bytes.truncate(end);
}

/// Reads the bodies of a section from exactly its bytes; `None` if bits that are left over are set.
pub(crate) fn unpack(section: Section, bytes: &[u8], bodies: &mut Vec<u64>) -> Option<()> {
    let (words, rest) = bytes.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    let (mut pending, mut filled) = (0u128, 0);
    for _ in 0..section.count {
        if filled < section.kept() {
            pending |= u128::from(words.next()?) << filled;
            filled += 64;
        }
        // What was kept moves to the top, and what follows it is shifted out.
        bodies.push(low_word(pending) << section.dropped);
        pending >>= section.kept();
        filled -= section.kept();
    }
    (pending == 0 && words.all(|word| word == 0)).then_some(())
}

#[cfg(test)]
mod tests;
