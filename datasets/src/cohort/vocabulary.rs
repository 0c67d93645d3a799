//! The public concepts that a cohort uses, with their ancestors.
//!
//! Ids, names and codes are those of the OHDSI Standardized Vocabularies; it is the handful that
//! the generator needs, and no substitute for them. Ids above 2,000,000,000 are local, as the
//! data model allows.

use std::collections::{BTreeMap, BTreeSet};

/// A condition with its source code.
#[derive(Debug)]
pub(super) struct Condition {
    /// Concept id.
    pub(super) id: i64,
    name: &'static str,
    snomed: &'static str,
    /// ICD-10-CM code, as sources record it.
    pub(super) icd: &'static str,
    parents: &'static [i64],
}

/// A drug.
#[derive(Debug)]
pub(super) struct Drug {
    /// Concept id.
    pub(super) id: i64,
    name: &'static str,
    class: &'static str,
    rxnorm: &'static str,
}

/// A row of the concept table, always standard and valid.
#[derive(Debug)]
pub(super) struct Concept {
    /// Concept id.
    pub(super) id: i64,
    /// English name.
    pub(super) name: &'static str,
    /// Area of the data model, such as `Condition`.
    pub(super) domain_id: &'static str,
    /// Vocabulary, such as `SNOMED`.
    pub(super) vocabulary_id: &'static str,
    /// Class within the vocabulary.
    pub(super) class_id: &'static str,
    /// Code within the vocabulary.
    pub(super) code: &'static str,
}

/// One pair of the ancestor table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Ancestry {
    /// The more general concept.
    pub(super) ancestor: i64,
    /// The more special concept, or the same.
    pub(super) descendant: i64,
    /// Shortest way between them.
    pub(super) levels_min: i64,
    /// Longest way between them.
    pub(super) levels_max: i64,
}

/// The condition of that concept id.
pub(super) fn condition(id: i64) -> Option<&'static Condition> {
    CONDITIONS.iter().find(|condition| condition.id == id)
}

/// The drug of that concept id, with its index in the list of drugs.
pub(super) fn drug(id: i64) -> Option<(usize, &'static Drug)> {
    DRUGS.iter().enumerate().find(|(_, drug)| drug.id == id)
}

/// Every drug.
pub(super) fn drugs() -> &'static [Drug] {
    DRUGS
}

/// Every concept, in order of id.
pub(super) fn concepts() -> Vec<Concept> {
    let conditions = CONDITIONS.iter().map(|c| Concept {
        id: c.id,
        name: c.name,
        domain_id: "Condition",
        vocabulary_id: "SNOMED",
        class_id: "Clinical Finding",
        code: c.snomed,
    });
    let drugs = DRUGS.iter().map(|d| Concept {
        id: d.id,
        name: d.name,
        domain_id: "Drug",
        vocabulary_id: if d.class == "CVX" { "CVX" } else { "RxNorm" },
        class_id: d.class,
        code: d.rxnorm,
    });
    let others = OTHERS.iter().map(|&(id, name, domain_id, vocabulary_id, class_id, code)| {
        Concept { id, name, domain_id, vocabulary_id, class_id, code }
    });
    let mut all: Vec<Concept> = conditions.chain(drugs).chain(others).collect();
    all.sort_by_key(|concept| concept.id);
    all
}

/// Every pair of ancestor and descendant, each concept with itself included, in order.
pub(super) fn ancestries() -> Vec<Ancestry> {
    let mut parents: BTreeMap<i64, &[i64]> = CONDITIONS.iter().map(|c| (c.id, c.parents)).collect();
    parents.extend(CLINICAL_DRUGS.iter().map(|(drug, ingredient)| (*drug, ingredient.as_slice())));
    let mut pairs = BTreeSet::new();
    for concept in concepts() {
        let mut levels = BTreeMap::new();
        climb(concept.id, 0, &parents, &mut levels);
        pairs.extend(levels.into_iter().map(|(ancestor, (levels_min, levels_max))| Ancestry {
            ancestor,
            descendant: concept.id,
            levels_min,
            levels_max,
        }));
    }
    pairs.into_iter().collect()
}

