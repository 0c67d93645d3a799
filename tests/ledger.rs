//! What the ledger keeps, forgets and never learns, through the command line.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use ledger_adapter::digest::Digest;
use serde_json::Value;

use crate::support::{Place, copy};

const ASK: [&str; 5] = [
    "sql",
    "--epsilon",
    "1",
    "-c",
    "SELECT COUNT(*) AS elders FROM person WHERE year_of_birth < 1960",
];

impl Place {
    fn charges(&self) -> u64 {
        let shown = self.json(&["budget", "show", "--population", "town"]);
        shown["budget"]["charges"].as_u64().unwrap()
    }

    /// Everything that is in the files below a directory.
    fn bytes(&self, below: &str) -> Vec<u8> {
        let mut all = Vec::new();
        let mut stack = vec![self.path(below)];
        while let Some(directory) = stack.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    stack.push(path);
                } else {
                    all.extend(fs::read(&path).unwrap());
                }
            }
        }
        all
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .to_ascii_lowercase()
        .windows(text.len())
        .any(|w| w == text.to_ascii_lowercase().as_bytes())
}

/// Every scalar of an entry with the name of its field; what is in a list has the list's name.
fn scalars(name: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| scalars(name, value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| scalars(name, value, found)),
        scalar => found.push((name.to_owned(), scalar.clone())),
    }
}

/// Pitfalls P11, P12 and P14: an entry holds digests, amounts and days, and nothing that could be
/// looked up in a list of likely texts, names or numbers.
#[test]
fn nothing_of_a_question_or_its_answer_is_in_the_ledgers_bytes() {
    let place = Place::small_site();
    place.done(&ASK);
    place.extract("raw/site-1", "site-1", "out-2");
    place.done(&["sql", "-c", "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY 1"]);
    place.done(&["keys", "rotate", "--site", "site-1"]);
    place.extract("raw/site-1", "site-1", "out-3");
    place.done(&ASK);
    let intents: Vec<Value> = fs::read_dir(place.path(".graunt/receipts"))
        .unwrap()
        .map(|entry| serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap())
        .map(|receipt: Value| receipt["intent"].clone())
        .collect();
    assert_eq!(intents.len(), 3);
    place.done(&["ledger", "redact", intents[0]["query"].as_str().unwrap()]);

    let user = std::env::var("USER").unwrap_or_else(|_| "nobody".to_owned());
    let mut texts = BTreeSet::from(["site-1", "town", "epoch-1", "safe-harbor", "graunt 0", &user]);
    let mut words = BTreeSet::new();
    for intent in &intents {
        let sql = intent["sql"].as_str().unwrap();
        texts.insert(sql);
        words.extend(sql.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 4));
    }
    assert!(words.contains("elders") && words.contains("person") && words.contains("SELECT"));
    holds_no_text(&place, &texts, &words);
    let digests = only_digests_amounts_and_days(&place);

    // No digest is that of something that can be guessed, under a label of ours or under none.
    let mut guesses: Vec<String> = texts.union(&words).map(|&text| text.to_owned()).collect();
    guesses.extend(["SITE-1".to_owned(), String::new()]);
    guesses.extend(intents.iter().flat_map(|intent| {
        let sql = intent["sql"].as_str().unwrap();
        [sql.to_lowercase(), sql.replace(' ', ""), format!("{sql};"), intent.to_string()]
    }));
    guesses.extend((0..5_000).map(|count| count.to_string()));
    for guess in &guesses {
        for label in ["", "graunt/account/v1", "graunt/intent/v1", "graunt/release/v1"] {
            let labelled = Digest::labelled(label, &[guess.as_bytes()]);
            assert!(!digests.contains(&labelled), "{guess} under {label:?}");
        }
        assert!(!digests.contains(&Digest::sha256(guess.as_bytes())), "{guess}");
    }
    for intent in &intents {
        let plan: Digest = intent["plan"].as_str().unwrap().parse().unwrap();
        assert!(!digests.contains(&plan), "the digest of a plan is on the ledger");
    }
}

