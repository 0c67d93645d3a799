//! Receipts from fixed seeds: what they say, how they are signed, and the log that they are in.
//!
//! The log has no rules, as that of a lying operator has none.

use ledger_adapter::charge::{AccountEffect, Attestation, ChargeRequest, Finality, Opening};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::keys::Signer;
use ledger_adapter::manifest::{
    Bounds, ColumnKind, ColumnManifest, FileManifest, KeyValue, Manifest, PolicyEvidence, Rows,
    TableManifest,
};
use ledger_adapter::note::{Checkpoint, VerifierKey};
use ledger_adapter::proof::{LogProof, ProvedEntry};
use ledger_adapter::receipt::Receipt;
use ledger_adapter::receipt::redacted::RedactedReceipt;
use ledger_adapter::statement::{
    DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, EXPONENTIAL, Envelope, Intent, KEY_SELECTION,
    MechanismRecord, ReleasePredicate, ReleasedTable, extract_statement, intent_commitment,
    release_commitment, release_statement,
};
use ledger_adapter::tree::{Tree, leaf_hash};
use serde_json::{Value, json};

use crate::witness;

/// Bytes of one kind only, as a digest.
pub(crate) fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

pub(crate) fn cost(rho: u64, delta: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
}

/// The key of a role; the roles are numbered.
pub(crate) fn signer(role: u8) -> Signer {
    Signer::from_seed(&[role; 32])
}

/// The site called city.
pub(crate) const CITY: u8 = 1;
/// Whoever signs releases.
pub(crate) const ENGINE: u8 = 2;
/// The log.
pub(crate) const LOG: u8 = 3;
/// The site called lake.
pub(crate) const LAKE: u8 = 4;
/// What signed for city once, until another key took its place.
pub(crate) const RETIRED: u8 = 7;
/// What signed the log once, until it had [`FORMER_SIZE`] entries.
pub(crate) const FORMER: u8 = 8;
/// Nobody whom the policy knows.
pub(crate) const STRANGER: u8 = 9;

/// Entries under the checkpoint that both keys of the log signed.
pub(crate) const FORMER_SIZE: u64 = 4;

/// The name of the log.
pub(crate) const ORIGIN: &str = "example.org/graunt";

/// The file that says whom to trust.
pub(crate) fn policy() -> Value {
    let [log, former] =
        [LOG, FORMER].map(|role| VerifierKey::new(ORIGIN, signer(role).public()).unwrap());
    let former = former.to_string();
    let key = |role: u8| signer(role).public();
    json!({
        "version": 1,
        "log_policy": [
            "# Two witnesses, and both must have seen the log.",
            format!("log {log} https://log.example.org/"),
            format!("log {former}"),
            format!("witness north {}", witness::vkey(witness::NORTH)),
            format!("witness south {}", witness::vkey(witness::SOUTH)),
            "group both all north south",
            "quorum both",
        ],
        "former_logs": [{"key": former, "size": FORMER_SIZE}],
        "sites": [
            {
                "name": "city",
                "keys": [key(CITY), key(RETIRED)],
                "retired": [{"key": key(RETIRED), "from": 1}],
            },
            {"name": "lake", "keys": [key(LAKE)]},
        ],
        "release": [key(ENGINE)],
    })
}

/// An extract, and how it is put on the ledger.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) manifest: Manifest,
    pub(crate) attestation: Attestation,
    pub(crate) signer: u8,
}

impl Input {
    pub(crate) fn new(manifest: Manifest, signer: u8) -> Self {
        let envelope = sign(&manifest, signer);
        let attestation = Attestation {
            root: envelope.payload_digest().unwrap(),
            account: manifest.account,
            key: self::signer(signer).public().keyid(),
            expires_day: manifest.expires_day,
        };
        Self { manifest, attestation, signer }
    }
}

fn sign(manifest: &Manifest, role: u8) -> Envelope {
    Envelope::sign(&extract_statement(manifest.clone()), &signer(role)).unwrap()
}

/// Everything that a receipt follows from.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) inputs: Vec<Input>,
    pub(crate) intent: Intent,
    pub(crate) request: ChargeRequest,
    pub(crate) opening: Opening,
    pub(crate) predicate: ReleasePredicate,
    /// Who signs the release.
    pub(crate) releaser: u8,
    /// Other entries of the log before each of ours.
    pub(crate) between: usize,
    /// Rounds in which a set of contributions was opened.
    pub(crate) rounds: Vec<u32>,
    /// Whether the last input takes the place of an extract.
    pub(crate) supersedes: bool,
}

