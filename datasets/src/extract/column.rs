//! Applies a plan to the rows that stay: raw cells in, de-identified values out.

use arrow::array::LargeStringArray;
use chrono::{Datelike, NaiveDate};
use ledger_adapter::manifest::{Bounds, ColumnKind, KeyValue};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::extract::cell::{Cell, Lenient, date_of};
use crate::extract::code::is_code;
use crate::extract::error::ExtractError;
use crate::extract::owner::{Kept, event_area};
use crate::extract::place;
use crate::extract::plan::{ColumnPlan, TablePlan, Treatment};
use crate::extract::pseudonym::Pseudonyms;
use crate::extract::report::{TableReport, changed};
use crate::extract::roster::{Member, Roster};
use crate::extract::source::RawTable;
use crate::extract::udi::model_and_lot;
use crate::extract::values::Values;
use crate::policy::Policy;
use crate::policy::document::DateHandling;

/// What every column of every table is treated with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Treatments<'a> {
    /// The policy.
    pub(super) policy: &'a Policy,
    /// Keyed numbers.
    pub(super) pseudonyms: &'a Pseudonyms,
    /// The persons.
    pub(super) roster: &'a Roster,
}

/// Counts of changed values of one column.
type Changes = Vec<(&'static str, u64)>;

impl Treatments<'_> {
    /// Makes the columns of a table, one entry per kept row, in their order.
    ///
    /// # Errors
    /// [`ExtractError::Unreadable`] if values of a required column are not of its kind.
    pub(super) fn apply(
        &self,
        plan: &TablePlan,
        raw: &RawTable,
        kept: &[Kept],
        report: &mut TableReport,
    ) -> Result<Vec<Values>, ExtractError> {
        let made: Vec<(Values, Changes)> = plan
            .columns
            .par_iter()
            .map(|column| self.column(plan, column, raw, kept))
            .collect::<Result<_, _>>()?;
        let mut columns = Vec::with_capacity(made.len());
        for (column, (values, changes)) in plan.columns.iter().zip(made) {
            for (why, rows) in changes {
                report.change(column.name, why, rows);
            }
            columns.push(values);
        }
        self.cap_ages(plan, &mut columns, report);
        Ok(columns)
    }

    fn column(
        &self,
        plan: &TablePlan,
        column: &ColumnPlan,
        raw: &RawTable,
        kept: &[Kept],
    ) -> Result<(Values, Changes), ExtractError> {
        let source = raw.column(column.name);
        let cells = kept.iter().map(|kept| {
            let member = kept.member.and_then(|index| self.roster.member(index));
            (source.cell(kept.row), member, kept.row)
        });
        let mut tally = Tally::new(column);
        let values = match column.manifest.kind {
            ColumnKind::Integer => Values::Integer(
                cells
                    .map(|(cell, member, row)| {
                        let value = self.integer(column, cell, member, raw, row);
                        tally.integer(value)
                    })
                    .collect(),
            ),
            ColumnKind::Float => {
                Values::Float(cells.map(|(cell, _, _)| tally.float(cell.float())).collect())
            }
            ColumnKind::Date => Values::Date(
                cells
                    .map(|(cell, member, _)| {
                        let day = tally.read(cell.day())?;
                        Some(self.date(column.treatment, day, member))
                    })
                    .collect(),
            ),
            ColumnKind::Text => {
                let texts = cells.map(|(cell, _, _)| self.text(column, cell, &mut tally));
                Values::Text(texts.collect::<LargeStringArray>())
            }
        };
        Ok((values, tally.finish(plan.schema.name)?))
    }

    fn integer(
        &self,
        column: &ColumnPlan,
        cell: Cell<'_>,
        member: Option<&Member>,
        raw: &RawTable,
        row: usize,
    ) -> Lenient<i64> {
        let keyed = |number: Option<i64>| number.map_or(Lenient::Missing, Lenient::Value);
        match column.treatment {
            Treatment::Unit => keyed(member.map(|member| member.pseudonym)),
            Treatment::RowKey(table) => keyed(cell.id().map(|id| self.pseudonyms.row(table, id))),
            Treatment::Residence => keyed(
                cell.id()
                    .zip(member)
                    .map(|(id, member)| self.pseudonyms.residence(member.pseudonym, id)),
            ),
            Treatment::EventKey => {
                let area = raw.column("cost_domain_id").cell(row).text();
                let table = if let Lenient::Value(area) = &area { event_area(area) } else { None };
                let id = cell.id().zip(table);
                keyed(id.map(|(id, (_, table))| self.pseudonyms.row(table, id)))
            }
            Treatment::BirthYear => match member.and_then(|member| member.shown_birth_year) {
                Some(year) => Lenient::Value(year.into()),
                None => cell.integer(),
            },
            _ => cell.integer(),
        }
    }

    /// The day that is shown. Dates before a top-coded birth year are raised to it: they would
    /// show that the person is older than the group's least age, and by how much.
    fn date(&self, treatment: Treatment, day: i32, member: Option<&Member>) -> i32 {
        if treatment == Treatment::PublicDate {
            return day;
        }
        let day = match self.policy.dates().handling {
            DateHandling::Keep => day,
            DateHandling::Shift => day.saturating_add(member.map_or(0, |m| m.shift_days)),
            DateHandling::Year => new_year(date_of(day).year()),
        };
        match member.and_then(|member| member.shown_birth_year) {
            Some(year) => day.max(new_year(year)),
            None => day,
        }
    }

    fn text(&self, column: &ColumnPlan, cell: Cell<'_>, tally: &mut Tally<'_>) -> Option<String> {
        if column.treatment == Treatment::Zip {
            let zip = place::zip(cell, self.policy.zip(), self.policy.small_zip3());
            tally.count_if(changed::NO_ZIP, zip.is_none() && cell != Cell::Missing);
            return zip;
        }
        let text = tally.read(cell.text())?;
        let kept = match column.treatment {
            Treatment::Code => {
                tally.count_if(changed::NO_CODE, !is_code(&text));
                is_code(&text).then(|| text.into_owned())
            }
            Treatment::Device => {
                let device = model_and_lot(&text);
                tally.count_if(changed::NO_DEVICE, device.is_none());
                device
            }
            Treatment::State => Some(place::state(&text).into_owned()),
            Treatment::EventArea => event_area(&text).map(|(area, _)| area.to_owned()),
            Treatment::PublicText => Some(text.into_owned()),
            _ => None,
        };
        kept.and_then(|text| tally.declared_text(text))
    }

    /// Caps numbers that are ages at the top age.
    fn cap_ages(&self, plan: &TablePlan, columns: &mut [Values], report: &mut TableReport) {
        let Some(ages) = self.policy.ages() else { return };
        let concept = format!("{}_concept_id", plan.schema.name);
        let indices = (plan.index("value_as_number"), plan.index(&concept));
        let (Some(number), Some(concept)) = indices else { return };
        let top = f64::from(ages.top_code);
        let is_age: Vec<bool> = match columns.get(concept) {
            Some(Values::Integer(ids)) => {
                ids.iter().map(|id| id.is_some_and(|id| ages.concepts.contains(&id))).collect()
            }
            _ => return,
        };
        let mut capped = 0;
        if let Some(Values::Float(numbers)) = columns.get_mut(number) {
            for (value, _) in numbers.iter_mut().zip(is_age).filter(|(_, is_age)| *is_age) {
                if value.is_some_and(|value| value > top) {
                    *value = Some(top);
                    capped += 1;
                }
            }
        }
        report.change("value_as_number", changed::AGE, capped);
    }
}