/// Texts are nowhere in the files, and their words not by themselves.
fn holds_no_text(place: &Place, texts: &BTreeSet<&str>, words: &BTreeSet<&str>) {
    let written = [place.bytes(".graunt/ledger"), place.bytes(".graunt/witness")].concat();
    for text in texts {
        assert!(!holds(&written, text), "{text} is on the ledger");
    }
    let written = String::from_utf8_lossy(&written).to_lowercase();
    let written: BTreeSet<&str> = written.split(|c: char| !c.is_alphanumeric()).collect();
    assert!(written.contains("charge") && written.contains("expires"));
    for word in words {
        assert!(!written.contains(word.to_lowercase().as_str()), "{word} is on the ledger");
    }
}

/// Every string of an entry is a digest, and every number one of four public ones.
fn only_digests_amounts_and_days(place: &Place) -> BTreeSet<Digest> {
    let log = place.json(&["ledger", "log"]);
    let entries: Vec<&Value> = log.as_array().unwrap().iter().map(|one| &one["entry"]).collect();
    let mut found = Vec::new();
    entries.iter().for_each(|entry| scalars("entry", entry, &mut found));
    let mut digests = BTreeSet::new();
    for (name, value) in &found {
        match value {
            Value::String(text) if text == "site" => assert_eq!(name, "role"),
            Value::String(text) => drop(digests.insert(text.parse::<Digest>().unwrap())),
            Value::Number(number) => {
                assert!(number.is_u64(), "{name} is {number}");
                let public = ["rho", "delta", "day", "expires_day"];
                assert!(public.contains(&name.as_str()), "{name} is {number}");
            }
            other => panic!("{name} is {other}"),
        }
    }
    let kinds: BTreeSet<&str> = entries
        .iter()
        .flat_map(|entry| entry.as_object().unwrap().keys().map(String::as_str))
        .collect();
    let every = ["attest", "charge", "key", "open", "redact", "release", "supersede"];
    assert_eq!(kinds, BTreeSet::from(every));
    digests
}

