//! Parties that are lost, restart, repeat or lie: named where they can be, and never believed.

use std::sync::Arc;

use ledger_adapter::charge::{Finality, Outcome};
use ledger_adapter::digest::Digest;
use ledger_adapter::ledger::Ledger;

use crate::error::Error;
use crate::federation::contribution::{Contribution, SignedHeader, root};
use crate::federation::frame::{pack, unpack};
use crate::federation::holder::{COVER, OPEN, VOTE};
use crate::federation::plan::Order;
use crate::federation::round::Spec;
use crate::federation::site::{NEXT, START};
use crate::federation::terms::Federation;
use crate::federation::tests::fixture::{Fate, HOLDERS, Trio, policy, signer, site, terms};
use crate::federation::tests::sites;
use crate::federation::transcript::Transcript;
use crate::federation::transport::{Node, Refusal};

pub(super) const COUNT: &str = "SELECT sex, COUNT(*) AS n FROM person GROUP BY sex ORDER BY sex";

/// Two rounds: a norm is chosen first.
const TWO_ROUNDS: &str = "SELECT SUM(cost) AS s FROM visit";

/// The counts of all persons at these sites, at an epsilon where noise is nothing.
pub(super) fn expected(at: &[usize]) -> Vec<(String, i64)> {
    let all = crate::tests::admitted::persons();
    let of = all.iter().filter(|p| at.contains(&(usize::try_from(p.id).unwrap() % 3)));
    let count = |sex: &str| {
        let own = of.clone().filter(|p| p.sex == Some(sex)).count();
        i64::try_from(own).unwrap()
    };
    vec![(String::new(), 0), ("F".to_owned(), count("F")), ("M".to_owned(), count("M"))]
}

fn counts(trio: &Trio) -> Result<Vec<(String, i64)>, Error> {
    let (answer, transcript) = trio.ask(COUNT, 10_000.0)?;
    transcript.check(None).unwrap();
    let mut rows: Vec<(String, i64)> = (0..answer.len())
        .map(|row| (answer.text(row, 0), answer.text(row, 1).parse().unwrap()))
        .collect();
    rows.sort();
    Ok(rows)
}

fn is_failed<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Failed(_)))
}

#[test]
fn a_lost_site_is_left_out_and_named_and_too_few_end_the_query() {
    let trio = Trio::new(&sites(3));
    assert_eq!(counts(&trio).unwrap(), expected(&[0, 1, 2]));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("site-1", START) => Fate::Lost,
        _ => Fate::Arrives,
    });
    let (answer, _) = trio.ask(COUNT, 10_000.0).unwrap();
    let said = answer.notes.join("\n");
    assert!(said.contains("they were lost: site-1"), "{said}");
    assert_eq!(counts(&trio).unwrap(), expected(&[0, 2]));
    trio.wire.with(|party, _, _, _| match party {
        "site-1" | "site-2" => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(is_failed(counts(&trio)));
}

#[test]
fn a_site_whose_reply_is_lost_is_left_out_and_its_records_with_it() {
    let trio = Trio::new(&sites(3));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("site-0", START) => Fate::Unheard,
        _ => Fate::Arrives,
    });
    assert_eq!(counts(&trio).unwrap(), expected(&[1, 2]));
}

#[test]
fn a_site_that_is_lost_after_a_choice_is_left_out_and_one_lost_after_an_answer_ends_it() {
    let trio = Trio::new(&sites(3));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("site-2", NEXT) => Fate::Lost,
        _ => Fate::Arrives,
    });
    let (answer, _) = trio.ask(TWO_ROUNDS, 10_000.0).unwrap();
    assert!(answer.notes.iter().any(|note| note.contains("lost: site-2")), "{:?}", answer.notes);
    // Two boundaries are two shown rounds: an answer over different sites would be neither's.
    let two = "SELECT a.n - b.m AS d FROM (SELECT COUNT(*) AS n FROM visit) a CROSS JOIN (SELECT \
               COUNT(*) AS m FROM person) b";
    trio.wire.with(|party, action, _, nth| match (party, action, nth) {
        ("site-2", NEXT, 1..) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(is_failed(trio.ask(two, 10_000.0)));
}

#[test]
fn holders_may_be_lost_down_to_the_threshold_and_no_further() {
    let trio = Trio::new(&sites(3));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-0" | "holder-4", OPEN) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert_eq!(counts(&trio).unwrap(), expected(&[0, 1, 2]));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-0" | "holder-2" | "holder-4", OPEN) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(is_failed(counts(&trio)));
    // One may add no noise, as the terms say; two may not.
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-3", COVER) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert_eq!(counts(&trio).unwrap(), expected(&[0, 1, 2]));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-3" | "holder-1", COVER) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(is_failed(counts(&trio)));
}