/// Notes the shortest and longest way from the start to each ancestor.
fn climb(
    id: i64,
    level: i64,
    parents: &BTreeMap<i64, &[i64]>,
    levels: &mut BTreeMap<i64, (i64, i64)>,
) {
    levels
        .entry(id)
        .and_modify(|(least, most)| (*least, *most) = (level.min(*least), level.max(*most)))
        .or_insert((level, level));
    for parent in parents.get(&id).copied().unwrap_or_default() {
        climb(*parent, level + 1, parents, levels);
    }
}

/// Concept ids that the generator names.
pub(super) mod ids {
    pub(in super::super) const ALBUTEROL: i64 = 1_154_343;
    pub(in super::super) const ASTHMA: i64 = 317_009;
    pub(in super::super) const CELECOXIB: i64 = 1_118_084;
    pub(in super::super) const COPD: i64 = 255_573;
    pub(in super::super) const DEPRESSION: i64 = 440_383;
    pub(in super::super) const DIABETES: i64 = 201_826;
    pub(in super::super) const FEMALE: i64 = 8_532;
    pub(in super::super) const FLU_VACCINE: i64 = 40_213_154;
    pub(in super::super) const GI_HAEMORRHAGE: i64 = 192_671;
    pub(in super::super) const HYPERLIPIDEMIA: i64 = 432_867;
    pub(in super::super) const HYPERTENSION: i64 = 320_128;
    pub(in super::super) const INFLUENZA: i64 = 4_266_367;
    pub(in super::super) const KIDNEY_DISEASE: i64 = 46_271_022;
    pub(in super::super) const MALE: i64 = 8_507;
    pub(in super::super) const OBESITY: i64 = 433_736;
    /// Recorded from an electronic health record.
    pub(in super::super) const FROM_RECORD: i64 = 32_817;
    /// Recorded from a pharmacy claim.
    pub(in super::super) const FROM_PHARMACY: i64 = 32_869;
    /// Recorded from a death certificate.
    pub(in super::super) const FROM_CERTIFICATE: i64 = 32_815;
    /// Recorded from a claim.
    pub(in super::super) const FROM_CLAIM: i64 = 32_810;
    pub(in super::super) const INPATIENT: i64 = 9_201;
    pub(in super::super) const OUTPATIENT: i64 = 9_202;
    pub(in super::super) const EMERGENCY: i64 = 9_203;
    pub(in super::super) const MEDICARE: i64 = 280;
    pub(in super::super) const MEDICAID: i64 = 289;
    pub(in super::super) const PRIVATE_PAYER: i64 = 327;
    pub(in super::super) const US_DOLLAR: i64 = 44_818_668;
    pub(in super::super) const UNITED_STATES: i64 = 42_046_186;
    pub(in super::super) const TOBACCO: i64 = 43_054_909;
    pub(in super::super) const NEVER_SMOKER: i64 = 45_879_404;
    pub(in super::super) const DAILY_SMOKER: i64 = 45_881_517;
    pub(in super::super) const ORAL: i64 = 4_132_161;
    pub(in super::super) const EQUALS: i64 = 4_172_703;
}

/// Conditions that come and go, commonest first: their frequencies fall off as one over the rank.
///
/// The first three are GiBleed's first three; viral sinusitis has 17,268 of 65,332 records there.
/// Bleeding is not among them: it comes from drugs alone, so that a bad lot can be found.
pub(super) const ACUTE: [i64; 24] = [
    40_481_087, 4_112_343, 260_139, 372_328, 194_133, 257_007, 378_253, 28_060, 81_151, 81_902,
    254_761, 437_663, 441_542, 4_283_893, 133_834, 318_800, 378_001, 4_218_389, 78_272, 255_848,
    4_278_672, 80_180, 313_217, 381_316,
];

/// Causes of death with their weights: assumption, after the leading causes in the United States.
pub(super) const CAUSES: [(i64, f64); 6] = [
    (4_329_847, 0.24),
    (443_392, 0.22),
    (381_316, 0.06),
    (255_573, 0.06),
    (255_848, 0.05),
    // No cause on record.
    (0, 0.37),
];

const DISEASE: &[i64] = &[4_274_025];
const RESPIRATORY: &[i64] = &[320_136];
const CIRCULATORY: &[i64] = &[134_057];
const DIGESTIVE: &[i64] = &[4_201_745];
const INJURY: &[i64] = &[432_795];

const fn condition_row(
    id: i64,
    name: &'static str,
    snomed: &'static str,
    icd: &'static str,
    parents: &'static [i64],
) -> Condition {
    Condition { id, name, snomed, icd, parents }
}

