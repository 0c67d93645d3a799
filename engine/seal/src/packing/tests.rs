//! Bodies come back from their bytes, and from no others.

use super::{pack, unpack};
use crate::lane::Lane;

#[test]
fn three_bodies_lie_side_by_side() {
    // 1 site and 2 holders, 2 bits: modulus 24, of which bodies keep 7 bits.
    let lane = Lane::new(1, 2, 2, 3, 2).unwrap();
    let section = lane.sections().next().unwrap();
    assert_eq!((section.count, section.kept(), section.bytes()), (3, 7, 3));
    let bodies = [0x55, 0x2A, 0x7F].map(|body: u64| body << section.dropped);
    let mut bytes = vec![9];
    pack(section, &bodies, &mut bytes);
    // 1010101 in the lowest bits, then 0101010, then 1111111.
    assert_eq!(bytes, [9, 0x55, 0xD5, 0x1F]);

    let mut read = vec![];
    assert_eq!(unpack(section, &bytes[1..], &mut read), Some(()));
    assert_eq!(read, bodies);
    for unused in [0x20, 0x40, 0x80] {
        assert_eq!(unpack(section, &[0x55, 0xD5, 0x1F | unused], &mut vec![]), None);
    }
}

#[test]
fn every_width_and_length_comes_back() {
    let mut widths = vec![];
    for bits in 1..=55 {
        for counters in [1, 2, 7, 8, 9, 63, 64, 65] {
            let lane = Lane::new(1, 2, 2, counters, bits).unwrap();
            for section in lane.sections() {
                widths.push(section.kept());
                let body = |index: usize| {
                    let mixed =
                        u64::try_from(index + 1).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    [u64::MAX, 0, mixed][index % 3] >> section.dropped << section.dropped
                };
                let bodies: Vec<u64> = (0..section.count).map(body).collect();
                let mut bytes = vec![];
                pack(section, &bodies, &mut bytes);
                assert_eq!(bytes.len(), section.bytes());
                let mut read = vec![];
                assert_eq!(unpack(section, &bytes, &mut read), Some(()), "{section:?}");
                assert_eq!(read, bodies, "{section:?}");
            }
        }
    }
    widths.sort_unstable();
    widths.dedup();
    assert!(widths.len() > 30, "{widths:?}");
}
