//! Random queries over the clinic, by a grammar that knows types but not what is admitted: joins
//! that stray from the person, keys without bounds and functions without rules come up too.

mod tables;
mod values;

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;

use crate::engine::Query;
use crate::privacy::relation::ContributionBounds;
use crate::tests::fixture::{Table, World, block_on, world};
use crate::tests::generator::tables::{
    JOINS, KINDS, OPTIONS, STRAY_SUBQUERIES, SUBQUERIES, TABLES, VIEWS, WRONG_OPTIONS,
};
use crate::tests::sensitivity::pick;

/// An engine over tables of a test, with the views that random queries may ask about.
pub(crate) fn with_views(tables: &[Vec<Table>]) -> World {
    let world = world(tables, 1);
    for view in VIEWS {
        let bounds = ContributionBounds::default();
        let query = Query { text: (*view).to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
        block_on(world.engine.perform(&query)).unwrap();
    }
    world
}

/// A random query, with contribution bounds for some.
pub(crate) fn query(random: &mut TestRng, epsilon: f64) -> Query {
    let mut grammar = Grammar { random, names: 0 };
    let text = grammar.statement();
    let bounds = ContributionBounds {
        rows_per_person: grammar.pick(&[None, Some(1), Some(3)]),
        groups_per_person: grammar.pick(&[None, None, Some(1), Some(2)]),
        persons_min: grammar.pick(&[0, 0, 0, 2]),
        ..ContributionBounds::default()
    };
    Query { text, epsilon, delta: 1e-6, bounds }
}

/// The type of a column, as far as the grammar tells types apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Person,
    Whole,
    Real,
    Text,
    Day,
}

/// A column that can be named where a relation is in scope.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    kind: Kind,
}

/// A relation as FROM has it, and its columns.
#[derive(Clone, Debug)]
struct Relation {
    from: String,
    fields: Vec<Field>,
    /// What a comma join needs in WHERE.
    condition: Option<String>,
}

struct Grammar<'a> {
    random: &'a mut TestRng,
    names: usize,
}

