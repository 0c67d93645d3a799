//! Small multiples: the same axes for all panels, so that they can be compared.

use super::canvas::{Canvas, DrawingError, LABEL, NARROW, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, MARGIN, axis_below, axis_left, grid_across, labels_left,
};
use super::labels::fitted;
use super::scale::Span;
use super::{Multiples, Names, Panel, TimeSeries, time};

pub(super) fn svg(plot: &Multiples, names: Names<'_>, room: f64) -> Result<String, DrawingError> {
    let empty = TimeSeries {
        time: String::new(),
        value: super::Axis { label: String::new(), unit: super::Unit::Count },
        series: vec![],
        marks: vec![],
    };
    let first = plot.panels.first().map_or(&empty, |panel| &panel.plot);
    let legend = time::legend(first, room);
    let columns = if room <= NARROW { 1 } else { plot.panels.len().clamp(1, 3) };
    let is_last_row = |index: usize| index + columns >= plot.panels.len();
    let rows = plot.panels.len().max(1).div_ceil(columns);
    let height = if columns == 1 { 110.0 } else { 130.0 };
    let top = MARGIN + legend.height() + LINE + 4.0;
    let bottom = top + rows as f64 * (height + PANEL_HEAD);
    let values = common(plot, time::span);
    let days = common(plot, time::days);
    let labels = labels_left(&time::value_scale(values, (height, 0.0), first));
    let pitch = (room - EDGE - MARGIN - labels) / columns as f64;
    draw(names, (room, bottom + FOOT + 10.0), |canvas| {
        legend.paint(canvas, (EDGE, MARGIN / 2.0));
        let title = fitted(&first.value.title(), LABEL, room - EDGE - MARGIN);
        canvas.text((EDGE, top - 12.0), &title, Type::LABEL);
        for (index, panel) in plot.panels.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let left = EDGE + labels + column as f64 * pitch;
            let top = top + row as f64 * (height + PANEL_HEAD) + PANEL_HEAD;
            let area = Area { left, top, right: left + pitch - 12.0, bottom: top + height };
            let shows = (column == 0, is_last_row(index));
            paint(canvas, panel, (values, days), area, shows);
        }
        let at = (EDGE + labels + columns as f64 * pitch / 2.0, bottom + 46.0);
        let title = fitted(&first.time, LABEL, room - EDGE - MARGIN);
        canvas.text(at, &title, Type::LABEL.side(Side::Middle));
    })
}

/// What all panels span together.
fn common(plot: &Multiples, of: fn(&TimeSeries) -> Option<Span>) -> Option<Span> {
    let spans = plot.panels.iter().filter_map(|panel| of(&panel.plot));
    Span::of(spans.flat_map(|span| [span.low, span.high]))
}

/// One panel; axes have labels in the first column, and where nothing is below.
fn paint(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    (values, days): (Option<Span>, Option<Span>),
    area: Area,
    (is_first, is_last): (bool, bool),
) {
    let title = fitted(&panel.title, LABEL, area.right - area.left);
    canvas.text((area.left, area.top - 10.0), &title, Type::LABEL.bold());
    let mut values = time::value_scale(values, (area.bottom, area.top), &panel.plot);
    let days = time::day_scale(days, &panel.plot, (area.left, area.right));
    if !is_first {
        for tick in &mut values.ticks {
            tick.label.clear();
        }
    }
    axis_left(canvas, &values, area, "");
    if is_last {
        axis_below(canvas, &days, area, "");
    } else {
        grid_across(canvas, &days, area);
    }
    time::paint(canvas, &panel.plot, &days, &values);
}

/// Room above a panel, for its title.
const PANEL_HEAD: f64 = 30.0;
