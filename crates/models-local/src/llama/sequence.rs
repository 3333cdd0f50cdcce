//! The tokens that a model has read, with their keys and values.

/// The keys and values of one head of one layer, position by position.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
}

/// The shape of a sequence's keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SequenceShape {
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) head_width: usize,
}

impl SequenceShape {
    /// Returns the memory of a token, in bytes.
    const fn token_bytes(&self) -> usize {
        2 * self.layers * self.heads * self.head_width * size_of::<f32>()
    }
}

/// The tokens that a model has read, with the keys and values that later tokens look at.
///
/// Reading a prompt that begins with the same tokens starts after them.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    shape: SequenceShape,
    tokens: Vec<u32>,
    /// Layer by layer, then head by head.
    heads: Vec<Head>,
}

impl Sequence {
    pub(crate) fn new(shape: SequenceShape) -> Self {
        let heads = vec![Head::default(); shape.layers * shape.heads];
        Self { shape, tokens: Vec::new(), heads }
    }

    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tokens.len().saturating_mul(self.shape.token_bytes())
    }

    /// Forgets all but the first tokens.
    pub(crate) fn truncate(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        let values = self.tokens.len() * self.shape.head_width;
        for head in &mut self.heads {
            head.keys.truncate(values);
            head.values.truncate(values);
        }
    }

    /// Returns a copy of the first tokens.
    pub(crate) fn prefix(&self, tokens: usize) -> Self {
        let tokens: Vec<u32> = self.tokens.iter().copied().take(tokens).collect();
        let values = tokens.len() * self.shape.head_width;
        let copy = |all: &[f32]| all.iter().copied().take(values).collect();
        let heads = self.heads.iter();
        let heads =
            heads.map(|head| Head { keys: copy(&head.keys), values: copy(&head.values) }).collect();
        Self { shape: self.shape, tokens, heads }
    }

    /// Returns the layers, each with its heads.
    pub(super) fn layers(&mut self) -> impl Iterator<Item = &mut [Head]> {
        self.heads.chunks_exact_mut(self.shape.heads)
    }

    /// Notes that the layers have the keys and values of these tokens too.
    pub(super) fn extend(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
