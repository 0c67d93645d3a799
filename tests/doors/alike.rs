//! One statement, three doors: the same answer, the same charge, the same refusal.

use std::time::Duration;

use serde_json::json;

use super::callers::{
    Refused, by_flight, by_page, by_postgres, cookie, fetched, flight, posted, postgres, read,
    sent, simply, who,
};
use super::{House, block_on};

#[test]
fn the_same_statement_is_refused_alike_at_every_door() {
    let house = House::open(&[]);
    for sql in [
        "SELECT * FROM person",
        "SELECT COUNT(*) FROM persons",
        "SELECT COUNT(*) FROM person WHERE height > 1",
        "SELECT foo(1) FROM person",
        "SELEC 1",
        "SELECT COUNT(*) FROM visit_occurrence v JOIN condition_occurrence c \
         ON v.visit_start_date = c.condition_start_date",
        "SELECT SUM(exp(year_of_birth)) FROM person",
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = -1) COUNT(*) FROM person",
        "DELETE FROM person",
        "SELECT 1; SELECT 2",
        "SELECT COUNT(*) FROM person WHERE person_id IN (SELECT person_id FROM death LIMIT 5)",
    ] {
        let page = by_page(&house, "ada", sql).unwrap_err();
        let flight = block_on(by_flight(&house, "ada", sql)).unwrap_err();
        assert!(page.code.starts_with("R-"), "{sql}: {page:?}");
        assert_eq!(flight, page, "{sql}");
        // There, several statements are several statements.
        if !sql.contains(';') {
            assert_eq!(block_on(by_postgres(&house, "ada", sql)).unwrap_err(), page, "{sql}");
        }
    }
    assert_eq!(house.spent(), (0, 0));
    assert!(!house.journal().contains("SELECT"), "{}", house.journal());
}

#[test]
fn the_same_question_is_one_release_at_every_door() {
    let mut house = House::open(&["--log-questions"]);
    let sql = "SELECT gender_concept_id, COUNT(*) AS n FROM person GROUP BY 1 ORDER BY 1";
    let first = block_on(by_postgres(&house, "ada", sql)).unwrap();
    assert_eq!(first.len(), 2);
    let spent = house.spent();
    assert_eq!(spent.0, 1);
    assert_eq!(block_on(by_flight(&house, "ada", sql)).unwrap(), first);
    assert_eq!(by_page(&house, "ada", sql).unwrap(), first);
    assert_eq!(house.spent(), spent);
    block_on(async {
        let mut client = flight(&house, "ada", house.password("ada")).await.unwrap();
        let batches = fetched(&mut client, sql).await.unwrap();
        let told = batches[0].schema();
        assert_eq!(told.metadata()["graunt.is_repeat"], "true");
        assert_eq!(told.metadata()["graunt.intervals"], r#"{"n":["n_lo","n_hi"]}"#);
    });
    let journal = house.journal();
    assert!(journal.contains("\"outcome\":\"answered\"") && journal.contains("GROUP BY 1"));
    assert!(house.end());
    assert!(house.journal().contains("\"event\":\"ended\""));
}

#[test]
fn an_analysts_own_account_is_kept_at_every_door() {
    let house = House::open(&[]);
    let sql = "SELECT COUNT(*) FROM person";
    let by_page = by_page(&house, "tiny", sql).unwrap_err();
    assert_eq!(by_page.code, "exhausted");
    assert_eq!(block_on(by_postgres(&house, "tiny", sql)).unwrap_err(), by_page);
    assert_eq!(block_on(by_flight(&house, "tiny", sql)).unwrap_err(), by_page);
    assert_eq!(house.spent(), (0, 0));
    // What fits is granted until it is spent, however many ask at once, and of both accounts.
    block_on(async {
        let one = |i: u32| {
            let house = &house;
            async move {
                let client = postgres(house, "tiny", house.password("tiny")).await.unwrap();
                simply(&client, "SET graunt.epsilon = 0.002").await.unwrap();
                let own = format!("SELECT COUNT(*) FROM person WHERE year_of_birth > {}", 1900 + i);
                simply(&client, &own).await
            }
        };
        let done = futures::future::join_all((0..40).map(one)).await;
        let refused = done.iter().filter_map(|done| done.as_ref().err());
        assert!(refused.clone().count() > 0 && done.iter().any(Result::is_ok));
        for refused in refused {
            assert_eq!(refused.code, "exhausted");
        }
        let answered = u64::try_from(done.iter().filter(|done| done.is_ok()).count()).unwrap();
        let told = house.place.json(&["analyst", "list"]);
        let tiny = &told.as_array().unwrap()[1]["budget"];
        assert_eq!(tiny["charges"].as_u64(), Some(answered));
        assert!(tiny["spent"]["rho_nano"].as_u64() <= tiny["cap"]["rho_nano"].as_u64());
        assert_eq!(house.spent(), (answered, tiny["spent"]["rho_nano"].as_u64().unwrap()));
    });
    // Receipts of such charges verify.
    let receipt = house.place.find(".graunt/receipts", ".json");
    house.place.done(&["verify", receipt.to_str().unwrap()]);
}

#[test]
fn nobody_comes_in_without_their_password() {
    let house = House::open(&[]);
    for (name, password) in
        [("ada", "wrong"), ("mallory", "wrong"), ("ada", house.password("tiny"))]
    {
        let refused = block_on(postgres(&house, name, password)).err().unwrap();
        let refused = refused.as_db_error().unwrap();
        assert_eq!(refused.code().code(), "28P01");
        assert_eq!(refused.message(), "[unauthorized] no analyst has this name and password");
        let by_page = cookie(&house, name, password).unwrap_err();
        let by_flight = block_on(flight(&house, name, password)).err().unwrap();
        let expected = Refused {
            code: "unauthorized".to_owned(),
            message: "no analyst has this name and password".to_owned(),
            hint: None,
        };
        assert_eq!((&by_page, &by_flight), (&expected, &expected));
    }
    let asked = json!({ "sql": "SELECT COUNT(*) FROM person", "id": "a" });
    assert_eq!(posted(&house, "/api/ask", &asked, "graunt=guess").0, 401);
    assert_eq!(posted(&house, "/api/explain", &asked, "").0, 401);
    assert_eq!(house.spent(), (0, 0));
    // A name that nobody has may be a password in the wrong place.
    assert!(!house.journal().contains("mallory"));
    // Whoever may ask no longer is not asked who they were.
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let mut other = flight(&house, "ada", house.password("ada")).await.unwrap();
        let cookie = cookie(&house, "ada", house.password("ada")).unwrap();
        assert_eq!(who(&house, &cookie), "ada");
        house.place.done(&["analyst", "remove", "ada"]);
        assert_eq!(simply(&client, "SELECT 1").await.unwrap_err().code, "unauthorized");
        assert_eq!(fetched(&mut other, "SELECT 1").await.unwrap_err().code, "unauthorized");
        assert_eq!(posted(&house, "/api/ask", &asked, &cookie).0, 401);
        assert!(who(&house, &cookie).is_null());
        assert_eq!(posted(&house, "/api/cancel", &json!({ "id": "a" }), &cookie).0, 401);
        other.set_token("certificate of tiny".to_owned());
        assert_eq!(fetched(&mut other, "SELECT 1").await.unwrap_err().code, "unauthorized");
    });
    assert!(block_on(postgres(&house, "ada", house.password("ada"))).is_err());
}

