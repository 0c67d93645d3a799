//! Which bucket of an extract a person is in: whoever writes or reads an extract must agree.

/// The bucket of a person: the upper half of the pseudonym times 2⁶⁴ over the golden ratio, modulo
/// the number of buckets. The same for every table and every site; no bucket at all counts as one.
///
/// # Source
/// Knuth, The Art of Computer Programming, volume 3, section 6.4 (multiplicative hashing).
pub fn bucket_of(pseudonym: i64, buckets: u32) -> u32 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = pseudonym.cast_unsigned().wrapping_mul(GOLDEN) >> 32;
    u32::try_from(mixed % u64::from(buckets.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_spread_as_written_down() {
        // Computed with unbounded integers elsewhere.
        let of = |buckets| [0, 1, 2, 15, 1 << 31, i64::MAX].map(|p| bucket_of(p, buckets));
        assert_eq!(of(16), EXPECTED_16);
        assert_eq!(of(7), EXPECTED_7);
        assert_eq!(of(1), [0; 6]);
        assert_eq!(of(0), [0; 6]);
    }

    const EXPECTED_16: [u32; 6] = [0, 9, 2, 14, 10, 6];
    const EXPECTED_7: [u32; 6] = [0, 6, 1, 5, 2, 6];
}
