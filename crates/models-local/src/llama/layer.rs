//! A layer: attention, then a feed-forward block.

use super::{
    attention::Attention,
    config::Config,
    matrix::{Activations, Matrix},
    rope::Rope,
    sequence::Head,
    threads::Threads,
    vector,
};
use crate::{gguf::Gguf, model_file_error::ModelFileError};

/// The weights of a layer.
pub(super) struct Layer {
    attention_norm: Vec<f32>,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
    feed_forward_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

/// The state that all layers of a forward pass share.
pub(super) struct Pass<'a> {
    pub(super) config: &'a Config,
    pub(super) rope: &'a Rope,
    pub(super) threads: &'a Threads,
    /// The position of the first row.
    pub(super) position: usize,
}

impl Layer {
    pub(super) fn load(
        gguf: &mut Gguf,
        config: &Config,
        index: usize,
    ) -> Result<Self, ModelFileError> {
        let (width, hidden) = (config.width, config.hidden);
        let queries = config.heads * config.head_width;
        let keys = config.kv_heads * config.head_width;
        let mut vector = |name: &str| gguf.tensor(&format!("blk.{index}.{name}.weight"), &[width]);
        let attention_norm = vector("attn_norm")?;
        let feed_forward_norm = vector("ffn_norm")?;
        let mut matrix = |name: &str, rows, columns| {
            let values = gguf.tensor(&format!("blk.{index}.{name}.weight"), &[rows, columns])?;
            Ok::<_, ModelFileError>(Matrix::new(&values, columns))
        };
        Ok(Self {
            attention_norm,
            query: matrix("attn_q", queries, width)?,
            key: matrix("attn_k", keys, width)?,
            value: matrix("attn_v", keys, width)?,
            output: matrix("attn_output", width, queries)?,
            feed_forward_norm,
            gate: matrix("ffn_gate", hidden, width)?,
            up: matrix("ffn_up", hidden, width)?,
            down: matrix("ffn_down", width, hidden)?,
        })
    }

    /// Changes the states of some tokens, one in each row, and appends their keys and values.
    pub(super) fn forward(&self, states: &mut [f32], heads: &mut [Head], pass: &Pass<'_>) {
        let Pass { config, rope, threads, position } = pass;
        let queries_width = config.heads * config.head_width;
        let attention = Attention { heads: config.heads, head_width: config.head_width };

        let normalized = vector::normalize(states, &self.attention_norm, config.epsilon);
        let input = Activations::new(&normalized, config.width);
        let mut queries = self.query.multiply(&input, threads);
        let mut keys = self.key.multiply(&input, threads);
        let values = self.value.multiply(&input, threads);
        rope.rotate(&mut queries, queries_width, *position);
        rope.rotate(&mut keys, config.kv_heads * config.head_width, *position);
        attention.append(heads, &keys, &values);
        let found = attention.attend(heads, &queries, *position, threads);
        let found = Activations::new(&found, queries_width);
        vector::add(states, &self.output.multiply(&found, threads));

        let normalized = vector::normalize(states, &self.feed_forward_norm, config.epsilon);
        let input = Activations::new(&normalized, config.width);
        let mut hidden = self.gate.multiply(&input, threads);
        vector::gate(&mut hidden, &self.up.multiply(&input, threads));
        let hidden = Activations::new(&hidden, config.hidden);
        vector::add(states, &self.down.multiply(&hidden, threads));
    }
}