static CONDITIONS: &[Condition] = &[
    condition_row(441_840, "Clinical finding", "404684003", "", &[]),
    condition_row(4_274_025, "Disease", "64572001", "", &[441_840]),
    condition_row(320_136, "Disorder of respiratory system", "50043002", "", DISEASE),
    condition_row(134_057, "Disorder of cardiovascular system", "49601007", "", DISEASE),
    condition_row(4_201_745, "Disorder of digestive system", "53619000", "", DISEASE),
    condition_row(432_795, "Traumatic or non-traumatic injury", "417163006", "", &[441_840]),
    condition_row(436_670, "Metabolic disease", "75934005", "", DISEASE),
    condition_row(432_586, "Mental disorder", "74732009", "", DISEASE),
    condition_row(198_124, "Kidney disease", "90708001", "", DISEASE),
    condition_row(316_866, "Hypertensive disorder", "38341003", "", CIRCULATORY),
    condition_row(201_820, "Diabetes mellitus", "73211009", "", &[436_670]),
    condition_row(201_826, "Type 2 diabetes mellitus", "44054006", "E11.9", &[201_820]),
    condition_row(320_128, "Essential hypertension", "59621000", "I10", &[316_866]),
    condition_row(
        255_573,
        "Chronic obstructive pulmonary disease",
        "13645005",
        "J44.9",
        RESPIRATORY,
    ),
    condition_row(317_009, "Asthma", "195967001", "J45.909", RESPIRATORY),
    condition_row(4_266_367, "Influenza", "6142004", "J11.1", RESPIRATORY),
    condition_row(46_271_022, "Chronic kidney disease", "709044004", "N18.9", &[198_124]),
    condition_row(192_671, "Gastrointestinal hemorrhage", "74474003", "K92.2", DIGESTIVE),
    condition_row(433_736, "Obesity", "414916001", "E66.9", &[436_670]),
    condition_row(440_383, "Depressive disorder", "35489007", "F32.A", &[432_586]),
    condition_row(432_867, "Hyperlipidemia", "55822004", "E78.5", &[436_670]),
    condition_row(40_481_087, "Viral sinusitis", "444814009", "J01.90", &[4_283_893]),
    condition_row(4_283_893, "Sinusitis", "36971009", "J32.9", RESPIRATORY),
    condition_row(4_112_343, "Acute viral pharyngitis", "195662009", "J02.8", RESPIRATORY),
    condition_row(260_139, "Acute bronchitis", "10509002", "J20.9", RESPIRATORY),
    condition_row(372_328, "Otitis media", "65363002", "H66.90", DISEASE),
    condition_row(194_133, "Low back pain", "279039007", "M54.50", &[441_840]),
    condition_row(257_007, "Allergic rhinitis", "61582004", "J30.9", RESPIRATORY),
    condition_row(378_253, "Headache", "25064002", "R51.9", &[441_840]),
    condition_row(28_060, "Streptococcal sore throat", "43878008", "J02.0", RESPIRATORY),
    condition_row(81_151, "Sprain of ankle", "44465007", "S93.409A", INJURY),
    condition_row(81_902, "Urinary tract infectious disease", "68566005", "N39.0", DISEASE),
    condition_row(254_761, "Cough", "49727002", "R05.9", &[441_840]),
    condition_row(437_663, "Fever", "386661006", "R50.9", &[441_840]),
    condition_row(441_542, "Anxiety", "48694002", "F41.9", &[441_840]),
    condition_row(133_834, "Atopic dermatitis", "24079001", "L20.9", DISEASE),
    condition_row(318_800, "Gastroesophageal reflux disease", "235595009", "K21.9", DIGESTIVE),
    condition_row(
        378_001,
        "Concussion with no loss of consciousness",
        "62106007",
        "S06.0X0A",
        INJURY,
    ),
    condition_row(4_218_389, "Whiplash injury to neck", "39848009", "S13.4XXA", INJURY),
    condition_row(78_272, "Sprain of wrist", "70704007", "S63.509A", INJURY),
    condition_row(255_848, "Pneumonia", "233604007", "J18.9", RESPIRATORY),
    condition_row(4_278_672, "Fracture of forearm", "65966004", "S52.90XA", INJURY),
    condition_row(80_180, "Osteoarthritis", "396275006", "M19.90", DISEASE),
    condition_row(313_217, "Atrial fibrillation", "49436004", "I48.91", CIRCULATORY),
    condition_row(381_316, "Cerebrovascular accident", "230690007", "I63.9", CIRCULATORY),
    condition_row(4_329_847, "Myocardial infarction", "22298006", "I21.9", CIRCULATORY),
    condition_row(443_392, "Malignant neoplastic disease", "363346000", "C80.1", DISEASE),
];

