//! Funnel plots: units by their size, between the limits of chance.

use super::canvas::{Canvas, DrawingError, NARROW, Pen, Side, Type, svg as draw};
use super::frame::{
    Area, EDGE, FOOT, LINE, Legend, MARGIN, Sample, axis_below, axis_left, labels_left, whisker_up,
    words,
};
use super::labels::{fitted, width};
use super::palette::{INK, Look, MUTED, Shape, look};
use super::scale::{Scale, Span};
use super::{Funnel, FunnelPoint, Limits, Names};
use crate::report::model::Number;

pub(super) fn svg(plot: &Funnel, names: Names<'_>, room: f64) -> Result<String, DrawingError> {
    let looks = plot.limits.iter().enumerate();
    let entries =
        looks.map(|(index, limits)| (limits.name.clone(), limit_look(index), Sample::Line));
    let legend = Legend::new(entries.collect(), room - EDGE - MARGIN);
    let top = MARGIN + legend.height() + LINE + 6.0;
    let bottom = top + if room <= NARROW { 240.0 } else { 320.0 };
    let values = Scale::linear(value_span(plot), (bottom, top), 50.0, &plot.value.unit);
    let left = EDGE + labels_left(&values);
    let area = Area { left, top, right: room - MARGIN - 10.0, bottom };
    let sizes = plot.points.iter().map(|point| point.size);
    let limits = plot.limits.iter().flat_map(|limits| limits.points.iter().map(|(size, ..)| *size));
    let span = Span::of(sizes.chain(limits)).map(|span| span.near_zero());
    let sizes = Scale::linear(span, (left, area.right), 80.0, &plot.size.unit);
    draw(names, (room, bottom + FOOT), |canvas| {
        legend.paint(canvas, (EDGE, MARGIN / 2.0));
        axis_below(canvas, &sizes, area, &plot.size.title());
        axis_left(canvas, &values, area, &plot.value.title());
        if let Some(centre) = values.place(plot.centre).filter(|centre| !centre.is_beyond) {
            canvas.line(&[(left, centre.at), (area.right, centre.at)], Pen::new(INK, 1.2));
        }
        for (index, limits) in plot.limits.iter().enumerate() {
            limit(canvas, limits, limit_look(index), &sizes, &values);
        }
        for point in &plot.points {
            let whisker = Pen::new(MUTED, 1.0);
            if let (Some(x), Some(number)) = (sizes.place(point.size), point.cell.number()) {
                whisker_up(canvas, &values, number, x.at, whisker);
            }
        }
        for point in &plot.points {
            unit(canvas, plot, point, (&sizes, &values), area);
        }
    })
}

/// The points, and limits where they are not far wider than them.
fn value_span(plot: &Funnel) -> Option<Span> {
    let numbers: Vec<&Number> =
        plot.points.iter().filter_map(|point| point.cell.number()).collect();
    let points = Span::of_numbers(numbers.iter().copied());
    let limits = plot.limits.iter().flat_map(|limits| &limits.points);
    let limits = Span::of(limits.flat_map(|(_, lower, upper)| [*lower, *upper]));
    let (Some(points), Some(limits)) = (points, limits) else { return points.or(limits) };
    let reach = (points.high - points.low) / 4.0;
    let span =
        points.and(limits.low.max(points.low - reach)).and(limits.high.min(points.high + reach));
    Some(if plot.centre.is_finite() { span.and(plot.centre) } else { span })
}

fn limit_look(index: usize) -> Look {
    Look { shape: Shape::Circle, ..look(index + 1) }
}

/// Both curves, only where they are within the area.
fn limit(canvas: &mut Canvas<'_>, limits: &Limits, look: Look, sizes: &Scale, values: &Scale) {
    for pick in [|p: &(f64, f64, f64)| (p.0, p.1), |p: &(f64, f64, f64)| (p.0, p.2)] {
        let mut run = vec![];
        let mut runs = vec![];
        for (size, value) in limits.points.iter().map(pick) {
            match (sizes.place(size), values.place(value)) {
                (Some(x), Some(y)) if !x.is_beyond && !y.is_beyond => run.push((x.at, y.at)),
                _ => runs.push(std::mem::take(&mut run)),
            }
        }
        runs.push(run);
        for run in runs {
            canvas.line(&run, Pen::new(look.color, 1.5).dashed(look.dash));
        }
    }
}

/// Whether a value lies outside of the limits around its size; `None` if there are none there.
fn is_outside(limits: &Limits, size: f64, value: f64) -> Option<bool> {
    let pair = limits.points.windows(2).find(|pair| pair[0].0 <= size && size <= pair[1].0)?;
    let (a, b) = (pair[0], pair[1]);
    let part = if b.0 > a.0 { (size - a.0) / (b.0 - a.0) } else { 0.0 };
    let between = |a: f64, b: f64| a + part * (b - a);
    Some(value < between(a.1, b.1) || value > between(a.2, b.2))
}

/// A unit; named if it is outside of all limits.
fn unit(
    canvas: &mut Canvas<'_>,
    plot: &Funnel,
    point: &FunnelPoint,
    (sizes, values): (&Scale, &Scale),
    area: Area,
) {
    let Some(number) = point.cell.number() else { return };
    let (Some(x), Some(y)) = (sizes.place(point.size), values.place(number.value)) else { return };
    let outside = |limits: &Limits| is_outside(limits, point.size, number.value).unwrap_or(false);
    let is_outside = !plot.limits.is_empty() && plot.limits.iter().all(outside);
    let shape = if is_outside { Shape::Diamond } else { Shape::Circle };
    canvas.mark((x.at, y.at), Look { shape, ..look(0) }, if is_outside { 4.6 } else { 3.6 });
    if is_outside {
        let text = fitted(&point.label, 11.0, 0.4 * (area.right - area.left));
        let fits = x.at + 8.0 + width(&text, 11.0) <= area.right;
        let (side, at) = if fits { (Side::Start, 8.0) } else { (Side::End, -8.0) };
        canvas.text((x.at + at, y.at), &text, Type::LABEL.size(11.0).side(side));
    }
    let (from, to) = ((x.at - 7.0, y.at - 7.0), (x.at + 7.0, y.at + 7.0));
    canvas.tip(from, to, &words(&[&point.label], &point.cell, &plot.value.unit));
}

#[cfg(test)]
mod tests {
    use super::is_outside;
    use crate::report::plots::Limits;

    #[test]
    fn a_unit_is_outside_of_the_limits_at_its_own_size() {
        let points = vec![(10.0, 0.0, 2.0), (20.0, 0.5, 1.5)];
        let limits = Limits { name: String::new(), points };
        assert_eq!(is_outside(&limits, 15.0, 1.74), Some(false));
        assert_eq!(is_outside(&limits, 15.0, 1.76), Some(true));
        assert_eq!(is_outside(&limits, 15.0, 0.24), Some(true));
        assert_eq!(is_outside(&limits, 25.0, 9.0), None);
    }
}
