//! Memories whose calls of a model cost money.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bench::workload::runtime;
use conversant_core::{
    BoxError, ChatModel, ChatRequest, LanguageModel, LoadContext, Memory, Message, ModelError,
    Reply, TokenCounter, async_trait, vars,
};
use conversant_memory::SummaryBufferMemory;

use crate::{
    chain::turn,
    measured::{Effort, Measured},
};

/// The token limit.
const LIMIT: usize = 4_000;

/// The turns of the conversation, most of which are appended while the buffer is full.
const TURNS: usize = 1_000;

/// Counts four bytes as a token.
struct Quarters;

impl TokenCounter for Quarters {
    fn count_text(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }
}

/// A model that counts its calls.
struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl ChatModel for Counting {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Reply::new(Message::ai("They talked about many things, at length. ".repeat(20))))
    }
}

/// The summaries that a full summary buffer asks for, for each turn.
pub(crate) fn summaries(_: Effort) -> Result<Vec<Measured>, BoxError> {
    let calls = Arc::new(AtomicUsize::new(0));
    let model = LanguageModel::chat(Counting(Arc::clone(&calls)));
    let memory = SummaryBufferMemory::new(model, Quarters).with_max_token_limit(LIMIT);
    runtime()?.block_on(async {
        for number in 0..TURNS {
            let loaded = memory.load(LoadContext::new(&vars! {})).await?;
            memory.save(&turn(number), loaded.ticket).await?;
            memory.maintain().await?;
        }
        Ok::<_, BoxError>(())
    })?;
    let each = calls.load(Ordering::Relaxed) as f64 / TURNS as f64;
    Ok(vec![Measured::alone(TURNS, "a turn", vec![each])])
}
