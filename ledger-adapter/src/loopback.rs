//! An HTTP server on the loopback interface, for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Status, `Content-Type`, body.
pub(crate) type Response = (u16, String, Vec<u8>);

/// A server that stops when it is dropped.
pub(crate) struct Loopback {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    listener: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Answers every request, given by path and body.
    pub(crate) fn start(answer: impl Fn(&str, &[u8]) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_over, streams) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (over, kept, answer) =
            (Arc::clone(&is_over), Arc::<Mutex<Vec<TcpStream>>>::clone(&streams), Arc::new(answer));
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || while serve(&stream, &*answer).is_some() {});
            }
        });
        Self { address, is_over, streams, listener: Some(listener) }
    }

    /// Prefix of its addresses.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.listener.take().unwrap().join());
        for stream in self.streams.lock().unwrap().iter() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// Answers one request of a connection; `None` at its end.
fn serve(stream: &TcpStream, answer: &impl Fn(&str, &[u8]) -> Response) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, content_type, answer) = answer(&path, &body);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    let mut stream = stream;
    stream.write_all(&[head.into_bytes(), answer].concat()).ok()
}
