//! Witnesses against races, restarts, rollbacks and forks; clients against witnesses that lie.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::{prop, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::*;
use crate::digest::Digest;
use crate::error::Untrusted;
use crate::keys::Signer;
use crate::loopback::Loopback;
use crate::note::{Checkpoint, Note};
use crate::tree::{Tree, leaf_hash};
use crate::witnessing::request::AddCheckpoint;

const ORIGIN: &str = "example.org/log";
const TIME: u64 = 1_795_305_600;

fn log() -> Signer {
    Signer::from_seed(&[1; 32])
}

fn log_key() -> VerifierKey {
    VerifierKey::new(ORIGIN, log().public()).unwrap()
}

fn cosigner(number: u8) -> Cosigner {
    let signer = Signer::from_seed(&[50 + number; 32]);
    Cosigner::new(&format!("w{number}.example"), signer).unwrap()
}

fn witness(directory: &Path, number: u8) -> Witness {
    Witness::open(directory, cosigner(number), vec![log_key()]).unwrap()
}

/// A tree of `size` entries; those from `fork` on are others than usual.
fn forked(size: u64, fork: u64) -> Tree {
    let mut tree = Tree::default();
    for index in 0..size {
        let branch = if index < fork { "" } else { " of another branch" };
        tree.push(leaf_hash(format!("entry {index}{branch}").as_bytes()));
    }
    tree
}

fn tree(size: u64) -> Tree {
    forked(size, size)
}

fn note(tree: &Tree) -> Note {
    let (size, root) = (tree.len(), tree.root());
    Note::parse(&Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&log())).unwrap()
}

fn request(tree: &Tree, old: u64) -> AddCheckpoint {
    client::request(&note(tree), tree, old)
}

fn ask(witness: &Witness, request: &AddCheckpoint) -> (u16, String) {
    let reply = witness.add_checkpoint(&request.encode(), TIME);
    assert_eq!(reply.fault.is_some(), reply.status == 500);
    (reply.status, reply.body)
}

