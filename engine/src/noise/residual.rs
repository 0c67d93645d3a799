//! Projections of full tables on what their lower margins do not tell.
//!
//! For a table over dimensions of n₁, n₂, ... cells, N = Π nᵢ, the projection is P = ⊗(I - 11ᵀ/nᵢ).
//! All here is in integers: N·P = ⊗(nᵢI - 11ᵀ). It draws nothing.
//!
//! # Source
//! Xiao, He, Zhang and Kifer, An Optimal and Scalable Matrix Mechanism for Noisy Marginals under
//! Convex Loss Functions (ResidualPlanner), 2023, for residuals.
#![deny(clippy::float_arithmetic)]

use dashu::integer::{IBig, UBig};

use super::NoiseError;

/// N, the number of cells. A dimension without cells is refused, and more cells than a `u64`
/// counts.
pub(super) fn cells(shape: &[u64]) -> Result<u64, NoiseError> {
    let product = shape.iter().try_fold(1_u64, |cells, &n| cells.checked_mul(n));
    product.filter(|&cells| cells > 0).ok_or(NoiseError::BadResidual)
}

/// How far, squared, a move of cells by `sensitivity` in sum can move N·P of a table.
///
/// One step of one cell moves it by the column N·⊗(e - 1/nᵢ), of squared length N²·Π(nᵢ - 1)/nᵢ =
/// N·Π(nᵢ - 1); several move it by no more than the sum of such lengths.
pub(super) fn square(sensitivity: u64, shape: &[u64]) -> Result<UBig, NoiseError> {
    let free: UBig = shape.iter().map(|&n| UBig::from(n.saturating_sub(1))).product();
    Ok(UBig::from(sensitivity).sqr() * UBig::from(cells(shape)?) * free)
}

/// N·P of a table, row-major, of `shape`.
pub(super) fn project(mut table: Vec<IBig>, shape: &[u64]) -> Result<Vec<IBig>, NoiseError> {
    let mut stride = 1_usize;
    for &n in shape.iter().rev() {
        let length = usize::try_from(n).map_err(|_| NoiseError::BadResidual)?;
        let block = stride.checked_mul(length).ok_or(NoiseError::BadResidual)?;
        for block in table.chunks_mut(block) {
            for start in 0..stride {
                let line = (start..block.len()).step_by(stride);
                let sum: IBig = line.clone().map(|at| &block[at]).sum();
                for at in line {
                    block[at] = &block[at] * IBig::from(n) - &sum;
                }
            }
        }
        stride = block;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: impl IntoIterator<Item = i64>) -> Vec<IBig> {
        values.into_iter().map(IBig::from).collect()
    }

    #[test]
    fn projections_are_those_of_the_matrix() {
        // 2 x 2: the interaction contrast, a - b - c + d, four times a quarter.
        let found = project(table([10, 3, 2, 1]), &[2, 2]).unwrap();
        assert_eq!(found, table([6, -6, -6, 6]));
        // One dimension: 3·v - sum.
        assert_eq!(project(table([5, 0, 1]), &[3]).unwrap(), table([9, -6, -3]));
        // The grand total is a plain cell; a dimension of one cell leaves nothing.
        assert_eq!(project(table([7]), &[]).unwrap(), table([7]));
        assert_eq!(project(table([7, 8]), &[2, 1]).unwrap(), table([0, 0]));
    }

    #[test]
    fn a_unit_moves_the_projection_by_the_declared_length() {
        for shape in [vec![], vec![5], vec![2, 3], vec![3, 2, 4]] {
            let cells = usize::try_from(cells(&shape).unwrap()).unwrap();
            for at in 0..cells {
                let unit = table((0..cells).map(|cell| i64::from(cell == at)));
                let moved = project(unit, &shape).unwrap();
                let square: IBig = moved.iter().map(|value| value * value).sum();
                assert_eq!(square, IBig::from(super::square(1, &shape).unwrap()), "{shape:?}");
            }
        }
        assert_eq!(square(3, &[2, 3]).unwrap(), UBig::from(9_u8 * 12));
    }

    #[test]
    fn a_projection_sums_to_zero_along_every_dimension() {
        let shape = [3, 4, 2];
        let projected = project(table((0..24).map(|i| i * i * 7 - 100 * i)), &shape).unwrap();
        let sum = |cells: &[usize]| cells.iter().map(|&at| &projected[at]).sum::<IBig>();
        for (n, stride) in [(3, 8), (4, 2), (2, 1)] {
            for at in (0..24).filter(|at| at / stride % n == 0) {
                let line: Vec<usize> = (0..n).map(|i| at + i * stride).collect();
                assert_eq!(sum(&line), IBig::ZERO);
            }
        }
    }

    #[test]
    fn shapes_without_cells_are_refused() {
        for shape in [vec![0], vec![3, 0], vec![u64::MAX, 2]] {
            assert!(matches!(square(1, &shape), Err(NoiseError::BadResidual)), "{shape:?}");
        }
    }
}