impl Case {
    fn new(inputs: Vec<Input>, intent: Intent, table: ReleasedTable, before: Cost) -> Self {
        let commitment = intent_commitment(&digest(8), &intent).unwrap();
        let cap = cost(intent.cost.rho.nano() / 2 * 5, 100);
        let effect = AccountEffect {
            account: intent.account,
            cost: intent.cost,
            spent_before: before,
            spent_after: before.checked_add(intent.cost).unwrap(),
            cap,
        };
        Self {
            request: ChargeRequest {
                query: intent.query,
                items: vec![(intent.account, intent.cost)],
                intent: commitment,
                inputs: intent.inputs.clone(),
                day: intent.day,
            },
            opening: Opening { account: intent.account, cap },
            predicate: ReleasePredicate {
                query: intent.query,
                intent: commitment,
                effects: vec![effect],
                table,
                notes: vec!["one key was suppressed".to_owned()],
                finality: Finality::Witnessed,
                mechanisms: vec![],
            },
            inputs,
            intent,
            releaser: ENGINE,
            between: 0,
            rounds: vec![],
            supersedes: false,
        }
    }

    /// Brings charge and release in line again after the intent was changed.
    pub(crate) fn recommit(&mut self) {
        let commitment = intent_commitment(&digest(8), &self.intent).unwrap();
        self.request.intent = commitment;
        self.predicate.intent = commitment;
    }

    /// The entries of the receipt, in the order of the log.
    fn entries(&self, release: &Envelope) -> Vec<Entry> {
        let commitment = release_commitment(&digest(9), release).unwrap();
        let mut entries = vec![Entry::Open(self.opening.clone())];
        for (at, input) in self.inputs.iter().enumerate() {
            let new = input.attestation.clone();
            entries.push(if self.supersedes && at + 1 == self.inputs.len() {
                Entry::Supersede { old: digest(0xaa), new }
            } else {
                Entry::Attest(new)
            });
        }
        entries.push(Entry::Charge(self.request.clone()));
        for round in &self.rounds {
            let root = Digest::sha256(&round.to_be_bytes());
            entries.push(Entry::Commit { query: self.request.query, round: *round, root });
        }
        entries.push(Entry::Release { query: self.request.query, commitment });
        entries
    }

    /// The receipt of what the case says, true or not.
    pub(crate) fn receipt(&self) -> Receipt {
        let statement = release_statement(self.predicate.clone()).unwrap();
        let release = Envelope::sign(&statement, &signer(self.releaser)).unwrap();
        let extracts = self.inputs.iter().map(|input| sign(&input.manifest, input.signer));
        let mut keys = vec![signer(self.releaser).public()];
        keys.extend(self.inputs.iter().map(|input| signer(input.signer).public()));
        Receipt {
            version: 1,
            release_salt: digest(9),
            intent: self.intent.clone(),
            intent_salt: digest(8),
            extracts: extracts.collect(),
            keys,
            log: proof(&bytes(&self.entries(&release)), self.between, LOG),
            release,
        }
    }
}

/// What is left of a receipt, under a log that goes on after it.
pub(crate) fn redacted(receipt: &Receipt) -> RedactedReceipt {
    let mut entries = written(receipt);
    entries.push(Entry::Redact { query: receipt.intent.query }.encode());
    receipt.redact(proof(&entries, 2, LOG)).unwrap()
}

/// The exact entries of a receipt.
pub(crate) fn written(receipt: &Receipt) -> Vec<Vec<u8>> {
    receipt.log.entries.iter().map(|proved| proved.entry.clone().into_bytes()).collect()
}

/// The encodings of entries.
fn bytes(entries: &[Entry]) -> Vec<Vec<u8>> {
    entries.iter().map(Entry::encode).collect()
}

/// The plain receipt, from before another key took the place of the log's.
pub(crate) fn former() -> Receipt {
    let mut receipt = plain().receipt();
    receipt.log = proof(&written(&receipt), 0, FORMER);
    receipt
}