#[test]
fn a_holder_that_gives_a_wrong_share_is_named_and_changes_nothing() {
    let trio = Trio::new(&sites(3));
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-2", OPEN) => Fate::Replied(|share| share[40] ^= 1),
        _ => Fate::Arrives,
    });
    let (answer, _) = trio.ask(COUNT, 10_000.0).unwrap();
    let said = answer.notes.join("\n");
    assert!(said.contains("holder-2 gave a wrong share"), "{said}");
    assert_eq!(counts(&trio).unwrap(), expected(&[0, 1, 2]));
}

#[test]
fn no_byte_of_a_contribution_can_be_changed_unseen() {
    let trio = Trio::new(&sites(3));
    for at in [0.01, 0.2, 0.5, 0.8, 0.99] {
        let place = move |length: usize| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
            let at = (length as f64 * at) as usize;
            at
        };
        trio.wire.with(|_, _, _, _| Fate::Arrives);
        counts(&trio).unwrap();
        let made = {
            let carried = trio.wire.carried.lock().unwrap();
            let replies = carried.iter().filter(|(p, a, _)| p == "site-0" && a == START);
            replies.map(|(_, _, bytes)| bytes.clone()).next_back().unwrap()
        };
        let whole = Contribution::from_bytes(&made).unwrap();
        let header = whole.signed.header.clone();
        let mut changed = made.clone();
        let at = place(changed.len());
        changed[at] ^= 0x10;
        let refused = match Contribution::from_bytes(&changed) {
            Err(_) => true,
            Ok(read) => {
                read.check((header.query, 0, &header.spec), "site-0", &trio.federation).is_err()
            }
        };
        assert!(refused, "{at}");
        // As another party's, for another round, or for another sum it is refused as well.
        let check = |round, spec: &Digest, party| {
            whole.check((header.query, round, spec), party, &trio.federation).is_ok()
        };
        assert!(check(0, &header.spec, "site-0"));
        assert!(!check(1, &header.spec, "site-0"));
        assert!(!check(0, &Digest::sha256(b"other"), "site-0"));
        assert!(!check(0, &header.spec, "site-1"));
    }
}

/// What the coordinator sent a holder to open, taken apart: the set, and its parcels.
fn opening(trio: &Trio) -> (Vec<u8>, Digest, Vec<SignedHeader>) {
    let sent = trio.sent("holder-0", OPEN);
    let parts = unpack(&sent).unwrap();
    let head: serde_json::Value = serde_json::from_slice(parts[0]).unwrap();
    let set: Vec<SignedHeader> = serde_json::from_value(head["set"].clone()).unwrap();
    let query = set[0].header.query;
    (sent, query, set)
}

fn ask(node: &dyn Node, trio: &Trio, action: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    trio.runtime.block_on(node.handle("coordinator", action, body))
}

#[test]
fn a_second_set_is_not_opened_not_even_after_a_restart_or_a_rollback_of_the_ledger() {
    let trio = Trio::new(&sites(3));
    counts(&trio).unwrap();
    let (sent, query, set) = opening(&trio);
    let node = trio.node("holder-0");
    // The very same again gives the same share: the answer stands, so it is over.
    let same = ask(node.as_ref(), &trio, OPEN, &sent).unwrap();
    // One site less: another set, whose difference would be the secret of that site.
    let less: Vec<usize> = (0..set.len()).filter(|i| set[*i].header.party != "site-2").collect();
    let parts = unpack(&sent).unwrap();
    let fewer: Vec<SignedHeader> = less.iter().map(|i| set[*i].clone()).collect();
    let head = serde_json::json!({"query": query, "round": 0, "set": fewer});
    let head = serde_json::to_vec(&head).unwrap();
    let mut other: Vec<&[u8]> = vec![&head];
    other.extend(less.iter().map(|i| parts[i + 1]));
    let other = pack(&other);
    let refusal = ask(node.as_ref(), &trio, OPEN, &other).unwrap_err();
    assert!(refusal.reason.contains("another set"), "{refusal}");
    let restarted = trio.restarted_holder(0);
    assert_eq!(ask(&restarted, &trio, OPEN, &sent).unwrap(), same);
    assert!(ask(&restarted, &trio, OPEN, &other).is_err());
    // A ledger that forgot the first set, and holds the second: the holder remembers.
    let forgetful = forgetful(&trio, query, root(&fewer).unwrap());
    let misled = trio.misled_holder(0, forgetful);
    let refusal = ask(&misled, &trio, OPEN, &other).unwrap_err();
    assert!(refusal.reason.contains("agreed to before"), "{refusal}");
}

