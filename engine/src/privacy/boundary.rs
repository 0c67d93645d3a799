//! The boundary: an aggregate over persons' rows that is not grouped by the person.

use std::sync::OnceLock;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan};

use crate::error::{Code, Rejection};
use crate::privacy::columns::{Columns, persons_column, widen};
use crate::privacy::contributions::{Bound, Contribution, Nested, Shape};
use crate::privacy::eager::counted;
use crate::privacy::facts::Facts;
use crate::privacy::margins::{Margins, margins};
use crate::privacy::relation::{Analysis, HIDDEN, Kind, Relation, column_of, named, unplanned};
use crate::privacy::released::ReleasedTable;

/// One private aggregate.
#[derive(Debug)]
pub(crate) struct Boundary {
    /// Columns: the person, the keys, what is added to each column as 64-bit integers; row by row.
    pub(crate) contributions: LogicalPlan,
    pub(crate) keys: Vec<Key>,
    pub(crate) columns: Vec<Contribution>,
    /// What needs more than a total per person and group.
    pub(crate) nested: Vec<Nested>,
    /// Most groups that a person counts in: one number, or several to choose from privately;
    /// ascending, at least 1.
    pub(crate) groups: Vec<u64>,
    /// The column of [`Boundary::columns`] that counts persons, where it decides which keys are
    /// shown.
    pub(crate) persons: Option<usize>,
    /// Whether every key is known publicly.
    pub(crate) is_declared: bool,
    /// Whether the query asks for the number of persons; if not, it serves the keys only.
    pub(crate) shows_persons: bool,
    /// Fewest persons of a cell that is shown; 0 if any number will do.
    pub(crate) persons_min: u64,
    /// For ROLLUP, CUBE and GROUPING SETS: which sums over keys are asked for.
    pub(crate) margins: Option<Margins>,
    /// Most sites that one person is at, where each bounds and adds up its own.
    pub(crate) sites_per_person: Option<u64>,
    /// Its plans, optimized, once they were.
    pub(crate) optimized: OnceLock<Vec<LogicalPlan>>,
}

/// One exact sum per cell that is computed: a column under one of the bounds to choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slot {
    pub(crate) column: usize,
    /// Most that one person moves one cell, in steps of the grid, over all sites; at least 1.
    pub(crate) sensitivity: u64,
    /// Most cells that one person moves; `None` if the sensitivity bounds them all together, in
    /// the L2 norm.
    pub(crate) groups: Option<u64>,
}

impl Boundary {
    /// How many times a bound on a person holds at once: that of one site, at so many sites.
    pub(crate) fn reach(&self) -> u64 {
        self.sites_per_person.unwrap_or(1)
    }

