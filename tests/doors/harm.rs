//! Bytes that nobody should send: the server says so or hangs up, tells nothing, and goes on.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::callers::{by_page, by_postgres, cookie, posted, read, sent, who};
use super::{House, block_on, names_files, rest};

const COUNT: &str = "SELECT COUNT(*) FROM person";

/// A message of the protocol: a letter, a length, a body.
fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[letter][..], &length.to_be_bytes(), body].concat()
}

fn startup(pairs: &str) -> Vec<u8> {
    let body = [&196_608_u32.to_be_bytes()[..], pairs.as_bytes(), b"\0"].concat();
    message(0, &body)[1..].to_vec()
}

#[test]
fn bytes_that_are_not_of_the_protocol_are_told_nothing() {
    let house = House::open(&[]);
    let ada = startup("user\0ada\0database\0town\0");
    let query = message(b'Q', b"SELECT COUNT(*) FROM person\0");
    let cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![0xff; 64],
        // A length that is too long, and one that is none.
        [&0x3fff_ffff_u32.to_be_bytes()[..], &[0; 8]].concat(),
        [&3_u32.to_be_bytes()[..], &[0; 8]].concat(),
        // Queries before, instead of and after a login that fails.
        query.clone(),
        [ada.clone(), query.clone()].concat(),
        [ada.clone(), message(b'p', b"SCRAM-SHA-256\0\0\0\0\x04n,,n"), query.clone()].concat(),
        [ada.clone(), message(b'p', b"NONE\0\0\0\0\0"), query.clone(), query].concat(),
        // A name that is SQL, and one that is a path.
        startup("user\0ada'; DROP TABLE person; --\0database\0town\0"),
        startup("user\0../../etc/passwd\0database\0town\0"),
        startup("\0"),
        message(b'X', b""),
    ];
    for bytes in cases {
        let mut stream = TcpStream::connect(house.door("postgres")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // It may have hung up already.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let told = String::from_utf8_lossy(&rest(&stream)).into_owned();
        // No row, no answer, no word of the server's own.
        assert!(!told.contains("SELECT 1") && !told.contains("panicked"), "{bytes:?}: {told}");
        assert!(!names_files(&told, &house.place), "{bytes:?}: {told}");
    }
    assert_eq!(house.spent(), (0, 0));
    assert_eq!(block_on(by_postgres(&house, "ada", COUNT)).unwrap().len(), 1);
    assert!(!house.journal().contains("internal error"), "{}", house.journal());
}

#[test]
fn questions_as_large_as_they_may_be_overflow_no_stack_and_hold_up_nobody() {
    let house = House::open(&[]);
    let whens: String = (0..190).map(|i| format!(" WHEN year_of_birth = {i} THEN {i}")).collect();
    let steps: String = (1..300).map(|i| format!(", t{i} AS (SELECT * FROM t{})", i - 1)).collect();
    let nested = |call: &str, depth: usize| {
        let inner = (0..depth).fold("year_of_birth".to_owned(), |x, _| call.replace('@', &x));
        format!("{COUNT} WHERE {inner} > 3")
    };
    for text in [
        format!("{COUNT} WHERE year_of_birth{} > 3", "+1".repeat(390)),
        format!("{COUNT} WHERE CASE{whens} END > 3"),
        format!("WITH t0 AS (SELECT * FROM person){steps} SELECT COUNT(*) FROM t299"),
        format!("{COUNT}{}", format!(" UNION ALL {COUNT}").repeat(190)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(190)),
        // The parser's time would double, or quadruple, with each of these.
        nested("coalesce(@, 1)", 200),
        nested("CAST(CAST(@ AS text) AS int)", 40),
        nested("NOT (@ +)", 40),
        nested("CASE WHEN @ THEN 1 END", 40),
    ] {
        // Whether it is answered is not the matter; whether the next one is, is.
        let _ = block_on(by_postgres(&house, "ada", &text));
        let next = block_on(by_postgres(&house, "ada", COUNT));
        assert_eq!(next.unwrap().len(), 1, "{}", &text[..60]);
    }
    assert!(!house.journal().contains("internal error"), "{}", house.journal());
}

#[test]
fn statements_that_are_too_long_are_refused_and_half_open_connections_wait_for_nobody() {
    let house = House::open(&[]);
    // These send a little, and then nothing.
    let idle: Vec<TcpStream> = (0..40)
        .map(|i| {
            let mut stream = TcpStream::connect(house.door(["postgres", "flight"][i % 2])).unwrap();
            stream.write_all(&[0, 0, 0]).unwrap();
            stream
        })
        .collect();
    let long = format!("{COUNT} WHERE year_of_birth IN ({})", "1, ".repeat(200_000));
    let refused = block_on(by_postgres(&house, "ada", &long)).unwrap_err();
    assert_eq!(refused.code, "limit");
    assert_eq!(by_page(&house, "ada", &long).unwrap_err().code, "limit");
    assert_eq!(block_on(by_postgres(&house, "ada", COUNT)).unwrap().len(), 1);
    drop(idle);
}

