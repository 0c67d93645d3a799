//! A cluster of processes: the answers of one machine, whoever is killed.

use std::fs;

use crate::support::{Place, Server};

/// A home with records of one site, and certificates for a cluster.
fn place() -> Place {
    let place = Place::new();
    place.done(&["cohort", "--persons", "300", "--sites", "1", "--seed", "3", "--out", "raw"]);
    place.extract("raw/site-1", "site-1", "out");
    place.done(&["budget", "open", "--population", "town", "--rho", "100000", "--delta", "0.01"]);
    place.done(&["keys", "authority", "ca"]);
    let name = ["--name", "cluster", "--out", "tls"];
    place.done(&[&["keys", "certificate", "--authority", "ca"][..], &name].concat());
    place
}

fn scheduler(place: &Place) -> (Server, String) {
    let args = ["cluster", "scheduler", "--listen", "127.0.0.1:0", "--tls", "tls"];
    let server = Server::start(place, &[&args[..], &["--lost-after", "6"]].concat());
    let address = server.line.split_whitespace().last().unwrap().to_owned();
    (server, address)
}

fn executor(place: &Place, scheduler: &str, work: &str) -> Server {
    let args = ["cluster", "executor", "--scheduler", scheduler, "--tls", "tls"];
    Server::start(place, &[&args[..], &["--work", work, "--cores", "1"]].concat())
}

const SQL: &str = "SELECT gender_concept_id AS g, COUNT(*) AS n FROM person WHERE \
    gender_concept_id IN (8507, 8532) GROUP BY g ORDER BY g";

#[test]
fn a_cluster_answers_as_one_machine_does_and_loses_an_executor() {
    let place = place();
    let here = place.exact(SQL, &[]);
    let (_scheduler, address) = scheduler(&place);
    let first = executor(&place, &address, "w1");
    let _second = executor(&place, &address, "w2");
    // At this epsilon the noise is far below one person. The spelling differs, so that it is
    // no release of before.
    let there = |sql: &str| place.exact(sql, &["--cluster", &address, "--tls", "tls"]);
    assert_eq!(there(&SQL.replace("WHERE", "WHERE year_of_birth > 0 AND")), here);
    let config = format!("[engine]\ncluster = \"{address}\"\ntls = \"tls\"\n");
    fs::write(place.path("graunt.toml"), config).unwrap();
    // Killed, not ended; the scheduler learns of it by its silence only.
    drop(first);
    let (charges, releases) = place.charges_and_releases();
    assert_eq!(place.exact(&SQL.replace("WHERE", "WHERE year_of_birth > 1 AND"), &[]), here);
    assert_eq!(place.charges_and_releases(), (charges + 1, releases + 1));
    // Nothing of it is left with the executor that lives, and nobody else may look.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(place.path("w2")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_cluster_that_is_not_there_or_not_ours_costs_nothing() {
    let place = place();
    let before = place.charges_and_releases();
    let ask = |more: &[&str]| place.run(&[&["sql", "-c", SQL][..], more].concat());
    let said = ask(&["--cluster", "127.0.0.1:9", "--tls", "tls"]);
    assert_eq!(said.code, 6, "{}", said.err);
    assert!(said.err.contains("cannot be reached"), "{}", said.err);
    let said = ask(&["--cluster", "127.0.0.1:9"]);
    assert_eq!(said.code, 2, "{}", said.err);
    // A certificate of the same authority, of somebody else.
    let name = ["--name", "site-1", "--out", "other"];
    place.done(&[&["keys", "certificate", "--authority", "ca"][..], &name].concat());
    let said = ask(&["--cluster", "127.0.0.1:9", "--tls", "other"]);
    assert!(said.err.contains("certificate of another"), "{}", said.err);
    assert_eq!(place.charges_and_releases(), before);
}

#[test]
fn an_executor_empties_no_directory_of_others() {
    let place = place();
    fs::create_dir(place.path("thesis")).unwrap();
    fs::write(place.path("thesis/chapter"), "all of it").unwrap();
    let args = ["cluster", "executor", "--tls", "tls", "--work", "thesis"];
    let said = place.run(&args);
    assert_ne!(said.code, 0);
    assert!(said.err.contains("not an executor's"), "{}", said.err);
    assert_eq!(fs::read_to_string(place.path("thesis/chapter")).unwrap(), "all of it");
    // Nor that of another executor, as long as it runs.
    let first = executor(&place, "127.0.0.1:9", "w1");
    let args = ["cluster", "executor", "--scheduler", "127.0.0.1:9", "--tls", "tls"];
    let said = place.run(&[&args[..], &["--work", "w1"]].concat());
    assert_ne!(said.code, 0);
    assert!(said.err.contains("another has its directory"), "{}", said.err);
    drop(first);
    drop(executor(&place, "127.0.0.1:9", "w1"));
}
