//! The expressions of random queries: values of a type, conditions, aggregates and windows.

use crate::tests::generator::{Field, Grammar, Kind};

impl Grammar<'_> {
    /// A value of a type; made from columns in scope where there are such.
    pub(super) fn value(&mut self, kind: Kind, fields: &[Field], depth: usize) -> String {
        let own: Vec<String> =
            fields.iter().filter(|f| f.kind == kind).map(|f| f.name.clone()).collect();
        if !own.is_empty() && (depth == 0 || self.once_in(2)) {
            return self.pick(&own);
        }
        let rules = match kind {
            Kind::Whole => WHOLE,
            Kind::Real => REAL,
            Kind::Text => TEXT,
            Kind::Day => DAY,
            Kind::Person => &["1"],
        };
        let rule = if depth == 0 || self.once_in(60) {
            self.pick(match kind {
                _ if depth > 0 => LAWLESS,
                Kind::Whole | Kind::Person => &["1", "7", "-3"],
                Kind::Real => &["0.5", "12.25", "1.0"],
                Kind::Text => &["'N'", "'x'"],
                Kind::Day => &["DATE '2020-02-29'", "DATE '2019-01-01'"],
            })
        } else {
            self.pick(rules)
        };
        self.filled(rule, fields, depth)
    }

    /// A rule with values in the places of its capitals between braces.
    fn filled(&mut self, rule: &str, fields: &[Field], depth: usize) -> String {
        let mut text = String::new();
        let mut rest = rule;
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            let less = depth.saturating_sub(1);
            let value = match &rest[at + 1..=at + 1] {
                "W" => self.value(Kind::Whole, fields, less),
                "R" => self.value(Kind::Real, fields, less),
                "T" => self.value(Kind::Text, fields, less),
                "D" => self.value(Kind::Day, fields, less),
                "C" => self.condition(fields, less),
                other => panic!("no rule is called {other}"),
            };
            text.push_str(&value);
            rest = &rest[at + 3..];
        }
        text.push_str(rest);
        text
    }

    pub(super) fn condition(&mut self, fields: &[Field], depth: usize) -> String {
        let rules = if depth == 0 { &CONDITIONS[..PLAIN_CONDITIONS] } else { CONDITIONS };
        let rule = self.pick(rules);
        self.filled(rule, fields, depth)
    }

    /// An aggregate over rows of several persons.
    pub(super) fn aggregate(&mut self, fields: &[Field]) -> String {
        let person = fields.iter().find(|field| field.kind == Kind::Person);
        let person = person.map_or("person_id".to_owned(), |field| field.name.clone());
        let rule = if self.once_in(25) { self.pick(UNRULY) } else { self.pick(AGGREGATES) };
        let rule = rule.replace("{B}", &self.bounded(fields)).replace("PERSON", &person);
        let aggregate = self.filled(&rule, fields, 2);
        if self.once_in(5) && !aggregate.contains("WITHIN") {
            return format!("{aggregate} FILTER (WHERE {})", self.condition(fields, 1));
        }
        aggregate
    }

    /// A value with public bounds, unless it is divided.
    fn bounded(&mut self, fields: &[Field]) -> String {
        let known = |field: &&Field| {
            BOUNDED_COLUMNS.iter().any(|column| field.name.ends_with(&format!(".{column}")))
        };
        let known: Vec<String> = fields.iter().filter(known).map(|f| f.name.clone()).collect();
        let column = if known.is_empty() { "7".to_owned() } else { self.pick(&known) };
        self.pick(BOUNDED).replace("COLUMN", &column)
    }

    /// An aggregate over the rows of one person; its type may be another than was asked for.
    pub(super) fn own_aggregate(&mut self, kind: &mut Kind, fields: &[Field]) -> String {
        let (rule, made) = match kind {
            Kind::Text => (self.pick(&["MAX({T})", "MIN({T})"]), Kind::Text),
            Kind::Day => (self.pick(&["MAX({D})", "MIN({D})"]), Kind::Day),
            Kind::Real => (self.pick(OWN_REAL), Kind::Real),
            _ => (self.pick(OWN), Kind::Whole),
        };
        *kind = made;
        let rule = rule.replace("{B}", &self.bounded(fields));
        self.filled(&rule, fields, 1)
    }

    /// A window over the rows of one person, or, seldom, of several.
    pub(super) fn windowed(&mut self, kind: &mut Kind, fields: &[Field], person: &str) -> String {
        let (rule, made) = match kind {
            Kind::Text => ("FIRST_VALUE({T})", Kind::Text),
            Kind::Day => (self.pick(&["LAG({D})", "LEAD({D}, 1)", "MIN({D})"]), Kind::Day),
            Kind::Real => (self.pick(&["SUM({R})", "LAG({R}, 2)", "AVG({R})"]), Kind::Real),
            _ => (self.pick(NUMBERED), Kind::Whole),
        };
        *kind = made;
        let function = self.filled(rule, fields, 1);
        let kind = self.pick(&[Kind::Day, Kind::Whole, Kind::Real]);
        let order = self.value(kind, fields, 0);
        let second = self.value(Kind::Whole, fields, 0);
        let frame = if function.starts_with("SUM(") {
            self.pick(&["", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS 2 PRECEDING"])
        } else {
            ""
        };
        let partition = if self.once_in(40) { "1".to_owned() } else { person.to_owned() };
        format!("{function} OVER (PARTITION BY {partition} ORDER BY {order}, {second}{frame})")
    }
}

const WHOLE: &[&str] = &[
    "({W} + {W})",
    "({W} * 2 - 1)",
    "{W} / {W}",
    "{W} % 3",
    "ABS({W})",
    "-({W})",
    "CAST({R} AS BIGINT)",
    "CAST({T} || '1' AS BIGINT)",
    "EXTRACT(YEAR FROM {D})",
    "CAST(EXTRACT(MONTH FROM {D}) AS BIGINT)",
    "DATE_DIFF('day', {D}, {D})",
    "DATE_DIFF('month', {D}, DATE '2021-06-01')",
    "CASE WHEN {C} THEN {W} ELSE 0 END",
    "COALESCE({W}, 0)",
    "NULLIF({W}, 3)",
    "LENGTH({T})",
    "GREATEST(LEAST({W}, 20), 1)",
];

const REAL: &[&str] = &[
    "({R} * 1.5)",
    "{R} / {W}",
    "ROUND({R}, 1)",
    "SQRT({R})",
    "LN({R})",
    "FLOOR({R})",
    "CAST({W} AS DOUBLE)",
    "GREATEST(LEAST({R}, 50.0), 1.0)",
    "CASE WHEN {C} THEN {R} END",
    "COALESCE({R}, 0.0)",
    "POWER({R}, 2)",
];

const TEXT: &[&str] = &[
    "UPPER({T})",
    "SUBSTR({T}, 1, 1)",
    "CASE WHEN {C} THEN 'yes' ELSE 'no' END",
    "CASE WHEN {W} > 5 THEN 'long' WHEN {R} IS NULL THEN 'free' ELSE {T} END",
    "COALESCE({T}, 'none')",
    "{T} || {T}",
    "CAST({W} AS VARCHAR)",
];

const DAY: &[&str] = &[
    "{D} + INTERVAL '1 month'",
    "({D} - INTERVAL '90 days')",
    "CAST(DATE_TRUNC('month', {D}) AS DATE)",
    "DATE_TRUNC('year', {D})",
    "DATE_TRUNC('week', CAST({D} AS TIMESTAMP))",
    "DATE_TRUNC('quarter', {D} + INTERVAL '45 days')",
    "DATE_BIN(INTERVAL '7 days', {D}, TIMESTAMP '2020-01-01')",
    "CAST(DATE_BIN(INTERVAL '3 months', {D}) AS DATE)",
    "DATE_ADD({D}, INTERVAL 30 DAY)",
    "COALESCE({D}, DATE '2020-01-01')",
];

/// Values without a rule.
const LAWLESS: &[&str] = &[
    "RANDOM()",
    "CHR({W})",
    "NOW()",
    "DATE_TRUNC('eon', {D})",
    "DATE_BIN(INTERVAL '0 days', {D})",
    "DATE_BIN(INTERVAL '7 days', {D}, {D})",
    "({D} + INTERVAL '900' YEAR)",
    "REGEXP_REPLACE({T}, 'a', 'b')",
    "POWER(2, {W})",
];

/// The first ones have no conditions within.
const CONDITIONS: &[&str] = &[
    "{W} > 3",
    "{W} BETWEEN 0 AND 20",
    "{R} < 100.0",
    "{T} IN ('N', 'S', 'F')",
    "{T} LIKE 'N%'",
    "{D} >= DATE '2020-06-01'",
    "{D} BETWEEN DATE '2020-01-01' AND DATE '2021-12-31'",
    "{W} IS NOT NULL",
    "{T} ~ '^[NS]$'",
    "{W} = {W}",
    "{R} <> {W}",
    "{D} < {D}",
    "{W} IN (SELECT code FROM codes WHERE chapter = 'A')",
    "({C} OR {C})",
    "NOT ({C})",
    "({C} AND {C}) IS TRUE",
    "CASE WHEN {C} THEN {C} ELSE FALSE END",
];

const PLAIN_CONDITIONS: usize = 12;

/// Values with public bounds, as long as COLUMN is a column that has them.
const BOUNDED: &[&str] = &[
    "COLUMN",
    "COLUMN",
    "(COLUMN * 2 - 1)",
    "GREATEST(LEAST(COLUMN, 9), 2)",
    "ABS(COLUMN)",
    "CASE WHEN {C} THEN COLUMN END",
    "CASE WHEN {C} THEN 1 ELSE 0 END",
    "CAST(EXTRACT(MONTH FROM {D}) AS BIGINT)",
    "COLUMN / {W}",
];

/// Names of columns with public bounds.
const BOUNDED_COLUMNS: &[&str] = &["cost", "days", "year_of_birth"];

const AGGREGATES: &[&str] = &[
    "COUNT(*)",
    "COUNT(*)",
    "COUNT({R})",
    "COUNT(DISTINCT PERSON)",
    "COUNT(DISTINCT {T})",
    "COUNT(DISTINCT {W})",
    "SUM({B})",
    "SUM({B})",
    "SUM({W})",
    "AVG({B})",
    "AVG({R})",
    "VAR({B})",
    "VAR_POP({B})",
    "STDDEV({B})",
    "STDDEV_POP({B})",
    "COVAR_SAMP({B}, {B})",
    "COVAR_POP({B}, {B})",
    "CORR({B}, {B})",
    "MEDIAN({B})",
    "PERCENTILE_CONT(0.3) WITHIN GROUP (ORDER BY {B})",
    "APPROX_PERCENTILE_CONT({B}, 0.9)",
    "MIN({B})",
    "MAX({B})",
    "SUM({B}) / COUNT(*)",
    "SUM({R}, contribution_bounds_per_group => (0, 9))",
    "SUM({W}, contribution_bounds_per_row => (-3, 9), epsilon => 0.5)",
    "AVG({R}, contribution_bounds_per_row => (0, 10))",
    "COUNT(*, contribution_bounds_per_group => (0, 2))",
    "COUNT({W}, epsilon => 2)",
];

/// Aggregates without a private form.
const UNRULY: &[&str] = &[
    "STRING_AGG({T}, ',')",
    "BIT_AND({W})",
    "ARRAY_AGG({W})",
    "SUM(DISTINCT {W})",
    "MAX({T})",
    "FIRST_VALUE({W})",
    "APPROX_PERCENTILE_CONT({B}, 0.1 + 0.2)",
    "AVG(COUNT(*))",
    "SUM({B}, epsilon => -1)",
];

/// Fractions of one person.
const OWN_REAL: &[&str] =
    &["SUM({R})", "AVG({W})", "MAX({R})", "VAR({B})", "STDDEV({B})", "VAR_POP({B})"];

/// Whole numbers of one person.
const OWN: &[&str] =
    &["COUNT(*)", "COUNT(DISTINCT {T})", "SUM({W})", "MIN({W})", "MAX({W})", "COUNT({R})"];

/// Windows that yield whole numbers.
const NUMBERED: &[&str] = &[
    "ROW_NUMBER()",
    "RANK()",
    "COUNT(*)",
    "LAG({W})",
    "NTH_VALUE({W}, 2)",
    "SUM({W})",
    "NTILE(3)",
];
