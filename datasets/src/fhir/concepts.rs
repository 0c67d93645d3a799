//! Codes of FHIR to concepts of OMOP, by the vocabulary tables that a site has.
//!
//! Without tables every code is concept 0. With them, a code that is standard is its own concept,
//! and any other is what it `Maps to`; of several, the one of the smallest number, because a row
//! here has one concept.
//!
//! # Source
//! OMOP CDM v5.4, tables `concept` and `concept_relationship`; the systems as in HL7 Terminology.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::fhir::error::FhirError;
use crate::schema;

/// Concepts of the vocabularies that FHIR systems are of.
#[derive(Debug, Default)]
pub(super) struct Concepts {
    /// By index of the vocabulary in [`SYSTEMS`], and code.
    codes: HashMap<(usize, String), Concept>,
    /// Standard concepts of those that are not.
    standard: HashMap<i64, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Concept {
    id: i64,
    is_standard: bool,
}

/// A code, and what it is in OMOP.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coded {
    /// The vocabulary, or the system where that is no known vocabulary.
    pub(super) vocabulary: String,
    /// The code, as the source has it.
    pub(super) code: String,
    /// The concept of the code itself; 0 if there is none.
    pub(super) source_concept: i64,
    /// The standard concept; 0 if there is none.
    pub(super) concept: i64,
}

impl Concepts {
    /// Reads `concept` and, if it is there, `concept_relationship` from a directory: CSV, or
    /// separated by tabs as the vocabularies are handed out.
    ///
    /// # Errors
    /// [`FhirError::Vocabulary`], [`FhirError::Store`].
    pub(super) fn read(directory: &Path) -> Result<Self, FhirError> {
        let mut concepts = Self::default();
        let Some(path) = find(directory, "concept")? else {
            let path = directory.to_owned();
            return Err(FhirError::Vocabulary { path, fault: "no concept.csv", source: None });
        };
        let columns = ["concept_id", "vocabulary_id", "concept_code", "standard_concept"];
        each_row(&path, columns, &mut |[id, vocabulary, code, standard]| {
            let index = SYSTEMS.iter().position(|(_, known)| *known == vocabulary);
            if let (Some(index), Ok(id)) = (index, id.parse()) {
                let is_standard = standard == "S";
                concepts.codes.insert((index, code.to_owned()), Concept { id, is_standard });
            }
        })?;
        if let Some(path) = find(directory, "concept_relationship")? {
            let columns = ["concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"];
            each_row(&path, columns, &mut |[one, two, relationship, invalid]| {
                if let ("Maps to", "", Ok(one), Ok(two)) =
                    (relationship, invalid, one.parse(), two.parse())
                {
                    let standard = concepts.standard.entry(one).or_insert(two);
                    *standard = two.min(*standard);
                }
            })?;
        }
        Ok(concepts)
    }

    /// Of codes for the same thing, each `system|code`, the first that has a standard concept; or
    /// the first.
    pub(super) fn choose<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) -> Option<Coded> {
        let mut first = None;
        for token in tokens {
            let Some(coded) = self.coded(token) else { continue };
            if coded.concept != 0 {
                return Some(coded);
            }
            first = first.or(Some(coded));
        }
        first
    }

    fn coded(&self, token: &str) -> Option<Coded> {
        let (system, code) = token.rsplit_once('|')?;
        let code = code.trim();
        if code.is_empty() {
            return None;
        }
        let known = SYSTEMS.iter().position(|(known, _)| *known == system);
        let vocabulary = known.and_then(|index| SYSTEMS.get(index)).map(|(_, name)| *name);
        let mut coded = Coded {
            vocabulary: vocabulary.unwrap_or(system).to_owned(),
            code: code.to_owned(),
            source_concept: 0,
            concept: 0,
        };
        let Some(index) = known else { return Some(coded) };
        let written = as_written(coded.vocabulary.as_str(), code);
        if let Some(concept) = self.codes.get(&(index, written.into_owned())) {
            coded.source_concept = concept.id;
            coded.concept = if concept.is_standard {
                concept.id
            } else {
                self.standard.get(&concept.id).copied().unwrap_or(0)
            };
        }
        Some(coded)
    }
}

/// A code as OMOP writes it: national drug codes with eleven digits and no hyphens.
fn as_written<'c>(vocabulary: &str, code: &'c str) -> Cow<'c, str> {
    let parts: Vec<&str> = code.split('-').collect();
    match (vocabulary, parts.as_slice()) {
        ("NDC", [labeler, product, package]) => {
            format!("{labeler:0>5}{product:0>4}{package:0>2}").into()
        }
        _ => code.into(),
    }
}

/// The file of a table, if it is there with all columns that the data model wants.
///
/// # Errors
/// [`FhirError::Vocabulary`], [`FhirError::Store`].
pub(super) fn whole_table(directory: &Path, table: &str) -> Result<Option<PathBuf>, FhirError> {
    let Some(path) = find(directory, table)? else { return Ok(None) };
    let header = open(&path)?.headers().map_err(unreadable(&path))?.clone();
    let columns = schema::table(table).map(|table| table.columns).unwrap_or_default();
    let has = |name: &str| header.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_whole = columns.iter().all(|column| !column.required || has(column.name));
    Ok(is_whole.then_some(path))
}