impl Grammar<'_> {
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        pick(self.random, from)
    }

    /// True once in `odds`.
    fn once_in(&mut self, odds: u64) -> bool {
        self.random.next_u64().is_multiple_of(odds)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.next_u64() % end as u64).unwrap()
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    fn statement(&mut self) -> String {
        let body = match self.below(12) {
            0 => self.over_released(),
            1 => self.twice(),
            2 => {
                let (one, other) = (self.total(), self.total());
                format!("SELECT a.n - b.n AS d, a.n FROM ({one}) a CROSS JOIN ({other}) b")
            }
            3 => {
                let (one, other) = (self.total(), self.total());
                format!("{one} UNION ALL {other}")
            }
            _ => self.select(2),
        };
        if self.once_in(8) {
            let options = if self.once_in(4) { WRONG_OPTIONS } else { OPTIONS };
            let option = self.pick(options);
            return body.replacen(
                "SELECT",
                &format!("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS({option})"),
                1,
            );
        }
        body
    }

    /// One number of a relation, under the name n.
    fn total(&mut self) -> String {
        let relation = self.relation(1);
        let aggregate = self.aggregate(&relation.fields);
        format!("SELECT {aggregate} AS n FROM {}{}", relation.from, self.filtered(&relation, false))
    }

    /// A query of a query's answer.
    fn over_released(&mut self) -> String {
        let relation = self.relation(1);
        let kind = self.pick(&[Kind::Text, Kind::Whole]);
        let key = self.value(kind, &relation.fields, 1);
        let aggregate = self.aggregate(&relation.fields);
        let filter = self.filtered(&relation, true);
        let inner = format!(
            "SELECT {key} AS k, {aggregate} AS n, COUNT(*) AS m FROM {}{filter} GROUP BY {key}",
            relation.from
        );
        self.pick(&[
            "SELECT k, n * 2 AS n FROM (INNER) t WHERE m > 1 ORDER BY n DESC, k LIMIT 2",
            "SELECT SUM(m) AS s, COUNT(*) AS c FROM (INNER) t",
            "SELECT k, m / NULLIF(SUM(m) OVER (), 0) AS share FROM (INNER) t ORDER BY k",
            "SELECT a.k, a.m, b.n FROM (INNER) a JOIN (INNER) b ON a.k = b.k ORDER BY a.k",
            "SELECT k, CASE WHEN m > 3 THEN n ELSE NULL END AS n FROM (INNER) t ORDER BY k",
            "SELECT DISTINCT m > 2 AS some FROM (INNER) t ORDER BY some",
            "SELECT COUNT(*) AS n FROM visit WHERE days > (SELECT MIN(m) FROM (INNER) t)",
        ])
        .replace("INNER", &inner)
    }

    /// A common table expression that is used twice.
    fn twice(&mut self) -> String {
        let inner = self.rows(1);
        let aggregate = self.aggregate(&named("b", &inner.1));
        format!(
            "WITH c AS ({}) SELECT {aggregate} AS n, COUNT(DISTINCT a.person_id) AS p FROM c a \
             JOIN c b ON a.person_id = b.person_id{}",
            inner.0,
            self.pick(&[" WHERE a.f0 = b.f0", " WHERE a.f0 < b.f0", ""])
        )
    }

    /// An aggregate over persons' rows.
    fn select(&mut self, depth: usize) -> String {
        let relation = self.relation(depth);
        let mut keys: Vec<String> =
            (0..self.below(3)).map(|_| self.key(&relation.fields)).collect();
        keys.dedup();
        let aggregates: Vec<String> =
            (0..=self.below(3)).map(|_| self.aggregate(&relation.fields)).collect();
        let keyed = keys.iter().enumerate().map(|(i, key)| format!("{key} AS g{i}"));
        let valued = aggregates.iter().enumerate().map(|(i, value)| format!("{value} AS x{i}"));
        let list: Vec<String> = keyed.chain(valued).collect();
        let filter = self.filtered(&relation, true);
        let mut sql = format!("SELECT {} FROM {}{filter}", list.join(", "), relation.from);
        if !keys.is_empty() {
            let keys = keys.join(", ");
            let group = match self.below(12) {
                0 => format!("ROLLUP({keys})"),
                1 => format!("CUBE({keys})"),
                2 => format!("GROUPING SETS (({keys}), ())"),
                _ => keys,
            };
            sql = format!("{sql} GROUP BY {group}");
        }
        if self.once_in(6) {
            sql = format!("{sql} HAVING COUNT(*) > 1");
        }
        if self.once_in(6) {
            let limit = self.pick(&["", " LIMIT 1", " LIMIT 3 OFFSET 1"]);
            sql = format!("{sql} ORDER BY x0 DESC{}{limit}", self.pick(&["", " NULLS LAST"]));
        }
        sql
    }

    fn key(&mut self, fields: &[Field]) -> String {
        let kind = self.pick(&[Kind::Text, Kind::Text, Kind::Whole, Kind::Day]);
        match self.below(8) {
            0 => self.condition(fields, 1),
            1 => format!("COALESCE({}, 0) / 7", self.value(Kind::Whole, fields, 1)),
            2 if self.once_in(6) => "person_id".to_owned(),
            _ => self.value(kind, fields, 2),
        }
    }

    /// A relation with the columns person_id, f0, f1 and so on, as a SELECT.
    fn rows(&mut self, depth: usize) -> (String, Vec<Kind>) {
        let relation = self.relation(depth);
        let person = relation.fields.iter().find(|field| field.kind == Kind::Person);
        let person = person.map_or("person_id".to_owned(), |field| field.name.clone());
        let kinds: Vec<Kind> = (0..=self.below(3)).map(|_| self.pick(KINDS)).collect();
        let filter = self.filtered(&relation, true);
        let (mut list, from) = (vec![format!("{person} AS person_id")], relation.from);
        let fields = relation.fields;
        match self.below(6) {
            // One row per person, or per person and key.
            0 | 1 => {
                let mut kinds = kinds;
                let key = self.once_in(2).then(|| self.value(kinds[0], &fields, 1));
                for (i, kind) in kinds.iter_mut().enumerate() {
                    let value = match &key {
                        Some(key) if i == 0 => key.clone(),
                        _ => self.own_aggregate(kind, &fields),
                    };
                    list.push(format!("{value} AS f{i}"));
                }
                let group = key.map_or(person.clone(), |key| format!("{person}, {key}"));
                let having = if self.once_in(4) { " HAVING COUNT(*) > 1" } else { "" };
                let list = list.join(", ");
                (format!("SELECT {list} FROM {from}{filter} GROUP BY {group}{having}"), kinds)
            }
            // A window.
            2 => {
                let mut kinds = kinds;
                for (i, kind) in kinds.iter_mut().enumerate() {
                    let value = self.windowed(kind, &fields, &person);
                    list.push(format!("{value} AS f{i}"));
                }
                (format!("SELECT {} FROM {from}{filter}", list.join(", ")), kinds)
            }
            _ => {
                for (i, kind) in kinds.iter().enumerate() {
                    list.push(format!("{} AS f{i}", self.value(*kind, &fields, 2)));
                }
                let distinct = if self.once_in(4) { "DISTINCT " } else { "" };
                let limit = if self.once_in(40) { " LIMIT 2" } else { "" };
                let list = list.join(", ");
                (format!("SELECT {distinct}{list} FROM {from}{filter}{limit}"), kinds)
            }
        }
    }

    fn relation(&mut self, depth: usize) -> Relation {
        if depth == 0 {
            return self.table();
        }
        match self.below(10) {
            0 | 1 => self.table(),
            2..=4 => self.joined(depth),
            5 => self.combined(depth),
            _ => self.subquery(depth),
        }
    }

    fn subquery(&mut self, depth: usize) -> Relation {
        let (sql, kinds) = self.rows(depth - 1);
        let name = self.name();
        let fields = named(&name, &kinds);
        Relation { from: format!("({sql}) {name}"), fields, condition: None }
    }

    fn table(&mut self) -> Relation {
        let name = self.name();
        let (table, columns) = self.pick(TABLES);
        let field =
            |(column, kind): &(&str, Kind)| Field { name: format!("{name}.{column}"), kind: *kind };
        let fields = columns.iter().map(field).collect();
        Relation { from: format!("{table} {name}"), fields, condition: None }
    }

    /// UNION ALL, INTERSECT or EXCEPT of two relations of the same columns.
    fn combined(&mut self, depth: usize) -> Relation {
        let (one, kinds) = self.rows(depth - 1);
        let relation = self.relation(depth - 1);
        let mut list = vec!["person_id".to_owned()];
        if let Some(field) = relation.fields.iter().find(|field| field.kind == Kind::Person) {
            list[0].clone_from(&field.name);
        }
        for kind in &kinds {
            list.push(self.value(*kind, &relation.fields, 1));
        }
        let word = self.pick(&["UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT", "UNION"]);
        let (list, from) = (list.join(", "), relation.from);
        let name = self.name();
        let fields = named(&name, &kinds);
        let from = format!("({one} {word} SELECT {list} FROM {from}) {name}");
        Relation { from, fields, condition: None }
    }

    fn joined(&mut self, depth: usize) -> Relation {
        let mut left = self.relation(depth - 1);
        if self.once_in(5) {
            return self.joined_with_public(left);
        }
        let right = if self.once_in(2) { self.table() } else { self.subquery(depth) };
        let person = |fields: &[Field]| {
            let field = fields.iter().find(|field| field.kind == Kind::Person);
            field.map(|field| field.name.clone())
        };
        let (Some(a), Some(b)) = (person(&left.fields), person(&right.fields)) else { return left };
        let mut on = format!("{a} = {b}");
        if self.once_in(25) {
            on = self.pick(&["A = B + 1", "A < B", "A = B OR 1 = 1"]).replace('A', &a);
            on = on.replace('B', &b);
        }
        let mut fields = left.fields.clone();
        fields.extend(right.fields);
        if self.once_in(3) {
            on = format!("{on} AND {}", self.condition(&fields, 1));
        }
        let word = self.pick(JOINS);
        if matches!(word, "LEFT SEMI JOIN" | "LEFT ANTI JOIN") {
            fields = left.fields.clone();
        }
        if word == "," {
            left.condition = Some(on);
            return Relation { from: format!("{}, {}", left.from, right.from), fields, ..left };
        }
        let from = format!("{} {word} {} ON {on}", left.from, right.from);
        Relation { from, fields, condition: left.condition.or(right.condition) }
    }

    fn joined_with_public(&mut self, left: Relation) -> Relation {
        let name = self.name();
        let whole: Vec<String> =
            left.fields.iter().filter(|f| f.kind == Kind::Whole).map(|f| f.name.clone()).collect();
        if whole.is_empty() {
            return left;
        }
        let key = self.pick(&whole);
        let (table, text) = self.pick(&[
            ("codes NAME ON KEY = NAME.code", "chapter"),
            (
                "(VALUES (1, 'one'), (2, 'two'), (2, 'too')) NAME(code, label) ON KEY = NAME.code",
                "label",
            ),
            (
                "(SELECT code, COUNT(*) AS n, MIN(chapter) AS least FROM codes GROUP BY code) \
                 NAME ON KEY = NAME.code",
                "least",
            ),
        ]);
        let word = self.pick(&["JOIN", "JOIN", "LEFT JOIN", "LEFT SEMI JOIN", "RIGHT JOIN"]);
        let table = table.replace("NAME", &name).replace("KEY", &key);
        let mut fields = left.fields;
        if word != "LEFT SEMI JOIN" {
            fields.push(Field { name: format!("{name}.{text}"), kind: Kind::Text });
        }
        let from = format!("{} {word} {table}", left.from);
        Relation { from, fields, condition: left.condition }
    }

    fn filtered(&mut self, relation: &Relation, nested: bool) -> String {
        let mut conditions: Vec<String> = relation.condition.clone().into_iter().collect();
        if self.once_in(3) {
            conditions.push(self.condition(&relation.fields, 2));
        }
        let person = relation.fields.iter().find(|field| field.kind == Kind::Person);
        if let Some(person) = person.filter(|_| nested && self.once_in(6)) {
            let rules = if self.once_in(8) { STRAY_SUBQUERIES } else { SUBQUERIES };
            conditions.push(self.pick(rules).replace("PERSON", &person.name));
        }
        if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        }
    }
}

/// The columns of a subquery under its name.
fn named(relation: &str, kinds: &[Kind]) -> Vec<Field> {
    let own = Field { name: format!("{relation}.person_id"), kind: Kind::Person };
    let field = |(i, kind): (usize, &Kind)| Field { name: format!("{relation}.f{i}"), kind: *kind };
    std::iter::once(own).chain(kinds.iter().enumerate().map(field)).collect()
}