#[test]
fn settings_views_and_parameters_are_a_sessions_own() {
    let house = House::open(&[]);
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let other = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let old = "CREATE VIEW old AS SELECT * FROM person WHERE year_of_birth < 1960";
        simply(&client, old).await.unwrap();
        simply(&client, "SET graunt.intervals = on").await.unwrap();
        let rows = client.query("SELECT COUNT(*) AS n FROM old", &[]).await.unwrap();
        let names: Vec<&str> = rows[0].columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, ["n", "n_lo", "n_hi"]);
        assert!(rows[0].get::<_, i64>(1) <= rows[0].get(0));
        let refused = simply(&other, "SELECT COUNT(*) FROM old").await.unwrap_err();
        assert_eq!(refused.code, "R-TABLE");
        // A parameter is the same question as its value, and so is free.
        let text = "SELECT COUNT(*) AS n FROM person WHERE year_of_birth < $1";
        let by_value = simply(&other, &text.replace("$1", "1960")).await.unwrap();
        let spent = house.spent();
        let statement = other.prepare(text).await.unwrap();
        assert_eq!(statement.params()[0].name(), "int8");
        let row = other.query_one(&statement, &[&1960_i64]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0).to_string(), by_value[0][0]);
        assert_eq!(house.spent(), spent);
        // ROLLBACK undoes what was set, and no charge.
        simply(&other, "BEGIN").await.unwrap();
        simply(&other, "SET graunt.epsilon = 0.25").await.unwrap();
        simply(&other, "ROLLBACK").await.unwrap();
        assert_eq!(simply(&other, "SHOW graunt.epsilon").await.unwrap(), [["1"]]);
        // What failed goes on from a point that was saved, and COMMIT of what failed undoes.
        for text in ["BEGIN", "SAVEPOINT a", "SET graunt.epsilon = 0.25"] {
            simply(&other, text).await.unwrap();
        }
        simply(&other, "SELECT * FROM person").await.unwrap_err();
        simply(&other, "SHOW graunt.epsilon").await.unwrap_err();
        simply(&other, "ROLLBACK TO SAVEPOINT a").await.unwrap();
        assert_eq!(simply(&other, "SHOW graunt.epsilon").await.unwrap(), [["0.25"]]);
        simply(&other, "SELECT * FROM person").await.unwrap_err();
        simply(&other, "COMMIT").await.unwrap();
        assert_eq!(simply(&other, "ROLLBACK; SHOW graunt.epsilon").await.unwrap(), [["1"]]);
        // What was prepared comes in the columns that were told then.
        simply(&other, "SET graunt.intervals = on").await.unwrap();
        let row = other.query_one(&statement, &[&1960_i64]).await.unwrap();
        assert_eq!(row.len(), 1);
        simply(&other, "RESET graunt.intervals").await.unwrap();
        let many = "SELECT COUNT(*) FROM person WHERE year_of_birth < $99999999999";
        assert!(other.prepare(many).await.is_err());
        let copied = "COPY (SELECT COUNT(*) AS n FROM person WHERE year_of_birth < 1960) TO STDOUT";
        let mut rows = Box::pin(other.copy_out(copied).await.unwrap());
        let bytes = futures::StreamExt::next(&mut rows).await.unwrap().unwrap();
        assert_eq!(bytes, format!("{}\n", by_value[0][0]));
    });
}

