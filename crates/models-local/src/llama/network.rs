//! The whole network: embedding, layers, and the scores of all tokens.

use super::{
    config::Config,
    layer::{Layer, Pass},
    matrix::{Activations, Matrix},
    rope::Rope,
    sequence::{Sequence, SequenceShape},
    threads::Threads,
    vector,
};
use crate::{gguf::Gguf, model_file_error::ModelFileError};

/// The weights of a model.
pub(crate) struct Network {
    config: Config,
    rope: Rope,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// `None` if the embedding is used for the output too.
    output: Option<Matrix>,
    threads: Threads,
}

impl Network {
    /// Loads the weights. `vocabulary` is the number of tokens of the tokenizer.
    pub(crate) fn load(
        gguf: &mut Gguf,
        vocabulary: usize,
        threads: Threads,
    ) -> Result<Self, ModelFileError> {
        let config = Config::read(gguf)?;
        let shape = [vocabulary, config.width];
        let embedding = Matrix::new(&gguf.tensor("token_embd.weight", &shape)?, config.width);
        let output = match gguf.has_tensor("output.weight") {
            true => Some(Matrix::new(&gguf.tensor("output.weight", &shape)?, config.width)),
            false => None,
        };
        let factors = match gguf.has_tensor("rope_freqs.weight") {
            true => gguf.tensor("rope_freqs.weight", &[config.rope_width / 2])?,
            false => Vec::new(),
        };
        let layers = (0..config.layers).map(|index| Layer::load(gguf, &config, index));
        let layers = layers.collect::<Result<_, _>>()?;
        Ok(Self {
            rope: Rope::new(&config, &factors),
            embedding,
            layers,
            norm: gguf.tensor("output_norm.weight", &[config.width])?,
            output,
            threads,
            config,
        })
    }

    /// Returns the number of tokens that the model was trained on.
    pub(crate) const fn trained_context(&self) -> usize {
        self.config.context
    }

    /// Returns the shape of the sequences of this model.
    pub(crate) const fn shape(&self) -> SequenceShape {
        let Config { layers, kv_heads, head_width, .. } = self.config;
        SequenceShape { layers, heads: kv_heads, head_width }
    }

    /// Reads more tokens of a sequence, and returns the states of the last layer, one in each row.
    fn states(&self, sequence: &mut Sequence, tokens: &[u32]) -> Vec<f32> {
        let mut states = vec![0.0; tokens.len() * self.config.width];
        for (token, state) in tokens.iter().zip(states.chunks_exact_mut(self.config.width)) {
            // An unknown token has the state zero: the tokenizer of the same file gives none.
            let row = usize::try_from(*token).unwrap_or(usize::MAX);
            self.embedding.read_row(row, state);
        }
        let position = sequence.tokens().len();
        let pass =
            Pass { config: &self.config, rope: &self.rope, threads: &self.threads, position };
        for (layer, heads) in self.layers.iter().zip(sequence.layers()) {
            layer.forward(&mut states, heads, &pass);
        }
        sequence.extend(tokens);
        states
    }

    /// Reads more tokens of a sequence.
    pub(crate) fn read(&self, sequence: &mut Sequence, tokens: &[u32]) {
        self.states(sequence, tokens);
    }

    /// Reads more tokens of a sequence, and returns the score of each token to be the next.
    pub(crate) fn scores(&self, sequence: &mut Sequence, tokens: &[u32]) -> Vec<f32> {
        let states = self.states(sequence, tokens);
        let last = states.chunks_exact(self.config.width).next_back().unwrap_or_default();
        let normalized = vector::normalize(last, &self.norm, self.config.epsilon);
        let input = Activations::new(&normalized, self.config.width);
        self.output.as_ref().unwrap_or(&self.embedding).multiply(&input, &self.threads)
    }
}