/// A ledger that says of any query that it is charged, and that this is the set of its round.
fn forgetful(trio: &Trio, query: Digest, root: Digest) -> Arc<dyn Ledger> {
    let inner = Arc::clone(&trio.central.ledger);
    Arc::new(crate::federation::tests::liar::Liar { inner, query, root })
}

#[test]
fn a_set_that_is_not_on_the_ledger_or_not_what_the_terms_ask_for_is_not_opened() {
    let trio = Trio::new(&sites(3));
    counts(&trio).unwrap();
    let (sent, query, set) = opening(&trio);
    let parts: Vec<Vec<u8>> = unpack(&sent).unwrap().iter().map(|part| part.to_vec()).collect();
    let with = |round: u32, picked: &[usize]| {
        let set: Vec<&SignedHeader> = picked.iter().map(|i| &set[*i]).collect();
        let head = serde_json::json!({"query": query, "round": round, "set": set});
        let head = serde_json::to_vec(&head).unwrap();
        let mut all: Vec<&[u8]> = vec![&head];
        all.extend(picked.iter().map(|i| parts[i + 1].as_slice()));
        pack(&all)
    };
    let node = trio.node("holder-0");
    let named = |party: &str| set.iter().position(|s| s.header.party == party).unwrap();
    let without = |gone: &[&str]| -> Vec<usize> {
        let gone: Vec<usize> = gone.iter().map(|party| named(party)).collect();
        (0..set.len()).filter(|i| !gone.contains(i)).collect()
    };
    for (body, why) in [
        (with(0, &without(&["site-0", "site-1"])), "too few"),
        (with(0, &without(&["holder-1", "holder-2"])), "too little"),
        (with(1, &without(&[])), "no noise"),
        (with(0, &[vec![1, 0], (2..set.len()).collect()].concat()), "order"),
        (with(0, &[without(&[]), vec![0]].concat()), "more parties"),
        (with(0, &without(&["site-0"])), "another set"),
    ] {
        let refusal = ask(node.as_ref(), &trio, OPEN, &body).unwrap_err();
        assert!(refusal.reason.contains(why), "{refusal}: {why}");
    }
    // A parcel in the place of another's.
    let mut swapped = parts.clone();
    swapped.swap(1, 2);
    let swapped: Vec<&[u8]> = swapped.iter().map(Vec::as_slice).collect();
    assert!(ask(node.as_ref(), &trio, OPEN, &pack(&swapped)).is_err());
    // Only the coordinator asks.
    let asked = trio.runtime.block_on(node.handle("site-0", OPEN, &sent));
    assert!(asked.unwrap_err().reason.contains("coordinator"));
}

#[test]
fn a_holder_that_is_told_of_less_noise_does_not_open() {
    let trio = Trio::new(&sites(3));
    // The coordinator tells one holder that the noise is a thousandth as wide.
    trio.wire.with(|party, action, body, _| {
        if (party, action) != ("holder-0", COVER) {
            return Fate::Arrives;
        }
        let mut request: serde_json::Value = serde_json::from_slice(body).unwrap();
        let column = &mut request["spec"]["columns"][0];
        let places = column["scale_log2_denominator"].as_u64().unwrap();
        column["scale_log2_denominator"] = serde_json::json!(places + 10);
        Fate::Sent(serde_json::to_vec(&request).unwrap())
    });
    // Its noise is in no set, and it neither agrees to one nor opens it.
    let (_, transcript) = trio.ask(COUNT, 1.0).unwrap();
    let text = String::from_utf8(transcript.to_bytes()).unwrap();
    assert!(!text.contains("\"party\":\"holder-0\"") && text.contains("\"party\":\"holder-1\""));
    let sent = trio.sent("holder-0", VOTE);
    let refusal = ask(trio.node("holder-0").as_ref(), &trio, VOTE, &sent).unwrap_err();
    assert!(refusal.reason.contains("something else than this holder"), "{refusal}");
}

