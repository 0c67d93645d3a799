//! A scheduler and executors on loopback: the same exact sums as here, whoever is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ledger_adapter::digest::Digest;
use ledger_adapter::ledger::Ledger as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::aggregate::{self, Place};
use crate::cluster::directory::WorkDirectory;
use crate::cluster::node::{ExecutorTerms, execute, schedule};
use crate::cluster::{Cluster, ClusterError, MEMBER, Papers};
use crate::engine::Query;
use crate::error::{Code, Error};
use crate::privacy::candidates::Candidates;
use crate::privacy::functions::Own;
use crate::privacy::range::Range;
use crate::privacy::relation::ContributionBounds;
use crate::scan::gate::VerifiedScan;
use crate::scan::public::settle;
use crate::tests::admitted::persons;
use crate::tests::fixture::{World, block_on, clinic, exact, exact_at, world};
use crate::tests::generator::{query, with_views};
use crate::tests::sensitivity::{Said, database, number, seeded};

/// Seconds after which an executor is lost.
const LOST_AFTER: u64 = 6;

/// An authority, and certificates that it gave.
fn authority() -> impl Fn(&str) -> Papers {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    move |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Papers {
            authority: authority.clone().into_bytes(),
            certificate: params.signed_by(&key, &issuer).unwrap().pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        }
    }
}

/// A process of a cluster: it ends at once when it is dropped, and says nothing to anybody.
struct Process(Option<Runtime>);

