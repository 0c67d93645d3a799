//! Others who watch a log: witnesses and mirrors as processes, and the log as files.

use std::fs;

use serde_json::Value;

use crate::support::{Place, Server, copy};

fn vkey(place: &Place) -> String {
    let told: Value = serde_json::from_str(&place.done(&["ledger", "init", "--json"])).unwrap();
    told["vkey"].as_str().unwrap().to_owned()
}

/// Writes who must cosign: two of these.
fn set_policy(place: &Place, key: &str, servers: &[&Server]) {
    let mut text = format!("log {key}\n");
    for (i, server) in servers.iter().enumerate() {
        let rest = server.line.splitn(3, ' ').nth(2).unwrap();
        text.push_str(&format!("witness w{i} {rest}\n"));
    }
    let names: Vec<String> = (0..servers.len()).map(|i| format!("w{i}")).collect();
    text.push_str(&format!("group all 2 {}\nquorum all\n", names.join(" ")));
    fs::write(place.path("watchers.policy"), text).unwrap();
    fs::write(place.path("graunt.toml"), "[ledger]\nwitnesses = \"watchers.policy\"\n").unwrap();
}

#[test]
fn a_charge_counts_once_two_of_three_have_cosigned() {
    let place = Place::small_site();
    let key = vkey(&place);
    let homes: Vec<Place> = (0..3).map(|_| Place::new()).collect();
    let witness =
        |home: &Place| Server::start(home, &["witness", "--log", &key, "--listen", "127.0.0.1:0"]);
    let files = Server::start(&place, &["serve", "--log-only", "--listen", "127.0.0.1:0"]);
    let log = files.url().trim_end_matches("/checkpoint").to_owned();
    let mirror =
        ["mirror", "--log", &key, "--from", &log, "--listen", "127.0.0.1:0"].map(str::to_owned);
    let mirror: Vec<&str> = mirror.iter().map(String::as_str).collect();
    let (first, second) = (witness(&homes[0]), witness(&homes[1]));
    let third = Server::start(&homes[2], &mirror);
    set_policy(&place, &key, &[&first, &second, &third]);
    place.done(&["sql", "-c", "SELECT COUNT(*) AS n FROM person"]);
    let cosigned = fs::read_to_string(place.path(".graunt/ledger/cosigned")).unwrap();
    assert!(cosigned.matches('\u{2014}').count() >= 3, "{cosigned}");

    // One may be gone: the other two are enough, one of them a mirror that replays the rules.
    drop(first);
    place.done(&["sql", "-c", "SELECT COUNT(*) AS m FROM visit_occurrence"]);
    let cosigned = fs::read_to_string(place.path(".graunt/ledger/cosigned")).unwrap();
    assert!(cosigned.contains("mirror.local/"), "{cosigned}");

    // An older copy of all of it is not believed by those who saw more.
    copy(&place.path(".graunt"), &place.path("older"));
    place.done(&["sql", "-c", "SELECT COUNT(*) AS k FROM death"]);
    fs::rename(place.path(".graunt"), place.path("newer")).unwrap();
    fs::rename(place.path("older"), place.path(".graunt")).unwrap();
    let said = place.run(&["sql", "-c", "SELECT COUNT(*) AS k FROM death"]);
    assert!(said.code != 0 && said.out.is_empty(), "{}", said.out);
    assert!(said.err.contains("rolled back"), "{}", said.err);
    fs::remove_dir_all(place.path(".graunt")).unwrap();
    fs::rename(place.path("newer"), place.path(".graunt")).unwrap();
    assert_eq!(place.charges_and_releases(), (3, 3));

    // Without enough of them nothing is answered.
    drop(second);
    let said = place.run(&["sql", "-c", "SELECT COUNT(*) AS l FROM person"]);
    assert_ne!(said.code, 0);
    assert!(said.out.is_empty() && said.err.contains("cosign"), "{}", said.err);
}

#[test]
fn a_log_is_mirrored_from_files_and_a_broken_rule_is_found() {
    let place = Place::small_site();
    place.done(&["sql", "-c", "SELECT COUNT(*) AS n FROM person"]);
    let key = vkey(&place);
    place.done(&["ledger", "export", "files"]);
    let other = Place::new();
    let files = place.path("files");
    let files = files.to_str().unwrap();
    let told = other.done(&["mirror", "--log", &key, "--from", files, "--once", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let entries = told["entries"].as_u64().unwrap();
    assert_eq!(told["note"].as_str().unwrap().matches('\u{2014}').count(), 2);
    // An entry that is changed is not cosigned by whoever mirrors anew.
    let bundle = place.find("files/tile/entries", "");
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let third = Place::new();
    let said = third.run(&["mirror", "--log", &key, "--from", files, "--once"]);
    assert_ne!(said.code, 0);
    assert!(said.out.is_empty(), "{}", said.out);
    // The export goes on from where it was.
    place.done(&["sql", "-c", "SELECT COUNT(*) AS m FROM death"]);
    let more: Value =
        serde_json::from_str(&place.done(&["ledger", "export", "again", "--json"])).unwrap();
    assert_eq!(more["entries"].as_u64().unwrap(), entries + 2);
}
