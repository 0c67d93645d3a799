//! Which of a person's groups are kept: an order that depends on the query, the person and the
//! group only, never on which rows came first.

use ledger_adapter::digest::Digest;

/// The order in which each person's groups are kept.
#[derive(Debug)]
pub(crate) struct Ranks {
    choice: Digest,
    keys: (u64, u64),
    /// By group.
    hashes: Vec<u64>,
}

impl Ranks {
    /// Ranks of one query, which `choice` names.
    pub(crate) fn new(choice: Digest) -> Self {
        let keys = |label| first(Digest::labelled(label, &[choice.as_bytes()]));
        let keys = (keys("graunt/keep/person/v2"), keys("graunt/keep/group/v2"));
        Self { choice, keys, hashes: Vec::new() }
    }

    /// Learns groups that are new, by their canonical bytes.
    pub(crate) fn learn<'a>(&mut self, codes: impl Iterator<Item = &'a [u8]>) {
        let choice = self.choice;
        let hash = |code| first(Digest::labelled("graunt/keep/v2", &[choice.as_bytes(), code]));
        self.hashes.extend(codes.skip(self.hashes.len()).map(hash));
    }

    /// The rank of one of a person's groups; a tie is for the group's bytes to decide.
    pub(crate) fn of(&self, person: i64, group: u32) -> u64 {
        let person = folded(person.cast_unsigned() ^ self.keys.0, MULTIPLIER);
        folded(person ^ self.hashes[group as usize], self.keys.1 | 1)
    }
}

/// Both halves of the product, one upon the other.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "its lower half")]
    let low = product as u64;
    let high = (product >> 64) as u64;
    low ^ high
}

fn first(digest: Digest) -> u64 {
    digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// An odd number with no pattern: the golden ratio in parts of 2^64.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_first_for_as_many_persons() {
        let mut ranks = Ranks::new(Digest::sha256(b"a query"));
        let codes: Vec<[u8; 1]> = (0..8).map(|i| [i]).collect();
        ranks.learn(codes.iter().map(|code| &code[..]));
        let mut first = [0u32; 8];
        for person in 0..80_000 {
            let least = (0..8u32).min_by_key(|group| ranks.of(person * 977, *group)).unwrap();
            first[least as usize] += 1;
        }
        // Five standard deviations of a binomial count.
        for count in first {
            assert!((f64::from(count) - 10_000.0).abs() < 5.0 * 93.5, "{first:?}");
        }
    }

    #[test]
    fn another_query_keeps_other_groups() {
        let of = |name: &[u8]| {
            let mut ranks = Ranks::new(Digest::sha256(name));
            ranks.learn([&b"a"[..], b"b"].into_iter());
            (0..64).filter(|person| ranks.of(*person, 0) < ranks.of(*person, 1)).count()
        };
        assert!((10..54).contains(&of(b"one")));
        let both = |name: &[u8]| {
            let mut ranks = Ranks::new(Digest::sha256(name));
            ranks.learn([&b"a"[..], b"b"].into_iter());
            (0..64).map(|person| ranks.of(person, 0) < ranks.of(person, 1)).collect::<Vec<_>>()
        };
        assert_ne!(both(b"one"), both(b"two"));
    }
}
