//! Arithmetic on slices, in a form that the compiler turns into vector instructions.

/// The number of sums that are built side by side. Floating-point sums are not reordered by the
/// compiler, so that one sum would be one value at a time.
const LANES: usize = 16;

/// Returns the sum of the products.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (left, right) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum::<f32>();
    for (left, right) in left.zip(right) {
        for ((sum, a), b) in sums.iter_mut().zip(left).zip(right) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Adds `factor` times `values` to `target`.
pub(super) fn add_scaled(target: &mut [f32], values: &[f32], factor: f32) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += factor * value;
    }
}

/// Adds `values` to `target`.
pub(super) fn add(target: &mut [f32], values: &[f32]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += value;
    }
}

/// Turns scores into shares that sum up to 1.
pub(super) fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - max).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// Returns rows of the width of `weights`, each divided by its root mean square and weighted.
pub(super) fn normalize(rows: &[f32], weights: &[f32], epsilon: f32) -> Vec<f32> {
    let mut normalized = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(weights.len()) {
        #[allow(clippy::cast_precision_loss, reason = "a width is below 2^24")]
        let mean = dot(row, row) / row.len() as f32;
        let scale = (mean + epsilon).sqrt().recip();
        normalized.extend(row.iter().zip(weights).map(|(value, weight)| value * scale * weight));
    }
    normalized
}

/// Multiplies `gate`, after the SiLU function, with `up`.
pub(super) fn gate(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up / (1.0 + (-*gate).exp());
    }
}
