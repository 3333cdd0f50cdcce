//! Attention: each token looks at itself and at the tokens before it.

use super::{
    sequence::Head,
    threads::Threads,
    vector::{add_scaled, dot, softmax},
};

/// The sizes that attention needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// The number of query heads.
    pub(super) heads: usize,
    /// The width of a head.
    pub(super) head_width: usize,
}

impl Attention {
    /// Appends rows of keys and values to the heads of a layer.
    pub(super) fn append(&self, heads: &mut [Head], keys: &[f32], values: &[f32]) {
        let width = heads.len() * self.head_width;
        for (keys, values) in keys.chunks_exact(width).zip(values.chunks_exact(width)) {
            let parts =
                keys.chunks_exact(self.head_width).zip(values.chunks_exact(self.head_width));
            for (head, (keys, values)) in heads.iter_mut().zip(parts) {
                head.keys.extend_from_slice(keys);
                head.values.extend_from_slice(values);
            }
        }
    }

    /// Returns what each row of queries finds in the heads. The first row is at `position`.
    pub(super) fn attend(
        &self,
        heads: &[Head],
        queries: &[f32],
        position: usize,
        threads: &Threads,
    ) -> Vec<f32> {
        let width = self.heads * self.head_width;
        let mut output = vec![0.0; queries.len()];
        let rows = queries.chunks_exact(width).zip(output.chunks_exact_mut(width)).enumerate();
        threads.each(rows, |(row, (queries, output))| {
            self.attend_row(heads, queries, output, position + row + 1);
        });
        output
    }

    fn attend_row(&self, heads: &[Head], queries: &[f32], output: &mut [f32], visible: usize) {
        let width = self.head_width;
        let group = width * (self.heads / heads.len());
        #[allow(clippy::cast_precision_loss, reason = "a width is below 2^24")]
        let scale = (width as f32).sqrt().recip();
        let mut scores = Vec::with_capacity(visible);
        let groups = queries.chunks_exact(group).zip(output.chunks_exact_mut(group));
        for (head, (queries, output)) in heads.iter().zip(groups) {
            for (query, output) in queries.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
                let keys = head.keys.chunks_exact(width).take(visible);
                scores.clear();
                scores.extend(keys.map(|key| dot(query, key) * scale));
                softmax(&mut scores);
                for (score, value) in scores.iter().zip(head.values.chunks_exact(width)) {
                    add_scaled(output, value, *score);
                }
            }
        }
    }
}
