//! Lanes: what they cost, what they refuse, and that rounding never decides.

use super::{DROPPED_MIN, Lane, LaneError, Section, log2_in_halves, residual_max};

/// Sites, holders, threshold, counters, bits.
type Row = (u32, u32, u32, usize, u32);

fn lane((sites, holders, threshold, counters, bits): Row) -> Result<Lane, LaneError> {
    Lane::new(sites, holders, threshold, counters, bits)
}

/// The numbers were computed with another program from the formulas of `residual_max` and `checks`.
#[test]
fn a_lane_takes_no_more_than_it_needs() {
    let rows: [(Row, u32, usize, usize); 8] = [
        ((10, 5, 3, 1000, 30), 39, 1317, 12_777),
        ((10, 5, 3, 1000, 31), 40, 1317, 12_902),
        ((10, 5, 3, 1000, 62), 76, 1317, 17_402),
        ((100, 5, 3, 10_000, 30), 46, 1533, 66_698),
        ((100, 5, 3, 10_000, 31), 49, 1533, 70_448),
        ((100, 5, 3, 10_000, 32), 54, 1533, 76_698),
        ((100, 5, 3, 10_000, 62), 84, 1533, 114_198),
        ((2043, 5, 3, 1, 1), 25, 1961, 11_770),
    ];
    for (row, body_bits, checks, bytes) in rows {
        let lane = lane(row).unwrap();
        assert_eq!(lane.body_bits(), body_bits, "{row:?}");
        assert_eq!(lane.checks(), checks, "{row:?}");
        assert_eq!(lane.ciphertext_bytes(), bytes, "{row:?}");
    }
}

#[test]
fn one_contributor_too_many_is_refused() {
    assert!(Lane::new(784, 5, 3, 1, 62).is_ok());
    assert_eq!(Lane::new(785, 5, 3, 1, 62), Err(LaneError::Crowded));
    assert!(Lane::new(995, 5, 3, 1, 61).is_ok());
    assert_eq!(Lane::new(996, 5, 3, 1, 61), Err(LaneError::Crowded));
    assert!(Lane::new(2043, 5, 3, 1, 32).is_ok());
    assert_eq!(Lane::new(2044, 5, 3, 1, 32), Err(LaneError::Contributors));
}

#[test]
fn what_is_out_of_range_is_refused_by_name() {
    let rows: [(Row, LaneError); 13] = [
        ((0, 5, 3, 1, 1), LaneError::Contributors),
        ((u32::MAX, 5, 3, 1, 1), LaneError::Contributors),
        ((1, 0, 0, 1, 1), LaneError::Holders),
        ((1, 1, 1, 1, 1), LaneError::Holders),
        ((1, 17, 9, 1, 1), LaneError::Holders),
        ((1, 5, 6, 1, 1), LaneError::Threshold),
        ((1, 5, 2, 1, 1), LaneError::Threshold),
        ((1, 4, 2, 1, 1), LaneError::Threshold),
        ((1, 5, u32::MAX, 1, 1), LaneError::Threshold),
        ((1, 5, 3, 0, 1), LaneError::Counters),
        ((1, 5, 3, (1 << 24) + 1, 1), LaneError::Counters),
        ((1, 5, 3, 1, 0), LaneError::Bits),
        ((1, 5, 3, 1, 63), LaneError::Bits),
    ];
    for (row, error) in rows {
        assert_eq!(lane(row), Err(error), "{row:?}");
    }
}

#[test]
fn the_worst_residual_is_below_half_a_plaintext_and_no_bit_is_wasted() {
    for sites in [1, 2, 10, 63, 64, 100, 500, 784] {
        for bits in 1..=62 {
            let lane = Lane::new(sites, 5, 3, 3, bits).unwrap();
            for section in lane.sections() {
                assert!(section.kept() <= 56);
                let modulus = u128::from(section.modulus);
                let worst = u128::from(sites) * (1 << 17)
                    + 5 * (1 << 20)
                    + u128::from(sites + 5) * ((1 << section.dropped) / 2 + 1)
                    + 1;
                assert_eq!(section.residual_max(sites, 5), worst);
                // 2^64 / modulus / 2, without a division.
                assert!(worst * modulus * 2 < 1 << 64, "{sites} sites, {bits} bits");
            }
            let widest = lane.sections().next().unwrap();
            let next = residual_max(sites, 5, widest.dropped + 1);
            assert!(next * u128::from(widest.modulus) * 2 >= 1 << 64, "{sites} sites, {bits} bits");
        }
    }
}

