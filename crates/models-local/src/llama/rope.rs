//! Rotary position embedding: rotates pairs of values by an angle that grows with the position.

use super::config::Config;

/// The frequencies of the pairs of a head.
pub(super) struct Rope {
    frequencies: Vec<f32>,
    head_width: usize,
}

impl Rope {
    /// `factors` divide the frequencies (`rope_freqs.weight` of Llama 3); empty for none.
    pub(super) fn new(config: &Config, factors: &[f32]) -> Self {
        let width = config.rope_width;
        let factors = factors.iter().copied().chain(std::iter::repeat(1.0));
        #[allow(clippy::cast_precision_loss, reason = "a width is below 2^24")]
        let exponents = (0..width / 2).map(|pair| (2 * pair) as f32 / width as f32);
        let frequencies = exponents
            .zip(factors)
            .map(|(exponent, factor)| {
                config.rope_base.powf(exponent).recip() / factor / config.rope_factor
            })
            .collect();
        Self { frequencies, head_width: config.head_width }
    }

    /// Rotates the heads of rows of `width` values; the first row is at `position`.
    pub(super) fn rotate(&self, rows: &mut [f32], width: usize, position: usize) {
        for (offset, row) in rows.chunks_exact_mut(width).enumerate() {
            #[allow(clippy::cast_precision_loss, reason = "a position is below 2^24")]
            let position = (position + offset) as f32;
            let turns: Vec<(f32, f32)> =
                self.frequencies.iter().map(|frequency| (position * frequency).sin_cos()).collect();
            for head in row.chunks_exact_mut(self.head_width) {
                let pairs = head.as_chunks_mut::<2>().0;
                for ([first, second], (sin, cos)) in pairs.iter_mut().zip(&turns) {
                    (*first, *second) =
                        (*first * cos - *second * sin, *first * sin + *second * cos);
                }
            }
        }
    }
}