#[test]
fn a_question_is_taken_back_by_whoever_has_its_numbers() {
    let house = House::open(&[]);
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let token = client.cancel_token();
        // With nothing asked it takes nothing back, not even what is asked next.
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(simply(&client, "SELECT 1").await.is_ok());
        // Joined with itself again and again, a table keeps the engine busy for long.
        let joins: String = (0..7)
            .map(|i| format!(" JOIN measurement m{i} ON m{i}.person_id = m.person_id"))
            .collect();
        let long = format!("SELECT COUNT(DISTINCT m.person_id) AS n FROM measurement m{joins}");
        let asked = simply(&client, &long);
        let taken = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                token.cancel_query(tokio_postgres::NoTls).await.unwrap();
            }
        };
        let refused = tokio::select! {
            done = asked => done.unwrap_err(),
            () = taken => panic!("it was not taken back in ten seconds"),
        };
        assert_eq!(refused.code, "cancelled");
        let charges = house.spent().0;
        assert_eq!(refused.message.contains("nothing was charged"), charges == 0, "{refused:?}");
    });
}

#[test]
fn the_public_sees_the_log_and_no_question() {
    let house = House::open(&[]);
    let sql = "SELECT COUNT(*) FROM person WHERE year_of_birth = 1961";
    by_page(&house, "ada", sql).unwrap();
    let get = |path: &str| read(&sent(&house, "GET", path, "", None)).1;
    let log = get("/api/log?count=2");
    let entry = &log["entries"][0];
    assert_eq!((entry["kind"].as_str(), entry["population"].as_str()), (Some("release"), None));
    let query = entry["query"].as_str().unwrap();
    let release = get(&format!("/api/releases/{query}"));
    assert_eq!(release["charge"]["index"], log["entries"][1]["index"]);
    assert_eq!(release["release"]["index"], entry["index"]);
    let unknown = sent(&house, "GET", &format!("/api/releases/{}", "ab".repeat(32)), "", None);
    let (status, refused) = read(&unknown);
    assert_eq!((status, refused["error"]["code"].as_str()), (422, Some("usage")));
    assert!(release["receipt"].is_null());
    let cookie = cookie(&house, "ada", house.password("ada")).unwrap();
    let own = || {
        let (path, header) = (format!("/api/releases/{query}"), format!("cookie: {cookie}\r\n"));
        read(&sent(&house, "GET", &path, &header, None)).1
    };
    assert_eq!(own()["receipt"]["intent"]["sql"], sql);
    let all = ["/api/catalogue", "/api/budgets", "/api/log", "/metrics"];
    let told: String = all.map(|path| sent(&house, "GET", path, "", None)).concat();
    for secret in ["1961", "\"ada\"", "site-1", house.place.directory.path().to_str().unwrap()] {
        assert!(!told.contains(secret), "{secret}");
    }
    assert!(told.contains("graunt_events_total{door=\"page\",event=\"answered\"} 1"));
    assert!(get("/api/catalogue")["tables"].as_array().unwrap().len() > 10);
    // Whoever may ask no longer sees what the public sees.
    house.place.done(&["analyst", "remove", "ada"]);
    assert_eq!(own(), release);
}