#[test]
fn moduli_hold_every_total() {
    for (sites, bits) in [(1, 1), (10, 31), (100, 31), (100, 32), (100, 62), (784, 62)] {
        let lane = Lane::new(sites, 5, 3, 1, bits).unwrap();
        let moduli: Vec<i128> =
            lane.sections().map(|section| i128::from(section.modulus)).collect();
        let period: i128 = moduli.iter().product();
        let bound = i128::from(sites + 5) << bits;
        assert!(period >= 2 * bound);
        for total in [-bound, 1 - bound, -1, 0, 1, bound / 3, bound - 2, bound - 1] {
            let residue = |at: usize| u64::try_from(total.rem_euclid(moduli[at])).unwrap();
            let second = (moduli.len() == 3).then(|| residue(1));
            assert_eq!(lane.total(residue(0), second), total);
            assert!(lane.admits(total, sites + 5));
        }
        assert!(!lane.admits(bound, sites + 5));
        assert!(!lane.admits(-bound - 1, sites + 5));
    }
}

#[test]
fn an_encoding_is_at_most_one_off() {
    let moduli =
        [1, 2, 12, 949_707, 949_708, 1 << 38, (1 << 38) - 1, 31_119_994_599, (1 << 55) - 1];
    for modulus in moduli {
        let section = Section::new(0, 1, modulus, DROPPED_MIN);
        let wide = i128::from(modulus);
        let top = 1i128 << 62;
        let values =
            [0, 1, -1, 2, wide / 2, wide - 1, wide, 1 - wide, 12_345_678_901, top - 1, -top];
        for value in values {
            let encoded = i128::from(section.encode(value));
            // The distance times the modulus, on a circle of modulus · 2^64.
            let circle = wide << 64;
            let off = (encoded * wide - (value << 64)).rem_euclid(circle);
            assert!(off.min(circle - off) <= wide, "{value} modulo {modulus}");
            let residue = u64::try_from(value.rem_euclid(wide)).unwrap();
            assert_eq!(section.decode(section.encode(value)), residue);
        }
    }
}

#[test]
fn zeros_are_a_section_of_modulus_one() {
    let lane = Lane::new(100, 5, 3, 7, 62).unwrap();
    let sections: Vec<Section> = lane.sections().collect();
    assert_eq!(sections.len(), 3);
    assert_eq!(sections[0].modulus, sections[1].modulus + 1);
    assert_eq!((sections[0].range(), sections[1].range()), (0..7, 7..14));
    assert_eq!((sections[2].modulus, sections[2].range()), (1, 14..14 + 1533));
    assert_eq!(sections[2].decode(u64::MAX), 0);
    assert_eq!(lane.coefficients(), 14 + 1533);
}

#[test]
fn logarithms_are_rounded_up_to_halves() {
    let rows =
        [(1, 0), (2, 2), (3, 4), (4, 4), (5, 5), (6, 6), (8, 6), (11, 7), (12, 8), (1 << 40, 80)];
    for (number, halves) in rows {
        assert_eq!(log2_in_halves(number), halves, "{number}");
    }
}

#[test]
fn a_lane_is_read_from_its_shape_only() {
    let lane = Lane::new(10, 5, 3, 1000, 31).unwrap();
    let text = r#"{"sites":10,"holders":5,"threshold":3,"counters":1000,"bits":31}"#;
    assert_eq!(serde_json::to_string(&lane).unwrap(), text);
    assert_eq!(serde_json::from_str::<Lane>(text).unwrap(), lane);
    let bad = [("31}", "63}"), ("31}", r#"31,"dropped":60}"#), (r#"d":3"#, r#"d":2"#)];
    for (from, to) in bad {
        assert!(serde_json::from_str::<Lane>(&text.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn a_lane_says_what_it_was_made_of() {
    let lane = Lane::new(10, 5, 3, 1000, 31).unwrap();
    assert_eq!((lane.sites(), lane.holders(), lane.threshold()), (10, 5, 3));
    assert_eq!((lane.counters(), lane.bits()), (1000, 31));
}
