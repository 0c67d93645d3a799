//! HL7 FHIR: an AuditEvent for the hospital's audit repository, and a Provenance.
//!
//! # Source
//! FHIR R4 AuditEvent under the profile `IHE.BasicAudit.Query` of IHE ITI Basic Audit Log Patterns
//! 1.1.4; FHIR R5 Provenance.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Question, Record, name_of};
use crate::error::LedgerError;

/// The query as an AuditEvent, R4. Client and user are masked: a receipt does not name them.
///
/// The profile wants the raw query. Unless it may be [`Question::Shown`], the name of the salted
/// commitment on the ledger stands in its place.
pub fn audit_event(record: &Record, question: Question) -> Value {
    let commitment = name_of(record.intent);
    let (query, description) = match question {
        Question::Withheld => (commitment.as_str(), "commitment to a query, text not given"),
        Question::Shown => (record.receipt.intent.sql.as_str(), "query, as it was asked"),
    };
    let mut entities = vec![
        json!({
            "type": coding(ENTITY_TYPE, "2"),
            "role": coding(ENTITY_ROLE, "24"),
            "description": description,
            "query": STANDARD.encode(query),
        }),
        json!({
            "type": coding(BALP_ENTITY_TYPE, "XrequestId"),
            "what": {"identifier": {"value": record.query().to_string()}},
        }),
    ];
    // Type 4, other: of type 2 the profile allows the query only.
    let entity = |role: &str, name: String, description: &str| {
        json!({
            "what": {"identifier": uri(&name)},
            "type": coding(ENTITY_TYPE, "4"),
            "role": coding(ENTITY_ROLE, role),
            "description": description,
        })
    };
    for input in &record.inputs {
        entities.push(entity("4", name_of(input.root), "statement of an extract that was read"));
    }
    let description = "released table, with noise of differential privacy";
    entities.push(entity("3", name_of(record.table_digest()), description));
    json!({
        "resourceType": "AuditEvent",
        "meta": {"profile": [BALP_QUERY]},
        "type": coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"),
        "subtype": [coding("http://hl7.org/fhir/restful-interaction", "search")],
        "action": "E",
        "recorded": record.midnight(),
        "outcome": "0",
        "agent": [
            {
                "type": {"coding": [coding(DICOM, "110153")]},
                "who": masked(),
                "requestor": true,
                "network": masked(),
            },
            {
                "type": {"coding": [coding(DICOM, "110152")]},
                "who": engine(record),
                "requestor": false,
                "network": masked(),
            },
        ],
        "source": {
            "observer": engine(record),
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4")],
        },
        "entity": entities,
    })
}

/// The release as a Provenance, R5; its signature is the signed release statement itself.
///
/// # Errors
/// [`LedgerError::Malformed`], which does not happen for a receipt that was read.
pub fn provenance(record: &Record) -> Result<Value, LedgerError> {
    let mut policies: Vec<_> =
        record.inputs.iter().map(|input| name_of(input.policy.digest)).collect();
    policies.sort_unstable();
    policies.dedup();
    let entity = |name: String| json!({"role": "source", "what": {"identifier": uri(&name)}});
    let agent = |role: &str, who: Value| {
        let system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
        json!({"type": {"coding": [coding(system, role)]}, "who": who})
    };
    let mut agents = vec![agent("assembler", engine(record))];
    for site in record.sites() {
        agents.push(agent("custodian", json!({"identifier": {"value": site}})));
    }
    let lifecycle = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
    let signed = "urn:iso-astm:E1762-95:2013";
    Ok(json!({
        "resourceType": "Provenance",
        "target": [{"identifier": uri(&name_of(record.table_digest()))}],
        "occurredDateTime": record.date,
        "recorded": record.midnight(),
        "policy": policies,
        "activity": {"coding": [coding(lifecycle, "deidentify")]},
        "agent": agents,
        "entity": record.inputs.iter().map(|input| entity(name_of(input.root))).collect::<Vec<_>>(),
        "signature": [{
            "type": [coding(signed, "1.2.840.10065.1.12.1.14")],
            "when": record.midnight(),
            "who": {"identifier": uri(&name_of(record.releaser.keyid()))},
            "targetFormat": "application/vnd.in-toto+json",
            "sigFormat": "application/vnd.dsse+json",
            "data": STANDARD.encode(record.envelope()?),
        }],
    }))
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

fn uri(value: &str) -> Value {
    json!({"system": "urn:ietf:rfc:3986", "value": value})
}

fn engine(record: &Record) -> Value {
    json!({"identifier": {"value": record.receipt.intent.engine}})
}

/// An element that must be there and whose content is kept back.
fn masked() -> Value {
    let url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    json!({"extension": [{"url": url, "valueCode": "masked"}]})
}

const BALP_QUERY: &str =
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query";
const BALP_ENTITY_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
