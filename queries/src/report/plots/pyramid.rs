//! Population pyramids: two groups back to back, the youngest at the bottom.

use super::canvas::{Canvas, DrawingError, LABEL, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{Area, EDGE, FOOT, LINE, MARGIN, absence, axis_below, whisker_across, words};
use super::labels::{fitted, width};
use super::palette::{INK, Look, MUTED, look};
use super::scale::{Scale, Span};
use super::{Group, Names, Pyramid};
use crate::report::model::{Cell, Number};

pub(super) fn svg(plot: &Pyramid, names: Names<'_>, room: f64) -> Result<String, DrawingError> {
    let longest = plot.bands.iter().map(|band| width(band, LABEL)).fold(30.0, f64::max);
    let gutter = (longest + 16.0).min(0.3 * room);
    let row = if plot.bands.len() > BANDS_MANY { 12.0 } else { 19.0 };
    let top = MARGIN + LINE + 8.0;
    let bottom = top + row * plot.bands.len().max(1) as f64;
    let middle = room / 2.0;
    let side = |left, right| Area { left, top, right, bottom };
    let left = side(MARGIN + 10.0, middle - gutter / 2.0);
    let right = side(middle + gutter / 2.0, room - MARGIN - 10.0);
    let spacing = if room <= NARROW { 50.0 } else { 70.0 };
    let scale = |ends| Scale::linear(span(plot), ends, spacing, &plot.value.unit);
    let (west, east) = (scale((left.right, left.left)), scale((right.left, right.right)));
    draw(names, (room, bottom + FOOT), |canvas| {
        axis_below(canvas, &west, left, "");
        axis_below(canvas, &east, right, "");
        let title = fitted(&plot.value.title(), LABEL, room - EDGE - MARGIN);
        canvas.text((middle, bottom + 32.0), &title, Type::LABEL.side(Side::Middle));
        let bold = Type::LABEL.bold();
        let name = |group: &Group| fitted(&group.name, LABEL, left.right - left.left);
        canvas.text((left.right, MARGIN + 6.0), &name(&plot.left), bold.side(Side::End));
        canvas.text((right.left, MARGIN + 6.0), &name(&plot.right), bold);
        let band = fitted(&plot.band, LABEL, gutter);
        canvas.text((middle, MARGIN + 6.0), &band, Type::LABEL.side(Side::Middle).color(MUTED));
        for (index, name) in plot.bands.iter().enumerate() {
            let y = bottom - (index as f64 + 0.5) * row;
            let style = Type::LABEL.size(if row < 14.0 { 10.0 } else { LABEL });
            let shown = fitted(name, style.size, gutter - 6.0);
            canvas.text((middle, y), &shown, style.side(Side::Middle));
            let halves = [(&plot.left, &west, left, look(0)), (&plot.right, &east, right, look(1))];
            for (group, scale, area, look) in halves {
                let Some(cell) = group.cells.get(index) else { continue };
                bar(canvas, cell, (scale, area), (y, row), look);
                let words = words(&[name, &group.name], cell, &plot.value.unit);
                let half = row / 2.0;
                canvas.tip((area.left, y - half), (area.right, y + half), &words);
            }
        }
        for scale in [&west, &east] {
            let zero = scale.at(0.0);
            canvas.line(&[(zero, top), (zero, bottom)], Pen::new(INK, 1.0));
        }
    })
}

fn bar(
    canvas: &mut Canvas<'_>,
    cell: &Cell,
    (scale, area): (&Scale, Area),
    (y, row): (f64, f64),
    look: Look,
) {
    if let Some(absence) = absence(cell) {
        let style = Type::LABEL.size(10.0).color(MUTED);
        let text = fitted(&absence, 10.0, area.right - area.left - 6.0);
        // From the middle outwards.
        let (from, to) = scale.ends();
        let inner = from + (to - from).signum() * 4.0;
        let side = if to < from { Side::End } else { Side::Start };
        canvas.text((inner, y), &text, style.side(side));
        return;
    }
    let Some(place) = cell.number().and_then(|number| scale.place(number.value)) else { return };
    let half = row / 2.0 - 1.5;
    canvas.bar((scale.at(0.0), y - half), (place.at, y + half), look.color, 0.6);
    whisker_across(canvas, scale, cell, y, Pen::new(INK, 1.0));
}

/// Both sides have one scale, which begins at zero or below.
fn span(plot: &Pyramid) -> Option<Span> {
    let cells = plot.left.cells.iter().chain(&plot.right.cells);
    let numbers: Vec<&Number> = cells.filter_map(Cell::number).collect();
    Span::of_numbers(numbers.iter().copied()).map(|span| span.and(0.0))
}

/// From so many on, bands stand closer: single years of age.
const BANDS_MANY: usize = 30;
