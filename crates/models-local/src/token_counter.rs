//! Counts tokens of a model, for memories with a budget.

use std::{fmt, sync::Arc};

use conversant_core::TokenCounter;

use crate::tokenizer::Tokenizer;

/// A counter of a local model's tokens, from
/// [`LocalModel::token_counter`](crate::LocalModel::token_counter).
#[derive(Clone)]
pub struct LocalTokenCounter {
    tokenizer: Arc<Tokenizer>,
}

impl LocalTokenCounter {
    pub(crate) const fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer }
    }
}

impl TokenCounter for LocalTokenCounter {
    fn count_text(&self, text: &str) -> usize {
        self.tokenizer.encode(text).len()
    }
}

impl fmt::Debug for LocalTokenCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTokenCounter")
            .field("vocabulary", &self.tokenizer.vocabulary())
            .finish_non_exhaustive()
    }
}
