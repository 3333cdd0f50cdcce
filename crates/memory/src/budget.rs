//! A limit in tokens, and what counts against it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{
    LoadContext, MemoryError, Message, Messages, Prompt, PromptValue, TokenCounter, TurnId,
};

use crate::{
    Trim,
    conversation::{Conversation, lock},
};

/// A limit in tokens.
pub(crate) struct Budget {
    counter: Arc<dyn TokenCounter>,
    /// Tells this budget's counts from others' of the same messages.
    fingerprint: u64,
    pub(crate) limit: usize,
    pub(crate) reserved: usize,
    pub(crate) trim: Trim,
    template: Option<Arc<dyn Prompt>>,
    /// What the template took in the last call.
    template_size: AtomicUsize,
}

/// The sizes of a run's messages that were counted.
#[derive(Default)]
struct Sizes(Mutex<Vec<Option<usize>>>);

impl Budget {
    pub(crate) fn new(counter: Arc<dyn TokenCounter>) -> Self {
        let id = TurnId::random();
        let (_, low) = id.as_bytes().split_at(8);
        let fingerprint = low.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        Self {
            counter,
            fingerprint,
            limit: 2000,
            reserved: 0,
            trim: Trim::default(),
            template: None,
            template_size: AtomicUsize::new(0),
        }
    }

    pub(crate) fn set_template(&mut self, template: Arc<dyn Prompt>) {
        self.template = Some(template);
    }

    /// Returns what is left for the conversation.
    pub(crate) fn available(&self) -> usize {
        match self.trim {
            Trim::LangChain => self.limit,
            Trim::Turns => self
                .limit
                .saturating_sub(self.reserved)
                .saturating_sub(self.template_size.load(Ordering::Relaxed)),
        }
    }

    /// Counts what the template takes in this call, with an empty conversation.
    pub(crate) fn count_template(
        &self,
        conversation: &Conversation,
        context: LoadContext<'_>,
    ) -> Result<(), MemoryError> {
        let Some(template) = self.template.as_ref().filter(|_| self.trim == Trim::Turns) else {
            return Ok(());
        };
        let mut variables = context.inputs.clone();
        variables.insert(conversation.name().to_owned(), conversation.show(Messages::new()));
        let prompt =
            template.format(&variables).map_err(|error| MemoryError::Custom(error.into()))?;
        let size = match &prompt {
            PromptValue::Messages(messages) => {
                total(messages.iter().map(|message| self.counter.count_message(message)))
            }
            text => self.counter.count_text(&text.to_text()),
        };
        self.template_size.store(size, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn size(&self, message: &Message) -> usize {
        self.counter.count_message(message)
    }

    /// Returns each message's size. A message is counted once, however often its size is asked for.
    pub(crate) fn sizes(&self, messages: &Messages) -> Vec<usize> {
        let mut sizes = Vec::with_capacity(messages.len());
        let mut next = messages.iter();
        for chunk in messages.chunks() {
            let memo = chunk.memo::<Sizes>(self.fingerprint);
            let mut known = lock(&memo.0);
            let range = chunk.range();
            if known.len() < range.end {
                known.resize(range.end, None);
            }
            let counted = known.get_mut(range).unwrap_or_default().iter_mut().zip(&mut next);
            sizes.extend(
                counted.map(|(size, message)| *size.get_or_insert_with(|| self.size(message))),
            );
        }
        sizes
    }
}

/// Returns the sum of sizes, or the largest number if there is none as large.
pub(crate) fn total(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}

/// Returns the index from which on sizes fit into a budget together.
pub(crate) fn fitting(sizes: &[usize], budget: usize) -> usize {
    let mut left = budget;
    let fit = sizes.iter().rev().take_while(|&&size| {
        let rest = left.checked_sub(size);
        rest.inspect(|&rest| left = rest).is_some()
    });
    sizes.len() - fit.count()
}

/// Gives a memory the settings of a limit in tokens, which is its field `budget`.
macro_rules! budget_settings {
    ($memory:ident) => {
        impl $memory {
            /// Sets the limit, in tokens. The default is 2,000.
            #[must_use]
            pub fn with_max_token_limit(mut self, tokens: usize) -> Self {
                self.budget.limit = tokens;
                self.reset();
                self
            }

            /// Sets how many tokens of the limit are for something else: the answer, and what the prompt holds besides the
            /// conversation, unless [`with_template`](Self::with_template) counts that. [`Trim::LangChain`](crate::Trim::LangChain)
            /// takes no account of it. The default is 0.
            #[must_use]
            pub fn with_reserved_tokens(mut self, tokens: usize) -> Self {
                self.budget.reserved = tokens;
                self.reset();
                self
            }

            /// Counts the chain's prompt against the limit: with each call's inputs, and without the conversation. Its other
            /// variables must all be inputs. [`Trim::LangChain`](crate::Trim::LangChain) takes no account of it.
            #[must_use]
            pub fn with_template(mut self, prompt: impl conversant_core::Prompt + 'static) -> Self {
                self.budget.set_template(std::sync::Arc::new(prompt));
                self.reset();
                self
            }

            /// Sets the rule by which the conversation is cut. The default is [`Trim::Turns`](crate::Trim::Turns).
            #[must_use]
            pub fn with_trim(mut self, trim: $crate::Trim) -> Self {
                self.budget.trim = trim;
                self.reset();
                self
            }
        }
    };
}

pub(crate) use budget_settings;
