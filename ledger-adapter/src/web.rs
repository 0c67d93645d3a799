//! Asks HTTP/1.1 servers: witnesses, and those that serve tiles.
//!
//! There is no TLS here. Whatever is asked for is signed, and verified by whoever asks; where the
//! way there must be private, put a tunnel before it.

use std::io;
use std::time::Duration;

use ureq::Agent;

use crate::error::LedgerError;

/// A server, by the prefix of its addresses. Keeps its connections.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    prefix: String,
    agent: Agent,
}

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Web {
    /// `prefix` is an address that begins with `http://`; `timeout` is of a whole request.
    pub(crate) fn new(prefix: &str, timeout: Duration) -> Result<Self, LedgerError> {
        if !prefix.starts_with("http://") {
            let detail = format!("{prefix:?} does not begin with http://");
            return Err(LedgerError::Malformed { what: "address", detail });
        }
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy that the environment names would see who asks whom, and when.
            .proxy(None)
            .build();
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { prefix, agent: config.into() })
    }

    /// The prefix.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reads a resource of at most `bytes_max`; `None` if the server has none.
    pub(crate) fn read(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let url = format!("{}/{path}", self.prefix);
        let answer = self.agent.get(&url).call();
        let answer = take(answer, bytes_max).map_err(|source| unreachable(&url, source))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 | 410 => Ok(None),
            status => Err(LedgerError::Answered { url, status }),
        }
    }

    /// Sends a body, and gives an answer of at most `bytes_max`, whatever its status.
    pub(crate) fn send(
        &self,
        path: &str,
        body: &[u8],
        bytes_max: usize,
    ) -> Result<Answer, LedgerError> {
        let url = format!("{}/{path}", self.prefix);
        let request = self.agent.post(&url).header("Content-Type", "text/plain; charset=utf-8");
        take(request.send(body), bytes_max).map_err(|source| unreachable(&url, source))
    }
}

fn take(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    bytes_max: usize,
) -> Result<Answer, io::Error> {
    let mut answer = answer.map_err(ureq::Error::into_io)?;
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let body = answer.body_mut().with_config().limit(bytes_max as u64).read_to_vec();
    Ok(Answer { status, content_type, body: body.map_err(ureq::Error::into_io)? })
}

fn unreachable(url: &str, source: io::Error) -> LedgerError {
    LedgerError::Unreachable { url: url.to_owned(), source }
}