#[test]
fn the_page_gives_nothing_but_what_is_its_own() {
    let house = House::open(&[]);
    for path in [
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fanalysts.json",
        "/verifier/../cli.mjs",
        "//etc/passwd",
        "/reports/../../etc/passwd",
        "/reports/a/%2e%2e/%2e%2e/etc/passwd",
        "/log/../analysts.json",
        "/log/%2e%2e/analysts.json",
        "/log/..%5canalysts.json",
        "/api/releases/../../x",
        "/api/releases/%00",
        "/.graunt/analysts.json",
    ] {
        let reply = sent(&house, "GET", path, "", None);
        let status = read(&reply).0;
        assert!((400..500).contains(&status), "{path}: {reply}");
        assert!(!names_files(&reply, &house.place) && !reply.contains("salted"), "{path}");
    }
    let index = sent(&house, "GET", "/", "", None);
    assert!(index.contains("content-security-policy: default-src 'self'; base-uri 'none'"));
    assert!(index.contains("x-frame-options: DENY") && !index.contains("<script>"));
    // A page of somebody else cannot ask in ada's name.
    let cookie = cookie(&house, "ada", house.password("ada")).unwrap();
    let forged = format!("cookie: {cookie}\r\norigin: https://evil.example\r\n");
    let asked = json!({ "sql": COUNT, "id": "a" });
    let reply = sent(&house, "POST", "/api/ask", &forged, Some(&asked));
    assert_eq!(read(&reply).0, 403);
    assert!(!reply.to_lowercase().contains("access-control-allow"));
    for body in [
        json!({}),
        json!([]),
        json!({ "sql": 1, "id": "a" }),
        json!({ "sql": COUNT, "id": "a", "x": 1 }),
    ] {
        let (status, told) = posted(&house, "/api/ask", &body, &cookie);
        assert!((400..500).contains(&status) && told["error"]["code"] == "usage", "{body}");
    }
    for epsilon in [json!(0), json!(-1), json!(1e300)] {
        let body = json!({ "sql": COUNT, "id": "a", "epsilon": epsilon });
        assert_eq!(posted(&house, "/api/ask", &body, &cookie).1["error"]["code"], "R-STATEMENT");
    }
    assert_eq!(house.spent(), (0, 0));
}

#[test]
fn a_page_at_loopback_answers_to_names_of_this_machine_only() {
    let house = House::open(&[]);
    let told = |host: &str| {
        let address = house.door("url").trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET /api/budgets HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        String::from_utf8(rest(&stream)).unwrap()
    };
    for host in ["localhost", "Localhost:1", "127.0.0.1:7000", "[::1]:7000"] {
        let (status, body) = read(&told(&format!("host: {host}\r\n")));
        assert_eq!((status, body["budgets"].is_array()), (200, true), "{host}");
    }
    for line in ["", "host: evil.example\r\n", "host: localhost.evil.example:7000\r\n"] {
        let reply = told(line);
        let (status, body) = read(&reply);
        assert_eq!((status, body["error"]["code"].as_str()), (421, Some("misdirected")), "{line}");
        assert!(body["budgets"].is_null() && reply.contains("cache-control: no-store"), "{reply}");
    }
}

#[test]
fn whoever_logs_in_again_and_again_logs_out_nobody_but_themselves() {
    let house = House::open(&[]);
    let again = |name| cookie(&house, name, house.password(name)).unwrap();
    let tiny = again("tiny");
    let own: Vec<String> = (0..129).map(|_| again("ada")).collect();
    assert!(who(&house, &own[0]).is_null());
    assert_eq!(who(&house, &own[1]), "ada");
    assert_eq!(who(&house, &own[128]), "ada");
    assert_eq!(who(&house, &tiny), "tiny");
}

#[test]
fn without_tls_only_this_machine_is_served_and_with_it_nothing_in_clear() {
    let place = crate::support::Place::small_site();
    let said = place.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("without TLS only this machine is served"), "{}", said.err);
    place.done(&["keys", "authority", "ca"]);
    place.done(&[
        "keys",
        "certificate",
        "--authority",
        "ca",
        "--name",
        "localhost",
        "--out",
        "tls",
    ]);
    let house = House::over(place, &["--tls", "tls"]);
    assert!(house.door("url").starts_with("https://"));
    let mut stream = TcpStream::connect(house.door("postgres")).unwrap();
    stream.write_all(&startup("user\0ada\0database\0town\0")).unwrap();
    let told = String::from_utf8_lossy(&rest(&stream)).into_owned();
    assert!(told.contains("this server speaks TLS only") && !told.contains("SCRAM"), "{told}");
    // What came in clear before the handshake is not taken for ada's, who shows her certificate.
    house.place.done(&[
        "keys",
        "certificate",
        "--authority",
        "ca",
        "--name",
        "ada",
        "--out",
        "ada",
    ]);
    let asked = [startup("user\0ada\0database\0town\0"), message(b'Q', b"SHOW ALL\0")].concat();
    let told = block_on(by_certificate(&house, &asked, b""));
    assert!(told.is_empty(), "{told:?}");
    let told = block_on(by_certificate(&house, b"", &asked));
    assert!(told.windows(14).any(|part| part == b"server_version"), "{told:?}");
}

/// What ada is told who shows her certificate, and sends this before the handshake, and this after.
async fn by_certificate(house: &House, before: &[u8], after: &[u8]) -> Vec<u8> {
    let file = |name: &str| house.place.path("ada").join(name);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(file("certificate.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let mut stream = tokio::net::TcpStream::connect(house.door("postgres")).await.unwrap();
    let request = [&8_u32.to_be_bytes()[..], &80_877_103_u32.to_be_bytes(), before].concat();
    stream.write_all(&request).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let name = ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let Ok(mut stream) = connected else { return vec![] };
    // The server may have hung up, which is an answer as well.
    let _ = stream.write_all(after).await;
    let _ = stream.shutdown().await;
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    told
}
