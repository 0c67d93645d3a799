//! Who is let in, who is believed, and what is kept of it in files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::super::certificates::{Authority, Issued, for_years};
use super::super::error::{CallError, Fault, WireError};
use super::super::identity::{Identity, check_name};
use super::{DAY, Echo, PATIENCE, Running, authority, error, identity};

/// A client's side made by hand: whom it trusts, what it shows, and what it speaks.
fn client(
    trusted: &Issued,
    shown: Option<(&str, &KeyPair)>,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.authority.as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let client = client.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    let mut client = match shown {
        None => client.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            client.with_client_auth_cert(chain, key).unwrap()
        }
    };
    client.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(client)
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let server = Running::start(&identity(&authority(), "site-a"), Echo).await;
    let error = error(&server.peer("site-a", &identity(&authority(), "b"))).await;
    let text = "the certificate of site-a is refused: it is not of the authority";
    assert_eq!(error.to_string(), text);
    server.stop().await;
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused() {
    let (ours, theirs) = (authority(), authority());
    let server = Running::start(&identity(&ours, "site-a"), Echo).await;
    let mut both = theirs.issue("b", for_years(1)).unwrap();
    both.authority += &ours.issue("b", for_years(1)).unwrap().authority;
    let peer = server.peer("site-a", &both.identity(SystemTime::now()).unwrap());
    let text = "site-a refuses our certificate: it is not of the authority";
    assert_eq!(error(&peer).await.to_string(), text);
    server.stop().await;
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let authority = authority();
    let issued = authority.issue("b", for_years(1)).unwrap();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let mut nobody = identity(&authority, "b");
    nobody.client = client(&issued, None, &TLS13);
    let text = "site-a refuses our certificate: there is none";
    assert_eq!(error(&server.peer("site-a", &nobody)).await.to_string(), text);
    server.stop().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_either_end() {
    let authority = Authority::generate(SystemTime::now() - 9 * DAY..SystemTime::now() + DAY);
    let authority = authority.unwrap();
    let past = SystemTime::now() - 3 * DAY..SystemTime::now() - DAY;
    let expired = |name| authority.issue(name, past.clone()).unwrap();
    let old = |name| expired(name).identity(SystemTime::now() - 2 * DAY).unwrap();

    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let text = "site-a refuses our certificate: it has expired or is not valid yet";
    assert_eq!(error(&server.peer("site-a", &old("b"))).await.to_string(), text);
    server.stop().await;

    let server = Running::start(&old("site-a"), Echo).await;
    let text = "the certificate of site-a is refused: it has expired or is not valid yet";
    let peer = server.peer("site-a", &identity(&authority, "b"));
    assert_eq!(error(&peer).await.to_string(), text);
    server.stop().await;

    // And nobody starts with one.
    let refused = expired("b").identity(SystemTime::now()).unwrap_err();
    assert!(matches!(refused, WireError::Unusable(_)), "{refused}");
}

#[tokio::test]
async fn a_server_of_another_name_is_refused() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-b"), Echo).await;
    let error = error(&server.peer("site-a", &identity(&authority, "c"))).await;
    assert!(matches!(error, CallError::Untrusted { fault: Fault::Name, .. }), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn whoever_has_two_names_or_none_of_ours_has_none() {
    let authority = authority();
    let issued = authority.issue("b", for_years(1)).unwrap();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    for names in [vec!["b", "c"], vec![], vec!["*.b"], vec!["10.0.0.1"], vec!["B"]] {
        let key = KeyPair::generate().unwrap();
        let given: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(given).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap().pem();
        let mut caller = identity(&authority, "b");
        caller.client = client(&issued, Some((&certificate, &key)), &TLS13);
        let error = error(&server.peer("site-a", &caller)).await;
        assert!(matches!(error, CallError::Unreachable { .. }), "{names:?}: {error}");

        let key = key.serialize_pem();
        let wrong = Issued { certificate, key, authority: issued.authority.clone() };
        let error = wrong.identity(SystemTime::now()).unwrap_err();
        assert!(
            matches!(error, WireError::Unusable(_) | WireError::Name { .. }),
            "{names:?}: {error}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_older_than_tls_1_3_is_spoken() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let issued = authority.issue("b", for_years(1)).unwrap();
    let key = KeyPair::from_pem(&issued.key).unwrap();
    for (version, is_spoken) in [(&TLS13, true), (&TLS12, false)] {
        let mut caller = identity(&authority, "b");
        caller.client = client(&issued, Some((&issued.certificate, &key)), version);
        let peer = server.peer("site-a", &caller);
        match peer.call("greet", Bytes::new(), PATIENCE).await {
            Ok(_) => assert!(is_spoken),
            Err(CallError::Unreachable { .. }) => assert!(!is_spoken),
            Err(error) => panic!("{error}"),
        }
    }
    server.stop().await;
}

#[test]
fn a_name_is_a_short_word() {
    for name in ["a", "site-a", "1st", "x0123456789012345678901234567890123456789"] {
        assert!(check_name(name).is_ok() == (name.len() <= 40), "{name}");
    }
    for name in ["", "-a", "a-", "A", "a.b", "*", "1", "10.0.0.1", "a b", "ä", "a_b"] {
        assert!(check_name(name).is_err(), "{name}");
    }
}

#[test]
fn files_are_private_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let [of_authority, of_site] = ["authority", "sites/a"].map(|name| directory.path().join(name));
    authority().write(&of_authority).unwrap();
    let authority = Authority::read(&of_authority).unwrap();
    let issued = authority.issue("site-a", for_years(1)).unwrap();
    issued.write(&of_site).unwrap();
    assert_eq!(Identity::read(&of_site).unwrap().name(), "site-a");

    let before = fs::read(of_site.join("key.pem")).unwrap();
    let again = authority.issue("site-a", for_years(1)).unwrap().write(&of_site).unwrap_err();
    assert!(matches!(again, WireError::Exists { .. }), "{again}");
    assert_eq!(fs::read(of_site.join("key.pem")).unwrap(), before);
    // Where only the last of them is in the way, those before it are not left behind.
    fs::remove_file(of_site.join("authority.pem")).unwrap();
    fs::remove_file(of_site.join("certificate.pem")).unwrap();
    issued.write(&of_site).unwrap_err();
    assert_eq!(fs::read_dir(&of_site).unwrap().count(), 1);

    let key = of_authority.join("authority-key.pem");
    for path in [&key, &of_site.join("key.pem")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let exposed = Authority::read(&of_authority).err().unwrap();
    assert!(matches!(exposed, WireError::Exposed { .. }), "{exposed}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "x").unwrap();
    let text = "authority-key.pem is not what it should be: there is no private key in it";
    assert_eq!(Authority::read(&of_authority).err().unwrap().to_string(), text);
}

#[test]
fn what_does_not_go_together_is_refused_before_any_call() {
    let (ours, theirs) = (authority(), authority());
    let issued = |authority: &Authority| authority.issue("b", for_years(1)).unwrap();
    let now = SystemTime::now();
    let mixed = Issued { authority: issued(&theirs).authority, ..issued(&ours) };
    assert!(matches!(mixed.identity(now), Err(WireError::Unusable(_))));
    let mixed = Issued { key: issued(&ours).key, ..issued(&ours) };
    assert!(matches!(mixed.identity(now), Err(WireError::Unusable(_))));
    for (file, text) in [("authority.pem", ""), ("key.pem", ""), ("certificate.pem", "x")] {
        let mut wrong = issued(&ours);
        match file {
            "authority.pem" => wrong.authority = text.to_owned(),
            "key.pem" => wrong.key = text.to_owned(),
            _ => wrong.certificate = text.to_owned(),
        }
        let error = wrong.identity(now).unwrap_err();
        assert!(error.to_string().starts_with(file), "{error}");
    }
}