#[test]
fn a_ledger_that_shows_holders_different_sets_opens_one_of_them_at_most() {
    let trio = Trio::new(&sites(3));
    // Two holders agree before a sixth and seventh hear of anything: there are five, and four must.
    trio.wire.with(|party, action, _, _| match (party, action) {
        ("holder-3" | "holder-4", VOTE) => Fate::Lost,
        _ => Fate::Arrives,
    });
    assert!(is_failed(counts(&trio)));
    // The three that agreed gave no share, though they are a threshold.
    let carried = trio.wire.carried.lock().unwrap();
    let opened: Vec<usize> = carried
        .iter()
        .filter(|(_, action, _)| action == OPEN)
        .map(|(_, _, bytes)| bytes.len())
        .collect();
    drop(carried);
    // Requests only: a reply would be another entry of 8 KiB.
    assert!(opened.iter().all(|length| *length > 10_000), "{opened:?}");
    // One that agreed to a set says nothing to another, whatever its ledger shows.
    let sent = trio.sent("holder-0", VOTE);
    let request: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    let set: Vec<SignedHeader> = serde_json::from_value(request["set"].clone()).unwrap();
    let query = set[0].header.query;
    let less: Vec<SignedHeader> =
        set.into_iter().filter(|signed| signed.header.party != "site-2").collect();
    let misled = trio.misled_holder(0, forgetful(&trio, query, root(&less).unwrap()));
    let body = serde_json::json!({"query": query, "round": 0, "set": less});
    let body = serde_json::to_vec(&body).unwrap();
    let refusal = ask(&misled, &trio, VOTE, &body).unwrap_err();
    assert!(refusal.reason.contains("agreed to before"), "{refusal}");
}

#[test]
fn a_request_for_noise_of_no_shape_is_refused_at_once() {
    let trio = Trio::new(&sites(3));
    counts(&trio).unwrap();
    let sent = trio.sent("holder-0", COVER);
    let node = trio.node("holder-0");
    let with = |change: fn(&mut serde_json::Value)| {
        let mut request: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        // Another round of a query that is over is refused for that alone.
        change(&mut request);
        ask(node.as_ref(), &trio, COVER, &serde_json::to_vec(&request).unwrap()).unwrap_err()
    };
    with(|r| r["spec"]["columns"][0]["shape"] = serde_json::json!([8, 1_u64 << 60]));
    with(|r| r["round"] = serde_json::json!(256));
    with(|r| r["spec"]["federation"] = serde_json::json!(Digest::sha256(b"other")));
    // The same before it is over: shapes are looked at before noise is drawn.
    for shape in [vec![8, 1_u64 << 60], vec![1; 40], vec![2, 2]] {
        let mut request: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        request["spec"]["columns"][0]["shape"] = serde_json::json!(shape);
        let spec: Spec = serde_json::from_value(request["spec"].clone()).unwrap();
        assert!(spec.zeros().is_err());
    }
}

#[test]
fn an_order_is_followed_once_and_only_as_it_was_charged() {
    let trio = Trio::new(&sites(3));
    counts(&trio).unwrap();
    let order = trio.sent("site-0", START);
    let cards = trio.directory.path().join("cards");
    let place = trio.directory.path();
    let again =
        |federation: &Federation| site(federation, &trio.central, &cards, 0, place, policy());
    // The query is released: a stale order is refused, also by a site that restarted.
    let refusal = ask(&again(&trio.federation), &trio, START, &order).unwrap_err();
    assert!(refusal.reason.contains("no leave"), "{refusal}");
    // An order that nobody signed, or that was changed.
    let mut changed = order.clone();
    let at = changed.len() - 3;
    changed[at] ^= 1;
    let refusal = ask(trio.node("site-0").as_ref(), &trio, START, &changed).unwrap_err();
    assert!(refusal.reason.contains("did not sign"), "{refusal}");
    // One that is signed and was never charged.
    let key = trio.federation.coordinator.key;
    let mut forged = Order::read(&order, &key).unwrap();
    forged.intent.query = Digest::sha256(b"free");
    let forged = forged.signed(&signer(9)).unwrap();
    let refusal = ask(trio.node("site-0").as_ref(), &trio, START, &forged).unwrap_err();
    assert!(refusal.reason.contains("no leave"), "{refusal}");
    // One whose price is less than the question's.
    let mut cheap = Order::read(&order, &key).unwrap();
    cheap.intent.query = Digest::sha256(b"cheap");
    cheap.intent.mechanisms[0].scale_numerator /= 2;
    let cheap = cheap.signed(&signer(9)).unwrap();
    let refusal = ask(trio.node("site-0").as_ref(), &trio, START, &cheap).unwrap_err();
    assert!(refusal.reason.contains("the plan is another"), "{refusal}");
    // Other terms.
    let mut others = terms(3);
    others.covers_min = 5;
    let refusal = ask(&again(&others), &trio, START, &order).unwrap_err();
    assert!(refusal.reason.contains("other terms"), "{refusal}");
}

