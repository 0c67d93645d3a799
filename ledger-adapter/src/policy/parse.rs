//! Reads a policy, line by line.

use std::collections::{HashMap, HashSet};

use super::{LogLine, Node, Policy, WitnessLine};
use crate::cosignature::CosignerKey;
use crate::error::LedgerError;

/// Reads a policy.
pub(super) fn parse(text: &str) -> Result<Policy, LedgerError> {
    let mut lines = Lines::default();
    let cut = "it does not end with a newline";
    let text = match text.strip_suffix('\n') {
        Some(text) => text,
        None => return Err(malformed(text.lines().count().max(1), cut)),
    };
    for (number, line) in (1..).zip(text.split('\n')) {
        lines.read(line).map_err(|detail| malformed(number, &detail))?;
    }
    let quorum = lines.quorum.ok_or_else(|| malformed(text.split('\n').count(), NO_QUORUM))?;
    let Lines { logs, witnesses, nodes, .. } = lines;
    Ok(Policy { logs, witnesses, nodes, quorum })
}

/// What was read so far.
#[derive(Default)]
struct Lines {
    logs: Vec<LogLine>,
    witnesses: Vec<WitnessLine>,
    nodes: Vec<Node>,
    /// Node of each name.
    names: HashMap<String, usize>,
    /// Nodes that are in a group.
    members: HashSet<usize>,
    quorum: Option<Option<usize>>,
}

impl Lines {
    fn read(&mut self, line: &str) -> Result<(), String> {
        if line.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err("a control character".to_owned());
        }
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(kind) = words.next().filter(|word| !word.starts_with('#')) else {
            return Ok(());
        };
        let words: Vec<_> = words.collect();
        match (kind, words.as_slice()) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("log", _) => Err("it is `log <vkey> [<url>]`".to_owned()),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("witness", _) => Err("it is `witness <name> <vkey> [<url>]`".to_owned()),
            ("group", [name, need, members @ ..]) if !members.is_empty() => {
                self.group(name, need, members)
            }
            ("group", _) => Err("it is `group <name> all|any|<k> <name>...`".to_owned()),
            ("quorum", [name]) => self.quorum(name),
            ("quorum", _) => Err("it is `quorum <name>`".to_owned()),
            (other, _) => Err(format!("{other:?} is not log, witness, group or quorum")),
        }
    }

    fn log(&mut self, key: &str, url: Option<&&str>) -> Result<(), String> {
        let line = LogLine { key: key.parse().map_err(text)?, url: url.map(|u| (*u).to_owned()) };
        self.check_new_key(line.key.key().as_bytes())?;
        self.logs.push(line);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&&str>) -> Result<(), String> {
        let key: CosignerKey = key.parse().map_err(text)?;
        self.check_new_key(key.key().as_bytes())?;
        self.define(name, Node::Witness(self.witnesses.len()))?;
        let url = url.map(|url| (*url).to_owned());
        self.witnesses.push(WitnessLine { name: name.to_owned(), key, url });
        Ok(())
    }

    fn group(&mut self, name: &str, need: &str, members: &[&str]) -> Result<(), String> {
        let mut indices = Vec::new();
        for member in members {
            let index = self.find(member)?;
            if !self.members.insert(index) {
                return Err(format!("{member:?} is in a group already"));
            }
            indices.push(index);
        }
        let need = match need {
            "all" => indices.len(),
            "any" => 1,
            // One spelling only: no sign, no leading zero.
            number => match number.parse() {
                Ok(need) if (1..=indices.len()).contains(&need) && need.to_string() == number => {
                    need
                }
                _ => return Err(format!("{number:?} of {} members", indices.len())),
            },
        };
        self.define(name, Node::Group { need, members: indices })
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("there is a quorum already".to_owned());
        }
        self.quorum = Some(if name == NONE { None } else { Some(self.find(name)?) });
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, String> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| format!("no line above defines {name:?}"))
    }

    fn define(&mut self, name: &str, node: Node) -> Result<(), String> {
        if name == NONE {
            return Err("the name none stands for no witness".to_owned());
        }
        if self.names.insert(name.to_owned(), self.nodes.len()).is_some() {
            return Err(format!("{name:?} is defined above"));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn check_new_key(&self, key: &[u8; 32]) -> Result<(), String> {
        let of_logs = self.logs.iter().map(|log| log.key.key());
        let of_witnesses = self.witnesses.iter().map(|witness| witness.key.key());
        if of_logs.chain(of_witnesses).any(|known| known.as_bytes() == key) {
            return Err("its key is on a line above".to_owned());
        }
        Ok(())
    }
}

/// The text of an error that gets a line number.
fn text(error: LedgerError) -> String {
    error.to_string()
}

fn malformed(line: usize, detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "policy", detail: format!("line {line}: {detail}") }
}

/// The quorum that asks for nothing.
const NONE: &str = "none";

const NO_QUORUM: &str = "it ends without a quorum line";