impl Process {
    fn new() -> Self {
        Self(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()))
    }

    fn listen(&self) -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0");
        self.0.as_ref().unwrap().block_on(listener).unwrap()
    }

    fn run(&self, work: impl Future<Output = Result<(), ClusterError>> + Send + 'static) {
        self.0.as_ref().unwrap().spawn(async { work.await.unwrap() });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

struct Members {
    cluster: Cluster,
    address: String,
    executors: Vec<(Process, PathBuf)>,
    papers: Papers,
    /// Of the same authority, and no member.
    other: Papers,
    directory: TempDir,
    _scheduler: Process,
}

impl Members {
    fn new(executors: usize) -> Self {
        let authority = authority();
        let (papers, other) = (authority(MEMBER), authority("site-1"));
        let scheduler = Process::new();
        let listener = scheduler.listen();
        let address = listener.local_addr().unwrap().to_string();
        scheduler.run(schedule(listener, papers.clone(), LOST_AFTER));
        let cluster = Cluster::new(&address, papers.clone(), Duration::from_secs(30));
        let (executors_made, directory) = (Vec::new(), TempDir::new().unwrap());
        let mut members = Self {
            cluster,
            address,
            executors: executors_made,
            papers,
            other,
            directory,
            _scheduler: scheduler,
        };
        (0..executors).for_each(|_| members.join());
        members
    }

    /// One executor more.
    fn join(&mut self) {
        let process = Process::new();
        let directory = self.directory.path().join(format!("e{}", self.executors.len()));
        let terms = ExecutorTerms {
            host: None,
            scheduler: self.address.clone(),
            directory: WorkDirectory::claim(&directory).unwrap(),
            cores: 1,
            memory: 64 << 20,
        };
        process.run(execute(process.listen(), terms, self.papers.clone()));
        self.executors.push((process, directory));
    }
}

fn place<'a>(members: &'a Members, world: &'a World) -> Place<'a> {
    Place::Cluster(&members.cluster, world.engine.catalog())
}

/// Files of sums below a directory.
fn sums_in(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let count = |path: PathBuf| if path.is_dir() { sums_in(&path) } else { 1 };
    entries.filter_map(|entry| Some(count(entry.ok()?.path()))).sum()
}

#[test]
fn a_cluster_comes_to_the_same_cells() {
    let members = Members::new(2);
    let queries = number("GRAUNT_CLUSTER_QUERIES", 24);
    let mut random = seeded(71);
    let (mut asked, mut admitted) = (0, 0);
    while asked < queries {
        let mut persons = database(&mut random);
        if asked % 16 == 8 {
            persons.reverse();
        }
        let tables = clinic(&persons);
        let world = with_views(std::slice::from_ref(&tables));
        for _ in 0..8 {
            let Query { text, bounds, .. } = query(&mut random, 1.0);
            let _said = Said(&text);
            asked += 1;
            let Ok(here) = exact(&world, &text, bounds, 2) else { continue };
            admitted += 1;
            assert_eq!(exact_at(&world, &text, bounds, place(&members, &world)).unwrap(), here);
        }
    }
    assert!(admitted * 3 > asked, "only {admitted} of {asked}");
}

/// Groups, joins, subqueries, quantiles, values counted once, dates, public parts.
const QUERIES: &[&str] = &[
    "SELECT region, COUNT(*), SUM(days), AVG(days) FROM visit GROUP BY region",
    "SELECT p.sex, COUNT(DISTINCT v.person_id), MEDIAN(v.days) FROM visit v JOIN person p ON \
     v.person_id = p.person_id GROUP BY p.sex",
    "SELECT COUNT(DISTINCT region), APPROX_PERCENTILE_CONT(days, 0.9) FROM visit",
    "SELECT COUNT(*) FROM (SELECT person_id, SUM(days) AS d FROM visit GROUP BY person_id) \
     WHERE d > 5",
    "SELECT COUNT(*) FROM visit WHERE days > (SELECT 2)",
    "SELECT EXTRACT(YEAR FROM visit_date + INTERVAL '1 month') AS y, COUNT(*) FROM visit GROUP BY \
     y",
];

#[test]
fn sites_are_merged_there_as_here() {
    let members = Members::new(2);
    let all = persons();
    let site =
        |rest: i64| clinic(&all.iter().filter(|p| p.id % 3 != rest).cloned().collect::<Vec<_>>());
    let world = world(&[site(0), site(1), site(2)], 4);
    let bounds = ContributionBounds { rows_per_person: Some(3), ..ContributionBounds::default() };
    let mut admitted = 0;
    for sql in QUERIES {
        let _said = Said(sql);
        match exact(&world, sql, bounds, 2) {
            Ok(here) => {
                admitted += 1;
                assert_eq!(exact_at(&world, sql, bounds, place(&members, &world)).unwrap(), here);
            }
            Err(error) => eprintln!("{sql}: {error}"),
        }
    }
    assert!(admitted >= 4, "{admitted}");
}

#[test]
fn an_executor_that_is_lost_with_its_sums_changes_nothing() {
    let mut members = Members::new(1);
    // So many that the job is far from done when the first of them are.
    let world = world(&[clinic(&persons())], 240);
    let sql = "SELECT region, COUNT(*), SUM(days) FROM visit GROUP BY region";
    let bounds = ContributionBounds::default();
    let here = exact(&world, sql, bounds, 1).unwrap();
    let there = std::thread::scope(|scope| {
        let (cluster, world) = (members.cluster.clone(), &world);
        let asked = scope.spawn(move || {
            let place = Place::Cluster(&cluster, world.engine.catalog());
            exact_at(world, sql, bounds, place).unwrap()
        });
        // The first is lost when it has computed something, and before all of it was fetched.
        let (first, directory) = members.executors.pop().unwrap();
        let since = Instant::now();
        while sums_in(&directory) < 2 {
            assert!(since.elapsed() < Duration::from_secs(20), "nothing is computed");
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(first);
        assert!(!asked.is_finished());
        fs::remove_dir_all(&directory).unwrap();
        members.join();
        asked.join().unwrap()
    });
    assert_eq!(there, here);
}

#[test]
fn a_changed_byte_is_found_by_whoever_reads_it() {
    let members = Members::new(1);
    let world = world(&[clinic(&persons())], 2);
    let bounds = ContributionBounds::default();
    let text = "SELECT COUNT(*) FROM visit WHERE days > 1".to_owned();
    let query = Query { text, epsilon: 1.0, delta: 1e-6, bounds };
    let engine = &world.engine;
    let failed = block_on(async {
        let priced = engine.plan(&query).await.unwrap();
        engine.check(&priced).unwrap();
        let settled = settle(engine.catalog(), &priced, &engine.session, None).await.unwrap();
        let (charged, _, _) = engine.charge(&priced, priced.plan.digest).unwrap();
        let scan = VerifiedScan::open(engine.catalog(), &priced, &settled, &charged).unwrap();
        // Between the check and the work.
        let file = world.directory.path().join("site-0/visit/bucket-001.parquet");
        let mut bytes = fs::read(&file).unwrap();
        bytes[40] ^= 1;
        fs::write(&file, bytes).unwrap();
        let choice = Digest::sha256(b"fixed");
        let place = place(&members, &world);
        aggregate::run(&priced, scan, &engine.session, choice, place).await.map(|_| ())
    });
    let said = crate::error::chain(&failed.unwrap_err());
    assert!(said.contains("gave up"), "{said}");
}

#[test]
fn who_has_no_certificate_of_the_authority_is_no_member() {
    let members = Members::new(1);
    let world = world(&[clinic(&persons())], 2);
    let reach = |papers: Papers| {
        let cluster = Cluster::new(&members.address, papers, Duration::from_secs(20));
        block_on(cluster.reach(world.engine.catalog()))
    };
    reach(members.papers.clone()).unwrap();
    // Somebody else, of the same authority.
    let said = reach(members.other.clone()).unwrap_err().to_string();
    assert!(said.contains("not that of a member"), "{said}");
    let stranger = authority()(MEMBER);
    assert!(matches!(reach(stranger.clone()), Err(ClusterError::Unreachable { .. })));
    // With the right authority and no certificate of it, a caller is not heard.
    let half = Papers { authority: members.papers.authority.clone(), ..stranger };
    let cluster = Cluster::new(&members.address, half, Duration::from_secs(1));
    let engine = World { engine: world.engine.with_cluster(cluster), ..world };
    let bounds = ContributionBounds::default();
    let text = "SELECT COUNT(*) FROM visit".to_owned();
    let query = Query { text, epsilon: 1.0, delta: 1e-6, bounds };
    let refused = block_on(engine.engine.answer(&query));
    let is_refused = matches!(refused, Err(Error::Cluster(ClusterError::Unreachable { .. })));
    assert!(is_refused, "{refused:?}");
}

/// Asks a cluster, and sees that nothing is charged.
fn refused(cluster: Cluster, sql: &str) -> Error {
    let world = world(&[clinic(&persons())], 2);
    let world = World { engine: world.engine.with_cluster(cluster), ..world };
    let bounds = ContributionBounds::default();
    let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
    let left = || world.ledger.remaining(world.engine.catalog().account()).unwrap();
    let had = left();
    let refused = block_on(world.engine.answer(&query)).unwrap_err();
    assert_eq!(left(), had);
    refused
}

#[test]
fn a_cluster_that_is_not_there_costs_nothing() {
    let nowhere = Cluster::new("127.0.0.1:9", authority()(MEMBER), Duration::from_secs(1));
    // A scheduler alone takes work that nobody does.
    let alone = Members::new(0);
    let alone = Cluster::new(&alone.address, alone.papers.clone(), Duration::from_secs(2));
    for cluster in [nowhere, alone] {
        let refused = refused(cluster, "SELECT COUNT(*) FROM visit");
        let is_told = matches!(refused, Error::Cluster(ClusterError::Unreachable { .. }));
        assert!(is_told, "{refused:?}");
    }
}

#[test]
fn what_has_no_bytes_is_refused_before_it_is_charged() {
    let members = Members::new(1);
    for call in ["COUNT(*) FILTER (WHERE days > 3)", "SUM(days) FILTER (WHERE region = 'n')"] {
        let sql = format!(
            "SELECT SUM(r) AS s FROM (SELECT person_id, {call} OVER (PARTITION BY person_id) AS r \
             FROM visit) t WHERE r BETWEEN 0 AND 100"
        );
        match refused(members.cluster.clone(), &sql) {
            Error::Rejected(refusal) => assert_eq!(refusal.code, Code::Operator, "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn functions_are_read_as_they_were_written() {
    let range = Range::new(-0.3, 17.000_000_000_000_004, 7).unwrap();
    let candidates = Candidates::of(range).unwrap();
    for own in
        [Own::Kept, Own::Grid { lower: -3, upper: i64::MAX, decimals: 9 }, Own::Bin(candidates)]
    {
        let bytes = serde_json::to_vec(&own).unwrap();
        let read: Own = serde_json::from_slice(&bytes).unwrap();
        let (function, again) = (own.function(), read.function());
        assert_eq!(function, again);
        assert_eq!(serde_json::to_vec(&Own::of(&again).unwrap()).unwrap(), bytes);
    }
}

#[test]
fn what_a_cluster_brings_along_is_not_asked_of() {
    // Ballista has functions of DataFusion built in that we have not.
    let world = world(&[clinic(&persons())], 2);
    for call in ["md5(sex)", "sha256(sex)", "digest(sex, 'md5')"] {
        let sql = format!("SELECT COUNT(*) FROM person WHERE {call} IS NOT NULL");
        match exact(&world, &sql, ContributionBounds::default(), 1) {
            Err(Error::Rejected(refusal)) => assert_eq!(refusal.code, Code::Function, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