/// Reads values of one column into bounds and key domain, counting what is changed.
struct Tally<'a> {
    column: &'a ColumnPlan,
    missing: u64,
    unreadable: u64,
    undeclared: u64,
    clamped: u64,
    other: Changes,
    float_bounds: Option<(f64, f64)>,
}

impl<'a> Tally<'a> {
    fn new(column: &'a ColumnPlan) -> Self {
        let float_bounds = column.manifest.bounds.map(|Bounds { lower, upper, scale }| {
            let steps = 10_f64.powi(scale.into());
            (lower as f64 / steps, upper as f64 / steps)
        });
        let other = Vec::new();
        Self { column, missing: 0, unreadable: 0, undeclared: 0, clamped: 0, other, float_bounds }
    }

    fn read<T>(&mut self, value: Lenient<T>) -> Option<T> {
        match value {
            Lenient::Value(value) => return Some(value),
            Lenient::Missing => self.missing += 1,
            Lenient::Unreadable => self.unreadable += 1,
        }
        None
    }

    fn integer(&mut self, value: Lenient<i64>) -> Option<i64> {
        let value = self.read(value);
        let zero = matches!(self.column.treatment, Treatment::Integer { or_zero: true });
        let value = value.or_else(|| zero.then_some(0))?;
        if let Some(bounds) = self.column.manifest.bounds {
            let within = value.clamp(bounds.lower, bounds.upper);
            self.clamped += u64::from(within != value);
            return Some(within);
        }
        let Some(declared) = &self.column.manifest.domain else { return Some(value) };
        if declared.binary_search(&KeyValue::Integer(value)).is_ok() {
            return Some(value);
        }
        self.undeclared += 1;
        declared.contains(&KeyValue::Integer(0)).then_some(0)
    }

    fn float(&mut self, value: Lenient<f64>) -> Option<f64> {
        let value = self.read(value)?;
        let Some((lower, upper)) = self.float_bounds else { return Some(value) };
        let within = value.clamp(lower, upper);
        self.clamped += u64::from(within.total_cmp(&value).is_ne());
        Some(within)
    }

    fn declared_text(&mut self, text: String) -> Option<String> {
        let Some(declared) = &self.column.manifest.domain else { return Some(text) };
        let key = KeyValue::Text(text);
        let found = declared.binary_search(&key).is_ok();
        self.undeclared += u64::from(!found);
        match key {
            KeyValue::Text(text) if found => Some(text),
            _ => None,
        }
    }

    fn count_if(&mut self, why: &'static str, holds: bool) {
        if holds {
            match self.other.iter_mut().find(|(other, _)| *other == why) {
                Some((_, rows)) => *rows += 1,
                None => self.other.push((why, 1)),
            }
        }
    }

    fn finish(self, table: &'static str) -> Result<Changes, ExtractError> {
        if self.unreadable > 0 && self.column.required {
            return Err(ExtractError::Unreadable {
                table,
                column: self.column.name,
                rows: self.unreadable,
                kind: kind_name(self.column.manifest.kind),
            });
        }
        let mut changes = self.other;
        changes.push((changed::UNREADABLE, self.unreadable));
        changes.push((changed::UNDECLARED, self.undeclared));
        changes.push((changed::CLAMPED, self.clamped));
        if self.column.required {
            changes.push((changed::MISSING, self.missing));
        }
        Ok(changes)
    }
}

const fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "whole numbers",
        ColumnKind::Float => "numbers",
        ColumnKind::Text => "text",
        ColumnKind::Date => "dates",
    }
}

/// The first of January, in days since 1970-01-01.
fn new_year(year: i32) -> i32 {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(NaiveDate::MIN).to_epoch_days()
}
