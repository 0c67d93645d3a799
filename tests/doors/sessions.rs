//! What a session of the PostgreSQL door keeps and goes back to: statements, transactions, settings
//! for a transaction; and types that PostgreSQL does not have.

use super::callers::{by_flight, by_postgres, postgres, simply};
use super::{House, block_on};

#[test]
fn what_failed_goes_on_from_a_savepoint_in_both_protocols() {
    let house = House::open(&[]);
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        for text in ["BEGIN", "SAVEPOINT a"] {
            client.execute(text, &[]).await.unwrap();
        }
        assert!(client.query("SELECT * FROM person", &[]).await.is_err());
        let stuck = client.query("SHOW graunt.epsilon", &[]).await.unwrap_err();
        assert_eq!(stuck.as_db_error().unwrap().code().code(), "25P02");
        client.execute("ROLLBACK TO SAVEPOINT a", &[]).await.unwrap();
        let shown = client.query_one("SHOW graunt.epsilon", &[]).await.unwrap();
        assert_eq!(shown.get::<_, &str>(0), "1");
        for text in ["RELEASE SAVEPOINT a", "COMMIT", "ROLLBACK TO SAVEPOINT a"] {
            client.execute(text, &[]).await.unwrap();
        }
        // There is no transaction, so that nothing is stuck in one.
        assert!(simply(&client, "SELECT * FROM person").await.is_err());
        assert_eq!(simply(&client, "SHOW graunt.epsilon").await.unwrap(), [["1"]]);
        for text in ["BEGIN", "SAVEPOINT a", "RELEASE SAVEPOINT a", "COMMIT"] {
            simply(&client, text).await.unwrap();
        }
    });
    assert_eq!(house.spent(), (0, 0));
}

#[test]
fn what_is_set_for_a_transaction_ends_with_it() {
    let house = House::open(&[]);
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        for (text, within, after) in [
            ("SET graunt.epsilon = 0.5; SET LOCAL graunt.epsilon = 0.25", "0.25", "0.5"),
            ("SET LOCAL graunt.epsilon = 0.25; SET graunt.epsilon = 0.75", "0.75", "0.75"),
        ] {
            simply(&client, "BEGIN").await.unwrap();
            simply(&client, text).await.unwrap();
            assert_eq!(simply(&client, "SHOW graunt.epsilon").await.unwrap(), [[within]]);
            simply(&client, "COMMIT").await.unwrap();
            assert_eq!(simply(&client, "SHOW graunt.epsilon").await.unwrap(), [[after]]);
        }
        simply(&client, "BEGIN; SET LOCAL graunt.epsilon = 0.25; ROLLBACK").await.unwrap();
        simply(&client, "SET LOCAL graunt.epsilon = 0.25").await.unwrap();
        assert_eq!(simply(&client, "SHOW graunt.epsilon").await.unwrap(), [["0.75"]]);
        let refused = simply(&client, "SET LOCAL graunt.epsilon = 'much'").await.unwrap_err();
        assert_eq!(refused.code, "R-STATEMENT");
    });
}

#[test]
fn a_session_keeps_so_many_statements_and_portals() {
    let house = House::open(&[]);
    block_on(async {
        let mut client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let long = format!("SELECT 1 AS one -- {}", "x".repeat(200_000));
        let mut kept = Vec::new();
        let refused = loop {
            match client.prepare(&long).await {
                Ok(statement) => kept.push(statement),
                Err(refused) => break refused,
            }
            assert!(kept.len() < 100);
        };
        let refused = refused.as_db_error().unwrap();
        assert_eq!(refused.code().code(), "53300");
        assert!(refused.message().starts_with("[limit] this session keeps too many"));
        assert!(kept.len() > 10);
        // The session goes on, and what is closed makes room.
        assert_eq!(simply(&client, "SELECT 1 AS one").await.unwrap(), [["1"]]);
        drop(kept);
        let transaction = client.transaction().await.unwrap();
        let statement = transaction.prepare("SELECT 1 AS one").await.unwrap();
        let mut portals = Vec::new();
        while let Ok(portal) = transaction.bind(&statement, &[]).await {
            portals.push(portal);
            assert!(portals.len() < 1_000);
        }
        assert!(portals.len() > 100);
        drop(portals);
        transaction.rollback().await.unwrap();
        assert_eq!(client.query("SELECT 1 AS one", &[]).await.unwrap().len(), 1);
        // Of what says nothing, too, so many are kept, and each is answered.
        let nothing = client.prepare("").await.unwrap();
        assert_eq!(client.execute(&nothing, &[]).await.unwrap(), 0);
    });
    assert_eq!(house.spent(), (0, 0));
}

#[test]
fn answers_in_types_that_postgresql_does_not_have_are_told_all_the_same() {
    let house = House::open(&[]);
    let sql = "SELECT CAST(COUNT(*) AS DECIMAL(38, 30)) AS n, CAST(COUNT(*) AS DECIMAL(60, 2)) AS \
               wide, INTERVAL '1' MONTH AS month FROM person";
    let told = block_on(by_postgres(&house, "ada", sql)).unwrap();
    let spent = house.spent();
    assert_eq!(spent.0, 1);
    assert_eq!(block_on(by_flight(&house, "ada", sql)).unwrap(), told);
    block_on(async {
        let client = postgres(&house, "ada", house.password("ada")).await.unwrap();
        let row = client.query_one(sql, &[]).await.unwrap();
        assert_eq!(row.columns()[0].type_().name(), "numeric");
        assert_eq!(row.get::<_, &str>(1), told[0][1]);
        for form in ["", "WITH BINARY", "WITH CSV"] {
            let copied = client.copy_out(&format!("COPY ({sql}) TO STDOUT {form}")).await.unwrap();
            let rows: Vec<_> = futures::StreamExt::collect(copied).await;
            assert!(!rows.is_empty() && rows.iter().all(Result::is_ok), "{form}");
        }
    });
    assert_eq!(house.spent(), spent);
}
