//! Calls between processes over loopback: what arrives, and what is refused.

mod trust;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Empty, Ticket};
use futures::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{Barrier, Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use super::certificates::{Authority, for_years};
use super::error::{CallError, WireError};
use super::identity::Identity;
use super::peer::Peer;
use super::server::{HANDSHAKE_MAX, serve, serve_with_grace};
use super::*;

/// Long enough for a call that is answered, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn authority() -> Authority {
    Authority::generate(for_years(1)).unwrap()
}

fn identity(authority: &Authority, name: &str) -> Identity {
    authority.issue(name, for_years(1)).unwrap().identity(SystemTime::now()).unwrap()
}

/// A server on a port of its own, until it is stopped.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), WireError>>,
}

impl Running {
    async fn start(identity: &Identity, service: impl Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, identity, service)
    }

    fn start_on(listener: TcpListener, identity: &Identity, service: impl Service) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (identity, service) = (identity.clone(), Arc::new(service));
        let served = tokio::spawn(async move {
            serve(listener, &identity, service, async { stopped.await.unwrap() }).await
        });
        Self { address, stop, served }
    }

    fn peer(&self, name: &str, identity: &Identity) -> Peer {
        Peer::new(&format!("https://{}", self.address), name, identity).unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

/// Says who asked what, with the same body.
struct Echo;

#[async_trait]
impl Service for Echo {
    async fn call(&self, peer: &str, action: &str, body: Bytes) -> Result<Bytes, Refusal> {
        let kind = match action {
            "refuse" => Kind::Refused,
            "wait" => Kind::NotNow,
            "fail" => Kind::Failed,
            "panic" => panic!("a fault of the service"),
            "grow" => return Ok(vec![0; BODY_BYTES_MAX + 1].into()),
            "size" => return Ok(body.len().to_string().into()),
            _ => return Ok([format!("{peer} {action} ").as_bytes(), &body].concat().into()),
        };
        Err(Refusal::new(kind, "no\nnot by day"))
    }

    fn actions(&self) -> &'static [&'static str] {
        &["refuse", "wait"]
    }
}

/// Holds a call until it is let go on, and tells that it has begun and ended. A "pass" is not held.
#[derive(Default)]
struct Held {
    begun: Notify,
    released: Notify,
    has_ended: AtomicBool,
}

#[async_trait]
impl Service for Arc<Held> {
    async fn call(&self, _: &str, action: &str, _: Bytes) -> Result<Bytes, Refusal> {
        if action != "pass" {
            self.begun.notify_one();
            self.released.notified().await;
            self.has_ended.store(true, Ordering::SeqCst);
        }
        Ok(Bytes::from_static(b"done"))
    }
}

/// Lets nobody go before all are there.
struct Meeting(Barrier);

#[async_trait]
impl Service for Meeting {
    async fn call(&self, _: &str, _: &str, body: Bytes) -> Result<Bytes, Refusal> {
        self.0.wait().await;
        Ok(body)
    }
}