/// Proves entries of a log that has others before, between and after them.
pub(crate) fn proof(entries: &[Vec<u8>], between: usize, log: u8) -> LogProof {
    let other = |index: usize| {
        let root = Digest::sha256(&index.to_be_bytes());
        Entry::Revoke { root }.encode()
    };
    let (mut tree, mut indices) = (Tree::default(), Vec::new());
    for entry in entries {
        (0..between).for_each(|at| tree.push(leaf_hash(&other(at))));
        indices.push(tree.len());
        tree.push(leaf_hash(entry));
    }
    (0..between).for_each(|at| tree.push(leaf_hash(&other(at))));
    let key = VerifierKey::new(ORIGIN, signer(log).public()).unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: tree.len(), root: tree.root() };
    let note = checkpoint.sign(&signer(log));
    let prove = |(index, entry): (&u64, &Vec<u8>)| ProvedEntry {
        index: *index,
        entry: String::from_utf8(entry.clone()).unwrap(),
        path: tree.inclusion(*index, tree.len()).unwrap(),
    };
    LogProof {
        checkpoint: witness::cosigned(&note, &[witness::NORTH, witness::SOUTH]),
        vkey: key.to_string(),
        entries: indices.iter().zip(entries).map(prove).collect(),
    }
}

fn manifest(site: &str, tables: Vec<TableManifest>) -> Manifest {
    Manifest {
        version: 1,
        extract: Digest::sha256(site.as_bytes()),
        population: "north".to_owned(),
        account: digest(4),
        site: site.to_owned(),
        data_model: "OMOP-CDM-5.4".to_owned(),
        key_epoch: "2026".to_owned(),
        policy: PolicyEvidence {
            name: "safe-harbor".to_owned(),
            basis: "45 CFR 164.514(b)(2)".to_owned(),
            digest: digest(5),
            actions: vec!["dates to the year".to_owned()],
        },
        persons_min: 0,
        buckets: 1,
        tables,
        supersedes: None,
        issued_day: 20_000,
        expires_day: 20_100,
    }
}

fn column(name: &str, kind: ColumnKind, domain: Option<Vec<KeyValue>>) -> ColumnManifest {
    let bounds = Some(Bounds { lower: -5, upper: i64::MAX, scale: 2 });
    let person_total = domain.is_none().then_some(Bounds { lower: 0, upper: 9, scale: 0 });
    let generalised = Some("dates to the year".to_owned());
    let name = name.to_owned();
    ColumnManifest { name, kind, nullable: true, bounds, person_total, domain, generalised }
}

/// One table of people and one about nobody.
fn tables() -> Vec<TableManifest> {
    let file = |path: &str| FileManifest {
        path: path.to_owned(),
        bytes: 7_654_321,
        blake3: Digest::sha256(path.as_bytes()),
    };
    let keys = vec![KeyValue::Integer(8_507), KeyValue::Text("f\u{e9}m".to_owned())];
    vec![
        TableManifest {
            name: "person".to_owned(),
            rows: Rows::PerPerson { unit: "person_id".to_owned(), rows_per_person_max: 1 },
            columns: vec![
                column("gender_concept_id", ColumnKind::Integer, Some(keys)),
                column("weight", ColumnKind::Float, None),
            ],
            files: vec![file("person/bucket-000.parquet")],
        },
        TableManifest {
            name: "concept".to_owned(),
            rows: Rows::Public,
            columns: vec![],
            files: vec![file("concept/bucket-000.parquet")],
        },
    ]
}

fn mechanism(name: &str, scale: (u64, u8), rho: u64) -> MechanismRecord {
    MechanismRecord {
        column: name.to_owned(),
        mechanism: name.to_owned(),
        sensitivity: 1,
        groups_per_person: 2,
        scale_numerator: scale.0,
        scale_log2_denominator: scale.1,
        rho: Rho::from_nano(rho),
        delta: Delta::from_atto(0),
        decimal_places: 0,
        threshold: Some(30),
    }
}

fn intent(inputs: &[Input], sql: &str, mechanisms: Vec<MechanismRecord>) -> Intent {
    let sum = mechanisms.iter().map(|record| record.rho.nano()).sum();
    Intent {
        version: 1,
        query: digest(6),
        sql: sql.to_owned(),
        plan: digest(7),
        engine: "graunt 0.1.0".to_owned(),
        inputs: inputs.iter().map(|input| input.attestation.root).collect(),
        cost: cost(sum, 5),
        account: digest(4),
        mechanisms,
        day: 20_050,
    }
}

