//! A limit in tokens, and the sizes of messages that count against it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{
    LoadContext, MemoryError, Message, Messages, Prompt, PromptValue, TokenCounter, TurnId, Value,
    prompt_inputs,
};

use super::{low_water::Marks, rule::Trim, sizes::total};
use crate::sync::lock;

/// The default limit, in tokens.
const DEFAULT_LIMIT: usize = 2000;

/// The default share of the limit that a view falls to.
const DEFAULT_LOW_WATER: f64 = 0.5;

/// The divisor of the limit to whose multiples the size of the prompt template is rounded up.
/// Questions of different lengths then do not move the start of the view.
const TEMPLATE_STEPS: usize = 16;

/// A limit in tokens.
pub(crate) struct TokenBudget {
    counter: Arc<dyn TokenCounter>,
    /// Distinguishes the sizes counted by this budget from those of other budgets.
    fingerprint: u64,
    pub(crate) limit: usize,
    pub(crate) reserved: usize,
    pub(crate) low_water: f64,
    pub(crate) trim: Trim,
    template: Option<Arc<dyn Prompt>>,
    /// The size of the template in the last call.
    template_size: AtomicUsize,
}

/// The cached sizes of a run of messages.
#[derive(Default)]
struct Sizes(Mutex<Vec<Option<usize>>>);

impl TokenBudget {
    pub(crate) fn new(counter: Arc<dyn TokenCounter>) -> Self {
        Self {
            counter,
            fingerprint: TurnId::random().fingerprint(),
            limit: DEFAULT_LIMIT,
            reserved: 0,
            low_water: DEFAULT_LOW_WATER,
            trim: Trim::default(),
            template: None,
            template_size: AtomicUsize::new(0),
        }
    }

    /// Returns a budget with the same settings, which shares the counted sizes.
    pub(crate) fn again(&self) -> Self {
        Self {
            counter: Arc::clone(&self.counter),
            fingerprint: self.fingerprint,
            limit: self.limit,
            reserved: self.reserved,
            low_water: self.low_water,
            trim: self.trim,
            template: self.template.clone(),
            template_size: AtomicUsize::new(self.template_size.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn set_template(&mut self, template: Arc<dyn Prompt>) {
        self.template = Some(template);
    }

    /// Returns the tokens that are left for the conversation in the last call.
    pub(crate) fn available(&self) -> usize {
        match self.trim {
            Trim::LangChain => self.limit,
            Trim::Turns => self
                .limit
                .saturating_sub(self.reserved)
                .saturating_sub(self.template_size.load(Ordering::Relaxed)),
        }
    }

    /// Returns the marks between which the conversation varies, next to messages of a size that are
    /// always shown. `None` if those exceed the budget.
    pub(crate) fn marks(&self, always: usize) -> Option<Marks> {
        if self.trim == Trim::LangChain {
            return Some(Marks::sliding(self.limit));
        }
        let step = (self.limit / TEMPLATE_STEPS).max(1);
        let template = self.template_size.load(Ordering::Relaxed);
        let template = template.div_ceil(step).saturating_mul(step);
        let high = self.limit.saturating_sub(self.reserved).saturating_sub(template);
        let high = high.checked_sub(always);
        high.map(|high| Marks::new(self.limit, high, self.low_water))
    }

    /// Counts the template with the inputs of a call and without the conversation, which is the
    /// variable `name` with the value `empty`.
    pub(crate) fn count_template(
        &self,
        name: &str,
        empty: impl FnOnce() -> Value,
        context: LoadContext<'_>,
    ) -> Result<(), MemoryError> {
        let Some(template) = self.template.as_ref().filter(|_| self.trim == Trim::Turns) else {
            return Ok(());
        };
        let mut variables = context.inputs.clone();
        variables.insert(name.to_owned(), empty());
        let inputs = prompt_inputs(template.slots(), &variables);
        let prompt = template.format(&inputs).map_err(|error| MemoryError::Custom(error.into()))?;
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

    /// Returns the size of each message. A message is counted once.
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

/// Implements the settings of a token budget for a memory with the field `budget` and the method
/// `reset`, which discards its caches.
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

            /// Sets the low-water mark, as a share of the limit. The default is 0.5.
            ///
            /// A conversation that exceeds the limit falls to this share of it at once, and then
            /// grows again. Consecutive prompts share a prefix until the view is cut again, so that
            /// providers' prompt caches hit. With 1.0 the view moves with each turn, and they
            /// always miss. Values are clamped to 0.0..=1.0. The fall depends on the conversation
            /// alone, so another process shows the same.
            ///
            /// Has no effect under [`Trim::LangChain`](crate::Trim::LangChain), which slides.
            #[must_use]
            pub fn with_low_water(mut self, share: f64) -> Self {
                self.budget.low_water = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
                self.reset();
                self
            }

            /// Sets the tokens of the limit that are reserved for the answer and for the parts of
            /// the prompt that [`with_template`](Self::with_template) does not count. The default
            /// is 0. Has no effect under [`Trim::LangChain`](crate::Trim::LangChain).
            #[must_use]
            pub fn with_reserved_tokens(mut self, tokens: usize) -> Self {
                self.budget.reserved = tokens;
                self.reset();
                self
            }

            /// Counts the chain's prompt against the limit, with each call's inputs and without the
            /// conversation. All of its other variables must be inputs. Has no effect under
            /// [`Trim::LangChain`](crate::Trim::LangChain).
            #[must_use]
            pub fn with_template(mut self, prompt: impl conversant_core::Prompt + 'static) -> Self {
                self.budget.set_template(std::sync::Arc::new(prompt));
                self.reset();
                self
            }

            /// Sets the rule for trimming the conversation. The default is
            /// [`Trim::Turns`](crate::Trim::Turns).
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