fn fault<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> Untrusted {
    match result {
        Err(LedgerError::Untrusted { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn served(witness: Witness) -> Loopback {
    Loopback::start(move |path, body| {
        assert_eq!(path, "/add-checkpoint");
        let reply = witness.add_checkpoint(body, TIME);
        (reply.status, reply.content_type.to_owned(), reply.body.into_bytes())
    })
}

fn client(number: u8, url: &str) -> Client {
    Client::new(cosigner(number).key().clone(), url, Duration::from_secs(10)).unwrap()
}

#[test]
fn the_request_of_the_specification_is_read_and_written() {
    let text = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4UR\
        YN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCu\
        m2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::decode(text.as_bytes()).unwrap();
    assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
    assert_eq!(request.note.checkpoint().unwrap().size, 20_852_163);
    assert_eq!(request.encode(), text.as_bytes());
    for wrong in [
        text.replace("old 2", "old 02"),
        text.replace("old 2", "old +2"),
        text.replace("old ", "new "),
        text.replace("old ", "old  "),
        text.replace('\n', "\r\n"),
        text.replace("axw=", "axw").replace("pkaw=", "pkaw"),
        text.replacen("\n\n", "\n", 1),
        format!("\n{text}"),
        text.replace(
            "old 20852014\n",
            &format!("old 20852014\n{}", "A".repeat(43) + "=\n").repeat(64),
        ),
    ] {
        assert!(AddCheckpoint::decode(wrong.as_bytes()).is_err(), "{wrong}");
    }
    // Cut between its signatures it is a request with one of them, and nowhere else.
    let cuts =
        (0..text.len()).filter(|cut| AddCheckpoint::decode(&text.as_bytes()[..*cut]).is_ok());
    assert_eq!(cuts.collect::<Vec<_>>(), [text[..text.len() - 1].rfind('\n').unwrap() + 1]);
}

#[test]
fn every_status_is_as_the_protocol_says() {
    let directory = tempfile::tempdir().unwrap();
    let witness = witness(directory.path(), 0);
    assert_eq!(ask(&witness, &request(&tree(10), 0)).0, 200);
    // Another origin, another key, an old size above the new one, no request.
    let mut other = request(&tree(12), 10);
    let root = tree(12).root();
    let signed = |origin: &str, seed: u8, size| {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
        Note::parse(&checkpoint.sign(&Signer::from_seed(&[seed; 32]))).unwrap()
    };
    other.note = signed("example.org/other", 1, 12);
    assert_eq!(ask(&witness, &other).0, 404);
    other.note = signed(ORIGIN, 2, 12);
    assert_eq!(ask(&witness, &other).0, 403);
    other.note = signed(ORIGIN, 1, 9);
    assert_eq!(ask(&witness, &other).0, 400);
    assert_eq!(witness.add_checkpoint(b"old 10\n", TIME).status, 400);
    // What it has is told; also to one who has less than it.
    let reply = witness.add_checkpoint(&request(&tree(12), 3).encode(), TIME);
    assert_eq!((reply.status, reply.content_type), (409, "text/x.tlog.size"));
    assert_eq!(reply.body, "10\n");
    assert_eq!(ask(&witness, &request(&tree(8), 8)), (409, "10\n".to_owned()));
    // A wrong proof, a proof where none belongs, another root of the same size.
    let mut wrong = request(&tree(12), 10);
    wrong.proof.pop();
    assert_eq!(ask(&witness, &wrong).0, 422);
    let mut padded = request(&tree(10), 10);
    padded.proof.push(Digest::sha256(b""));
    assert_eq!(ask(&witness, &padded).0, 422);
    assert_eq!(ask(&witness, &request(&forked(10, 9), 10)).0, 422);
    // None of it has changed anything; the same again is cosigned again.
    assert_eq!(ask(&witness, &request(&tree(10), 10)).0, 200);
    assert_eq!(ask(&witness, &request(&tree(12), 10)).0, 200);
    assert_eq!(witness.last(ORIGIN).unwrap().unwrap().root, tree(12).root());
}

#[test]
fn an_empty_log_has_the_empty_root() {
    let directory = tempfile::tempdir().unwrap();
    let witness = witness(directory.path(), 0);
    let wrong = Checkpoint { origin: ORIGIN.to_owned(), size: 0, root: tree(1).root() };
    let note = Note::parse(&wrong.sign(&log())).unwrap();
    assert_eq!(ask(&witness, &AddCheckpoint { old: 0, proof: Vec::new(), note }).0, 422);
    assert_eq!(ask(&witness, &request(&tree(0), 0)).0, 200);
    let mut proof = request(&tree(3), 0);
    proof.proof.push(Digest::sha256(b""));
    assert_eq!(ask(&witness, &proof).0, 422);
    assert_eq!(ask(&witness, &request(&tree(3), 0)).0, 200);
}

#[test]
fn a_restarted_witness_refuses_rollback_fork_and_regrown_fork() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(ask(&witness(directory.path(), 0), &request(&tree(1000), 0)).0, 200);
    let witness = witness(directory.path(), 0);
    assert_eq!(witness.last(ORIGIN).unwrap().unwrap().size, 1000);
    assert_eq!(ask(&witness, &request(&tree(500), 500)), (409, "1000\n".to_owned()));
    assert_eq!(ask(&witness, &request(&forked(1000, 500), 1000)).0, 422);
    for size in [1001, 1500, 2048] {
        let tree = forked(size, 500);
        assert_eq!(ask(&witness, &request(&tree, 1000)).0, 422);
        assert_eq!(ask(&witness, &request(&tree, 500)).0, 409);
    }
    assert_eq!(ask(&witness, &request(&tree(1001), 1000)).0, 200);
}

#[test]
fn of_two_with_the_same_old_size_exactly_one_wins() {
    for round in 0..20_u64 {
        let directory = tempfile::tempdir().unwrap();
        let witnesses = [witness(directory.path(), 0), witness(directory.path(), 0)];
        assert_eq!(ask(&witnesses[0], &request(&tree(5), 0)).0, 200);
        // Two branches, by two threads of two processes' worth of handles.
        let requests = [request(&forked(9 + round, 5), 5), request(&tree(9 + round), 5)];
        let mut statuses: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = witnesses
                .iter()
                .zip(&requests)
                .map(|(witness, request)| scope.spawn(|| ask(witness, request).0))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let root = witnesses[0].last(ORIGIN).unwrap().unwrap().root;
        let winner = requests.iter().position(|r| r.note.checkpoint().unwrap().root == root);
        assert_eq!(statuses[winner.unwrap()], 200);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[test]
fn every_flipped_bit_of_a_request_and_of_the_state_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let witness = witness(directory.path(), 0);
    assert_eq!(ask(&witness, &request(&tree(6), 0)).0, 200);
    let body = request(&tree(9), 6).encode();
    for bit in 0..body.len() * 8 {
        let mut wrong = body.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(witness.add_checkpoint(&wrong, TIME).status, 200, "bit {bit}");
    }
    let path = witness.path(ORIGIN);
    let state = fs::read(&path).unwrap();
    for bit in 0..state.len() * 8 {
        let mut wrong = state.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, wrong).unwrap();
        assert_eq!(ask(&witness, &request(&tree(9), 6)).0, 500, "bit {bit}");
    }
    for cut in 0..state.len() {
        fs::write(&path, &state[..cut]).unwrap();
        assert_eq!(ask(&witness, &request(&tree(9), 6)).0, 500);
    }
    fs::write(&path, state).unwrap();
    assert_eq!(ask(&witness, &request(&tree(9), 6)).0, 200);
}

#[test]
fn a_client_takes_the_told_size_and_keeps_its_connection() {
    let directory = tempfile::tempdir().unwrap();
    let first = served(witness(directory.path(), 0));
    let client = client(0, &first.url());
    for size in [3, 3, 10, 700] {
        let line = client.cosign(&note(&tree(size)), &tree(size)).unwrap();
        let note = note(&tree(size));
        assert_eq!(client.key().verify_line(note.text(), &line, "here").unwrap(), TIME);
    }
    // A client that knows nothing is told 700.
    let fresh = self::client(0, &first.url());
    assert_eq!(fresh.size.load(Ordering::SeqCst), 0);
    fresh.cosign(&note(&tree(701)), &tree(701)).unwrap();
    assert_eq!(fresh.size.load(Ordering::SeqCst), 701);
    // A log that was rolled back, and one that forked, are told so.
    let rolled_back = Untrusted::RolledBack { seen: 701, found: 600 };
    assert_eq!(fault(client.cosign(&note(&tree(600)), &tree(600))), rolled_back);
    let fork = forked(800, 600);
    assert_eq!(fault(fresh.cosign(&note(&fork), &fork)), Untrusted::Forked);
    drop(first);
    let gone = fresh.cosign(&note(&tree(702)), &tree(702)).unwrap_err();
    assert!(gone.is_retryable(), "{gone:?}");
}

#[test]
fn a_client_believes_no_cosignature_that_it_cannot_verify() {
    let tree = tree(4);
    let text = note(&tree).text().to_owned();
    let other = note(&self::tree(3)).text().to_owned();
    let by = |number, text: &str| cosigner(number).cosign(text, TIME);
    let mut tampered = by(0, &text);
    tampered.signature[20] ^= 1;
    let renamed = crate::note::SignatureLine { name: "w1.example".to_owned(), ..by(0, &text) };
    for (body, expected) in [
        (format!("{}\n", by(1, &text)), Untrusted::Signer),
        (format!("{}\n", by(0, &other)), Untrusted::Signature),
        (format!("{tampered}\n"), Untrusted::Signature),
        (format!("{renamed}\n"), Untrusted::Signer),
        (String::new(), Untrusted::Signer),
        ("\u{2014} w0.example\n".to_owned(), Untrusted::Signer),
    ] {
        let server = Loopback::start(move |_, _| (200, String::new(), body.clone().into_bytes()));
        assert_eq!(fault(client(0, &server.url()).cosign(&note(&tree), &tree)), expected);
    }
    // Lines of others beside the right one do no harm.
    let both = format!("{}\n{}\n", by(1, &text), by(0, &text));
    let server = Loopback::start(move |_, _| (200, String::new(), both.clone().into_bytes()));
    assert_eq!(client(0, &server.url()).cosign(&note(&tree), &tree).unwrap(), by(0, &text));
}

#[test]
fn a_witness_that_tells_nonsense_is_given_up() {
    let tree = tree(4);
    for (status, content_type, body) in [
        (409, "text/x.tlog.size", "x\n"),
        (409, "text/x.tlog.size", "3"),
        (409, "text/x.tlog.size", "03\n"),
        (409, "text/x.tlog.size", "2\n"),
        (403, "", ""),
        (500, "", ""),
        (301, "", ""),
    ] {
        let server = Loopback::start(move |_, _| (status, content_type.to_owned(), body.into()));
        let error = client(0, &server.url()).cosign(&note(&tree), &tree).unwrap_err();
        let is_refusal =
            matches!(error, LedgerError::Answered { status: said, .. } if said == status);
        assert!(is_refusal || matches!(error, LedgerError::Malformed { .. }), "{error:?}");
    }
    assert!(Client::new(cosigner(0).key().clone(), "ftp://x", Duration::from_secs(1)).is_err());
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]
    #[test]
    fn a_witness_only_goes_forward_on_one_branch(
        steps in prop::collection::vec((0_u64..80, 0_u64..80, 0_u64..80), 1..30)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let witness = witness(directory.path(), 0);
        // What it must have: the size, and the tree that it has seen up to there.
        let mut seen = Tree::default();
        for (size, fork, old) in steps {
            let next = forked(size, fork);
            let status = ask(&witness, &request(&next, old)).0;
            let continues = next.root_at(seen.len()) == Some(seen.root());
            let expected = if old > size {
                400
            } else if old != seen.len() {
                409
            } else if continues {
                200
            } else {
                422
            };
            prop_assert_eq!(status, expected, "{} of fork {} from {}", size, fork, old);
            if status == 200 {
                seen = next;
            }
            let last = witness.last(ORIGIN).unwrap();
            let (size, root) = last.map_or((0, Tree::default().root()), |it| (it.size, it.root));
            prop_assert_eq!((size, root), (seen.len(), seen.root()));
        }
    }
}

/// Three witnesses, at these addresses, of which two are enough.
fn cosigners(urls: [&str; 3], timeout: Duration) -> Cosigners {
    let line =
        |(number, url): (u8, &str)| format!("witness w{number} {} {url}\n", cosigner(number).key());
    let lines: String = (0..3).zip(urls).map(line).collect();
    let policy = Policy::parse(&format!("{lines}group g 2 w0 w1 w2\nquorum g\n")).unwrap();
    Cosigners::new(policy, timeout).unwrap()
}

fn two_of_three(urls: [&str; 3]) -> Cosigners {
    cosigners(urls, Duration::from_secs(10))
}

#[test]
fn two_of_three_are_enough_and_one_is_not() {
    let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let serve = |number: u8| served(witness(directories[usize::from(number)].path(), number));
    let (a, b, c) = (serve(0), serve(1), serve(2));
    let cosigners = two_of_three([&a.url(), &b.url(), &c.url()]);
    let gather = |tree: &Tree| cosigners.gather(&note(tree).to_string(), &log_key(), tree);
    let cosigned = gather(&tree(5)).unwrap();
    let approved = cosigners.policy().verify(&cosigned, Some(&log_key()), "here").unwrap();
    assert!((2..=3).contains(&approved.cosigned.len()));
    drop(c);
    gather(&tree(8)).unwrap();
    drop(b);
    let error = gather(&tree(9)).unwrap_err();
    assert!(matches!(&error, LedgerError::Unwitnessed { detail } if detail.contains("w1: ")));
    assert!(error.is_retryable());
    // The first has seen 9 by now. The log may go on, and not back.
    let b = serve(1);
    let cosigners = two_of_three([&a.url(), &b.url(), "http://127.0.0.1:9"]);
    let gather = |tree: &Tree| cosigners.gather(&note(tree).to_string(), &log_key(), tree);
    assert_eq!(fault(gather(&tree(8))), Untrusted::RolledBack { seen: 9, found: 8 });
    gather(&tree(9)).unwrap();
    let fork = forked(11, 7);
    assert_eq!(fault(gather(&fork)), Untrusted::Forked);
}

#[test]
fn a_witness_that_hangs_holds_up_nobody_while_the_others_are_enough() {
    let directories: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let serve = |number: u8| served(witness(directories[usize::from(number)].path(), number));
    let (a, b) = (serve(0), serve(1));
    let (end, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let c = Loopback::start(move |_, _| {
        // Until the test is over.
        assert!(gate.lock().unwrap().recv().is_err());
        (500, String::new(), Vec::new())
    });
    // Whoever waited for the third would wait an hour.
    let cosigners = cosigners([&a.url(), &b.url(), &c.url()], Duration::from_secs(3600));
    for size in [4, 5, 600] {
        let text = note(&tree(size)).to_string();
        cosigners.gather(&text, &log_key(), &tree(size)).unwrap();
    }
    drop(end);
}

#[test]
fn a_policy_must_ask_for_witnesses_and_say_where_enough_of_them_are() {
    let directory = tempfile::tempdir().unwrap();
    let server = served(witness(directory.path(), 0));
    let (a, b) = (cosigner(0).key().clone(), cosigner(1).key().clone());
    let lines = format!("witness a {a} {}\nwitness b {b}\n", server.url());
    let new = |quorum: &str| {
        let policy = Policy::parse(&format!("{lines}{quorum}\n")).unwrap();
        Cosigners::new(policy, Duration::from_secs(10))
    };
    for quorum in ["quorum none", "quorum b", "group g all a b\nquorum g"] {
        assert!(matches!(new(quorum), Err(LedgerError::Malformed { what: "policy", .. })));
    }
    for quorum in ["quorum a", "group g any a b\nquorum g"] {
        let text = note(&tree(2)).to_string();
        let cosigned = new(quorum).unwrap().gather(&text, &log_key(), &tree(2)).unwrap();
        assert_eq!(Note::parse(&cosigned).unwrap().signatures().len(), 2);
    }
}
