//! The flow of persons as HTML: boxes below each other, who leaves to their right.

use maud::{Markup, html};

use super::Page;
use super::tables::{data, proofs};
use crate::report::exhibits::Exhibit;
use crate::report::model::{Cell, Flow, Step, Unit};
use crate::report::numbers::written;

pub(super) fn flow(page: &Page<'_>, flow: &Flow, exhibit: &Exhibit) -> Markup {
    html! {
        figure.flow id=(exhibit.name) {
            ol.steps {
                @for step in &flow.steps { li { (boxes(page, step)) } }
                @if !flow.arms.is_empty() {
                    li {
                        ul.arms style={ "--arms:" (flow.arms.len().max(2)) } {
                            @for arm in &flow.arms { li { (boxes(page, arm)) } }
                        }
                    }
                }
            }
            figcaption { strong { (exhibit.label) "." } " " (flow.caption) }
            (proofs(page, exhibit))
            (data(page, exhibit))
        }
    }
}

fn boxes(page: &Page<'_>, step: &Step) -> Markup {
    html! {
        div.step { span.who { (step.label) } (count(page, &step.count)) }
        @if !step.excluded.is_empty() {
            ul.excluded aria-label="Excluded" {
                @for excluded in &step.excluded {
                    li { span.who { (excluded.label) } (count(page, &excluded.count)) }
                }
            }
        }
    }
}

fn count(page: &Page<'_>, cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Empty => {},
            Cell::Text { text } => span.count { (text) },
            Cell::Suppressed { reason } => span.count { "suppressed: " (reason) },
            Cell::Number(number) => {
                @let text = written(number, &Unit::Count);
                span.count {
                    b { (text.value) }
                    @if let Some(interval) = text.interval {
                        " " span.interval title={ (page.level) " interval" } { "(" (interval) ")" }
                    }
                }
            },
        }
    }
}
