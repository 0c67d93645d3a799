//! A surface to draw on, in points with decimals, from plotters' SVG backend.
//!
//! plotters knows whole pixels only, so a pixel is a tenth of a point here. What its backend does
//! not write (the title, the description, words that appear under a pointer) is put around it.

use std::fmt::Write;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::PointCollection;
use plotters::element::{
    Circle, DashedPathElement, Drawable, PathElement, Polygon, Rectangle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle};

use super::Names;
use super::labels::{clean, escaped};
use super::palette::{INK, Look, PAPER, Shape};

/// A plot that the library refused to draw.
#[derive(Debug, thiserror::Error)]
#[error("a plot cannot be drawn")]
pub struct DrawingError(#[source] DrawingAreaErrorKind<std::io::Error>);

/// A place, in points from the upper left.
pub(super) type At = (f64, f64);

/// Where text is, relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) side: Side,
    pub(super) color: RGBColor,
    pub(super) is_bold: bool,
}

/// How a line looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub(super) color: RGBColor,
    pub(super) width: f64,
    pub(super) dash: Option<(f64, f64)>,
}

/// A surface to draw on. What is drawn later covers what was drawn before.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    /// Words for a pointer, as SVG, above all that is drawn.
    tips: String,
    /// Telephones have no pointer.
    has_pointer: bool,
    fault: Option<DrawingAreaErrorKind<std::io::Error>>,
}

/// Plots up to this width are for telephones.
pub(super) const NARROW: f64 = 500.0;

/// The size of labels, in points.
pub(super) const LABEL: f64 = 12.0;

impl Type {
    /// Ordinary text that begins at its place.
    pub(super) const LABEL: Self =
        Self { size: LABEL, side: Side::Start, color: INK, is_bold: false };

    pub(super) const fn side(self, side: Side) -> Self {
        Self { side, ..self }
    }

    pub(super) const fn color(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub(super) const fn bold(self) -> Self {
        Self { is_bold: true, ..self }
    }

    pub(super) const fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }
}

impl Pen {
    pub(super) const fn new(color: RGBColor, width: f64) -> Self {
        Self { color, width, dash: None }
    }

    pub(super) const fn dashed(self, dash: Option<(f64, f64)>) -> Self {
        Self { dash, ..self }
    }
}

/// Draws an SVG element of so many points.
pub(super) fn svg(
    names: Names<'_>,
    size: At,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, DrawingError> {
    let mut drawn = String::new();
    let tips = {
        let backend = SVGBackend::with_string(&mut drawn, (pixels(size.0), pixels(size.1)));
        let area = backend.into_drawing_area();
        let mut canvas =
            Canvas { area, tips: String::new(), has_pointer: size.0 > NARROW, fault: None };
        paint(&mut canvas);
        let presented = canvas.area.present();
        canvas.note(presented);
        if let Some(fault) = canvas.fault {
            return Err(DrawingError(fault));
        }
        canvas.tips
    };
    let inner = drawn.split_once('\n').map_or("", |(_, inner)| inner);
    let inner = inner.trim_end().strip_suffix("</svg>").unwrap_or(inner);
    // What is so without saying.
    let inner = inner.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
    let (id, title) = (escaped(names.id), escaped(names.title));
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"{}\" \
         height=\"{}\" font-family=\"sans-serif\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-description\">\n\
         <title id=\"{id}-title\">{title}</title>\n\
         <desc id=\"{id}-description\">{}</desc>\n{inner}{tips}</svg>",
        pixels(size.0),
        pixels(size.1),
        size.0,
        size.1,
        escaped(names.description),
    ))
}

