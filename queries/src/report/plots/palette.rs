//! Colours, marks and dashes that tell groups apart, also without colour.
//!
//! # Source
//! Okabe and Ito 2008, Color Universal Design; in the order of their contrast on white, without
//! the yellow that has none. The style sheet of a page may map each of these colours to another
//! for a dark page, so no others are drawn with.

use plotters::style::RGBColor;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1A, 0x1A, 0x1A);
/// Text that is read second.
pub(super) const MUTED: RGBColor = RGBColor(0x59, 0x59, 0x59);
/// Lines that are read last.
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
/// The page.
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// How a group is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Its colour.
    pub(super) color: RGBColor,
    /// Its mark.
    pub(super) shape: Shape,
    /// Lengths of its dash and of the gap; none for a solid line.
    pub(super) dash: Option<(f64, f64)>,
}

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    OpenCircle,
    OpenSquare,
    OpenTriangle,
}

/// The look of the group of this number; they repeat after seven.
pub(super) const fn look(group: usize) -> Look {
    LOOKS[group % LOOKS.len()]
}

const fn solid(color: (u8, u8, u8), shape: Shape) -> Look {
    Look { color: RGBColor(color.0, color.1, color.2), shape, dash: None }
}

const fn dashed(color: (u8, u8, u8), shape: Shape, dash: (f64, f64)) -> Look {
    Look { color: RGBColor(color.0, color.1, color.2), shape, dash: Some(dash) }
}

const LOOKS: [Look; 7] = [
    solid((0x00, 0x72, 0xB2), Shape::Circle),
    dashed((0xD5, 0x5E, 0x00), Shape::Square, (7.0, 3.0)),
    dashed((0x00, 0x9E, 0x73), Shape::Triangle, (2.5, 2.5)),
    dashed((0xCC, 0x79, 0xA7), Shape::Diamond, (11.0, 4.0)),
    dashed((0xE6, 0x9F, 0x00), Shape::OpenCircle, (5.0, 5.0)),
    dashed((0x56, 0xB4, 0xE9), Shape::OpenSquare, (9.0, 2.0)),
    dashed((0x1A, 0x1A, 0x1A), Shape::OpenTriangle, (1.5, 4.0)),
];
