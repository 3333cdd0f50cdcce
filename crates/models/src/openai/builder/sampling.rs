//! Settings of models that generate text: how they sample, and what counts as an answer.

use serde_json::{Map, Value as Json};

use super::OpenAiBuilder;

/// The adapters that generate text. It is implemented by them alone.
pub trait Generates: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for crate::OpenAiChat {}
impl sealed::Sealed for crate::OpenAi {}
impl Generates for crate::OpenAiChat {}
impl Generates for crate::OpenAi {}

impl<M: Generates> OpenAiBuilder<M> {
    /// Sets the sampling temperature, from 0 to 2.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.params.set_float("temperature", temperature);
        self
    }

    /// Sets the most tokens of an answer; `None` sends no limit.
    pub fn max_tokens(mut self, tokens: impl Into<Option<u32>>) -> Self {
        match tokens.into() {
            Some(tokens) => self.params.set("max_tokens", tokens),
            None => self.params.set("max_tokens", Json::Null),
        }
        self
    }

    /// Sets the share of probability to sample from, from 0 to 1.
    pub fn top_p(mut self, top_p: f64) -> Self {
        self.params.set_float("top_p", top_p);
        self
    }

    /// Sets how many answers are asked for. All but the first are the reply's
    /// [`alternatives`](conversant_core::Reply::alternatives).
    pub fn n(mut self, n: u32) -> Self {
        self.params.set("n", n);
        self
    }

    /// Sets texts before which the model stops. [`CallOptions::stop`](conversant_core::CallOptions::stop) of a call is used instead
    /// where it is not empty.
    pub fn stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.params.options = std::mem::take(&mut self.params.options).with_stop(stop);
        self
    }

    /// Sets the penalty for tokens that have been there, from -2 to 2.
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        self.params.set_float("presence_penalty", penalty);
        self
    }

    /// Sets the penalty for tokens by how often they have been there, from -2 to 2.
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.params.set_float("frequency_penalty", penalty);
        self
    }

    /// Sets the seed of the sampling, for answers that can be repeated, as far as the server goes.
    pub fn seed(mut self, seed: i64) -> Self {
        self.params.set("seed", seed);
        self
    }

    /// Sets what is added to the score of tokens, by token, from -100 to 100.
    pub fn logit_bias(mut self, bias: impl IntoIterator<Item = (u32, i32)>) -> Self {
        let bias: Map<_, _> =
            bias.into_iter().map(|(token, bias)| (token.to_string(), bias.into())).collect();
        self.params.set("logit_bias", bias);
        self
    }

    /// Asks a streamed answer to say what it used (`stream_options`), which not every server understands.
    pub fn stream_usage(mut self) -> Self {
        self.settings.stream_usage = true;
        self
    }

    /// Makes a stream that ends without `[DONE]` an error, even if the model has said why it ended. Some servers never send it.
    pub fn require_done(mut self) -> Self {
        self.settings.require_done = true;
        self
    }

    /// Lets comments in a stream count as signs of life for [`idle_timeout`](Self::idle_timeout). Without it a server that sends nothing
    /// else is given up.
    pub fn comments_keep_alive(mut self) -> Self {
        self.settings.comments_keep_alive = true;
        self
    }

    /// Makes an answer that was cut off, at its limit or by a filter, an
    /// [`Incomplete`](conversant_core::ModelError::Incomplete) error.
    pub fn require_complete(mut self) -> Self {
        self.settings.require_complete = true;
        self
    }

    /// Makes an empty text an [`EmptyAnswer`](conversant_core::ModelError::EmptyAnswer) error. Without it only an answer
    /// that has no text at all is one.
    pub fn refuse_empty(mut self) -> Self {
        self.settings.refuse_empty = true;
        self
    }
}
