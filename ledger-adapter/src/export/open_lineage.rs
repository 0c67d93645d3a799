//! OpenLineage: the release as the completion of a run, for data platforms.
//!
//! There is no `sql` facet and there are no statistics of inputs or outputs: both would tell what
//! the ledger keeps.
//!
//! # Source
//! OpenLineage 2-0-2, RunEvent; facets ProcessingEngineRunFacet 1-1-1, JobTypeJobFacet 2-0-3 and
//! DatasetVersionDatasetFacet 1-0-1. The facet of the release is our own:
//! `tests/exports/schemas/DpReleaseRunFacet.json`.

use serde_json::{Value, json};

use super::{PRODUCER, Record, name_of, uuid};

/// The release as a RunEvent. Amounts are texts: readers of JSON round 64-bit integers.
pub fn run_event(record: &Record) -> Value {
    let namespace = format!("ledger://{}", record.origin);
    let (name, version) = record.engine();
    let facet = |schema: &str, fields: Value| {
        let mut facet = json!({"_producer": PRODUCER, "_schemaURL": schema});
        if let (Value::Object(facet), Value::Object(fields)) = (&mut facet, fields) {
            facet.extend(fields);
        }
        facet
    };
    let dataset = |name: String, digest| {
        let version = facet(DATASET_VERSION, json!({"datasetVersion": name_of(digest)}));
        json!({"namespace": namespace, "name": name, "facets": {"version": version}})
    };
    let effect = record.effect;
    let release = json!({
        "account": effect.account,
        "accounting": "approximate zCDP",
        "rhoNano": effect.cost.rho.nano().to_string(),
        "deltaAtto": effect.cost.delta.atto().to_string(),
        "intentCommitment": record.intent,
        "ledgerOrigin": record.origin,
        "chargeIndex": record.charge_index.to_string(),
        "releaseIndex": record.release_index.to_string(),
        "finality": record.finality(),
    });
    let inputs = record.inputs.iter();
    // A digest of the answer itself would be found by trying likely answers.
    let output = dataset(format!("release/{}", record.query()), record.intent);
    json!({
        "eventType": "COMPLETE",
        "eventTime": record.midnight(),
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": uuid(record.query()),
            "facets": {
                "graunt_dpRelease": facet(DP_RELEASE, release),
                "processing_engine": facet(ENGINE, json!({"name": name, "version": version})),
            },
        },
        "job": {
            "namespace": namespace,
            "name": format!("account/{}", effect.account),
            "facets": {
                "jobType": facet(JOB_TYPE, json!({
                    "processingType": "BATCH",
                    "integration": "GRAUNT",
                    "jobType": "QUERY",
                })),
            },
        },
        "inputs": inputs
            .map(|input| dataset(format!("extract/{}", input.root), input.root))
            .collect::<Vec<_>>(),
        "outputs": [output],
    })
}

const DP_RELEASE: &str = "https://graunt.dev/spec/facets/1-0-0/DpReleaseRunFacet.json";
const ENGINE: &str = "https://openlineage.io/spec/facets/1-1-1/ProcessingEngineRunFacet.json";
const JOB_TYPE: &str = "https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json";
const DATASET_VERSION: &str =
    "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json";
