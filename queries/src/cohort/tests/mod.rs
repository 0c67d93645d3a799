//! Facts about definitions: what is read, what is refused, and what every statement keeps to.

mod circe;
mod malformed;
mod random;
mod statements;

use crate::cohort::definition::Definition;
use crate::cohort::error::CohortError;

/// A definition with one index event, and more lines.
fn with(more: &str) -> Result<Definition, CohortError> {
    Definition::from_toml("study.toml", &format!("{SMALL}{more}"))
}

/// The smallest definition, whose last table is `[index]`.
const SMALL: &str = "name = \"study\"\n\
                     [concepts]\n\
                     bleed = { descendants_of = [192671] }\n\
                     [index]\n\
                     events = [{ table = \"condition_occurrence\", concepts = \"bleed\" }]\n";

#[test]
fn small_definitions_are_written_as_they_are_known() {
    let pairs = [
        (include_str!("golden/bleeds.toml"), include_str!("golden/bleeds.sql")),
        (include_str!("golden/new_users.toml"), include_str!("golden/new_users.sql")),
        (include_str!("golden/treated.toml"), include_str!("golden/treated.sql")),
    ];
    for (toml, sql) in pairs {
        let definition = Definition::from_toml("golden", toml).unwrap();
        let written = format!("{}{};\n", definition.script(), definition.attrition_sql());
        assert_eq!(written, sql, "{}", definition.name());
    }
}

#[test]
fn a_definition_tells_its_name_title_and_rules() {
    let text = include_str!("golden/new_users.toml");
    let definition = Definition::from_toml("golden", text).unwrap();
    assert_eq!(definition.name(), "new_users");
    assert_eq!(definition.title(), Some("New users of celecoxib"));
    let rules: Vec<&str> = definition.rules().collect();
    assert_eq!(rules, ["aged 40 or more", "no haemorrhage before"]);
    let names: Vec<String> = definition.views().into_iter().map(|view| view.name).collect();
    let parts = ["__observed", "__index", "__rule_1", "__rule_2", "__included", ""];
    assert_eq!(names, parts.map(|part| format!("new_users{part}")));
}

#[test]
fn what_always_holds_is_no_join_and_what_holds_never_is_one() {
    let joins = |rule: &str| {
        let definition = with(&format!("[[rules]]\nname = \"r\"\n{rule}\n")).unwrap();
        let rule = definition.views().into_iter().find(|view| view.name == "study__rule_1");
        let query = rule.unwrap().query;
        (query.matches("SEMI JOIN").count(), query.matches("ANTI JOIN").count())
    };
    let death = |count: &str| format!("{{ table = \"death\", occurrences = {{ {count} }} }}");
    assert_eq!(joins("all = []"), (0, 0));
    assert_eq!(joins("any = []"), (0, 0));
    assert_eq!(joins(&format!("all = [{}]", death("at_least = 0"))), (0, 0));
    assert_eq!(joins(&format!("at_least = 0\nof = [{}]", death("exactly = 0"))), (0, 0));
    assert_eq!(joins(&format!("at_most = 1\nof = [{}]", death("exactly = 0"))), (0, 0));
    assert_eq!(joins(&format!("all = [{}]", death("at_least = 1"))), (1, 0));
    assert_eq!(joins(&format!("all = [{}]", death("at_most = 0"))), (0, 1));
    assert_eq!(joins(&format!("all = [{}]", death("exactly = 2"))), (1, 0));
    assert_eq!(joins(&format!("all = [{}]", death("at_most = 2"))), (0, 1));
    // None of one: those for which it holds are left out.
    assert_eq!(joins(&format!("at_most = 0\nof = [{}]", death("at_least = 1"))), (1, 1));
}

#[test]
fn a_person_with_one_stay_has_one_row_and_the_engine_is_told() {
    let last = |more: &str| with(more).unwrap().views().pop().unwrap().query;
    for one in ["limit = \"first\"\n", "limit = \"last\"\n"] {
        assert!(last(one).ends_with("GROUP BY x.person_id"), "{one}");
    }
    assert!(last("").contains("s.start_date - s.ended > 0"));
    // Without criteria there is nothing whose first could count.
    assert!(last("qualified_limit = \"first\"\n").contains("s.ended"));
    let criteria = "criteria = { all = [] }\nqualified_limit = \"first\"\n";
    assert!(last(criteria).ends_with("GROUP BY x.person_id"));
}

#[test]
fn the_front_page_shows_a_definition_that_is_read() {
    let page = include_str!("../mod.rs");
    let lines = page.lines().map(|line| line.trim_start_matches("//!"));
    let lines = lines.skip_while(|line| *line != " ```toml").skip(1);
    let text: Vec<&str> = lines.take_while(|line| *line != " ```").collect();
    let definition = Definition::from_toml("front page", &text.join("\n")).unwrap();
    assert_eq!(definition.name(), "bleeds");
    let names: Vec<String> = definition.views().into_iter().map(|view| view.name).collect();
    let parts = ["__observed", "__primary", "__index", "__rule_1", "__eras", ""];
    assert_eq!(names, parts.map(|part| format!("bleeds{part}")));
}
