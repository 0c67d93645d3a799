//! Splits private tables into files, so that a person's rows of all tables lie side by side.

/// Which bucket a person's rows are in: the top 32 of the pseudonym's 63 bits, modulo the number
/// of buckets. The same for every table and every site; no bucket at all counts as one.
pub fn bucket_of(pseudonym: i64, buckets: u32) -> u32 {
    let top = pseudonym.cast_unsigned() >> 31;
    u32::try_from(top % u64::from(buckets.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_bits_choose_the_bucket() {
        assert_eq!(bucket_of(0, 16), 0);
        assert_eq!(bucket_of((1 << 31) - 1, 16), 0);
        assert_eq!(bucket_of(1 << 31, 16), 1);
        assert_eq!(bucket_of(17 << 31, 16), 1);
        assert_eq!(bucket_of(i64::MAX, 16), 15);
        assert_eq!(bucket_of(i64::MAX, 1), 0);
    }
}