async fn refusal(peer: &Peer, action: &str) -> Refusal {
    match peer.call(action, Bytes::new(), PATIENCE).await {
        Err(CallError::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Waits until nobody is let in any more: a server has heard that it is to stop.
async fn is_closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// Of a call that should not be made.
async fn error(peer: &Peer) -> CallError {
    peer.call("greet", Bytes::new(), PATIENCE).await.unwrap_err()
}

#[tokio::test]
async fn a_call_arrives_with_the_name_of_its_caller() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let peer = server.peer("site-a", &identity(&authority, "coordinator"));
    let answer = peer.call("greet", Bytes::from_static(b"\0body"), PATIENCE).await.unwrap();
    assert_eq!(answer, b"coordinator greet \0body".as_slice());
    server.stop().await;
}

#[tokio::test]
async fn ten_mebibytes_come_back_as_they_were() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    let byte = |index: u32| index.wrapping_mul(0x9e37_79b1).to_be_bytes()[0];
    let body: Vec<u8> = (0..10 << 20).map(byte).collect();
    let answer = peer.call("e", body.clone().into(), PATIENCE).await.unwrap();
    assert_eq!(&answer[..4], b"b e ");
    assert!(answer[4..] == body);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_at_either_end() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    let body = Bytes::from(vec![0; BODY_BYTES_MAX + 1]);
    let longest = body.slice(1..);
    assert_eq!(peer.call("size", longest, PATIENCE).await.unwrap(), b"67108864".as_slice());
    let error = peer.call("size", body.clone(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, CallError::TooLong { .. }), "{error}");
    // A caller that does not look at the length itself.
    let error = peer.exchange(peer.connect().await.unwrap(), "size", body).await.unwrap_err();
    assert_eq!(error.to_string(), "site-a refused: the body is longer than calls carry");
    let refused = refusal(&peer, "grow").await;
    assert_eq!(refused, Refusal::new(Kind::Failed, "the answer is longer than calls carry"));
    server.stop().await;
}

#[tokio::test]
async fn refusals_arrive_as_they_were_sent() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    for (action, kind, message) in [
        ("refuse", Kind::Refused, "no not by day"),
        ("wait", Kind::NotNow, "no not by day"),
        ("fail", Kind::Failed, "no not by day"),
        ("panic", Kind::Failed, "it failed"),
    ] {
        assert_eq!(refusal(&peer, action).await, Refusal::new(kind, message), "{action}");
    }
    // The server goes on.
    peer.call("greet", Bytes::new(), PATIENCE).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn others_learn_the_actions_and_find_nothing_else() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    let channel = peer.channel(peer.connect().await.unwrap()).await.unwrap();
    let mut client = FlightServiceClient::new(channel);
    let mut listed = client.list_actions(Empty {}).await.unwrap().into_inner();
    let mut names = vec![];
    while let Some(action) = listed.message().await.unwrap() {
        names.push(action.r#type);
    }
    assert_eq!(names, ["refuse", "wait"]);
    let refused = client.do_get(Ticket::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn patience_ends() {
    let authority = authority();
    let caller = identity(&authority, "b");
    let short = Duration::from_millis(50);

    // Takes the connection, and says nothing: the call was not sent.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let peer = Peer::new(&format!("https://{address}"), "site-a", &caller).unwrap();
    match peer.call("hold", Bytes::new(), short).await.unwrap_err() {
        CallError::Unreachable { source, .. } => {
            assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        }
        other => panic!("{other}"),
    }

    // Takes the call, and does not come to an end: nobody knows.
    let held = Arc::new(Held::default());
    let server = Running::start(&identity(&authority, "site-a"), Arc::clone(&held)).await;
    let peer = server.peer("site-a", &caller);
    let mut patience = short;
    let late = loop {
        // On a busy machine to connect may take as long.
        match peer.call("hold", Bytes::new(), patience).await.unwrap_err() {
            CallError::Unreachable { .. } => patience *= 2,
            other => break other,
        }
    };
    assert!(matches!(late, CallError::Late { .. }), "{late}");
    held.released.notify_one();
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_carried_through_though_its_caller_is_gone() {
    let authority = authority();
    let held = Arc::new(Held::default());
    let server = Running::start(&identity(&authority, "site-a"), Arc::clone(&held)).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    tokio::select! {
        answer = peer.call("hold", Bytes::new(), PATIENCE) => panic!("{answer:?}"),
        () = held.begun.notified() => {}
    }
    // What the server hears after the connection broke; by now it knows that it did.
    for _ in 0..10 {
        peer.call("pass", Bytes::new(), PATIENCE).await.unwrap();
    }
    let address = server.address;
    let released = async {
        is_closed(address).await;
        // Time to end too early.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        held.released.notify_one();
    };
    let stopped = async {
        server.stop().await;
        assert!(held.has_ended.load(Ordering::SeqCst), "the server ended before the call");
    };
    tokio::join!(stopped, released);
}

#[tokio::test]
async fn a_peer_that_was_killed_and_started_again_is_called_as_before() {
    let authority = authority();
    let site = identity(&authority, "site-a");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = Peer::new(&format!("https://{address}"), "site-a", &identity(&authority, "b"));
    let peer = peer.unwrap();

    // What dies with its runtime dies as a process does: at once, with all its connections.
    let process = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let process = process.unwrap();
    let held = Arc::new(Held::default());
    let (listener, service) = (listener.into_std().unwrap(), Arc::clone(&held));
    let of = site.clone();
    process.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        serve(listener, &of, Arc::new(service), std::future::pending()).await.unwrap();
    });
    held.released.notify_one();
    assert_eq!(peer.call("hold", Bytes::new(), PATIENCE).await.unwrap(), b"done".as_slice());
    held.begun.notified().await;

    let call = peer.call("hold", Bytes::new(), PATIENCE);
    let killed = async {
        held.begun.notified().await;
        tokio::task::spawn_blocking(|| drop(process)).await.unwrap();
    };
    let (call, ()) = tokio::join!(call, killed);
    assert!(matches!(call, Err(CallError::Broken { .. })), "{call:?}");
    let error = error(&peer).await;
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");

    let listener = TcpListener::bind(address).await.unwrap();
    let server = Running::start_on(listener, &site, Echo);
    let answer = peer.call("greet", Bytes::new(), PATIENCE).await.unwrap();
    assert_eq!(answer, b"b greet ".as_slice());
    server.stop().await;
}

#[tokio::test]
async fn calls_are_served_side_by_side() {
    const CALLS: usize = 32;
    let authority = authority();
    let meeting = Meeting(Barrier::new(CALLS));
    let server = Running::start(&identity(&authority, "site-a"), meeting).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    let call = |index: usize| peer.call("meet", index.to_string().into(), PATIENCE);
    let answers = join_all((0..CALLS).map(call)).await;
    for (index, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), index.to_string());
    }
    server.stop().await;
}

