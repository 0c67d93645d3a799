//! Definitions at random, as text: of every kind of event, group, window, count and exit.

use std::fmt::Write;

/// A generator of pseudo-random numbers.
///
/// # Source
/// SplitMix64: Steele, Lea and Flood 2014, figure 17.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(n).unwrap()).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// The text of a definition named `study`.
    pub(super) fn definition(&mut self) -> String {
        let mut text = "name = \"study\"\n".to_owned();
        text += self.one(&["", "", "limit = \"first\"\n", "limit = \"last\"\n"]);
        text += self.one(&["", "", "collapse_days = 30\n"]);
        text += self.one(&["", "", "calendar = { from = 2000-01-01 }\n"]);
        text +=
            "[concepts]\na = { descendants_of = [10], except = [11] }\nb = { concepts = [12] }\n";
        text += &self.index();
        for i in 0..self.below(4) {
            writeln!(text, "[[rules]]\nname = \"{i}\"\n{}", self.group(2, "\n")).unwrap();
        }
        let exits = [
            "",
            "[exit]\ndays = 30\nafter = \"end\"\n",
            "[exit]\ndays = 0\n",
            "[exit]\nera = { table = \"drug_exposure\", concepts = \"a\" }\ngap_days = 30\n",
        ];
        text += self.one(&exits);
        for _ in 0..self.below(3) {
            writeln!(text, "[[censoring]]\n{}", self.event(1, "\n")).unwrap();
        }
        text
    }

    fn index(&mut self) -> String {
        let events: Vec<String> =
            (0..=self.below(2)).map(|_| format!("{{ {} }}", self.event(1, ", "))).collect();
        let mut text = format!("[index]\nevents = [{}]\n", events.join(", "));
        text += self.one(&["", "prior_days = 365\n"]);
        text += self.one(&["", "after_days = 30\n"]);
        text += self.one(&["", "washout_days = 100\n"]);
        text += self.one(&["", "limit = \"first\"\n", "limit = \"last\"\n"]);
        if self.below(3) == 0 {
            writeln!(text, "criteria = {{ {} }}", self.group(1, ", ")).unwrap();
            text += self.one(&["", "qualified_limit = \"last\"\n"]);
        }
        text
    }

    fn group(&mut self, depth: usize, between: &str) -> String {
        let members: Vec<String> =
            (0..self.below(4)).map(|_| format!("{{ {} }}", self.member(depth))).collect();
        let list = format!("[{}]", members.join(", "));
        let count = self.below(members.len() + 1);
        match self.below(4) {
            0 | 1 => format!("all = {list}"),
            2 => format!("any = {list}"),
            _ => {
                let quantifier = self.one(&["at_least", "at_most"]);
                format!("{quantifier} = {count}{between}of = {list}")
            }
        }
    }

    fn member(&mut self, depth: usize) -> String {
        match self.below(6) {
            0 if depth > 0 => self.group(depth - 1, ", "),
            1 => {
                let asks =
                    ["age = { above = 18 }", "sex = [8532]", "start = { below = 2010-01-01 }"];
                format!("person = {{ {} }}", self.one(&asks))
            }
            _ => {
                let event = self.event(depth.min(1), ", ");
                let (count, distinct) = (self.below(4), self.below(3));
                let kind = self.one(&["at_least", "at_most", "exactly"]);
                let distinct =
                    ["", ", distinct = \"concept\"", ", distinct = \"start_date\""][distinct];
                let from = self.one(&["", "from = -365", "from = -30, to = 0", "to = -1"]);
                let comma = if from.is_empty() { "" } else { ", " };
                let edges =
                    self.one(&["index = \"start\"", "index = \"end\"", "occurrence = \"end\""]);
                let observed = self.one(&["", "", ", observed = false"]);
                format!(
                    "{event}, occurrences = {{ {kind} = {count}{distinct} }}, \
                     window = {{ {from}{comma}{edges} }}{observed}"
                )
            }
        }
    }

    fn event(&mut self, depth: usize, between: &str) -> String {
        let tables = [
            "table = \"condition_occurrence\", status = [5]",
            "table = \"drug_exposure\", days_supply = { at_least = 7 }",
            "table = \"measurement\", value = { above = 1.5, at_most = 1e20 }, unit = [8]",
            "table = \"procedure_occurrence\", visit = [9201]",
            "table = \"observation\", value_concept = { concepts = [3], except = [4] }",
            "table = \"visit_occurrence\", length_days = { at_least = 2 }",
            "table = \"device_exposure\", quantity = { at_least = 1, outside = true }",
            "table = \"death\"",
            "table = \"drug_era\", gap_days = { below = 3 }",
            "table = \"condition_era\", occurrence_count = { at_least = 2 }",
            "table = \"observation_period\"",
        ];
        let mut event = self.one(&tables).replace(", ", between);
        // Within inline tables the commas stay commas.
        event = event
            .replace(&format!("1.5{between}"), "1.5, ")
            .replace(&format!("1{between}o"), "1, o");
        event = event.replace(&format!("[3]{between}"), "[3], ");
        for more in [
            "concepts = \"a\"",
            "pick = \"first\"",
            "start = { at_least = 2001-01-01 }",
            "end = { below = 2020-01-01 }",
            "age = { at_least = 18 }",
            "sex = [8507]",
        ] {
            if self.below(3) == 0 {
                event = format!("{event}{between}{more}");
            }
        }
        if depth > 0 && self.below(6) == 0 {
            event = format!("{event}{between}correlated = {{ {} }}", self.group(0, ", "));
        }
        event
    }
}
