//! Witnesses of the log of the vectors, whose cosignatures are put together by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::cosignature::CosignerKey;

use crate::cases::signer;

/// A witness, by the number of its key.
pub(crate) const NORTH: u8 = 5;
/// Another.
pub(crate) const SOUTH: u8 = 6;

/// Its key, as a policy has it.
pub(crate) fn vkey(witness: u8) -> CosignerKey {
    let name = format!("witness.example/w{witness}");
    CosignerKey::new(&name, signer(witness).public()).unwrap()
}

/// The note with a line of each witness at its end.
///
/// # Source
/// C2SP tlog-cosignature v1.0.1, "Ed25519 signed message".
pub(crate) fn cosigned(note: &str, witnesses: &[u8]) -> String {
    let (text, _) = note.rsplit_once("\n\n").unwrap();
    let line = |witness: &u8| {
        let time = 1_700_000_000 + u64::from(*witness);
        let message = format!("cosignature/v1\ntime {time}\n{text}\n");
        let mut bytes = vkey(*witness).id().to_vec();
        bytes.extend(time.to_be_bytes());
        bytes.extend(signer(*witness).sign(message.as_bytes()));
        format!("\u{2014} {} {}\n", vkey(*witness).name(), STANDARD.encode(bytes))
    };
    format!("{note}{}", witnesses.iter().map(line).collect::<String>())
}
