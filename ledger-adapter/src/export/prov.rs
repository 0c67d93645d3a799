//! W3C PROV: which extracts, by which sites, became which answer.
//!
//! # Source
//! PROV-JSON, W3C member submission of 2013.

use serde_json::{Map, Value, json};

use super::Record;
use crate::digest::Digest;

/// The release as a PROV-JSON document.
pub fn document(record: &Record) -> Value {
    let activity = format!("query:{}", record.query());
    let answer = entity(record.table_digest());
    let engine = "graunt:engine";
    let (name, version) = record.engine();
    let mut entities = Map::new();
    let release = typed("graunt:release");
    entities.insert(answer.clone(), json!({"prov:type": release}));
    let mut agents = Map::new();
    let engine_type = typed("prov:SoftwareAgent");
    let label = json!({"prov:type": engine_type, "prov:label": name, "graunt:version": version});
    agents.insert(engine.to_owned(), label);
    let (mut used, mut derived, mut attributed) = (Map::new(), Map::new(), Map::new());
    for (at, input) in record.inputs.iter().enumerate() {
        let (extract, site) = (entity(input.root), format!("site:{at}"));
        entities.insert(extract.clone(), json!({"prov:type": typed("graunt:extract")}));
        let organization = typed("prov:Organization");
        agents.insert(site.clone(), json!({"prov:type": organization, "prov:label": input.site}));
        let use_of = json!({"prov:activity": activity, "prov:entity": extract});
        used.insert(format!("_:used{at}"), use_of);
        let derivation = json!({"prov:generatedEntity": answer, "prov:usedEntity": extract});
        derived.insert(format!("_:derived{at}"), derivation);
        let attribution = json!({"prov:entity": extract, "prov:agent": site});
        attributed.insert(format!("_:attributed{at}"), attribution);
    }
    let cost = record.effect.cost;
    json!({
        "prefix": {
            "graunt": "https://graunt.dev/ns#",
            "query": format!("https://graunt.dev/ns/query/{}/", record.origin),
            "sha256": "urn:sha256:",
            "site": format!("https://graunt.dev/ns/site/{}/", record.origin),
        },
        "entity": entities,
        "agent": agents,
        "activity": {&activity: {
            "graunt:account": record.effect.account,
            "graunt:chargeIndex": long(record.charge_index),
            "graunt:day": {"$": record.date, "type": "xsd:date"},
            "graunt:deltaAtto": long(cost.delta.atto()),
            "graunt:intent": record.intent,
            "graunt:rhoNano": long(cost.rho.nano()),
        }},
        "used": used,
        "wasAttributedTo": attributed,
        "wasDerivedFrom": derived,
        "wasGeneratedBy": {
            "_:generated": {"prov:entity": answer, "prov:activity": activity},
        },
        "wasAssociatedWith": {
            "_:associated": {"prov:activity": activity, "prov:agent": engine},
        },
    })
}

fn entity(digest: Digest) -> String {
    format!("sha256:{digest}")
}

fn typed(name: &str) -> Value {
    json!({"$": name, "type": "prov:QUALIFIED_NAME"})
}

fn long(value: u64) -> Value {
    json!({"$": value.to_string(), "type": "xsd:unsignedLong"})
}
