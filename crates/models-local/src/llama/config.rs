//! The dimensions of a model, from its metadata.

use crate::{gguf::Gguf, llama::matrix::BLOCK, model_file_error::ModelFileError};

/// The dimensions of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config {
    /// The number of layers.
    pub(super) layers: usize,
    /// The width of a token's state.
    pub(super) width: usize,
    /// The inner width of a feed-forward block.
    pub(super) hidden: usize,
    /// The number of query heads.
    pub(super) heads: usize,
    /// The number of key and value heads. Each serves `heads / kv_heads` query heads.
    pub(super) kv_heads: usize,
    /// The width of a head.
    pub(super) head_width: usize,
    /// The number of tokens that the model was trained on.
    pub(super) context: usize,
    /// The part of a head that is rotated by the position.
    pub(super) rope_width: usize,
    /// The base of the rotation's frequencies.
    pub(super) rope_base: f32,
    /// The factor by which positions are compressed; 1 without scaling.
    pub(super) rope_factor: f32,
    /// The constant that keeps normalisation from dividing by zero.
    pub(super) epsilon: f32,
}

impl Config {
    pub(super) fn read(gguf: &Gguf) -> Result<Self, ModelFileError> {
        let unsupported = |part, name: &str, supported| ModelFileError::Unsupported {
            path: gguf.path.clone(),
            part,
            name: name.to_owned(),
            supported,
        };
        let architecture = gguf.text("general.architecture");
        let architecture =
            architecture.ok_or_else(|| gguf.fault("missing metadata `general.architecture`"))?;
        if architecture != "llama" {
            return Err(unsupported("architecture", architecture, "`llama`"));
        }
        if let Some(experts) = gguf.count("llama.expert_count").filter(|count| *count > 0) {
            return Err(unsupported("number of experts", &experts.to_string(), "`0`"));
        }
        if gguf.has_tensor("blk.0.attn_q.bias") {
            return Err(unsupported("tensor", "blk.0.attn_q.bias", "attention without a bias"));
        }
        let scaling = gguf.text("llama.rope.scaling.type").filter(|name| *name != "none");
        let rope_factor = match scaling {
            None => 1.0,
            Some("linear") => gguf.float("llama.rope.scaling.factor").unwrap_or(1.0),
            Some(name) => return Err(unsupported("scaling of positions", name, "`linear`")),
        };
        let heads = gguf.require_count("llama.attention.head_count")?;
        let width = gguf.require_count("llama.embedding_length")?;
        let head_width = gguf.count("llama.attention.key_length").unwrap_or(width / heads);
        let config = Self {
            layers: gguf.require_count("llama.block_count")?,
            width,
            hidden: gguf.require_count("llama.feed_forward_length")?,
            heads,
            kv_heads: gguf.count("llama.attention.head_count_kv").unwrap_or(heads),
            head_width,
            context: gguf.require_count("llama.context_length")?,
            rope_width: gguf.count("llama.rope.dimension_count").unwrap_or(head_width),
            rope_base: gguf.float("llama.rope.freq_base").unwrap_or(10_000.0),
            rope_factor,
            epsilon: gguf.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
        };
        config.check(gguf)?;
        Ok(config)
    }

    /// Checks that the dimensions fit together, so that the arithmetic needs no checks.
    fn check(&self, gguf: &Gguf) -> Result<(), ModelFileError> {
        let widths = [
            ("llama.embedding_length", self.width),
            ("llama.feed_forward_length", self.hidden),
            ("llama.attention.head_count", self.heads.saturating_mul(self.head_width)),
        ];
        for (key, width) in widths {
            if width == 0 || !width.is_multiple_of(BLOCK) {
                return Err(gguf.fault(format!("`{key}`: {width} is not a multiple of {BLOCK}")));
            }
        }
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            let (heads, kv_heads) = (self.heads, self.kv_heads);
            return Err(gguf.fault(format!("{heads} heads cannot share {kv_heads} key heads")));
        }
        if self.rope_width > self.head_width || !self.rope_width.is_multiple_of(2) {
            let (rope, head) = (self.rope_width, self.head_width);
            return Err(gguf.fault(format!("cannot rotate {rope} of {head} values")));
        }
        let positive = [self.rope_base, self.rope_factor, self.epsilon];
        match positive.iter().all(|value| value.is_finite() && *value > 0.0) {
            true => Ok(()),
            false => Err(gguf.fault("`llama.rope` or `llama.attention` has an invalid number")),
        }
    }
}
