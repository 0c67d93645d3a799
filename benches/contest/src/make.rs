//! Makes records, as an attested extract.

use std::fs;
use std::path::Path;
use std::time::Instant;

use datasets::extract::file::FileWriter;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::Signer;
use ledger_adapter::leaves::Leaves;
use ledger_adapter::manifest::{FileManifest, Manifest, PolicyEvidence, Rows, TableManifest};
use ledger_adapter::statement::{Envelope, extract_statement};

use crate::Outcome;
use crate::tables::{Made, clinic, schema};
use crate::tpch::tables;
use crate::upload::uploaded;

/// Makes `data` of so many rows below `directory`.
pub(crate) fn run(data: &str, rows: &str, directory: &Path) -> Outcome {
    let start = Instant::now();
    let tables = match data {
        "q0" | "join" | "keys" => clinic(rows.parse()?, BUCKETS),
        "peers" => uploaded(&directory.join("upload.parquet"), BUCKETS)?,
        "tpch" => tables(rows.parse()?, BUCKETS),
        other => return Err(format!("there is no data called {other}").into()),
    };
    extract(tables, &directory.join("extract"))?;
    println!("{{\"seconds\": [{}]}}", start.elapsed().as_secs_f64());
    Ok(())
}

fn extract(tables: Vec<Made>, directory: &Path) -> Outcome {
    fs::create_dir_all(directory)?;
    let mut leaves = Vec::new();
    let mut manifests = Vec::new();
    for table in tables {
        manifests.push(write(table, directory, &mut leaves)?);
    }
    fs::write(directory.join("leaves.bin"), leaves)?;
    let manifest = Manifest {
        version: 1,
        extract: Digest::sha256(b"contest"),
        population: "contest".to_owned(),
        account: account(),
        site: "one".to_owned(),
        data_model: "none".to_owned(),
        key_epoch: "1".to_owned(),
        policy: PolicyEvidence {
            name: "none".to_owned(),
            basis: "synthetic".to_owned(),
            digest: Digest::sha256(b""),
            actions: vec![],
        },
        persons_min: 0,
        buckets: BUCKETS,
        tables: manifests,
        supersedes: None,
        issued_day: 19_000,
        expires_day: 30_000,
    };
    let envelope = Envelope::sign(&extract_statement(manifest), &site())?;
    fs::write(directory.join("manifest.dsse.json"), serde_json::to_vec(&envelope)?)?;
    Ok(())
}

fn write(
    table: Made,
    directory: &Path,
    leaves: &mut Vec<u8>,
) -> Result<TableManifest, Box<dyn std::error::Error>> {
    fs::create_dir_all(directory.join(table.name))?;
    let is_public = table.rows == Rows::Public;
    let unit = (!is_public).then_some(0);
    let buckets = if is_public { 1 } else { BUCKETS };
    let mut files = Vec::new();
    for bucket in 0..buckets {
        let mut writer = FileWriter::new(schema(&table.columns), unit)?;
        for batch in (table.batches)(bucket) {
            writer.group(&batch)?;
        }
        let bytes = writer.finish()?;
        let path = format!("{}/bucket-{bucket:03}.parquet", table.name);
        fs::write(directory.join(&path), &bytes)?;
        let own = Leaves::of(&bytes);
        leaves.extend(own.to_bytes());
        files.push(FileManifest { path, bytes: bytes.len() as u64, blake3: own.root() });
    }
    Ok(TableManifest {
        name: table.name.to_owned(),
        rows: table.rows,
        columns: table.columns,
        files,
    })
}

/// The account that answers are charged to.
pub(crate) fn account() -> Digest {
    Digest::sha256(b"contest")
}

/// Who signs the extract.
pub(crate) fn site() -> Signer {
    Signer::from_seed(&[1; 32])
}

/// Files per table, as extracts of the command have.
const BUCKETS: u32 = 16;