#[tokio::test]
async fn whoever_does_not_shake_hands_holds_up_nobody() {
    let authority = authority();
    let server = Running::start(&identity(&authority, "site-a"), Echo).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let peer = server.peer("site-a", &identity(&authority, "b"));
    // Less than the silent one is given.
    let patience = HANDSHAKE_MAX - Duration::from_secs(1);
    peer.call("greet", Bytes::new(), patience).await.unwrap();
    drop(silent);
    server.stop().await;
}

#[test]
fn what_no_service_said_is_no_refusal() {
    let peer = Peer::new("https://[::1]:1", "site-a", &identity(&authority(), "b")).unwrap();
    for code in [Code::FailedPrecondition, Code::Unavailable, Code::Internal, Code::Unknown] {
        let error = peer.failed(Status::new(code, "a proxy says so"));
        assert!(matches!(error, CallError::Broken { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_finished() {
    let authority = authority();
    let held = Arc::new(Held::default());
    let server = Running::start(&identity(&authority, "site-a"), Arc::clone(&held)).await;
    let peer = server.peer("site-a", &identity(&authority, "b"));
    let address = server.address;
    let stopped = async {
        held.begun.notified().await;
        let stopping = tokio::spawn(server.stop());
        is_closed(address).await;
        held.released.notify_one();
        stopping.await.unwrap();
    };
    let (answer, ()) = tokio::join!(peer.call("hold", Bytes::new(), PATIENCE), stopped);
    assert_eq!(answer.unwrap(), b"done".as_slice());
}

#[tokio::test]
async fn what_does_not_end_does_not_hold_up_the_end() {
    let authority = authority();
    let held = Arc::new(Held::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let peer = Peer::new(&url, "site-a", &identity(&authority, "b")).unwrap();
    let site = identity(&authority, "site-a");
    let served = serve_with_grace(
        listener,
        &site,
        Arc::new(Arc::clone(&held)),
        held.begun.notified(),
        Duration::from_millis(1),
    );
    tokio::select! {
        served = served => served.unwrap(),
        answer = peer.call("hold", Bytes::new(), PATIENCE) => panic!("{answer:?}"),
    }
}

#[test]
fn an_address_is_https_with_host_and_port() {
    let caller = identity(&authority(), "b");
    for url in ["https://site-a:1", "https://10.0.0.1:65535", "https://[::1]:443/"] {
        assert!(Peer::new(url, "site-a", &caller).is_ok());
    }
    for url in [
        "http://site-a:1",
        "site-a:1",
        "https://site-a",
        "https://site-a:1/log",
        "https://site-a:1?x",
        "https://me@site-a:1",
        "https://site-a:65536",
        "",
    ] {
        let error = Peer::new(url, "site-a", &caller).unwrap_err();
        assert!(matches!(error, WireError::Address { .. }), "{url}");
    }
}
