//! JSON-RPC to a node of the chain, over HTTP.
//!
//! One request, one answer, and a time limit; nothing is tried again here. What a call reverted
//! with is told apart from a node that did not answer. It has no TLS and follows no redirection:
//! the node is on this machine or behind a local proxy that speaks TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, hex};
use alloy_sol_types::SolCall;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use crate::chain::contract::Log;

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// No connection, no answer in time, or no HTTP.
    #[error("{method}: the node does not answer")]
    Unreachable {
        /// The method that was called.
        method: &'static str,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The node refused, by its own words.
    #[error("{method}: the node says {code}: {message}")]
    Refused {
        /// The method that was called.
        method: &'static str,
        /// The node's number for it.
        code: i64,
        /// The node's words.
        message: String,
        /// What a call reverted with, if it did.
        revert: Option<Vec<u8>>,
    },
    /// The answer is not of the form that the method has.
    #[error("{method}: the answer cannot be read")]
    Unreadable {
        /// The method that was called.
        method: &'static str,
    },
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    agent: Agent,
    url: Arc<str>,
    next_id: Arc<AtomicU64>,
}

/// A moment in the chain's history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    Latest,
    Pending,
    Finalized,
    At(u64),
}

/// What became of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Receipt {
    pub(super) block: u64,
    pub(super) is_success: bool,
    pub(super) gas: u64,
    /// The contract that it made.
    pub(super) made: Option<Address>,
    /// Address and event.
    pub(super) logs: Vec<(Address, Log)>,
}

impl Rpc {
    pub(super) fn new(url: &str, timeout: Duration) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            // Nodes say what is wrong in the body, under whatever status.
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, url: url.into(), next_id: Arc::default() }
    }

    pub(super) fn chain_id(&self) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_chainId";
        number(&self.call(METHOD, &json!([]))?).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// Number of the block at a moment; `None` if the node does not know that moment.
    pub(super) fn block(&self, moment: Moment) -> Result<Option<u64>, RpcError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let block = self.call(METHOD, &json!([moment.word(), false]))?;
        if block.is_null() {
            return Ok(None);
        }
        let found = block.get("number").and_then(number);
        found.map(Some).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// Number of transactions that an address has sent.
    pub(super) fn nonce(&self, address: Address, moment: Moment) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_getTransactionCount";
        let count = self.call(METHOD, &json!([address.to_string(), moment.word()]))?;
        number(&count).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// The code at an address.
    pub(super) fn code(&self, address: Address) -> Result<Vec<u8>, RpcError> {
        const METHOD: &str = "eth_getCode";
        let code = self.call(METHOD, &json!([address.to_string(), "latest"]))?;
        bytes(&code).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// Asks the contract.
    pub(super) fn ask<C: SolCall>(&self, to: Address, question: &C) -> Result<C::Return, RpcError> {
        let call = Call { from: Address::ZERO, to, input: &question.abi_encode() };
        let answer = self.run(&call, Moment::Latest)?;
        let unreadable = RpcError::Unreadable { method: CALL };
        C::abi_decode_returns_validate(&answer).map_err(|_| unreadable)
    }

    /// Runs a call without recording it.
    pub(super) fn run(&self, call: &Call<'_>, moment: Moment) -> Result<Vec<u8>, RpcError> {
        let answer = self.call(CALL, &json!([call.words(), moment.word()]))?;
        bytes(&answer).ok_or(RpcError::Unreadable { method: CALL })
    }

    /// Gas that a call takes now.
    pub(super) fn gas(&self, call: &Call<'_>) -> Result<u64, RpcError> {
        const METHOD: &str = "eth_estimateGas";
        let gas = self.call(METHOD, &json!([call.words()]))?;
        number(&gas).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// Hands over a signed transaction. Whether it is in, only its receipt says: nodes answer with
    /// an error for one that they have, or have mined just now.
    pub(super) fn send(&self, raw: &[u8]) -> Result<(), RpcError> {
        let raw = hex::encode_prefixed(raw);
        self.call("eth_sendRawTransaction", &json!([raw])).map(drop)
    }

    /// What became of a transaction; `None` while it is in no block.
    pub(super) fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, RpcError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let found = self.call(METHOD, &json!([transaction.to_string()]))?;
        // While a block is being built, some nodes give a receipt without a block.
        if found.get("blockNumber").is_none_or(Value::is_null) {
            return Ok(None);
        }
        receipt(&found).map(Some).ok_or(RpcError::Unreadable { method: METHOD })
    }

    /// Calls a method by name.
    pub(super) fn call(&self, method: &'static str, params: &Value) -> Result<Value, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let asked = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let unreachable =
            |source: ureq::Error| RpcError::Unreachable { method, source: Box::new(source) };
        let request = self.agent.post(&*self.url).header("content-type", "application/json");
        let mut answered = request.send(asked.to_string()).map_err(unreachable)?;
        let body = answered.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let answer: Answer = serde_json::from_slice(&body.map_err(unreachable)?)
            .map_err(|_| RpcError::Unreadable { method })?;
        match answer.error {
            Some(Fault { code, message, data }) => {
                let revert = data.as_ref().and_then(revert_in);
                Err(RpcError::Refused { method, code, message, revert })
            }
            None if answer.id != id => Err(RpcError::Unreadable { method }),
            None => Ok(answer.result),
        }
    }
}