/// One site, one column, a log of four entries.
pub(crate) fn plain() -> Case {
    let inputs = vec![Input::new(manifest("city", vec![]), CITY)];
    let sql = "select year, count(*) as n from visit_occurrence group by 1";
    // 2·1²/(2·10²)
    let intent = intent(&inputs, sql, vec![mechanism(DISCRETE_GAUSSIAN, (20, 1), 10_000_000)]);
    let table = ReleasedTable {
        columns: vec!["year".to_owned(), "n".to_owned()],
        rows: vec![vec![json!(2024), json!(104.25)]],
        lower: vec![vec![json!(null), json!(90.1)]],
        upper: vec![vec![json!(null), json!(118.3)]],
    };
    Case::new(inputs, intent, table, cost(0, 0))
}

/// The plain one, as two sites would answer it together, in two rounds.
pub(crate) fn joint() -> Case {
    Case { rounds: vec![0, 255], ..plain() }
}

/// Two sites, every mechanism, a bound that was chosen privately, text and numbers that are easily
/// written in two ways, and a log with others' entries.
pub(crate) fn wide() -> Case {
    let mut lake = manifest("lake", tables());
    lake.persons_min = 11;
    lake.supersedes = Some(digest(0xab));
    let inputs = vec![Input::new(manifest("city", tables()), CITY), Input::new(lake, LAKE)];
    let sql = "select \"f\u{e9}m\", '\u{1f600}\u{2028}\u{1}\t\\' /* \u{ffff} \u{10000} */";
    let mut keys = mechanism(KEY_SELECTION, (1, 0), 1 << 60);
    keys.threshold = None;
    keys.delta = Delta::from_atto(5);
    let reserved = vec![
        mechanism(DISCRETE_GAUSSIAN, (20, 1), 10_000_000),
        // 2·tanh(1/2), rounded up.
        mechanism(DISCRETE_LAPLACE, (1, 0), 924_234_315),
        // 2·(5/4)²/8
        mechanism(EXPONENTIAL, (5, 2), 390_625_000),
        keys,
        // Chosen privately: sensitivity and scale are for the release to say.
        MechanismRecord {
            sensitivity: 0,
            scale_numerator: 0,
            ..mechanism(DISCRETE_GAUSSIAN, (1, 0), 9_007_199_254_740_993)
        },
    ];
    let mut stated = reserved.clone();
    stated[0].threshold = Some(i64::MIN);
    stated[4].sensitivity = (1 << 53) + 1;
    stated[4].scale_numerator = u64::MAX;
    let mut case = Case::new(inputs.clone(), intent(&inputs, sql, reserved), numbers(), cost(1, 2));
    case.predicate.mechanisms = stated;
    case.between = 7;
    case.supersedes = true;
    case
}

/// A table of numbers at every turn of how they are written.
fn numbers() -> ReleasedTable {
    let values = [
        json!(u64::MAX),
        json!(i64::MIN),
        json!(9_007_199_254_740_993_u64),
        json!(0),
        json!(0.0),
        json!(-0.0),
        json!(1.0),
        json!(-104.25),
        json!(0.1),
        json!(1.0 / 3.0),
        json!(1e15),
        json!(1.5e15),
        json!(9_007_199_254_740_993.0),
        json!(1e16),
        json!(1.25e16),
        json!(1e17),
        json!(1e21),
        json!(1.797_693_134_862_315_7e308),
        json!(5e-324),
        json!(2.5e-7),
        json!(1e-7),
        json!(1e-6),
        json!(1.5e-6),
        json!(1e-5),
        json!(0.000_123_4),
        json!(1e-4),
        json!(1e100),
        json!(1.234e-100),
        json!("1e16"),
        json!(true),
        json!(null),
        json!({"\u{ffff}": 1, "\u{10000}": 2, "": [{}], "a\"\\/\u{7f}\u{1f}": 0.5}),
    ];
    // Bits of a digest: every size and length of digits.
    let digest = |index: u64| Digest::sha256(&index.to_be_bytes());
    let bits = |index| u64::from_be_bytes(*digest(index).as_bytes().first_chunk().unwrap());
    let drawn = (0..80).map(|index| f64::from_bits(bits(index))).filter(|value| value.is_finite());
    let rows: Vec<_> =
        values.into_iter().chain(drawn.map(Value::from)).map(|value| vec![value]).collect();
    let nothing = vec![vec![json!(null)]; rows.len()];
    ReleasedTable {
        columns: vec!["value".to_owned()],
        rows,
        lower: nothing.clone(),
        upper: nothing,
    }
}