const fn drug_row(id: i64, name: &'static str, class: &'static str, rxnorm: &'static str) -> Drug {
    Drug { id, name, class, rxnorm }
}

static DRUGS: &[Drug] = &[
    drug_row(1_118_084, "celecoxib", "Ingredient", "140587"),
    drug_row(1_124_300, "diclofenac", "Ingredient", "3355"),
    drug_row(1_115_008, "naproxen", "Ingredient", "7258"),
    drug_row(1_177_480, "ibuprofen", "Ingredient", "5640"),
    drug_row(1_125_315, "acetaminophen", "Ingredient", "161"),
    drug_row(1_713_332, "amoxicillin", "Ingredient", "723"),
    drug_row(1_308_216, "lisinopril", "Ingredient", "29046"),
    drug_row(1_332_418, "amlodipine", "Ingredient", "17767"),
    drug_row(974_166, "hydrochlorothiazide", "Ingredient", "5487"),
    drug_row(1_503_297, "metformin", "Ingredient", "6809"),
    drug_row(1_545_958, "atorvastatin", "Ingredient", "83367"),
    drug_row(1_539_403, "simvastatin", "Ingredient", "36567"),
    drug_row(1_154_343, "albuterol", "Ingredient", "435"),
    drug_row(739_138, "sertraline", "Ingredient", "36437"),
    drug_row(1_332_419, "amlodipine 5 MG Oral Tablet", "Clinical Drug", "197361"),
    drug_row(1_539_411, "simvastatin 20 MG Oral Tablet", "Clinical Drug", "312961"),
    drug_row(19_073_188, "amoxicillin 500 MG Oral Tablet", "Clinical Drug", "308192"),
    drug_row(19_078_461, "ibuprofen 200 MG Oral Tablet", "Clinical Drug", "310965"),
    drug_row(19_080_129, "lisinopril 20 MG Oral Tablet", "Clinical Drug", "314077"),
    drug_row(40_213_154, "Influenza, seasonal, injectable, preservative free", "CVX", "140"),
];

/// Clinical drugs with their ingredient.
static CLINICAL_DRUGS: &[(i64, [i64; 1])] = &[
    (1_332_419, [1_332_418]),
    (1_539_411, [1_539_403]),
    (19_073_188, [1_713_332]),
    (19_078_461, [1_177_480]),
    (19_080_129, [1_308_216]),
];

