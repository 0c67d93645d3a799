//! Every kind of tampering has its own clear error, and releases and charges nothing.

use std::fs;

use crate::support::{Place, copy, flip};

const ASK: [&str; 5] = ["sql", "--epsilon", "1", "-c", "SELECT COUNT(*) AS n FROM person"];

/// Another question: the same one would be answered from what was released.
const OTHER: [&str; 5] = ["sql", "--epsilon", "0.5", "-c", "SELECT COUNT(*) AS n FROM person"];

/// Asks, and expects mistrust for this reason; nothing may be printed or charged.
fn distrusted(place: &Place, because: &str) {
    let said = place.run(&ASK);
    assert_eq!(said.code, 5, "{because}: {}{}", said.out, said.err);
    assert!(said.out.is_empty(), "{because}: {}", said.out);
    assert!(said.err.contains(because), "not {because}: {}", said.err);
}

#[test]
fn spoilt_extracts_are_not_read() {
    let place = Place::small_site();
    place.done(&ASK);
    let data = place.find("out/person", ".parquet");
    let manifest = place.find("out", "manifest.dsse.json");
    let whole = fs::read(&data).unwrap();
    let signed = fs::read_to_string(&manifest).unwrap();

    flip(&data, whole.len() / 2);
    distrusted(&place, "do not match their attested digest");
    fs::write(&data, &whole[..whole.len() - 1]).unwrap();
    distrusted(&place, "bytes where");
    fs::remove_file(&data).unwrap();
    distrusted(&place, "missing");
    let other = place.find("out/death", ".parquet");
    fs::copy(&other, &data).unwrap();
    distrusted(&place, "bytes where");
    fs::write(&data, &whole).unwrap();
    place.done(&ASK);

    // Another letter within the payload, and within the signature: JSON and base64 stay valid.
    let edited = |field: &str| {
        let at = signed.find(field).unwrap() + field.len() + 40;
        let mut bytes = signed.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    fs::write(&manifest, edited("\"payload\":")).unwrap();
    distrusted(&place, "signature does not verify");
    fs::write(&manifest, edited("\"sig\":")).unwrap();
    distrusted(&place, "signature does not verify");
    fs::write(&manifest, &signed).unwrap();

    let leaves = place.find("out", "leaves.bin");
    flip(&leaves, 7);
    distrusted(&place, "do not match their attested digest");
    flip(&leaves, 7);
    place.done(&ASK);
    // The same question over the same whole extract is one release.
    assert_eq!(place.charges_and_releases(), (1, 1));
}

#[test]
fn revoked_and_superseded_extracts_are_not_read() {
    let place = Place::small_site();
    copy(&place.path("out"), &place.path("kept"));
    place.extract("raw/site-1", "site-1", "out-2");
    // The old files in the place of the new ones: signed by the same site, but superseded.
    fs::rename(place.path("out-2"), place.path("aside")).unwrap();
    fs::rename(place.path("kept"), place.path("out-2")).unwrap();
    distrusted(&place, "do not match their attested digest");
    fs::remove_dir_all(place.path("out-2")).unwrap();
    fs::rename(place.path("aside"), place.path("out-2")).unwrap();
    place.done(&ASK);
    let log = place.done(&["ledger", "log", "--json"]);
    let roots: Vec<&str> = log.split("\"root\":\"").skip(1).map(|rest| &rest[..64]).collect();
    place.done(&["ledger", "revoke", roots.last().unwrap()]);
    let said = place.run(&ASK);
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{}", said.err);
    assert!(said.err.contains("revoked"), "{}", said.err);
    assert_eq!(place.charges_and_releases(), (1, 1));
}

#[test]
fn a_spoilt_ledger_answers_nothing() {
    let place = Place::small_site();
    place.done(&ASK);
    copy(&place.path(".graunt/ledger"), &place.path("backup"));
    place.done(&OTHER);
    copy(&place.path(".graunt/ledger"), &place.path("whole"));
    let put = |from: &str| {
        if place.path(".graunt/ledger").exists() {
            fs::remove_dir_all(place.path(".graunt/ledger")).unwrap();
        }
        copy(&place.path(from), &place.path(".graunt/ledger"));
    };
    let wal = place.find(".graunt/ledger", ".wal");
    let length = fs::metadata(&wal).unwrap().len();

    fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(length - 10).unwrap();
    distrusted(&place, "truncated");
    put("whole");
    let entries = fs::read(&wal).unwrap();
    let digit = entries.iter().rposition(|b| b.is_ascii_digit()).unwrap();
    flip(&wal, digit);
    let said = place.run(&ASK);
    assert_eq!((said.code, said.out.as_str()), (5, ""), "{}", said.err);
    assert!(said.err.contains("truncated") || said.err.contains("edited"), "{}", said.err);
    put("backup");
    distrusted(&place, "rolled back");
    fs::remove_dir_all(place.path(".graunt/ledger")).unwrap();
    let said = place.run(&ASK);
    assert!(said.code != 0 && said.out.is_empty(), "{}", said.err);
    put("whole");
    place.done(&ASK);
    assert_eq!(place.charges_and_releases(), (2, 2));
    place.done(&["ledger", "check"]);
}

#[test]
fn a_spoilt_receipt_does_not_verify() {
    let place = Place::small_site();
    place.done(&ASK);
    let path = place.find(".graunt/receipts", ".json");
    let receipt = path.to_str().unwrap();
    place.done(&["verify", receipt]);
    let text = fs::read_to_string(&path).unwrap();
    let sql = text.replace("COUNT(*) AS n", "COUNT(*) AS m");
    assert_ne!(sql, text);
    fs::write(&path, sql).unwrap();
    assert_eq!(place.run(&["verify", receipt]).code, 5);
    for at in (0..text.len()).step_by(text.len() / 40) {
        fs::write(&path, &text).unwrap();
        flip(&path, at);
        let said = place.run(&["verify", receipt]);
        assert_ne!(said.code, 0, "byte {at}: {}", said.out);
    }
}
