//! Exact tables over sets of attributes: their sums, and what is left of them after the sums of
//! fewer attributes are taken out.
//!
//! All of it is integers and overflow-checked. It neither adds noise nor knows how much there is.
//!
//! A set of attributes is the bits of a `u32`, attribute i being bit i. A table over a set has one
//! value per cell, row-major: attributes ascend, and the last one runs fastest. The table over no
//! attribute has one cell, the total.

use super::error::MarginalsError;

/// How many keys each attribute has.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    sizes: Vec<usize>,
}

impl Shape {
    /// Takes the number of declared keys of each attribute.
    ///
    /// # Errors
    /// `BadSizes` if one is zero or there are more than 32; `Overflow` if the cells of the full
    /// table cannot be counted.
    pub(crate) fn new(sizes: &[u64]) -> Result<Self, MarginalsError> {
        if sizes.len() > 32 || sizes.contains(&0) {
            return Err(MarginalsError::BadSizes);
        }
        let too_many = MarginalsError::Overflow { what: "the number of cells" };
        let mut cells = 1_usize;
        let mut checked = Vec::with_capacity(sizes.len());
        for &size in sizes {
            let size = usize::try_from(size).map_err(|_| too_many)?;
            cells = cells.checked_mul(size).ok_or(too_many)?;
            checked.push(size);
        }
        Ok(Self { sizes: checked })
    }

    /// The set of all attributes.
    pub(crate) fn all(&self) -> u32 {
        (0..32).zip(&self.sizes).fold(0, |set, (attribute, _)| set | 1 << attribute)
    }

    /// The number of cells of the table over a set. No product of sizes overflows: that of all
    /// sizes does not, and none is zero.
    pub(crate) fn cells(&self, set: u32) -> usize {
        self.axes(set).map(|(_, size)| size).product()
    }

    /// The table over a set of attributes from the full table, by exact sums.
    ///
    /// # Errors
    /// `BadSet`, `BadShape`, or `Overflow` if a sum is too large.
    pub(crate) fn marginal_of(&self, full: &[i128], set: u32) -> Result<Vec<i128>, MarginalsError> {
        self.sums(full, self.all(), set)
    }

    /// The table over `onto`, a part of `from`, from the table over `from`.
    ///
    /// # Errors
    /// As [`Shape::marginal_of`].
    pub(crate) fn sums(
        &self,
        table: &[i128],
        from: u32,
        onto: u32,
    ) -> Result<Vec<i128>, MarginalsError> {
        self.check(from, table.len())?;
        if onto & !from != 0 {
            return Err(MarginalsError::BadSet);
        }
        let mut sums = vec![0_i128; self.cells(onto)];
        for (value, index) in table.iter().zip(self.above(from, onto)) {
            sums[index] = sums[index].checked_add(*value).ok_or(TOO_LARGE)?;
        }
        Ok(sums)
    }

    /// The table over a set on its fine grid: each value times the number of cells.
    ///
    /// Noise of scale σ on the table is noise of scale σ times the number of cells on this grid.
    ///
    /// # Privacy
    /// With noise, this is not yet what may be released: see [`Shape::residual`].
    ///
    /// # Errors
    /// `BadSet`, `BadShape`, or `Overflow`.
    #[cfg(test)]
    pub(crate) fn on_fine_grid(
        &self,
        set: u32,
        table: &[i128],
    ) -> Result<Vec<i128>, MarginalsError> {
        self.check(set, table.len())?;
        let cells = i128::try_from(self.cells(set)).map_err(|_| TOO_LARGE)?;
        table.iter().map(|value| value.checked_mul(cells).ok_or(TOO_LARGE)).collect()
    }

    /// What is left of a table on its fine grid after the sums of fewer attributes are taken out:
    /// along each attribute of size n, each value becomes n times itself less the sum.
    ///
    /// The residual sums to exactly zero along each of its attributes. Its unit is one part in
    /// the square of the number of cells: one such factor is the fine grid's, one comes in here.
    ///
    /// # Privacy
    /// Let P take the means out along each attribute. For a table T with N cells, N·T and N·P·T
    /// differ by integers of which nothing is left, so for every draw z the residual of N·T + z
    /// is that of N·P·T + z. Hence iid discrete Gaussian noise costs what it costs on N·P·T, whose
    /// sensitivity is `Part::squared_norm`. That holds for the residual alone: whoever also shows
    /// N·T + z has spent more.
    ///
    /// # Errors
    /// `BadSet`, `BadShape`, or `Overflow`.
    ///
    /// # Source
    /// XHZK23, the measurement step; the grid is ours.
    #[cfg(test)]
    pub(crate) fn residual(
        &self,
        set: u32,
        mut fine: Vec<i128>,
    ) -> Result<Residual, MarginalsError> {
        self.check(set, fine.len())?;
        let mut stride = fine.len();
        for (_, size) in self.axes(set) {
            let block = stride;
            stride /= size;
            let size = i128::try_from(size).map_err(|_| TOO_LARGE)?;
            for block in fine.chunks_mut(block) {
                for start in 0..stride {
                    take_out_sum(block, start, stride, size)?;
                }
            }
        }
        Ok(Residual { set, values: fine })
    }

    /// A residual that the noise door has projected already.
    ///
    /// # Errors
    /// `BadSet`, or `BadShape` if it is not one value per cell.
    pub(crate) fn projected(
        &self,
        set: u32,
        values: Vec<i128>,
    ) -> Result<Residual, MarginalsError> {
        self.check(set, values.len())?;
        Ok(Residual { set, values })
    }

