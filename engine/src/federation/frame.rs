//! Several byte strings in one: how many, then each with its length.

use crate::federation::transport::Refusal;

/// Puts parts together.
pub(super) fn pack(parts: &[&[u8]]) -> Vec<u8> {
    let whole: usize = parts.iter().map(|part| part.len() + 8).sum();
    let mut bytes = Vec::with_capacity(whole + 8);
    bytes.extend((parts.len() as u64).to_be_bytes());
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    bytes
}

/// Takes parts apart; nothing may be left.
///
/// # Errors
/// [`Refusal`] if the bytes are not what [`pack`] makes.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let malformed = || Refusal::refused("a message is malformed");
    let (count, mut rest) = number(bytes).ok_or_else(malformed)?;
    // Each part takes eight bytes at least.
    if count > rest.len() / 8 {
        return Err(malformed());
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, more) = number(rest).ok_or_else(malformed)?;
        let (part, more) = more.split_at_checked(length).ok_or_else(malformed)?;
        parts.push(part);
        rest = more;
    }
    if rest.is_empty() { Ok(parts) } else { Err(malformed()) }
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((usize::try_from(u64::from_be_bytes(*number)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_nothing_else_is_read() {
        for parts in [vec![], vec![&b""[..]], vec![&b"abc"[..], b"", b"\0\0"]] {
            let packed = pack(&parts);
            assert_eq!(unpack(&packed).unwrap(), parts);
            for end in 0..packed.len() {
                assert!(unpack(&packed[..end]).is_err(), "{end}");
            }
            assert!(unpack(&[packed.as_slice(), b"x"].concat()).is_err());
        }
        assert!(unpack(&[0xff; 24]).is_err());
        let huge = [1u64.to_be_bytes(), u64::MAX.to_be_bytes()].concat();
        assert!(unpack(&huge).is_err());
    }
}