    /// The columns whose persons are counted once over sites: numbers of persons where one may be
    /// at several sites. Those that something is divided by, or that are added up to margins, count
    /// as what goes with them.
    pub(crate) fn united(&self) -> impl Iterator<Item = usize> + '_ {
        let all = 0..self.columns.len();
        all.filter(|column| {
            self.reach() > 1 && self.margins.is_none() && self.counts_persons(*column)
        })
    }

    fn counts_persons(&self, column: usize) -> bool {
        let own = &self.columns[column];
        let is_single = (own.lower, own.upper, own.decimals) == (0, 1, 0);
        let divides = self.columns.iter().any(|other| other.count == Some(column));
        let is_asked = self.persons != Some(column) || self.shows_persons;
        is_single && own.bound == Bound::Clamp && own.count.is_none() && !divides && is_asked
    }

    /// Most groups of a person that are looked at.
    pub(crate) fn groups_max(&self) -> u64 {
        self.groups.last().copied().unwrap_or(1)
    }

    /// The columns in the order in which they are drawn: first the one that decides keys.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> {
        let others = (0..self.columns.len()).filter(|i| self.persons != Some(*i));
        self.persons.into_iter().chain(others)
    }

    /// Whether keys are chosen by exact numbers of persons, as nobody asks for noisy ones.
    pub(crate) fn selects_keys(&self) -> bool {
        self.persons.is_some() && !self.is_declared && !self.shows_persons && self.persons_min == 0
    }

    /// The bounds to choose from for a column.
    pub(crate) fn rungs(&self, column: usize) -> &[u64] {
        match &self.columns[column].bound {
            Bound::Clamp => &self.groups,
            Bound::Norm(norms) => norms,
            Bound::Linked { anchor, .. } => self.rungs(*anchor),
        }
    }

    /// The slots of a column, one per bound to choose from.
    pub(crate) fn slots(&self, column: usize) -> impl Iterator<Item = Slot> + '_ {
        let contribution = &self.columns[column];
        self.rungs(column).iter().map(move |rung| {
            let (of_site, groups) = match contribution.bound {
                Bound::Clamp => (contribution.clamp(), Some(*rung)),
                Bound::Norm(_) => (*rung, None),
                Bound::Linked { row, .. } => (rung.saturating_mul(row), None),
            };
            Slot { column, sensitivity: of_site.saturating_mul(self.reach()), groups }
        })
    }

    /// All that decides what its cells are, as text, with `names` treated as is said there.
    pub(crate) fn identity(&self, names: Names) -> String {
        let mut text = self.contributions.display_indent().to_string();
        for nested in &self.nested {
            let shown = nested.contributions.display_indent();
            text.push_str(&format!("\n{} {:?}\n{shown}", nested.most, nested.kind));
        }
        let columns = self.columns.iter();
        let columns = columns.map(|c| (&c.bound, c.lower, c.upper, c.decimals, c.count));
        let columns: Vec<_> = columns.collect();
        let keys: Vec<_> = self.keys.iter().map(|key| &key.domain).collect();
        let (groups, margins, least) = (&self.groups, &self.margins, self.persons_min);
        text.push_str(&format!("\n{columns:?} {keys:?} {groups:?} {margins:?} {least}"));
        if let Some(sites) = self.sites_per_person {
            text.push_str(&format!(" each site on its own, {sites} per person"));
        }
        names.shown(&text)
    }

    /// The plans of what is read: of contributions, then of the nested columns.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &LogicalPlan> {
        let nested = self.nested.iter().map(|nested| &nested.contributions);
        std::iter::once(&self.contributions).chain(nested)
    }

    /// The same plans, optimized; that is done once.
    ///
    /// # Errors
    /// The optimizer's.
    pub(crate) fn optimized(
        &self,
        session: &SessionContext,
    ) -> Result<&[LogicalPlan], DataFusionError> {
        if self.optimized.get().is_none() {
            let state = session.state();
            let mut plans =
                self.plans().map(|plan| state.optimize(plan)).collect::<Result<Vec<_>, _>>()?;
            if let Some(first) = plans.first_mut() {
                *first = counted(first.clone(), 1 + self.keys.len())?;
            }
            // Whoever was first has the same.
            let _ = self.optimized.set(plans);
        }
        Ok(self.optimized.get().map(Vec::as_slice).unwrap_or_default())
    }

    /// Where the slots of a column begin among all slots.
    pub(crate) fn first_slot(&self, column: usize) -> usize {
        (0..column).map(|column| self.rungs(column).len()).sum()
    }

    /// The private choices to be made: of the number of groups (`None`), and of the norm of a
    /// column; with what there is to choose from.
    pub(crate) fn choices(&self) -> Vec<(Option<usize>, &[u64])> {
        let groups = (self.groups.len() > 1).then_some((None, self.groups.as_slice()));
        let norms = self.columns.iter().enumerate().filter_map(|(i, c)| match &c.bound {
            Bound::Norm(norms) => Some((Some(i), norms.as_slice())),
            _ => None,
        });
        groups.into_iter().chain(norms).collect()
    }
}

/// One key of the groups.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// All values, null included where it may be; `None` if they are not publicly known.
    pub(crate) domain: Option<Vec<ScalarValue>>,
}

