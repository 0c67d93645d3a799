//! Contributions with proofs: the same answers, and none of what is not proved.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::digest::Digest;
use seal::proof::seal_proven;
use serde_json::Value;

use crate::answer::Answer;
use crate::engine::Query;
use crate::error::{Code, Error};
use crate::federation::Federated;
use crate::federation::contribution::Contribution;
use crate::federation::holder::{COVER, OPEN, VOTE};
use crate::federation::plan::Order;
use crate::federation::round::{Spec, context};
use crate::federation::site::START;
use crate::federation::terms::Federation;
use crate::federation::tests::attacks::{COUNT, expected};
use crate::federation::tests::fixture::{Fate, Trio, parameters, proven, signer, terms};
use crate::federation::tests::sites;
use crate::federation::transcript::Transcript;
use crate::federation::transport::Transport;
use crate::privacy::relation::ContributionBounds;
use crate::tests::admitted::persons;

const EPSILON: f64 = 10_000.0;

fn rows(answer: &Answer) -> Vec<(String, i64)> {
    let row = |row| (answer.text(row, 0), answer.text(row, 1).parse().unwrap());
    let mut rows: Vec<(String, i64)> = (0..answer.len()).map(row).collect();
    rows.sort();
    rows
}

/// The transcript with a byte of the proof of `site-1` changed, so many before its last; and signed
/// by the site like that, if it lies.
fn spoilt(transcript: &Transcript, at: usize, is_signed: bool) -> Transcript {
    let mut value: Value = serde_json::from_slice(&transcript.to_bytes()).unwrap();
    let round = &mut value["rounds"][0];
    let set = round["set"].as_array().unwrap();
    let place = set.iter().position(|made| made["header"]["party"] == "site-1").unwrap();
    let ciphertext = round["ciphertexts"][place].as_str().unwrap();
    let mut bytes = STANDARD.decode(ciphertext).unwrap();
    let last = bytes.len() - 1;
    bytes[last - at] ^= 1;
    round["ciphertexts"][place] = STANDARD.encode(&bytes).into();
    if is_signed {
        let header = &round["set"][place]["header"];
        let spec: Digest = header["spec"].as_str().unwrap().parse().unwrap();
        let about = (transcript.query(), 0, spec);
        let by = ("site-1", &signer(2));
        let signed = Contribution::of(about, transcript.federation(), by, (bytes, vec![])).unwrap();
        round["set"][place] = serde_json::to_value(&signed.signed).unwrap();
    }
    Transcript::from_bytes(&serde_json::to_vec(&value).unwrap()).unwrap()
}

#[test]
fn proven_counts_are_the_plain_ones_and_their_transcript_checks() {
    let trio = Trio::under(proven(terms(3)), &sites(3));
    let (answer, transcript) = trio.ask(COUNT, EPSILON).unwrap();
    let plain = Trio::new(&sites(3));
    let (same, _) = plain.ask(COUNT, EPSILON).unwrap();
    assert_eq!(rows(&answer), rows(&same));
    assert_eq!(rows(&answer), expected(&[0, 1, 2]));
    let said = answer.notes.join("\n");
    assert!(said.contains("each site proved"), "{said}");

    let rounds = transcript.check(Some(parameters())).unwrap();
    assert_eq!(rounds.len(), 1);
    let receipt = answer.receipt.as_ref().unwrap();
    assert_eq!(transcript.check_receipt(receipt, Some(parameters())).unwrap(), 1);
    let refusal = transcript.check(None).unwrap_err();
    assert!(refusal.reason.contains("ask for proofs"), "{refusal}");
    let refusal = spoilt(&transcript, 0, false).check(Some(parameters())).unwrap_err();
    assert!(refusal.reason.contains("another than was signed"), "{refusal}");
    for at in [0, 1_500] {
        let refusal = spoilt(&transcript, at, true).check(Some(parameters())).unwrap_err();
        assert!(refusal.reason.contains("site-1: its contribution is not proved"), "{refusal}");
    }
}

/// What a lying site seals, where a true one proves its totals in their range.
struct Lie {
    /// Its number.
    site: u8,
    /// How far the range that it proves is above the right one.
    above: i64,
    values: [i64; 3],
    /// Whose contribution it says it is to the prover.
    said: &'static str,
    /// The round that it is sealed for.
    round: u32,
}

/// One lie in the range, and three that are not proved.
const LIES: [Lie; 4] = [
    Lie { site: 1, above: 0, values: [0, 1_000, 2_000], said: "site-1", round: 0 },
    Lie { site: 2, above: 1 << 32, values: [1 << 32; 3], said: "site-2", round: 0 },
    Lie { site: 3, above: 0, values: [0, 1_000, 2_000], said: "site-0", round: 0 },
    Lie { site: 4, above: 0, values: [0, 1_000, 2_000], said: "site-4", round: 1 },
];

impl Lie {
    /// The reply to an order: signed by the site, and for the right round by its header.
    fn reply(&self, order: &[u8], federation: &Federation, spec: &Spec) -> Vec<u8> {
        let query = Order::read(order, &federation.coordinator.key).unwrap().intent.query;
        let digest = spec.digest().unwrap();
        let proofs = federation.proofs.unwrap();
        let lower = spec.proven_lane(federation, &proofs).unwrap().lower();
        let lane = proofs.lane(federation, 3, lower + self.above).unwrap();
        let context = context(query, self.round, &digest);
        let parts: [&[u8]; 2] = [&context.0, self.said.as_bytes()];
        let metadata = Digest::labelled("graunt/proven-contribution/v1", &parts);
        let crs = parameters().crs();
        let made = seal_proven(&lane, crs, &context, &self.values, metadata.as_bytes());
        let (sealed, shares) = made.unwrap();
        let made = (sealed.to_bytes().unwrap(), shares);
        let (name, signer) = (self.name(), signer(self.site + 1));
        let by = (name.as_str(), &signer);
        Contribution::of((query, 0, digest), federation, by, made).unwrap().to_bytes().unwrap()
    }