/// The file of a table, its name in any case.
fn find(directory: &Path, table: &str) -> Result<Option<PathBuf>, FhirError> {
    let store = |source| FhirError::Store { path: directory.to_owned(), action: "listing", source };
    for entry in fs::read_dir(directory).map_err(store)? {
        let entry = entry.map_err(store)?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.strip_suffix(".csv") == Some(table) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Vocabularies are handed out separated by tabs, without quotes, and called .csv all the same.
fn open(path: &Path) -> Result<csv::Reader<File>, FhirError> {
    let mut plain = csv::ReaderBuilder::new().from_path(path).map_err(unreadable(path))?;
    let header = plain.headers().map_err(unreadable(path))?;
    if !header.iter().any(|name| name.contains('\t')) {
        return Ok(plain);
    }
    let mut tabbed = csv::ReaderBuilder::new();
    tabbed.delimiter(b'\t').quoting(false).from_path(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(csv::Error) -> FhirError {
    let path = path.to_owned();
    let fault = "not a table that can be read";
    move |source| FhirError::Vocabulary { path, fault, source: Some(source) }
}

/// Hands over some columns of every row. The last may be missing.
fn each_row<const N: usize>(
    path: &Path,
    names: [&str; N],
    take: &mut dyn FnMut([&str; N]),
) -> Result<(), FhirError> {
    let mut reader = open(path)?;
    let header = reader.headers().map_err(unreadable(path))?.clone();
    let position = |name: &str| header.iter().position(|own| own.eq_ignore_ascii_case(name));
    let positions = names.map(position);
    if positions.iter().take(N.saturating_sub(1)).any(Option::is_none) {
        let fault = "columns of the data model are missing";
        return Err(FhirError::Vocabulary { path: path.to_owned(), fault, source: None });
    }
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(unreadable(path))? {
        take(positions.map(|at| at.and_then(|at| row.get(at)).unwrap_or_default().trim()));
    }
    Ok(())
}

/// Systems of FHIR, and the OMOP vocabularies that they are.
const SYSTEMS: &[(&str, &str)] = &[
    ("http://snomed.info/sct", "SNOMED"),
    ("http://loinc.org", "LOINC"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
    ("http://hl7.org/fhir/sid/icd-10", "ICD10"),
    ("http://hl7.org/fhir/sid/icd-9-cm", "ICD9CM"),
    ("http://www.cms.gov/Medicare/Coding/ICD10", "ICD10PCS"),
    ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "ICD10GM"),
    ("http://hl7.org/fhir/sid/ndc", "NDC"),
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
    ("http://www.ama-assn.org/go/cpt", "CPT4"),
    ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "HCPCS"),
    ("http://unitsofmeasure.org", "UCUM"),
    ("http://www.whocc.no/atc", "ATC"),
    ("https://nahdo.org/sopt", "SOPT"),
    ("urn:iso:std:iso:4217", "Currency"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const CONCEPTS: &str = "concept_id\tconcept_name\tvocabulary_id\tconcept_code\tstandard_concept
201826\tType 2 \"diabetes\tSNOMED\t44054006\tS
45533019\tType 2 diabetes\tICD10CM\tE11.9\t
3\tsomething\tHouse\tE11.9\tS
45000001\tdrug\tNDC\t00002821501\t
";
    const RELATIONSHIPS: &str = "concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason
45533019\t201826\tMaps to\t
45533019\t1\tMaps to\tD
45533019\t2\tIs a\t
45000001\t900\tMaps to\t
45000001\t800\tMaps to\t
";

    fn concepts() -> Concepts {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("CONCEPT.csv"), CONCEPTS).unwrap();
        fs::write(directory.path().join("concept_relationship.csv"), RELATIONSHIPS).unwrap();
        Concepts::read(directory.path()).unwrap()
    }

    fn chosen(concepts: &Concepts, tokens: &[&str]) -> (i64, i64, String) {
        let coded = concepts.choose(tokens.iter().copied()).unwrap();
        (coded.concept, coded.source_concept, coded.vocabulary)
    }

    #[test]
    fn a_code_is_its_standard_concept() {
        let concepts = concepts();
        let snomed = chosen(&concepts, &["http://snomed.info/sct|44054006"]);
        assert_eq!(snomed, (201_826, 201_826, "SNOMED".to_owned()));
        let icd = chosen(&concepts, &["http://hl7.org/fhir/sid/icd-10-cm|E11.9"]);
        assert_eq!(icd, (201_826, 45_533_019, "ICD10CM".to_owned()));
        for code in ["0002-8215-01", "00002821501"] {
            let ndc = chosen(&concepts, &[&format!("http://hl7.org/fhir/sid/ndc|{code}")]);
            assert_eq!(ndc, (800, 45_000_001, "NDC".to_owned()));
        }
    }

    #[test]
    fn of_several_codes_one_with_a_concept_is_taken() {
        let concepts = concepts();
        let tokens =
            ["urn:local|x|7", "http://snomed.info/sct|1", "http://snomed.info/sct|44054006"];
        assert_eq!(chosen(&concepts, &tokens).0, 201_826);
        assert_eq!(chosen(&concepts, &tokens[..2]), (0, 0, "urn:local|x".to_owned()));
        assert_eq!(concepts.choose(["http://snomed.info/sct|", "nothing"]), None);
    }

    #[test]
    fn tables_that_are_no_vocabulary_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Concepts::read(directory.path()), Err(FhirError::Vocabulary { .. })));
        fs::write(directory.path().join("concept.csv"), "concept_id,concept_name\n1,a\n").unwrap();
        assert!(matches!(Concepts::read(directory.path()), Err(FhirError::Vocabulary { .. })));
    }
}
