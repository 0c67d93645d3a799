//! Who is in the extract: every person's pseudonym, date shift and top-coded birth year.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::extract::cell::{Id, Lenient, RawColumn};
use crate::extract::error::ExtractError;
use crate::extract::pseudonym::{IdMap, Pseudonyms};
use crate::extract::source::RawTable;
use crate::policy::Policy;
use crate::policy::document::PersonIdentifier;

/// A person of the source.
#[derive(Debug)]
pub(super) struct Member {
    /// The pseudonym, not negative.
    pub(super) pseudonym: i64,
    /// Days by which dates move; 0 unless the policy shifts dates.
    pub(super) shift_days: i32,
    /// The birth year that is shown instead, if the person is in the group of the oldest.
    pub(super) shown_birth_year: Option<i32>,
}

/// All persons of the source.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<Member>,
    by_person_id: IdMap<usize>,
}

impl Roster {
    /// Reads the person table's identifiers and birth years.
    ///
    /// Rows without `person_id`, or without the identifier that the policy names, make no member.
    ///
    /// # Errors
    /// [`ExtractError::Collision`] if two identifiers have one pseudonym.
    pub(super) fn new(
        persons: &RawTable,
        policy: &Policy,
        pseudonyms: &Pseudonyms,
        issue_year: i32,
    ) -> Result<Self, ExtractError> {
        let identifier = persons.column(match policy.person_identifier() {
            PersonIdentifier::PersonId => "person_id",
            PersonIdentifier::PersonSourceValue => "person_source_value",
        });
        let person_ids = persons.column("person_id");
        let mut roster = Self::default();
        let mut owners: HashMap<i64, Id<'_>> = HashMap::new();
        for row in 0..persons.rows {
            let ids = (person_ids.cell(row).id(), identifier.cell(row).id());
            let (Some(person_id), Some(id)) = ids else { continue };
            let pseudonym = pseudonyms.person(id);
            match owners.entry(pseudonym) {
                Entry::Occupied(other) if *other.get() != id => {
                    return Err(ExtractError::Collision);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    free.insert(id);
                }
            }
            let next = roster.members.len();
            let index = *roster.by_person_id.find_or_add(person_id, || next);
            if index == next {
                let days_max = policy.dates().shift_days_max;
                let shift_days = days_max.map_or(0, |most| pseudonyms.shift_days(id, most));
                roster.members.push(Member { pseudonym, shift_days, shown_birth_year: None });
            } else if roster.members.get(index).is_some_and(|m| m.pseudonym != pseudonym) {
                // One number, two identifiers: whose rows these are cannot be known.
                return Err(ExtractError::Request {
                    rule: "every person_id must have one person identifier",
                });
            }
        }
        roster.top_code(persons, policy, issue_year);
        Ok(roster)
    }

    /// The person of that number in the source.
    pub(super) fn find(&self, id: Id<'_>) -> Option<usize> {
        self.by_person_id.find(id).copied()
    }

    /// The person of that index, as [`Self::find`] gave it.
    pub(super) fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// Groups the oldest: their birth year becomes the year of issue less the top age. All who
    /// were ever given a year that old are among them, the dead too, for a birth year alone
    /// shows the age that a person would have.
    fn top_code(&mut self, persons: &RawTable, policy: &Policy, issue_year: i32) {
        let Some(ages) = policy.ages() else { return };
        let shown = issue_year - i32::from(ages.top_code);
        let years: &RawColumn = persons.column("year_of_birth");
        let person_ids = persons.column("person_id");
        let mut oldest: HashMap<i64, bool> = HashMap::new();
        for row in 0..persons.rows {
            let Some(index) = person_ids.cell(row).id().and_then(|id| self.find(id)) else {
                continue;
            };
            let Lenient::Value(year) = years.cell(row).integer() else { continue };
            if let Some(member) = self.members.get(index) {
                *oldest.entry(member.pseudonym).or_default() |= year <= i64::from(shown);
            }
        }
        for member in &mut self.members {
            if oldest.get(&member.pseudonym).copied().unwrap_or_default() {
                member.shown_birth_year = Some(shown);
            }
        }
    }
}