/// A call of the contract.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) input: &'a [u8],
}

impl Call<'_> {
    fn words(&self) -> Value {
        let input = hex::encode_prefixed(self.input);
        json!({ "from": self.from.to_string(), "to": self.to.to_string(), "data": input })
    }
}

impl Moment {
    fn word(self) -> String {
        match self {
            Self::Latest => "latest".to_owned(),
            Self::Pending => "pending".to_owned(),
            Self::Finalized => "finalized".to_owned(),
            Self::At(block) => format!("{block:#x}"),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    result: Value,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// The bytes that a call reverted with, wherever this kind of node puts them: as the data itself
/// (geth, Besu, anvil), or in a field of it (Hardhat, Ganache).
fn revert_in(data: &Value) -> Option<Vec<u8>> {
    match data {
        Value::String(_) => bytes(data),
        Value::Object(fields) => {
            ["data", "result"].iter().find_map(|name| fields.get(*name).and_then(revert_in))
        }
        _ => None,
    }
}

fn receipt(found: &Value) -> Option<Receipt> {
    let log = |log: &Value| {
        let topics = log.get("topics")?.as_array()?.iter();
        let topics = topics.map(|topic| topic.as_str()?.parse().ok()).collect::<Option<_>>()?;
        let data = bytes(log.get("data")?)?;
        Some((address(log.get("address")?)?, Log { topics, data }))
    };
    Some(Receipt {
        block: number(found.get("blockNumber")?)?,
        is_success: number(found.get("status")?)? == 1,
        gas: number(found.get("gasUsed")?)?,
        made: found.get("contractAddress").and_then(address),
        logs: found.get("logs")?.as_array()?.iter().map(log).collect::<Option<_>>()?,
    })
}

/// A number, written as in `0x2a`.
fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?.strip_prefix("0x")?).ok()
}

fn address(value: &Value) -> Option<Address> {
    value.as_str()?.parse().ok()
}

const CALL: &str = "eth_call";

/// Longest answer: a receipt of the largest batch is far below it.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A node that gives one answer to one request.
    fn once(answer: &'static str) -> Rpc {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let mut length = 0;
            while !asked[..length].ends_with(b"}") {
                length += stream.read(&mut asked[length..]).unwrap();
            }
            let head = "HTTP/1.1 500 x\r\nconnection: close\r\ncontent-length:";
            write!(stream, "{head} {}\r\n\r\n{answer}", answer.len()).unwrap();
        });
        Rpc::new(&url, Duration::from_secs(10))
    }

    #[test]
    fn answers_are_read_under_any_status() {
        let rpc = once(r#"{"jsonrpc":"2.0","id":0,"result":"0x7a69"}"#);
        assert_eq!(rpc.chain_id().unwrap(), 31_337);
    }

    #[test]
    fn a_revert_is_found_where_each_node_puts_it() {
        for data in [r#""0x0102""#, r#"{"message":"x","data":"0x0102"}"#, r#"{"result":"0x0102"}"#]
        {
            let answer = format!(r#"{{"id":0,"error":{{"code":3,"message":"x","data":{data}}}}}"#);
            let error = once(Box::leak(answer.into_boxed_str())).chain_id().unwrap_err();
            let RpcError::Refused { code: 3, revert: Some(revert), .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(revert, [1, 2]);
        }
    }

    #[test]
    fn what_is_not_an_answer_is_no_answer() {
        for answer in [
            "",
            "[]",
            r#"{"id":0}"#,
            r#"{"id":1,"result":"0x1"}"#,
            r#"{"id":0,"result":"7"}"#,
            r#"{"id":0,"result":"0x-1"}"#,
            r#"{"id":0,"result":"0x10000000000000000"}"#,
        ] {
            let error = once(answer).chain_id().unwrap_err();
            assert!(matches!(error, RpcError::Unreadable { .. }), "{answer}: {error:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Rpc::new(&url, Duration::from_secs(10)).chain_id().unwrap_err();
        assert!(matches!(error, RpcError::Unreachable { .. }));
    }
}
