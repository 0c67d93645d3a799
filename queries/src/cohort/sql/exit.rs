//! When persons leave, and stays that become one.

use crate::cohort::definition::{Definition, Edge, Event, Exit, Pick};
use crate::cohort::sql::{Writer, indented};

impl Writer<'_> {
    /// The query of the cohort, from the view of its included events.
    pub(super) fn stays(&mut self, definition: &Definition, included: &str) -> String {
        let rows = self.exits(definition, included);
        let stays = if is_single(definition) {
            // There is one row of each person already; the aggregate tells the engine so.
            format!(
                "SELECT x.person_id, MIN(x.start_date) AS cohort_start_date,\n  \
                 MIN(x.exit_date) AS cohort_end_date\nFROM (\n{}\n) x\n\
                 WHERE x.exit_date >= x.start_date\nGROUP BY x.person_id",
                indented(&rows)
            )
        } else {
            let days = definition.collapse_days;
            let names = ["cohort_start_date", "cohort_end_date"];
            let rows = format!(
                "SELECT x.person_id, x.start_date, x.exit_date AS end_date\nFROM (\n{}\n) x\n\
                 WHERE x.exit_date >= x.start_date",
                indented(&rows)
            );
            joined(&rows, days, names)
        };
        within_calendar(definition, stays)
    }

    /// The first days of the included events, each with the day on which its person leaves.
    fn exits(&mut self, definition: &Definition, included: &str) -> String {
        let begin = "SELECT e.person_id, e.start_date, e.observed_to";
        let exits = match &definition.exit {
            Exit::Observation => {
                format!("{begin},\n  e.observed_to AS exit_date\nFROM {included} e")
            }
            Exit::Offset { after, days } => {
                let day = if *after == Edge::Start { "e.start_date" } else { "e.end_date" };
                let day = moved(day, i64::from(*days));
                format!("{begin},\n  LEAST(e.observed_to, {day}) AS exit_date\nFROM {included} e")
            }
            Exit::Era { event, gap_days, offset_days } => {
                let eras = self.eras(event, *gap_days);
                let day = moved("MIN(r.end_date)", i64::from(*offset_days));
                format!(
                    "{begin},\n  LEAST(e.observed_to, {day}) AS exit_date\nFROM {included} e\n\
                     LEFT JOIN {eras} r ON r.person_id = e.person_id\n  \
                     AND e.start_date >= r.start_date \
                     AND e.start_date - r.end_date <= {offset_days}\n\
                     GROUP BY e.person_id, e.start_date, e.observed_to"
                )
            }
        };
        if definition.censoring.is_empty() {
            return exits;
        }
        let censoring: Vec<String> =
            definition.censoring.iter().map(|event| self.event(event, None)).collect();
        format!(
            "{begin},\n  LEAST(e.exit_date, MIN(c.start_date)) AS exit_date\nFROM (\n{}\n) e\n\
             LEFT JOIN (\n{}\n) c ON c.person_id = e.person_id\n  \
             AND c.start_date BETWEEN e.start_date AND e.observed_to\n\
             GROUP BY e.person_id, e.start_date, e.observed_to, e.exit_date",
            indented(&exits),
            indented(&censoring.join("\nUNION ALL\n"))
        )
    }

    /// The view of the times in which events of a person follow one another.
    fn eras(&mut self, event: &Event, gap_days: u32) -> String {
        let events = self.event(event, None);
        self.view("eras", joined(&events, gap_days, ["start_date", "end_date"]))
    }
}

/// Whether a person has one stay at most.
fn is_single(definition: &Definition) -> bool {
    let index = &definition.index;
    let qualified = index.criteria.is_some() && index.qualified_limit != Pick::All;
    definition.limit != Pick::All || index.limit != Pick::All || qualified
}

/// A day, and days after it.
fn moved(day: &str, days: i64) -> String {
    if days == 0 { day.to_owned() } else { format!("{day} + INTERVAL '{days}' DAY") }
}

/// Rows of a person that are at most `gap_days` apart, from the start of the first to the latest
/// end: one row for each that begins later than that after all before it have ended. It ends where
/// those before the next such row do.
fn joined(rows: &str, gap_days: u32, [start, end]: [&str; 2]) -> String {
    let latest = "MAX(x.end_date) OVER (PARTITION BY x.person_id";
    let ends = format!(
        "SELECT x.person_id, x.start_date,\n  {latest}\n    ORDER BY x.start_date, x.end_date \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended,\n  {latest}) AS latest\n\
         FROM (\n{}\n) x",
        indented(rows)
    );
    format!(
        "SELECT s.person_id, s.start_date AS {start},\n  \
         COALESCE(LEAD(s.ended) OVER (PARTITION BY s.person_id ORDER BY s.start_date), s.latest) \
         AS {end}\nFROM (\n{}\n) s\n\
         WHERE s.ended IS NULL OR s.start_date - s.ended > {gap_days}",
        indented(&ends)
    )
}

/// Stays that are cut off at the ends of the calendar of the definition.
fn within_calendar(definition: &Definition, stays: String) -> String {
    let calendar = &definition.calendar;
    if calendar.from.is_none() && calendar.to.is_none() {
        return stays;
    }
    let first = calendar.from.map_or("s.cohort_start_date".to_owned(), |day| {
        format!("GREATEST(s.cohort_start_date, DATE '{day}')")
    });
    let last = calendar.to.map_or("s.cohort_end_date".to_owned(), |day| {
        format!("LEAST(s.cohort_end_date, DATE '{day}')")
    });
    format!(
        "SELECT s.person_id, {first} AS cohort_start_date, {last} AS cohort_end_date\n\
         FROM (\n{}\n) s\nWHERE {first} <= {last}",
        indented(&stays)
    )
}