#[test]
fn a_site_refuses_what_its_policy_forbids_and_reads_nothing() {
    let trio = Trio::new(&sites(3));
    counts(&trio).unwrap();
    let order = trio.sent("site-0", START);
    let cards = trio.directory.path().join("cards");
    let place = trio.directory.path().join("strict");
    for (policy, why) in [
        (crate::federation::SitePolicy { epsilon_max: 1.0, ..policy() }, "epsilon"),
        (crate::federation::SitePolicy { delta_max: 1e-9, ..policy() }, "delta"),
        (
            crate::federation::SitePolicy { tables_denied: vec!["person".to_owned()], ..policy() },
            "denies table person",
        ),
        (crate::federation::SitePolicy { persons_min: 11, ..policy() }, "plan is another"),
    ] {
        let node = site(&trio.federation, &trio.central, &cards, 0, &place, policy);
        let refusal = ask(&node, &trio, START, &order).unwrap_err();
        assert!(refusal.reason.contains(why), "{refusal}: {why}");
    }
    let claims = std::fs::read_dir(place.join("site-0")).unwrap().count();
    assert_eq!(claims, 0);
}

#[test]
fn a_transcript_is_checked_to_the_last_byte() {
    let trio = Trio::new(&sites(3));
    let (answer, transcript) = trio.ask(COUNT, 1.0).unwrap();
    let bytes = transcript.to_bytes();
    let read = Transcript::from_bytes(&bytes).unwrap();
    let rounds = read.check(None).unwrap();
    let query = answer.receipt.as_ref().unwrap().intent.query;
    for (round, (root, _)) in (0u32..).zip(&rounds) {
        let on_ledger = Ledger::committed(trio.central.ledger.as_ref(), query, round).unwrap();
        assert_eq!(on_ledger.unwrap().1, *root);
    }
    let released = Ledger::outcome(trio.central.ledger.as_ref(), query).unwrap();
    assert!(
        matches!(released, Some(Outcome::Released(placed, _)) if placed.finality >= Finality::Local)
    );
    let said = format!("SHA-256 {}", transcript.digest());
    assert!(answer.notes.iter().any(|note| note.contains(&said)));
    let receipt = answer.receipt.as_ref().unwrap();
    assert_eq!(transcript.check_receipt(receipt, None).unwrap(), rounds.len());
    let (_, other) = trio.ask(COUNT, 1.0).unwrap();
    assert!(other.check_receipt(receipt, None).is_err());
    let step = bytes.len() / 150;
    for at in (0..bytes.len()).step_by(step) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let refused = match Transcript::from_bytes(&changed) {
            Err(_) => true,
            Ok(read) => read.check(None).is_err() || read.digest() != transcript.digest(),
        };
        assert!(refused, "{at}");
    }
}

#[test]
fn nothing_that_travels_holds_a_total() {
    // Of 3,000 equal persons with a number that no random bytes hold by chance.
    let trio = Trio::new(&sites(3));
    trio.ask("SELECT COUNT(*) AS n, SUM(days) AS d FROM visit", 1.0).unwrap();
    let carried = trio.wire.carried.lock().unwrap();
    for (party, action, bytes) in carried.iter() {
        if action != START && action != NEXT || !party.starts_with("site") {
            continue;
        }
        let Ok(made) = Contribution::from_bytes(bytes) else { continue };
        // What is not ciphertext or parcel are digests, names and a signature.
        let text = serde_json::to_string(&made.signed).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let numbers = |value: &serde_json::Value| value.is_number();
        let fields = value["header"].as_object().unwrap();
        let named: Vec<&String> =
            fields.iter().filter(|(_, v)| numbers(v)).map(|(k, _)| k).collect();
        assert_eq!(named, ["round"], "{text}");
        // Ciphertexts look like random bytes: every value of a byte comes about as often.
        let mut histogram = [0f64; 256];
        for byte in &made.ciphertext {
            histogram[usize::from(*byte)] += 1.0;
        }
        let mean = made.ciphertext.len() as f64 / 256.0;
        let chi: f64 = histogram.iter().map(|count| (count - mean).powi(2) / mean).sum();
        // 255 degrees of freedom: beyond 400 once in ten million.
        assert!(chi < 400.0, "{party} {action}: {chi}");
    }
    assert!(carried.len() > 2 * HOLDERS);
}
