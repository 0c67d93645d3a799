//! A federation of separate homes, as processes: three sites, five holders, one coordinator.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Place, Server, copy};

/// Everybody's home is a directory of its own below `place`.
struct Trio {
    place: Place,
    urls: Vec<(String, String)>,
    servers: Vec<(String, Server)>,
    /// File of the parameters by which sites prove their totals, if they do.
    crs: Option<&'static str>,
}

const SITES: [&str; 3] = ["site-1", "site-2", "site-3"];
const HOLDERS: [&str; 5] = ["holder-1", "holder-2", "holder-3", "holder-4", "holder-5"];

impl Trio {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(crs: Option<&'static str>) -> Self {
        let place = Place::new();
        place.done(&["cohort", "--persons", "400", "--sites", "3", "--seed", "7", "--out", "raw"]);
        let home = |name: &str| place.path(name).join(".graunt").display().to_string();
        let coordinator = home("coordinator");
        let told = place.done(&["--home", &coordinator, "ledger", "init", "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let key = told["vkey"].as_str().unwrap().to_owned();
        let budget =
            ["budget", "open", "--population", "town", "--rho", "100000", "--delta", "0.01"];
        place.done(&[&["--home", &coordinator][..], &budget].concat());
        let shown = place.done(&["--home", &coordinator, "budget", "show", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let account = shown["account"].as_str().unwrap().to_owned();
        let log = Server::start(
            &place,
            &["--home", &coordinator, "serve", "--log-only", "--listen", "127.0.0.1:0"],
        );
        let from = log.url().trim_end_matches("/checkpoint").to_owned();
        place.done(&["keys", "authority", "ca"]);
        let mut trio = Self { place, urls: vec![], servers: vec![("log".to_owned(), log)], crs };
        for name in SITES.iter().chain(&HOLDERS).chain(&["coordinator"]) {
            let tls = format!("tls/{name}");
            fs::create_dir_all(trio.place.path("tls")).unwrap();
            trio.place.done(&[
                "keys",
                "certificate",
                "--authority",
                "ca",
                "--name",
                name,
                "--out",
                &tls,
            ]);
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            trio.urls.push(((*name).to_owned(), format!("https://127.0.0.1:{port}")));
            if *name != "coordinator" {
                fs::create_dir_all(trio.place.path(name)).unwrap();
                let config =
                    format!("[ledger]\nkind = \"follow\"\nlog = [\"{key}\"]\nfrom = \"{from}\"\n");
                fs::write(trio.place.path(name).join("graunt.toml"), config).unwrap();
            }
        }
        trio.parties(&account);
        trio
    }

    fn url(&self, name: &str) -> &str {
        &self.urls.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Runs a command in the home of a party.
    fn by(&self, name: &str, args: &[&str]) -> String {
        let home = self.place.path(name).join(".graunt").display().to_string();
        let config = self.place.path(name).join("graunt.toml").display().to_string();
        let config = ["--config", &config];
        let config = if name == "coordinator" { &[][..] } else { &config };
        self.place.done(&[config, &["--home", &home], args].concat())
    }

    /// Extracts, cards, keys and terms.
    fn parties(&mut self, account: &str) {
        let mut parts = Vec::new();
        for site in SITES {
            let secret = self.place.path("site-1/.graunt/keys/epoch-1.secret");
            if secret.exists() {
                let own = self.place.path(site).join(".graunt/keys");
                fs::create_dir_all(&own).unwrap();
                fs::copy(&secret, own.join("epoch-1.secret")).unwrap();
            }
            self.by(site, &["site", "join", "--population", "town", "--account", account]);
            let (raw, out) = (format!("raw/{site}"), format!("{site}/extract"));
            let own = ["--site", site, "--population", "town", "--out", &out];
            self.by(site, &[&["extract", "--from", &raw][..], &own].concat());
            let card = format!("{site}/card");
            self.by(site, &["site", "card", "--site", site, "--out", &card]);
            parts.push((site, "site"));
        }
        parts.extend(HOLDERS.map(|holder| (holder, "holder")));
        let mut files = Vec::new();
        for (name, kind) in parts {
            let lines = self.by(name, &[kind, "key", "--name", name, "--url", self.url(name)]);
            let file = format!("{name}/key.toml");
            fs::write(self.place.path(&file), lines).unwrap();
            files.push(file);
        }
        // Proofs of a sketch of persons over sites would take longer than a test should.
        let most = if self.crs.is_some() { "1" } else { "3" };
        let mut new = vec!["federation", "new", "--sites-per-person", most];
        if let Some(crs) = self.crs {
            let drawn = self.place.done(&["federation", "crs", "--counters", "4", "--out", crs]);
            fs::write(self.place.path("proofs.toml"), drawn).unwrap();
            files.push("proofs.toml".to_owned());
            new.extend(["--persons-per-site", "1000"]);
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        new.extend(["--out", "federation.toml"]);
        self.by("coordinator", &[&new[..], &files].concat());
        let cards = SITES.map(|site| format!("{site}/card"));
        let cards: Vec<&str> = cards.iter().map(String::as_str).collect();
        let admit = [&["site", "admit", "--terms", "federation.toml"][..], &cards].concat();
        self.by("coordinator", &admit);
        for site in SITES {
            self.by(site, &admit);
        }
    }

    fn serve(&mut self, name: &str, kind: &str) {
        let (home, config) = (self.place.path(name).join(".graunt"), self.config(name));
        let (home, config) = (home.display().to_string(), config.display().to_string());
        let (tls, url) = (format!("tls/{name}"), self.url(name).to_owned());
        let listen = url.trim_start_matches("https://");
        let common = ["--config", &config, "--home", &home, kind, "serve"];
        let terms = ["--terms", "federation.toml", "--tls", &tls, "--listen", listen];
        let mut args = [&common[..], &terms].concat();
        if kind == "site" {
            args.extend(["--epsilon-max", "10000"]);
            args.extend(self.crs.iter().flat_map(|crs| ["--crs", crs]));
        }
        let server = Server::start(&self.place, &args);
        assert!(server.line.contains(name), "{}", server.line);
        self.servers.push((name.to_owned(), server));
    }

    fn config(&self, name: &str) -> PathBuf {
        self.place.path(name).join("graunt.toml")
    }

    fn serve_all(&mut self) {
        SITES.iter().for_each(|site| self.serve(site, "site"));
        HOLDERS.iter().for_each(|holder| self.serve(holder, "holder"));
    }

    fn stop(&mut self, name: &str) {
        self.servers.retain(|(known, _)| known != name);
    }

    /// What the coordinator is answered, as JSON.
    fn ask(&self, sql: &str, epsilon: &str) -> Value {
        let said = self.ask_with(sql, epsilon, "tls/coordinator");
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    fn ask_with(&self, sql: &str, epsilon: &str, tls: &str) -> crate::support::Said {
        let home = self.place.path("coordinator/.graunt").display().to_string();
        let by = ["--home", &home, "--json", "sql", "--federated", "federation.toml"];
        let how = ["--tls", tls, "--epsilon", epsilon, "--patience", "30", "-c", sql];
        let proofs = self.crs.map(|crs| ["--prove-inputs", "--crs", crs]);
        self.place.run(&[&by[..], proofs.as_ref().map_or(&[], |proofs| proofs), &how].concat())
    }

    /// The sum of what each site alone is answered by the central street, over the first rows.
    fn of_sites(&self, sql: &str, column: &str, sites: &[&str]) -> Vec<f64> {
        let mut sums: Vec<f64> = Vec::new();
        for site in sites {
            let alone = Place::new();
            copy(&self.place.path("raw").join(site), &alone.path("raw"));
            alone.extract("raw", site, "out");
            let budget = ["--population", "town", "--rho", "100000", "--delta", "0.01"];
            alone.done(&[&["budget", "open"][..], &budget].concat());
            let ask = ["--json", "sql", "--epsilon", "10000", "-c", sql];
            let answer: Value = serde_json::from_str(&alone.done(&ask)).unwrap();
            let values = numbers(&answer, column);
            sums.resize(values.len(), 0.0);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        sums
    }
}

/// Counts are by so many less than others all together, but for a few persons who meet in a sketch.
fn assert_fewer(found: &[f64], others: &[f64], by: f64) {
    assert_eq!(found.len(), others.len());
    let fewer = others.iter().sum::<f64>() - found.iter().sum::<f64>();
    assert!((fewer - by).abs() <= 12.0, "{found:?} {others:?}");
}

/// A column of a JSON answer.
fn numbers(answer: &Value, column: &str) -> Vec<f64> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| row[column].as_f64().unwrap()).collect()
}

const BY_SEX: &str =
    "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY gender_concept_id ORDER BY 1";

#[test]
fn sites_in_homes_of_their_own_answer_together_and_show_nobody_their_counts() {
    let mut trio = Trio::new();
    trio.serve_all();
    // At a large epsilon each person counts once. Of 400, 36 are at two sites and nine at three, so
    // sites have 454; that the nine are not eighteen at two, sums and sketch do not tell: 393.
    let answer = trio.ask(BY_SEX, "10000");
    let found = numbers(&answer, "n");
    assert_fewer(&found, &trio.of_sites(BY_SEX, "n", &SITES), 61.0);
    // Names of parties, the honest noise, and the persons at several sites are said.
    let notes = answer["notes"].to_string();
    for said in ["site-1, site-2, site-3", "3 honest parties; 8 added noise", "at up to 3 sites"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    // The receipt proves the charge, the sets and the release; the transcript the opened totals.
    let receipt = trio.place.find("coordinator/.graunt/receipts", ".json");
    let transcript = trio.place.find("coordinator/.graunt/transcripts", ".json");
    let (receipt, transcript) = (receipt.display().to_string(), transcript.display().to_string());
    let home = trio.place.path("coordinator/.graunt").display().to_string();
    let verify = ["--home", &home, "verify", &receipt, "--transcript", &transcript];
    let checked = trio.place.done(&verify);
    assert!(checked.contains("2 round(s): sealed by their parties"), "{checked}");
    let spoilt = fs::read_to_string(&transcript).unwrap().replacen("\"round\":0", "\"round\":1", 1);
    fs::write(&transcript, spoilt).unwrap();
    assert_ne!(trio.place.run(&verify).code, 0);

    // Somebody with a certificate of another authority is nobody.
    trio.place.done(&["keys", "authority", "other"]);
    let new = ["--authority", "other", "--name", "coordinator", "--out", "tls/thief"];
    trio.place.done(&[&["keys", "certificate"][..], &new].concat());
    assert_eq!(trio.ask_with(BY_SEX, "1", "tls/thief").code, 7);

    // A site that is killed is left out and named; two are too few for these terms.
    trio.stop("site-2");
    let answer = trio.ask(BY_SEX, "10000");
    let left = trio.of_sites(BY_SEX, "n", &["site-1", "site-3"]);
    assert_fewer(&numbers(&answer, "n"), &left, 23.0);
    assert!(answer["notes"].to_string().contains("they were lost: site-2"), "{answer}");
    // It comes back and takes part again, and a holder may be gone.
    trio.serve("site-2", "site");
    trio.stop("holder-2");
    let answer = trio.ask(BY_SEX, "10000");
    assert_fewer(&numbers(&answer, "n"), &found, 0.0);
    trio.stop("site-1");
    trio.stop("site-3");
    let said = trio.ask_with(BY_SEX, "1", "tls/coordinator");
    assert_eq!(said.code, 7, "{}", said.err);
}

#[test]
fn what_sites_cannot_add_up_is_refused_before_it_is_charged() {
    let mut trio = Trio::new();
    trio.serve_all();
    let home = trio.place.path("coordinator/.graunt").display().to_string();
    let left = |trio: &Trio| trio.place.done(&["--home", &home, "budget", "show", "--json"]);
    let before = left(&trio);
    for (sql, code) in [
        (
            "SELECT condition_concept_id, COUNT(*) FROM condition_occurrence GROUP BY 1",
            "R-UNBOUNDED",
        ),
        ("SELECT COUNT(DISTINCT visit_concept_id) FROM visit_occurrence", "R-DISTINCT"),
        ("SELECT MAX(year_of_birth) FROM person", "R-AGGREGATE"),
    ] {
        let said = trio.ask_with(sql, "1", "tls/coordinator");
        assert_eq!(said.code, 3, "{sql}: {}", said.err);
        assert!(said.err.contains(code), "{sql}: {}", said.err);
    }
    assert_eq!(left(&trio), before);
    // A site's policy allows less than was asked for: nobody answers, and it is said who would not.
    for site in SITES {
        trio.stop(site);
    }
    let said = trio.ask_with("SELECT COUNT(*) FROM person", "1", "tls/coordinator");
    assert_eq!(said.code, 7);
    assert_ne!(left(&trio), before);
}

/// Proofs of range, from the parameters to the auditor.
#[test]
fn sites_prove_that_their_totals_are_in_range() {
    let mut trio = Trio::with(Some("proofs.crs"));
    trio.serve_all();
    let answer = trio.ask(BY_SEX, "10000");
    assert_eq!(numbers(&answer, "n"), trio.of_sites(BY_SEX, "n", &SITES), "{answer}");
    assert!(answer["notes"].to_string().contains("each site proved"), "{answer}");
    let receipt = trio.place.find("coordinator/.graunt/receipts", ".json").display().to_string();
    let transcript = trio.place.find("coordinator/.graunt/transcripts", ".json");
    let transcript = transcript.display().to_string();
    let home = trio.place.path("coordinator/.graunt").display().to_string();
    let verify = ["--home", &home, "verify", &receipt, "--transcript", &transcript];
    let checked = trio.place.done(&[&verify[..], &["--crs", "proofs.crs"]].concat());
    assert!(checked.contains("each site's totals were proved to be in range"), "{checked}");
    assert_ne!(trio.place.run(&verify).code, 0);
}