    fn name(&self) -> String {
        format!("site-{}", self.site)
    }
}

#[test]
fn a_site_whose_contribution_is_not_proved_is_left_out_and_named() {
    // What is added up is the same with and without proofs, but for the terms.
    let plain = Trio::new(&sites(5));
    plain.ask(COUNT, EPSILON).unwrap();
    let mut request: Value = serde_json::from_slice(&plain.sent("holder-0", COVER)).unwrap();
    let terms_digest = proven(terms(5)).digest().unwrap();
    request["spec"]["federation"] = serde_json::to_value(terms_digest).unwrap();
    let spec: Spec = serde_json::from_value(request["spec"].clone()).unwrap();
    plain.wire.with(|party, action, _, _| match (party, action) {
        ("site-0" | "site-1", _) | (_, COVER | VOTE | OPEN) => Fate::Arrives,
        _ => Fate::Lost,
    });
    let (honest, _) = plain.ask(COUNT, EPSILON).unwrap();

    let trio = Trio::under(proven(terms(5)), &sites(5));
    let federation = trio.federation.clone();
    trio.wire.with(move |party, action, body, _| {
        let lie = LIES.iter().find(|lie| action == START && lie.name() == party);
        lie.map_or(Fate::Arrives, |lie| Fate::Forged(lie.reply(body, &federation, &spec)))
    });
    let (answer, transcript) = trio.ask(COUNT, EPSILON).unwrap();
    transcript.check(Some(parameters())).unwrap();
    let said = answer.notes.join("\n");
    assert!(said.contains("they were lost: site-2, site-3, site-4"), "{said}");
    for lie in &LIES[1..] {
        let named = format!("{} did not prove", lie.name());
        assert!(said.contains(&named), "{said}");
    }
    // A lie within the range is taken for the truth: by nothing else do the others differ.
    assert!(!said.contains("site-1 did not"), "{said}");
    let of = |site: usize, sex: &str| {
        let all = persons();
        let own = all.iter().filter(|p| usize::try_from(p.id).unwrap() % 5 == site);
        i64::try_from(own.filter(|p| p.sex == Some(sex)).count()).unwrap()
    };
    let row = |sex: &str, of_liar: i64| (sex.to_owned(), of(0, sex) + of_liar);
    assert_eq!(rows(&answer), [row("", 0), row("F", 1_000), row("M", 2_000)]);
    assert_eq!(rows(&honest), [row("", 0), row("F", of(1, "F")), row("M", of(1, "M"))]);
}

#[test]
fn proofs_are_asked_for_by_the_terms_alone() {
    let (plain, asking) = (terms(3), proven(terms(3)));
    let refusal = plain.proofs_required().unwrap_err();
    assert!(refusal.to_string().contains("ask for no proofs"), "{refusal}");
    assert_eq!(asking.proofs_required().unwrap().counters, 4);
    assert_ne!(plain.digest().unwrap(), asking.digest().unwrap());
    let mut none = asking.clone();
    none.proofs.as_mut().unwrap().counters = 0;
    assert!(none.check().is_err());
    let mut others = asking.clone();
    others.proofs.as_mut().unwrap().crs = Digest::sha256(b"other parameters");

    let trio = Trio::new(&sites(3));
    let refused = |terms: &Federation, own| {
        let wire = Arc::clone(&trio.wire) as Arc<dyn Transport>;
        let terms = (terms.clone(), own);
        let made = Federated::new(terms, wire, signer(9), Duration::from_secs(1));
        made.map(|_| ()).map_err(|error| error.to_string()).unwrap_err()
    };
    let own = || Some(parameters().clone());
    assert!(refused(&plain, own()).contains("ask for no proofs"));
    assert!(refused(&asking, None).contains("are not given"));
    assert!(refused(&others, own()).contains("other parameters"));
}

#[test]
fn totals_too_wide_or_too_many_for_proofs_are_refused_before_they_are_charged() {
    let trio = Trio::new(&sites(3));
    let quoted = |sql: &str, terms: &Federation| {
        let bounds = ContributionBounds { rows_per_person: Some(6), ..Default::default() };
        let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
        trio.runtime.block_on(trio.engine.quote_federated(&query, terms)).map(|_| ())
    };
    let wide = Federation { persons_per_site: 1 << 33, ..terms(3) };
    let quantile = "SELECT APPROX_PERCENTILE_CONT(days, 0.5) AS d FROM visit";
    let many = "SELECT p.year_of_birth, v.region, v.days, COUNT(*) AS n FROM visit v \
                JOIN person p ON v.person_id = p.person_id \
                WHERE p.year_of_birth BETWEEN 1950 AND 1999 AND v.days BETWEEN 0 AND 19 \
                GROUP BY p.year_of_birth, v.region, v.days";
    let cases = [
        (COUNT, wide, "32 bits"),
        (quantile, terms(3), "32 bits"),
        (many, terms(3), "more than the 2048 that sites prove"),
    ];
    for (sql, terms, said) in cases {
        quoted(sql, &terms).unwrap();
        let refused = quoted(sql, &proven(terms));
        let Err(Error::Rejected(rejection)) = refused else { panic!("{refused:?}: {sql}") };
        assert_eq!(rejection.code, Code::Unbounded);
        assert!(rejection.reason.contains(said), "{}", rejection.reason);
    }
    quoted(COUNT, &proven(terms(3))).unwrap();
}