/// Erasure, pitfalls P12 and P13.
#[test]
fn a_redacted_question_is_gone_and_stays_paid_for() {
    let place = Place::small_site();
    place.done(&ASK);
    let path = place.find(".graunt/receipts", ".json");
    let receipt = path.to_str().unwrap();
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let query = whole["intent"]["query"].as_str().unwrap();
    copy(&place.path(".graunt/releases"), &place.path("releases"));
    let before = place.json(&["budget", "show", "--population", "town"]);
    assert_eq!(place.json(&["verify", receipt])[0]["verified"], true);

    let unknown = place.run(&["ledger", "redact", "zz"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""), "{}", unknown.err);
    let told = place.done(&["ledger", "redact", &query[..12]]);
    assert!(told.contains("redacts query") && told.contains("redacted  "), "{told}");
    let left = [place.bytes(".graunt/receipts"), place.bytes(".graunt/releases")].concat();
    let secrets = ["release_salt", "intent_salt"].map(|salt| whole[salt].as_str().unwrap());
    for gone in [secrets[0], secrets[1], "elders", whole["intent"]["plan"].as_str().unwrap()] {
        assert!(!holds(&left, gone), "{gone} is still there");
    }
    assert_eq!(fs::read_dir(place.path(".graunt/releases")).unwrap().count(), 0);

    // The charge still verifies, offline and by the ledger, and says what it is.
    let told = place.done(&["verify", receipt]);
    assert!(told.contains("REDACTED; its charge is verified"), "{told}");
    assert!(told.contains("redacted; inclusion and charge verified"), "{told}");
    let verified = place.json(&["verify", receipt]);
    assert_eq!((&verified[0]["verified"], &verified[0]["redacted"]), (&false.into(), &true.into()));
    place.done(&["ledger", "check"]);
    assert_eq!(place.json(&["budget", "show", "--population", "town"]), before);

    // Running it again finds nothing to do, and writes no second entry.
    let length = place.json(&["ledger", "log"]).as_array().unwrap().len();
    let again = place.json(&["ledger", "redact", query]);
    assert_eq!(
        (&again["redacted"], &again["destroyed"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(place.json(&["ledger", "log"]).as_array().unwrap().len(), length);

    // The stored release, put back from a copy, is not given again: the question is charged anew.
    fs::remove_dir_all(place.path(".graunt/releases")).unwrap();
    copy(&place.path("releases"), &place.path(".graunt/releases"));
    let told = place.done(&ASK);
    assert!(!told.contains("cost nothing"), "{told}");
    assert_eq!((place.charges(), place.charges_and_releases()), (2, (2, 2)));
}

/// What a crash leaves between the entry and the end, or while a file was written.
#[test]
fn an_interrupted_redaction_is_finished_by_running_it_again() {
    let place = Place::small_site();
    place.done(&ASK);
    let path = place.find(".graunt/receipts", ".json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let query = whole["intent"]["query"].as_str().unwrap();
    for directory in ["receipts", "releases"] {
        copy(&place.path(&format!(".graunt/{directory}")), &place.path(directory));
    }
    // What a killed command left half written is of no redacted query while there is none.
    fs::write(path.with_extension("json.4194305.0.tmp"), "{\"intent\": {").unwrap();
    place.done(&["ledger", "check"]);
    place.done(&["ledger", "redact", query]);
    // Only the entry was written; and a receipt was half replaced, rows without a receipt.
    for directory in ["receipts", "releases"] {
        let home = place.path(&format!(".graunt/{directory}"));
        fs::remove_dir_all(&home).unwrap();
        copy(&place.path(directory), &home);
    }
    fs::copy(&path, path.with_extension("json.1.0.tmp")).unwrap();
    let rows = place.find(".graunt/releases", ".arrow");
    fs::copy(&rows, rows.with_file_name("orphan.arrow")).unwrap();
    let said = place.run(&["ledger", "check"]);
    assert!(said.code == 2 && said.err.contains("3 files of redacted queries"), "{}", said.err);
    let erased = place.json(&["ledger", "redact", query]);
    assert_eq!(erased["redacted"].as_array().unwrap().len(), 1, "{erased}");
    assert_eq!(erased["destroyed"].as_array().unwrap().len(), 4, "{erased}");
    let left = [place.bytes(".graunt/receipts"), place.bytes(".graunt/releases")].concat();
    assert!(!holds(&left, whole["intent_salt"].as_str().unwrap()));
    assert!(!holds(&left, "elders"));
    assert!(place.done(&["ledger", "check"]).contains("nothing that was redacted is kept"));
    assert_eq!(fs::read_dir(place.path(".graunt/receipts")).unwrap().count(), 1);
    assert_eq!(place.charges_and_releases(), (1, 1));
}

/// Correction, pitfall P1: neither a new extract, nor a withdrawn one, nor a new key gives budget.
#[test]
fn an_account_outlives_extracts_and_keys() {
    let place = Place::small_site();
    place.done(&ASK);
    let spent = |place: &Place| {
        place.json(&["budget", "show", "--population", "town"])["budget"]["spent"].clone()
    };
    let before = spent(&place);
    place.extract("raw/site-1", "site-1", "out-2");
    assert_eq!(spent(&place), before);
    place.done(&["keys", "rotate", "--site", "site-1"]);
    place.extract("raw/site-1", "site-1", "out-3");
    assert_eq!(spent(&place), before);
    let log = place.json(&["ledger", "log"]);
    let last = log.as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "supersede");
    let root = last["entry"]["supersede"]["new"]["root"].as_str().unwrap();
    place.done(&["ledger", "revoke", root]);
    assert_eq!(spent(&place), before);
    assert_eq!(place.run(&ASK).code, 5);
    place.extract("raw/site-1", "site-1", "out-4");
    assert_eq!((spent(&place), place.charges()), (before.clone(), 1));
    place.done(&ASK);
    assert_ne!(spent(&place), before);
    assert_eq!(place.charges(), 2);
}

/// Key rotation, pitfall P20, for the key of a site.
#[test]
fn a_site_goes_on_under_a_new_key() {
    let place = Place::small_site();
    let key = |name: &str| fs::read_to_string(place.path(&format!(".graunt/keys/{name}"))).unwrap();
    let old = key("site-site-1.pub");
    let vkey = place.json(&["ledger", "init"])["vkey"].as_str().unwrap().to_owned();
    place.done(&ASK);
    let first = place.find(".graunt/receipts", ".json");
    let first = first.to_str().unwrap();
    let old_private = key("site-site-1.pem");
    let rotated = place.json(&["keys", "rotate", "--site", "site-1"]);
    assert_eq!(rotated["old"].as_str().unwrap(), old.trim());
    let statement = rotated["statement"].as_str().unwrap();
    assert!(!holds(&place.bytes(".graunt/keys"), old_private.lines().nth(1).unwrap()));
    // What the old key attested is read on, and its receipts verify.
    place.done(&ASK);
    assert_eq!(place.charges_and_releases(), (1, 1));
    assert_eq!(place.json(&["verify", first])[0]["verified"], true);
    // The next extract is the new key's.
    place.extract("raw/site-1", "site-1", "out-2");
    place.done(&ASK);
    assert_eq!(place.charges_and_releases(), (2, 2));
    let every = place.json(&["verify", ".graunt/receipts"]);
    assert!(every.as_array().unwrap().iter().all(|one| one["verified"] == true), "{every}");
    // A stranger who knows the old key only follows the statement of both, and not without it.
    let release = key("release.pub");
    let (old, release) = (old.trim(), release.trim());
    let trusting =
        ["verify", ".graunt/receipts", "--log-key", &vkey, "--key", old, "--key", release];
    let told = place.run(&trusting);
    assert!(told.code == 5 && told.out.contains("not trusted"), "{}", told.out);
    place.done(&[&trusting[..], &["--rotation", statement]].concat());
    // A thief of the old key attests nothing.
    fs::write(place.path(".graunt/keys/site-site-1.pem"), &old_private).unwrap();
    fs::write(place.path(".graunt/keys/site-site-1.pub"), format!("{old}\n")).unwrap();
    let stolen = place.run(&[
        "extract",
        "--from",
        "raw/site-1",
        "--site",
        "site-1",
        "--population",
        "town",
        "--out",
        "out-3",
    ]);
    assert!(stolen.code == 2 && stolen.err.contains("took its place"), "{}", stolen.err);
}

/// Key rotation, pitfall P20, for the key of the log.
#[test]
fn a_log_goes_on_under_a_new_key() {
    let place = Place::small_site();
    let key = |name: &str| fs::read_to_string(place.path(&format!(".graunt/keys/{name}"))).unwrap();
    let vkey = || place.json(&["ledger", "init"])["vkey"].as_str().unwrap().to_owned();
    let (old, old_private) = (vkey(), key("log.pem"));
    place.done(&ASK);
    let first = place.find(".graunt/receipts", ".json");
    let first = first.to_str().unwrap().to_owned();
    let rotated = place.json(&["keys", "rotate", "--log"]);
    let new = vkey();
    assert_eq!(rotated["vkey"].as_str().unwrap(), new);
    assert_ne!(old, new);
    assert!(!holds(&place.bytes(".graunt/keys"), old_private.lines().nth(1).unwrap()));
    // The account goes on, and receipts from before and after verify.
    place.extract("raw/site-1", "site-1", "out-2");
    place.done(&ASK);
    assert_eq!(place.charges_and_releases(), (2, 2));
    let verified = |more: &[&str]| {
        let every = place.json(&[&["verify", ".graunt/receipts"][..], more].concat());
        let every = every.as_array().unwrap().clone();
        every.len() == 2 && every.iter().all(|one| one["verified"] == true)
    };
    assert!(verified(&[]));
    // So they do for a stranger who has the policy, or either key and the statement of both.
    fs::write(place.path("policy.json"), place.done(&["keys", "policy"])).unwrap();
    assert!(verified(&["--policy", "policy.json"]));
    let (site, release) = (key("site-site-1.pub"), key("release.pub"));
    let signers = ["--key", site.trim(), "--key", release.trim()];
    let statement = rotated["statement"].as_str().unwrap();
    for vkey in [&old, &new] {
        assert!(verified(&[&signers[..], &["--log-key", vkey, "--rotation", statement]].concat()));
        let alone = [&["verify", ".graunt/receipts", "--log-key", vkey][..], &signers].concat();
        assert_eq!(place.run(&alone).code, 5);
    }
    place.done(&[&["verify", &first, "--log-key", &old][..], &signers].concat());
    // A thief of the old key opens nothing.
    fs::write(place.path(".graunt/keys/log.pem"), &old_private).unwrap();
    let stolen = place.run(&["ledger", "check"]);
    assert!(stolen.code == 5 && stolen.err.contains("not trusted"), "{}", stolen.err);
}

#[test]
fn a_key_of_a_log_is_replaced_only_where_one_signs() {
    let place = Place::new();
    // There is no log yet, and none is made.
    assert_eq!(place.run(&["keys", "rotate", "--log"]).code, 2);
    assert_eq!(place.run(&["keys", "rotate"]).code, 2);
    place.done(&["ledger", "init"]);
    assert_eq!(place.run(&["keys", "rotate", "--log", "--site", "site-1"]).code, 2);
    fs::write(place.path("graunt.toml"), "[ledger]\nkind = \"evm\"\n").unwrap();
    let chain = place.run(&["keys", "rotate", "--log"]);
    assert!(chain.code == 2 && chain.err.contains("chain"), "{}", chain.err);
    fs::remove_file(place.path("graunt.toml")).unwrap();
    // It goes on where it stopped: before the new key is in place, nothing opens the log.
    let keys = place.path(".graunt/keys");
    let pem = || fs::read(keys.join("log.pem")).unwrap();
    let old = pem();
    place.done(&["keys", "rotate", "--log"]);
    let new = pem();
    fs::rename(keys.join("log.pem"), keys.join("log.next.pem")).unwrap();
    fs::write(keys.join("log.pem"), old).unwrap();
    fs::set_permissions(keys.join("log.pem"), Permissions::from_mode(0o600)).unwrap();
    let waits = place.run(&["ledger", "check"]);
    assert!(waits.code == 2 && waits.err.contains("rotate --log"), "{}", waits.err);
    assert_eq!(place.json(&["keys", "rotate", "--log"])["entry"], 0);
    assert_eq!(pem(), new);
    place.done(&["ledger", "check"]);
}

#[test]
fn a_key_that_never_attested_is_not_rotated_and_stays() {
    let place = Place::new();
    place.done(&["cohort", "--persons", "100", "--sites", "1", "--seed", "3", "--out", "raw"]);
    place.extract("raw/site-1", "site-1", "out");
    let waiting = place.run(&["keys", "rotate", "--site", "site-1"]);
    assert!(waiting.code == 2 && waiting.err.contains("waits"), "{}", waiting.err);
    fs::remove_dir_all(place.path("out")).unwrap();
    let refused = place.run(&["keys", "rotate", "--site", "site-1"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    // It signs as before.
    place.extract("raw/site-1", "site-1", "out-2");
    place.done(&["budget", "open", "--population", "town", "--rho", "10"]);
    place.done(&["keys", "rotate", "--site", "site-1"]);
    assert_eq!(place.run(&["keys", "rotate", "--site", "nobody"]).code, 5);
}

/// The finality that is asked for is honoured before anything is charged, read or drawn.
#[test]
fn a_ledger_of_lesser_finality_is_refused_before_anything_is_charged() {
    let place = Place::small_site();
    for asked in ["confirmed", "final"] {
        fs::write(place.path("graunt.toml"), format!("[ledger]\nfinality = \"{asked}\"\n"))
            .unwrap();
        let said = place.run(&ASK);
        assert_eq!((said.code, said.out.as_str()), (6, ""), "{}", said.err);
        assert!(
            said.err.contains("Witnessed") && said.err.contains("nothing was charged"),
            "{}",
            said.err
        );
        assert_eq!((place.charges(), place.charges_and_releases()), (0, (0, 0)));
        assert_eq!(fs::read_dir(place.path(".graunt/receipts")).unwrap().count(), 0);
    }
    for asked in ["witnessed", "local"] {
        fs::write(place.path("graunt.toml"), format!("[ledger]\nfinality = \"{asked}\"\n"))
            .unwrap();
        place.done(&ASK);
    }
    assert_eq!(place.charges_and_releases(), (1, 1));
}