type Row = (i64, &'static str, &'static str, &'static str, &'static str, &'static str);

static OTHERS: &[Row] = &[
    (0, "No matching concept", "Metadata", "None", "Undefined", "No matching concept"),
    (8_507, "MALE", "Gender", "Gender", "Gender", "M"),
    (8_532, "FEMALE", "Gender", "Gender", "Gender", "F"),
    (8_527, "White", "Race", "Race", "Race", "5"),
    (8_516, "Black or African American", "Race", "Race", "Race", "3"),
    (8_515, "Asian", "Race", "Race", "Race", "2"),
    (38_003_563, "Hispanic or Latino", "Ethnicity", "Ethnicity", "Ethnicity", "Hispanic"),
    (38_003_564, "Not Hispanic or Latino", "Ethnicity", "Ethnicity", "Ethnicity", "Not Hispanic"),
    (9_201, "Inpatient Visit", "Visit", "Visit", "Visit", "IP"),
    (9_202, "Outpatient Visit", "Visit", "Visit", "Visit", "OP"),
    (9_203, "Emergency Room Visit", "Visit", "Visit", "Visit", "ER"),
    (280, "MEDICARE", "Payer", "SOPT", "Payer", "1"),
    (289, "MEDICAID", "Payer", "SOPT", "Payer", "2"),
    (327, "PRIVATE HEALTH INSURANCE", "Payer", "SOPT", "Payer", "5"),
    (32_817, "EHR", "Type Concept", "Type Concept", "Type Concept", "OMOP4976890"),
    (32_810, "Claim", "Type Concept", "Type Concept", "Type Concept", "OMOP4976883"),
    (32_869, "Pharmacy claim", "Type Concept", "Type Concept", "Type Concept", "OMOP4976942"),
    (32_815, "Death Certificate", "Type Concept", "Type Concept", "Type Concept", "OMOP4976888"),
    (44_818_668, "United States dollar", "Currency", "Currency", "Currency", "USD"),
    (42_046_186, "United States of America", "Geography", "OSM", "2nd level", "148838"),
    (4_132_161, "Oral route", "Route", "SNOMED", "Qualifier Value", "26643006"),
    (4_172_703, "=", "Meas Value Operator", "SNOMED", "Qualifier Value", "276136004"),
    (
        43_054_909,
        "Tobacco smoking status",
        "Observation",
        "LOINC",
        "Clinical Observation",
        "72166-2",
    ),
    (45_879_404, "Never smoker", "Meas Value", "LOINC", "Answer", "LA18978-9"),
    (45_881_517, "Current every day smoker", "Meas Value", "LOINC", "Answer", "LA18976-3"),
    (
        3_004_249,
        "Systolic blood pressure",
        "Measurement",
        "LOINC",
        "Clinical Observation",
        "8480-6",
    ),
    (
        3_012_888,
        "Diastolic blood pressure",
        "Measurement",
        "LOINC",
        "Clinical Observation",
        "8462-4",
    ),
    (3_027_018, "Heart rate", "Measurement", "LOINC", "Clinical Observation", "8867-4"),
    (
        3_038_553,
        "Body mass index (BMI) [Ratio]",
        "Measurement",
        "LOINC",
        "Clinical Observation",
        "39156-5",
    ),
    (
        3_027_114,
        "Cholesterol [Mass/volume] in Serum or Plasma",
        "Measurement",
        "LOINC",
        "Lab Test",
        "2093-3",
    ),
    (
        3_007_070,
        "Cholesterol in HDL [Mass/volume] in Serum or Plasma",
        "Measurement",
        "LOINC",
        "Lab Test",
        "2085-9",
    ),
    (
        3_004_410,
        "Hemoglobin A1c/Hemoglobin.total in Blood",
        "Measurement",
        "LOINC",
        "Lab Test",
        "4548-4",
    ),
    (8_541, "per minute", "Unit", "UCUM", "Unit", "/min"),
    (8_554, "percent", "Unit", "UCUM", "Unit", "%"),
    (8_840, "milligram per deciliter", "Unit", "UCUM", "Unit", "mg/dL"),
    (8_876, "millimeter mercury column", "Unit", "UCUM", "Unit", "mm[Hg]"),
    (9_531, "kilogram per square meter", "Unit", "UCUM", "Unit", "kg/m2"),
    (4_030_875, "Cardiac pacemaker", "Device", "SNOMED", "Physical Object", "14106009"),
    (4_217_646, "Implantable defibrillator", "Device", "SNOMED", "Physical Object", "72506001"),
    (2_000_000_001, "Insulin infusion pump", "Device", "Local", "Local", "PUMP"),
    (2_000_000_002, "Hip prosthesis", "Device", "Local", "Local", "HIP"),
];

#[cfg(test)]
mod tests {
    use super::{ACUTE, Ancestry, CAUSES, ancestries, concepts, condition};

    #[test]
    fn concept_ids_are_unique_and_every_used_condition_is_described() {
        let all = concepts();
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(ACUTE.iter().all(|id| condition(*id).is_some_and(|c| !c.icd.is_empty())));
        assert!(CAUSES.iter().all(|(id, _)| *id == 0 || condition(*id).is_some()));
    }

    #[test]
    fn every_concept_is_its_own_ancestor_and_diabetes_has_its_parents() {
        let pairs = ancestries();
        let own = pairs.iter().filter(|p| p.ancestor == p.descendant && p.levels_max == 0).count();
        assert_eq!(own, concepts().len());
        let levels = |ancestor, levels_min| Ancestry {
            ancestor,
            descendant: 201_826,
            levels_min,
            levels_max: levels_min,
        };
        for pair in [levels(201_820, 1), levels(436_670, 2), levels(4_274_025, 3)] {
            assert!(pairs.contains(&pair), "{pair:?}");
        }
        assert_eq!(pairs.iter().filter(|p| p.descendant == 201_826).count(), 5);
    }
}