impl Analysis<'_> {
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Relation, Rejection> {
        let input = self.relation(&aggregate.input)?;
        let Kind::PerPerson { units, rows_max } = &input.kind else {
            let plan = LogicalPlan::Aggregate(aggregate.clone());
            return self.after(&plan, vec![input], false);
        };
        let is_unit = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
        let margins = margins(aggregate)?;
        let group: Vec<Expr> = match &margins {
            Some((_, keys)) => keys.clone(),
            None => aggregate.group_expr.clone(),
        };
        if group.iter().any(is_unit) {
            if margins.is_some() {
                let reason = "ROLLUP, CUBE and GROUPING SETS within a person have no rule";
                return Err(Rejection::new(Code::Operator, reason));
            }
            return self.within_person(aggregate, input);
        }
        let (rows, is_given) = match self.bounds.rows_per_person {
            Some(rows) => (u64::from(rows), true),
            None => (*rows_max, false),
        };
        let (keys, steady) = self.keys(&group, &input, units)?;
        let shape = Shape { input: &input, unit: &units[0], keys: &keys };
        let boundary = self.boundaries.len();
        let (found, nested) = (Vec::new(), Vec::new());
        let rows = rows.max(1);
        let mut columns = Columns { rows, is_given, boundary, shape, found, nested };
        let mut outputs = Vec::new();
        for expr in &aggregate.aggr_expr {
            outputs.push(columns.output(self, expr)?);
        }
        let Columns { shape, found: mut columns, nested, .. } = columns;
        if columns.is_empty() && nested.is_empty() {
            return Err(Rejection::new(Code::Aggregate, "the groups have no aggregate")
                .hint("add COUNT(*), or COUNT(DISTINCT person_id)"));
        }
        let single = keys.is_empty() || steady;
        if margins.is_some() {
            crate::privacy::margins::check(&columns, &nested, single)?;
        }
        let cells = cells(&keys);
        let is_declared = cells.is_some();
        let persons_min = self.bounds.persons_min.max(self.catalog.persons_min());
        let persons_min = if keys.is_empty() { 0 } else { u64::from(persons_min) };
        let asked = columns.len();
        let chooses = !is_declared || persons_min > 0;
        let persons = chooses.then(|| persons_column(&mut columns));
        let groups = self.groups(single, cells, !nested.is_empty());
        widen(&mut columns, groups.last().copied().unwrap_or(1));
        let made = Boundary {
            contributions: shape.contributions(&columns)?,
            groups,
            keys: keys.into_iter().map(|(key, _)| key).collect(),
            columns,
            nested,
            persons,
            is_declared,
            shows_persons: persons.is_some_and(|column| column < asked),
            persons_min,
            margins: margins.map(|(margins, _)| margins),
            sites_per_person: self.bounds.sites_per_person.map(u64::from),
            optimized: OnceLock::new(),
        };
        let index = self.placed(made);
        // Named after the boundary that this would have been, if it were not asked for already.
        let moved = |expr| ReleasedTable::moved(expr, boundary, index);
        self.released(index, aggregate, &outputs.into_iter().map(moved).collect::<Vec<_>>())
    }

    /// The keys of the groups, and whether one person has one value of each only.
    fn keys(
        &mut self,
        group: &[Expr],
        input: &Relation,
        units: &[Column],
    ) -> Result<(Vec<(Key, Expr)>, bool), Rejection> {
        let (mut keys, mut steady) = (Vec::with_capacity(group.len()), true);
        for (i, expr) in group.iter().enumerate() {
            let rewritten = self.row_expr(expr, input)?;
            let facts = input.scope().facts(&rewritten);
            // A key that is the person in disguise.
            if facts.person || column_of(&rewritten).is_some_and(|c| units.contains(c)) {
                return Err(Rejection::new(Code::Rows, "the person is a key of the result")
                    .hint("group by a property of persons, or count them"));
            }
            steady &= facts.constant;
            keys.push((key(i, &rewritten, &facts, input)?, rewritten));
        }
        Ok((keys, steady))
    }

    /// How many groups a person counts in, or what there is to choose from.
    fn groups(&self, single: bool, cells: Option<u64>, nested: bool) -> Vec<u64> {
        let cells = cells.unwrap_or(u64::MAX).max(1);
        if single {
            return vec![1];
        }
        if let Some(groups) = self.bounds.groups_per_person {
            return vec![u64::from(groups).max(1).min(cells)];
        }
        if nested {
            return vec![GROUPS_PER_PERSON.min(cells)];
        }
        let mut ladder: Vec<u64> = GROUPS.iter().map(|groups| (*groups).min(cells)).collect();
        ladder.dedup();
        ladder
    }

    /// The number of a boundary: the one that it has already, if it is asked for twice. Then it is
    /// noised and charged once, and both uses agree.
    fn placed(&mut self, made: Boundary) -> usize {
        let identity = made.identity(self.names);
        let same = |b: &Boundary| b.identity(self.names) == identity;
        if let Some(index) = self.boundaries.iter().position(same) {
            return index;
        }
        self.boundaries.push(made);
        self.boundaries.len() - 1
    }

    /// The noisy cells as a table, under the names that the aggregate's columns had.
    fn released(
        &mut self,
        index: usize,
        aggregate: &Aggregate,
        outputs: &[Expr],
    ) -> Result<Relation, Rejection> {
        let table = ReleasedTable::new(index, &self.boundaries[index]);
        let boundary = &self.boundaries[index];
        let keys = boundary.keys.iter().map(|key| table.column(&key.name));
        let grouping = boundary.margins.as_ref().map(|_| table.grouping());
        let exprs: Vec<Expr> = keys.chain(grouping).chain(outputs.iter().cloned()).collect();
        let scan = table.scan().map_err(unplanned)?;
        let facts = scan
            .schema()
            .iter()
            .map(|(qualifier, field)| Facts {
                nullable: field.is_nullable(),
                lineage: Some(Expr::Column(Column::new(qualifier.cloned(), field.name()))),
                ..Facts::default()
            })
            .collect();
        let cells = vec![table.cell()];
        let input = Relation { plan: scan, facts, kind: Kind::Released { cells } };
        let exprs = exprs
            .into_iter()
            .zip(aggregate.schema.iter())
            .map(|(expr, (qualifier, field))| named(expr, qualifier, field.name()))
            .collect();
        self.projected(input, exprs)
    }
}

