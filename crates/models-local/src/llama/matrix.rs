//! A weight matrix in 8-bit blocks, and its products with activations.

use candle_core::quantized::{GgmlType, k_quants::BlockQ8_0};

use super::threads::Threads;

/// The number of values in a block.
pub(crate) const BLOCK: usize = BlockQ8_0::BLCK_SIZE;

/// A weight matrix, row by row, in blocks of 32 values with a scale (`Q8_0`).
///
/// The kernels of candle for this format need no compiler flags. Those for the four-bit formats
/// with a minimum (`Q4_1`) are scalar on x86-64, and 2.7 times slower.
pub(crate) struct Matrix {
    columns: usize,
    blocks: Vec<BlockQ8_0>,
}

/// Activations in the same format, row by row.
pub(crate) struct Activations {
    columns: usize,
    blocks: Vec<BlockQ8_0>,
}

fn quantize(values: &[f32]) -> Vec<BlockQ8_0> {
    let mut blocks = vec![BlockQ8_0::zeros(); values.len() / BLOCK];
    BlockQ8_0::from_float(values, &mut blocks);
    blocks
}

impl Activations {
    /// Quantizes rows of `columns` values, a multiple of [`BLOCK`].
    pub(crate) fn new(values: &[f32], columns: usize) -> Self {
        Self { columns, blocks: quantize(values) }
    }

    fn rows(&self) -> usize {
        self.blocks.len() / (self.columns / BLOCK)
    }
}

impl Matrix {
    /// Quantizes rows of `columns` values, a multiple of [`BLOCK`].
    pub(crate) fn new(values: &[f32], columns: usize) -> Self {
        Self { columns, blocks: quantize(values) }
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.blocks.len() / (self.columns / BLOCK)
    }

    /// Writes a row to `out`; returns `None` if there is no such row.
    pub(crate) fn read_row(&self, row: usize, out: &mut [f32]) -> Option<()> {
        let blocks = self.blocks.chunks_exact(self.columns / BLOCK).nth(row)?;
        BlockQ8_0::to_float(blocks, out);
        Some(())
    }

    /// Returns the products of each row of the activations with each row of the matrix.
    pub(crate) fn multiply(&self, input: &Activations, threads: &Threads) -> Vec<f32> {
        debug_assert_eq!(self.columns, input.columns);
        let rows = self.rows();
        let mut output = vec![0.0; input.rows() * rows];
        if input.rows() == 1 {
            let share = rows.div_ceil(threads.count()).next_multiple_of(4);
            let parts = output.chunks_mut(share).zip(self.blocks.chunks(self.blocks_of(share)));
            threads.each(parts, |(output, weights)| self.product(weights, &input.blocks, output));
        } else {
            let share = input.rows().div_ceil(threads.count()).max(1);
            let parts =
                output.chunks_mut(share * rows).zip(input.blocks.chunks(self.blocks_of(share)));
            threads.each(parts, |(output, input)| self.product(&self.blocks, input, output));
        }
        output
    }

    fn blocks_of(&self, rows: usize) -> usize {
        rows * (self.columns / BLOCK)
    }

    /// Multiplies some rows of weights with some rows of activations.
    ///
    /// Four rows of weights stay in the processor's first cache while all activations pass by.
    fn product(&self, weights: &[BlockQ8_0], input: &[BlockQ8_0], output: &mut [f32]) {
        let row = self.columns / BLOCK;
        let rows = weights.len() / row;
        for (index, four) in weights.chunks(4 * row).enumerate() {
            for (input, output) in input.chunks_exact(row).zip(output.chunks_exact_mut(rows)) {
                let outputs = output.iter_mut().skip(4 * index);
                for (output, weights) in outputs.zip(four.chunks_exact(row)) {
                    *output = BlockQ8_0::vec_dot(self.columns, weights, input);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_values_for_any_number_of_rows_and_threads() {
        for (rows, inputs, threads) in [(1, 1, 1), (7, 1, 1), (7, 3, 1), (9, 1, 3), (6, 5, 2)] {
            let value = |index: usize| (index % 23) as f32 - 11.0;
            let weights: Vec<f32> = (0..rows * 64).map(value).collect();
            let activations: Vec<f32> = (0..inputs * 64).map(|index| value(index * 7)).collect();
            let threads = Threads::new(threads).unwrap();
            let output =
                Matrix::new(&weights, 64).multiply(&Activations::new(&activations, 64), &threads);
            let product = |row: &[f32], input: &[f32]| -> f32 {
                row.iter().zip(input).map(|(weight, value)| weight * value).sum()
            };
            let mut expected = Vec::new();
            for input in activations.chunks(64) {
                expected.extend(weights.chunks(64).map(|row| product(row, input)));
            }
            assert_eq!(output.len(), expected.len());
            for (got, expected) in output.iter().zip(expected) {
                assert!((got - expected).abs() <= 32.0, "{rows} {inputs}: {got} {expected}");
            }
        }
    }
}
