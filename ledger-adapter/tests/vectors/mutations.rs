//! Every field of a receipt, changed in every way that its kind allows; and texts that are nearly
//! the receipt's.

use ledger_adapter::receipt::redacted::Filed;
use serde_json::{Map, Value, json};

/// Ways to spoil the receipt called `of`, whose text is given. Each is an object with `of` and one
/// of: `set` (a JSON pointer) and `to`; `remove` (a pointer); `find` and `put` (texts).
pub(crate) fn mutations(of: &str, text: &str) -> Vec<Value> {
    let whole: Value = serde_json::from_str(text).unwrap();
    let mut out = Vec::new();
    walk(&whole, "", &mut out);
    let filed = filed(text).unwrap();
    // What may be left out when it is null is no change.
    out.retain(|mutation| self::filed(&apply(text, mutation)).as_ref() != Ok(&filed));
    if let Filed::Redacted(_) = filed {
        // A query may be redacted before it is released: without that entry it is as true.
        out.retain(|mutation| mutation["remove"] != "/log/entries/4");
    } else {
        out.extend(TEXTS.iter().map(|(find, put)| json!({"find": find, "put": put})));
    }
    for mutation in &mut out {
        mutation["of"] = json!(of);
    }
    out
}

/// Reads a receipt, or what is left of one, as [`Filed::load`] does.
pub(crate) fn filed(text: &str) -> Result<Filed, String> {
    let told = |error: serde_json::Error| error.to_string();
    let fields: Value = serde_json::from_str(text).map_err(told)?;
    Ok(if fields.get("redacted").is_some() {
        Filed::Redacted(Box::new(serde_json::from_str(text).map_err(told)?))
    } else {
        Filed::Whole(Box::new(serde_json::from_str(text).map_err(told)?))
    })
}

/// The text after a mutation.
pub(crate) fn apply(text: &str, mutation: &Value) -> String {
    if let Some(find) = mutation["find"].as_str() {
        assert_eq!(text.matches(find).count(), 1, "{find}");
        return text.replace(find, mutation["put"].as_str().unwrap());
    }
    let mut whole: Value = serde_json::from_str(text).unwrap();
    let (pointer, to) = match mutation["remove"].as_str() {
        Some(pointer) => (pointer, None),
        None => (mutation["set"].as_str().unwrap(), Some(&mutation["to"])),
    };
    if pointer.is_empty() {
        return to.unwrap().to_string();
    }
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match (whole.pointer_mut(parent).unwrap(), to) {
        (Value::Object(fields), Some(to)) => drop(fields.insert(last.to_owned(), to.clone())),
        (Value::Object(fields), None) => drop(fields.remove(last).unwrap()),
        (Value::Array(items), Some(to)) => match items.get_mut(last.parse::<usize>().unwrap()) {
            Some(item) => *item = to.clone(),
            None => items.push(to.clone()),
        },
        (Value::Array(items), None) => drop(items.remove(last.parse().unwrap())),
        (other, _) => panic!("{pointer}: {other}"),
    }
    whole.to_string()
}

/// Texts of the receipt that are found once, and what is put in their place.
const TEXTS: &[(&str, &str)] = &[
    ("\"day\": 20050", "\"day\": 20050.0"),
    ("\"day\": 20050", "\"day\": 2005e1"),
    ("\"day\": 20050", "\"day\": 020050"),
    ("\"day\": 20050", "\"day\": +20050"),
    ("\"day\": 20050", "\"day\": 4294987346"),
    ("\"day\": 20050", "\"day\": 20050, \"day\": 20050"),
    ("\"release_salt\":", "\"release_salt\": null, \"release_salt\":"),
    ("\"vkey\":", "\"Vkey\":"),
    ("{\n  \"version\"", "\u{feff}{\n  \"version\""),
    ("{\n  \"version\"", "\u{a0}{\n  \"version\""),
    ("{\n  \"version\"", "[{\n  \"version\""),
    ("{\n  \"version\"", "// a comment\n{\n  \"version\""),
    ("{\n  \"version\"", "{,\n  \"version\""),
    ("{\n  \"version\"", "{\n  'version'"),
];

fn walk(value: &Value, at: &str, out: &mut Vec<Value>) {
    let mut set = |to: Value| out.push(json!({"set": at, "to": to}));
    match value {
        Value::Null => set(json!(0)),
        Value::Bool(known) => set(json!(!known)),
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or(0);
            set(json!(number.checked_add(1).unwrap_or(0)));
            set(json!(-1));
            set(json!(number.to_string()));
            set(Value::Null);
        }
        Value::String(text) => {
            let mut letters: Vec<char> = text.chars().collect();
            let middle = letters.len() / 2;
            if let Some(letter) = letters.get_mut(middle) {
                // Another digit in hex as in base64.
                *letter = if *letter == '1' { '2' } else { '1' };
            }
            set(json!(letters.iter().collect::<String>()));
            set(json!(format!("{text}0")));
            set(json!(format!(" {text}")));
            set(json!(""));
            set(Value::Null);
        }
        Value::Array(items) => {
            set(Value::Object(Map::new()));
            // A signature or a key that is there twice says nothing new.
            if let Some(first) = items.first().filter(|_| !TWICE_IS_ONCE.contains(&leaf(at))) {
                out.push(json!({"set": format!("{at}/{}", items.len()), "to": first}));
            }
            for (index, item) in items.iter().enumerate() {
                let at = format!("{at}/{index}");
                out.push(json!({"remove": at}));
                walk(item, &at, out);
            }
        }
        Value::Object(fields) => {
            set(json!([]));
            out.push(json!({"set": format!("{at}/more"), "to": 1}));
            for (name, field) in fields {
                let at = format!("{at}/{name}");
                out.push(json!({"remove": at}));
                walk(field, &at, out);
            }
        }
    }
}

const TWICE_IS_ONCE: [&str; 2] = ["signatures", "keys"];

fn leaf(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(_, leaf)| leaf)
}