/// The number of cells of declared keys. Past a certain number zeros are no help, and keys are
/// shown if they have enough persons instead.
fn cells(keys: &[(Key, Expr)]) -> Option<u64> {
    let sizes = keys.iter().map(|(key, _)| Some(key.domain.as_ref()?.len() as u64));
    let cells = sizes.into_iter().try_fold(1u64, |cells, size| cells.checked_mul(size?));
    cells.filter(|cells| *cells <= CELLS_MAX)
}

fn key(index: usize, expr: &Expr, facts: &Facts, input: &Relation) -> Result<Key, Rejection> {
    let data_type = expr.get_type(input.plan.schema()).map_err(unplanned)?;
    let domain = match &facts.domain {
        Some(values) => {
            let cast = values.iter().map(|value| value.cast_to(&data_type));
            let mut values = cast.collect::<Result<Vec<_>, _>>().map_err(unplanned)?;
            if facts.nullable {
                values.insert(0, ScalarValue::try_from(&data_type).map_err(unplanned)?);
            }
            Some(values)
        }
        None => None,
    };
    Ok(Key { name: format!("k{index}"), data_type, domain })
}

/// How threaded names are written where plans are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Names {
    /// Numbered anew: a plan is the same wherever in a query it stands.
    Renumbered,
    /// As they are: the query has such names of its own, or values that look like them.
    Kept,
}

impl Names {
    /// What suits a query of this text and plan.
    pub(crate) fn of(text: &str, plan: &LogicalPlan) -> Self {
        let has_own = text.contains(HIDDEN) || plan.display_indent().to_string().contains(HIDDEN);
        if has_own { Self::Kept } else { Self::Renumbered }
    }

    /// The text under this rule.
    pub(crate) fn shown(self, text: &str) -> String {
        match self {
            Self::Renumbered => renumbered(text),
            Self::Kept => text.to_owned(),
        }
    }
}

/// The text with threaded names numbered in the order in which they come.
pub(crate) fn renumbered(text: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut parts = text.split(HIDDEN);
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (name, rest) = part.split_at(digits);
        let known = names.iter().position(|known| *known == name);
        let number = known.unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        numbered.push_str(&format!("{HIDDEN}{number}{rest}"));
    }
    numbered
}

/// Most cells of declared keys that are shown with their zeros.
const CELLS_MAX: u64 = 100_000;

/// Groups per person where neither the query nor the keys say, and none is chosen privately: most
/// persons have fewer distinct conditions or drugs in a year.
const GROUPS_PER_PERSON: u64 = 10;

/// Groups per person to choose from.
const GROUPS: &[u64] = &[1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];
