//! A log with nothing signed in it, opened from any bytes.

use std::path::Path;
use std::sync::Arc;

use super::commit::{CHECKPOINT, Core, WAL};
use super::wal::{MAGIC, checksum};
use crate::account::State;
use crate::disk::simulated::Simulated;
use crate::fuzzing::{LOG_SEED, ORIGIN};
use crate::keys::Signer;
use crate::log::Watch;
use crate::note::Checkpoint;
use crate::tree::Tree;

/// Opens a log whose file of entries is `bytes` behind the magic; gives the number of entries, or
/// `None` if it was refused. What was opened once is opened again, and is the same.
pub(crate) fn from(bytes: &[u8]) -> Option<u64> {
    let disk = Simulated::new(0);
    let signer = || Signer::from_seed(&LOG_SEED);
    let (origin, root) = (ORIGIN.to_owned(), Tree::default().root());
    let note = Checkpoint { origin, size: 0, root }.sign(&signer());
    let log = Path::new("/log");
    disk.put(&log.join(CHECKPOINT), note.as_bytes());
    disk.put(&log.join(WAL), &[MAGIC.as_slice(), bytes].concat());
    let open = || {
        let mut core = Core::open(Arc::new(disk.clone()), log, signer(), Watch::default()).ok()?;
        let state = core.read(State::clone).ok()?;
        let entries = core.entries(0, state.count()).ok()?;
        Some((state, entries))
    };
    let first = open()?;
    assert_eq!(open().as_ref(), Some(&first));
    Some(first.0.count())
}

/// The bytes, with the checksum that each frame should have.
pub(crate) fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while let Some((length, behind)) = rest.split_first_chunk::<4>()
        && let Ok(size) = usize::try_from(u32::from_le_bytes(*length))
        && let Some((entry, behind)) = behind.get(4..).and_then(|b| b.split_at_checked(size))
    {
        out.extend(length);
        out.extend(checksum(*length, entry).to_le_bytes());
        out.extend(entry);
        rest = behind;
    }
    out.extend(rest);
    out
}
