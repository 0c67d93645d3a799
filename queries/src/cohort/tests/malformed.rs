//! What is refused of TOML, and in which words.

use super::{SMALL, with};
use crate::cohort::definition::Definition;
use crate::cohort::error::CohortError;

fn refusal(text: &str) -> String {
    Definition::from_toml("study.toml", text).unwrap_err().to_string()
}

#[test]
fn a_key_or_value_that_no_definition_has_is_refused_at_its_place() {
    for (what, more, place, allowed) in CASES {
        let told = with(more).unwrap_err().to_string();
        assert!(told.starts_with(&format!("study.toml:{place}")), "{what}: {told}");
        assert!(told.contains(allowed), "{what}: {told}");
    }
}

#[test]
fn a_definition_has_a_name_that_is_free_and_an_index_event() {
    for name in ["", "Study", "1st", "a__b", "a_", "a-b", "person", "drug_era", &"a".repeat(41)] {
        let told = refusal(&SMALL.replace("\"study\"", &format!("{name:?}")));
        assert!(told.starts_with("study.toml:1:8: "), "{name}: {told}");
        assert!(told.contains("40 characters at most"), "{name}: {told}");
    }
    let told = refusal("name = \"study\"\n");
    assert_eq!(told, "study.toml:1:1: there is no \"index\"; it is needed here");
    let told = refusal("name = \"study\"\n[index]\nevents = []\n");
    assert_eq!(told, "study.toml:3:10: a list is here; a cohort has at least one index event");
}

#[test]
fn what_is_not_toml_is_refused_with_the_parsers_own_error() {
    let error = Definition::from_toml("study.toml", "name = \"study\"\nindex = [\n").unwrap_err();
    assert!(matches!(&error, CohortError::Toml { .. }), "{error}");
    assert!(error.to_string().starts_with("study.toml:"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn columns_are_counted_in_characters() {
    let told = refusal("name = \"study\"\nx = { \"déjà\" = 1, y = 2 }\n");
    assert!(told.starts_with("study.toml:2:1: \"x\": there is no such key here"), "{told}");
    let told = refusal(&SMALL.replace("[index]", "[index] # après\nlimti = 1"));
    assert!(told.starts_with("study.toml:5:1: \"limti\""), "{told}");
}

/// What is wrong; the lines after the index event; where that is, what is there; what is told.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("tabel", "[[censoring]]\ntabel = \"death\"\n", "7:1: \"tabel\"", "perhaps \"table\""),
    ("unknown table", "[[censoring]]\ntable = \"drug\"\n", "7:9: \"drug\" is here", "drug_era"),
    ("a number for a table", "[[censoring]]\ntable = 5\n", "7:9: 5 is here", "death"),
    (
        "unknown concepts",
        "[[censoring]]\ntable = \"death\"\nconcepts = \"blead\"\n",
        "8:12",
        "perhaps \"bleed\"",
    ),
    ("a limit", "limit = \"frist\"\n", "6:9: \"frist\" is here", "perhaps \"first\""),
    (
        "days as text",
        "prior_days = \"365\"\n",
        "6:14: \"365\" is here",
        "a whole number from 0 to 36500",
    ),
    ("days below zero", "prior_days = -1\n", "6:14: -1 is here", "from 0"),
    (
        "a date as text",
        "[calendar]\nfrom = \"2020-01-01\"\n",
        "7:8",
        "a date is expected, such as 2020-01-31",
    ),
    (
        "a date before all",
        "[calendar]\nfrom = 1492-10-12\n",
        "7:8: 1492-10-12 is here",
        "from 1850-01-01",
    ),
    (
        "a moment",
        "[calendar]\nfrom = 2020-01-01T00:00:00Z\n",
        "7:8: 2020-01-01T00:00:00Z",
        "a date",
    ),
    (
        "a rule without a name",
        "[[rules]]\nall = []\n",
        "6:1: there is no \"name\"",
        "it is needed here",
    ),
    ("a rule without a group", "[[rules]]\nname = \"r\"\n", "6:1: 0 of all, any", "one of them"),
    (
        "two groups",
        "[[rules]]\nname = \"r\"\nall = []\nany = []\n",
        "6:1: 2 of all, any",
        "one of them",
    ),
    ("of without a count", "[[rules]]\nname = \"r\"\nall = []\nof = []\n", "9:6", "of goes with"),
    (
        "more than there are",
        "[[rules]]\nname = \"r\"\nat_least = 2\nof = []\n",
        "8:12: 2",
        "from 0 to 0",
    ),
    (
        "no count",
        "[[rules]]\nname = \"r\"\nall = [{ table = \"death\", occurrences = {} }]\n",
        "8:41",
        "one of at_least, at_most",
    ),
    (
        "a window of nothing",
        "[[rules]]\nname = \"r\"\n\
         all = [{ table = \"death\", window = { from = 1, to = 0 } }]\n",
        "8:36",
        "nothing is from day 1 to day 0",
    ),
    (
        "a column of another table",
        "[[censoring]]\ntable = \"death\"\nvalue = { above = 1 }\n",
        "8:9",
        "death has no value; it has type",
    ),
    (
        "a visit of none",
        "[[censoring]]\ntable = \"death\"\nvisit = [9201]\n",
        "8:9",
        "rows of death name no visit",
    ),
    (
        "limits of nothing",
        "[[censoring]]\ntable = \"death\"\nage = {}\n",
        "8:7",
        "one of at_least, above",
    ),
    (
        "no number",
        "[[censoring]]\ntable = \"measurement\"\nvalue = { above = nan }\n",
        "8:19: NaN is here",
        "a number is expected",
    ),
    (
        "no concept",
        "[[censoring]]\ntable = \"death\"\nconcepts = []\n",
        "8:12",
        "at least one concept",
    ),
    (
        "two exits",
        "[exit]\ndays = 5\nat = \"end_of_observation\"\n",
        "6:1",
        "one of at, days and era",
    ),
    ("a stray gap", "[exit]\ndays = 5\ngap_days = 3\n", "8:12: 3 is here", "it goes with era only"),
];