impl Canvas<'_> {
    /// A line through these places.
    pub(super) fn line(&mut self, places: &[At], pen: Pen) {
        let path: Vec<(i32, i32)> = places.iter().map(|at| pixel(*at)).collect();
        if path.len() < 2 {
            return;
        }
        let style = stroke(pen);
        match pen.dash {
            None => self.draw(&PathElement::new(path, style)),
            Some((dash, gap)) => {
                let (dash, gap) = (pixels(dash), pixels(gap));
                self.draw(&DashedPathElement::new(path, dash, gap, style));
            }
        }
    }

    /// A filled area with these corners.
    pub(super) fn area(&mut self, corners: &[At], color: RGBColor, opacity: f64) {
        let path: Vec<(i32, i32)> = corners.iter().map(|at| pixel(*at)).collect();
        if path.len() > 2 {
            self.draw(&Polygon::new(path, color.mix(opacity).filled()));
        }
    }

    /// A filled rectangle between two corners.
    pub(super) fn bar(&mut self, from: At, to: At, color: RGBColor, opacity: f64) {
        let low = pixel((from.0.min(to.0), from.1.min(to.1)));
        let high = pixel((from.0.max(to.0), from.1.max(to.1)));
        if opacity < 1.0 {
            // Lines of the grid would shine through.
            self.draw(&Rectangle::new([low, high], PAPER.filled()));
        }
        self.draw(&Rectangle::new([low, high], color.mix(opacity).filled()));
    }

    /// The mark of a group.
    pub(super) fn mark(&mut self, at: At, look: Look, radius: f64) {
        let (x, y) = at;
        let corners: Vec<At> = match look.shape {
            Shape::Circle | Shape::OpenCircle => vec![],
            Shape::Square | Shape::OpenSquare => {
                let half = radius * 0.9;
                vec![
                    (x - half, y - half),
                    (x + half, y - half),
                    (x + half, y + half),
                    (x - half, y + half),
                ]
            }
            Shape::Triangle | Shape::OpenTriangle => {
                let half = radius * 1.15;
                vec![(x, y - half), (x + half, y + half * 0.8), (x - half, y + half * 0.8)]
            }
            Shape::Diamond => {
                let half = radius * 1.3;
                vec![(x, y - half), (x + half, y), (x, y + half), (x - half, y)]
            }
        };
        let is_open =
            matches!(look.shape, Shape::OpenCircle | Shape::OpenSquare | Shape::OpenTriangle);
        let fill = if is_open { PAPER } else { look.color };
        let outline = stroke(Pen::new(look.color, 1.5));
        if corners.is_empty() {
            self.draw(&Circle::new(pixel(at), pixels(radius), fill.filled()));
            if is_open {
                self.draw(&Circle::new(pixel(at), pixels(radius), outline));
            }
            return;
        }
        self.area(&corners, fill, 1.0);
        if is_open {
            let mut around = corners.clone();
            around.extend(corners.first());
            self.line(&around, Pen::new(look.color, 1.5));
        }
    }

    /// Text on one line, its middle at the height of its place.
    pub(super) fn text(&mut self, at: At, text: &str, style: Type) {
        let weight = if style.is_bold { FontStyle::Bold } else { FontStyle::Normal };
        let side = match style.side {
            Side::Start => HPos::Left,
            Side::Middle => HPos::Center,
            Side::End => HPos::Right,
        };
        let font = ("sans-serif", font_size(style.size), weight)
            .into_font()
            .transform(FontTransform::None)
            .color(&style.color)
            .pos(Pos::new(side, VPos::Center));
        // Half an ex is less than half of a digit.
        let at = pixel((at.0, at.1 + style.size * 0.08));
        self.draw(&Text::new(clean(text), at, font));
    }

    /// Words that appear when a pointer rests between two corners.
    pub(super) fn tip(&mut self, from: At, to: At, words: &str) {
        if !self.has_pointer {
            return;
        }
        let (low, high) = (pixel(from), pixel(to));
        let (width, height) = (high.0.saturating_sub(low.0), high.1.saturating_sub(low.1));
        // A string takes all that is written to it.
        let _ = writeln!(
            self.tips,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" \
             pointer-events=\"all\"><title>{}</title></rect>",
            low.0,
            low.1,
            width.max(0),
            height.max(0),
            escaped(words)
        );
    }

    fn draw<E>(&mut self, element: &E)
    where
        for<'e> &'e E: PointCollection<'e, (i32, i32)>,
        for<'b> E: Drawable<SVGBackend<'b>>,
    {
        let drawn = self.area.draw(element);
        self.note(drawn);
    }

    fn note(&mut self, drawn: Result<(), DrawingAreaErrorKind<std::io::Error>>) {
        if let (Err(fault), None) = (drawn, &self.fault) {
            self.fault = Some(fault);
        }
    }
}

fn stroke(pen: Pen) -> ShapeStyle {
    ShapeStyle { color: pen.color.to_rgba(), filled: false, stroke_width: pixels(pen.width) }
}

/// The backend divides sizes by 1.24; what comes out should be short.
fn font_size(points: f64) -> f64 {
    let wanted = points * SCALE;
    let size = wanted * 1.24;
    let near = [size, size.next_down(), size.next_up()];
    near.into_iter().find(|near| near / 1.24 == wanted).unwrap_or(size)
}

/// Pixels of the backend in a point.
const SCALE: f64 = 10.0;
/// Far outside of any page, and far from where sums of pixels would overflow.
const FAR: f64 = 1e6;

fn pixel(at: At) -> (i32, i32) {
    (signed(at.0), signed(at.1))
}

fn pixels(length: f64) -> u32 {
    u32::try_from(signed(length)).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "rounded and far inside of the range")]
fn signed(length: f64) -> i32 {
    // NaN stays NaN here, and becomes 0; scales give none.
    (length * SCALE).round().clamp(-FAR, FAR) as i32
}