    /// For each cell of the table over `from`, in order, the cell of `onto` it is summed into.
    pub(super) fn above(&self, from: u32, onto: u32) -> Vec<usize> {
        let mut above = vec![0_usize];
        for (attribute, size) in self.axes(from) {
            let is_kept = onto >> attribute & 1 == 1;
            let finer = above.iter().flat_map(|&index| {
                (0..size).map(move |key| if is_kept { index * size + key } else { index })
            });
            above = finer.collect();
        }
        above
    }

    /// The key of each attribute of a set at a cell, in ascending order of attributes.
    #[cfg(test)]
    pub(super) fn keys(&self, set: u32, cell: usize) -> Result<Vec<(u32, usize)>, MarginalsError> {
        self.check(set, self.cells(set))?;
        let mut left = cell;
        let mut axes: Vec<_> = self.axes(set).collect();
        for (_, size) in axes.iter_mut().rev() {
            (left, *size) = (left / *size, left % *size);
        }
        if left == 0 { Ok(axes) } else { Err(MarginalsError::BadShape) }
    }

    /// The attributes of a set and their sizes, ascending.
    pub(super) fn axes(&self, set: u32) -> impl Iterator<Item = (u32, usize)> {
        let all = (0..32).zip(self.sizes.iter().copied());
        all.filter(move |(attribute, _)| set >> attribute & 1 == 1)
    }

    /// Whether a table of that many values can be one over the set.
    pub(super) fn check(&self, set: u32, count: usize) -> Result<(), MarginalsError> {
        if set & !self.all() != 0 {
            return Err(MarginalsError::BadSet);
        }
        if count == self.cells(set) { Ok(()) } else { Err(MarginalsError::BadShape) }
    }
}

/// A projected table: it says of its attributes together what no fewer of them say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Residual {
    set: u32,
    values: Vec<i128>,
}

impl Residual {
    /// Its set of attributes.
    pub(crate) fn attributes(&self) -> u32 {
        self.set
    }

    /// One value per cell, in units of one part in the square of the number of cells.
    pub(crate) fn values(&self) -> &[i128] {
        &self.values
    }
}

/// Replaces each value of a line, every `stride`-th of a block, by `size` times itself less the
/// sum of the line.
#[cfg(test)]
fn take_out_sum(
    block: &mut [i128],
    start: usize,
    stride: usize,
    size: i128,
) -> Result<(), MarginalsError> {
    let line = (start..block.len()).step_by(stride);
    let mut sum = 0_i128;
    for index in line.clone() {
        sum = sum.checked_add(block[index]).ok_or(TOO_LARGE)?;
    }
    for index in line {
        let times = block[index].checked_mul(size).ok_or(TOO_LARGE)?;
        block[index] = times.checked_sub(sum).ok_or(TOO_LARGE)?;
    }
    Ok(())
}

/// A cell left its integer type.
pub(super) const TOO_LARGE: MarginalsError = MarginalsError::Overflow { what: "a cell" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_two_by_three_are_those_on_paper() {
        let shape = Shape::new(&[2, 3]).unwrap();
        let full = [1, 2, 3, 40, 50, 60];
        assert_eq!(shape.marginal_of(&full, 0b00).unwrap(), [156]);
        assert_eq!(shape.marginal_of(&full, 0b01).unwrap(), [6, 150]);
        assert_eq!(shape.marginal_of(&full, 0b10).unwrap(), [41, 52, 63]);
        assert_eq!(shape.marginal_of(&full, 0b11).unwrap(), full);
        assert_eq!(shape.sums(&[6, 150], 0b01, 0).unwrap(), [156]);
        let fine = shape.on_fine_grid(0b11, &full).unwrap();
        assert_eq!(fine, [6, 12, 18, 240, 300, 360]);
        // The first cell: 1 - 6/3 - 41/2 + 156/6 = 4.5 is 162 parts of 36.
        let residual = shape.residual(0b11, fine).unwrap();
        assert_eq!(residual.values(), [162, 0, -162, -162, 0, 162]);
        assert_eq!(shape.residual(0b10, vec![1, 0, 5]).unwrap().values(), [-3, -6, 9]);
        assert_eq!(shape.residual(0, vec![-7]).unwrap().values(), [-7]);
    }

    #[test]
    fn the_last_attribute_runs_fastest() {
        let shape = Shape::new(&[2, 1, 3]).unwrap();
        assert_eq!(shape.above(0b111, 0b001), [0, 0, 0, 1, 1, 1]);
        assert_eq!(shape.above(0b111, 0b100), [0, 1, 2, 0, 1, 2]);
        assert_eq!(shape.keys(0b101, 4), Ok(vec![(0, 1), (2, 1)]));
        assert_eq!(shape.keys(0b101, 6), Err(MarginalsError::BadShape));
    }

    #[test]
    fn wrong_shapes_and_large_cells_are_refused() {
        let shape = Shape::new(&[2, 3]).unwrap();
        assert_eq!(shape.marginal_of(&[0; 5], 0), Err(MarginalsError::BadShape));
        assert_eq!(shape.marginal_of(&[0; 6], 4), Err(MarginalsError::BadSet));
        assert_eq!(shape.marginal_of(&[i128::MAX; 6], 0), Err(TOO_LARGE));
        assert_eq!(shape.sums(&[0; 2], 0b01, 0b10), Err(MarginalsError::BadSet));
        assert_eq!(shape.on_fine_grid(0b01, &[i128::MAX, 0]), Err(TOO_LARGE));
        assert_eq!(shape.residual(0b01, vec![i128::MAX, 1]), Err(TOO_LARGE));
        assert_eq!(shape.residual(0b01, vec![i128::MIN, 0]), Err(TOO_LARGE));
        assert_eq!(shape.residual(0b10, vec![0; 2]), Err(MarginalsError::BadShape));
    }
}
