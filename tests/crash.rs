//! kill -9 at random moments: spent is at least what was released, nothing acknowledged is lost,
//! and the next start needs no repair.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Place, size};

#[test]
fn a_killed_command_loses_nothing_that_it_acknowledged() {
    let place = Place::small_site();
    let runs = size("GRAUNT_CRASH_RUNS", 200);
    let (mut charged, mut released, mut receipts) = (0, 0, 0);
    for run in 0..runs {
        // No question comes twice: a repeated one is answered without a charge.
        let question =
            |n| format!("SELECT COUNT(*) AS n FROM person WHERE year_of_birth <> {n};\n");
        let script: String = (40 * run..40 * run + 40).map(question).collect();
        fs::write(place.path("script.sql"), script).unwrap();
        let args = ["sql", "--epsilon", "0.05", "--format", "csv", "-f", "script.sql"];
        let mut command = place.command(&args);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        // A moment that differs from run to run, from before the ledger is open to mid-street.
        std::thread::sleep(Duration::from_micros(20_000 + (run as u64 * 7_919_317) % 600_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // Receipts are written after their release is on the ledger.
        let written = fs::read_dir(place.path(".graunt/receipts"))
            .map_or(0, |files| files.filter(|f| is_receipt(f.as_ref().unwrap())).count());
        if run % 10 == 9 {
            let (c, r) = place.charges_and_releases();
            assert!(c >= r, "{c} charges, {r} releases");
            assert!(r >= written, "{r} releases, {written} receipts");
            assert!(c >= charged && r >= released && written >= receipts, "records were lost");
            (charged, released, receipts) = (c, r, written);
        }
    }
    assert!(receipts > 0 && charged > released, "the kills came too early or too late to test it");
    place.done(&["ledger", "check"]);
    let newest = place.find(".graunt/receipts", ".json");
    place.done(&["verify", newest.to_str().unwrap()]);
}

fn is_receipt(file: &fs::DirEntry) -> bool {
    file.file_name().to_string_lossy().ends_with(".json")
}
