//! Settings of models that generate text: sampling, streams, and the checks of an answer.

use serde_json::{Map, Value as Json};

use super::{OpenAiBuilder, markers::TextEndpoint};

impl<M: TextEndpoint> OpenAiBuilder<M> {
    /// Sets the sampling temperature, from 0 to 2. OpenAI's models refuse it while they reason, as
    /// they do [`top_p`](Self::top_p), the penalties and [`logit_bias`](Self::logit_bias): with the
    /// reasoning effort `none`, those that allow it take it.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.params.set_within("temperature", temperature, 0.0..=f64::INFINITY);
        self
    }

    /// Sets the maximum number of tokens of an answer, at least 1; `None` sends no limit.
    pub fn max_tokens(mut self, tokens: impl Into<Option<u32>>) -> Self {
        match tokens.into() {
            Some(tokens) => self.params.set("max_tokens", tokens),
            None => self.params.set("max_tokens", Json::Null),
        }
        self
    }

    /// Sets the probability mass to sample from (nucleus sampling), from 0 to 1. OpenAI's models
    /// refuse it while they reason.
    pub fn top_p(mut self, top_p: f64) -> Self {
        self.params.set_within("top_p", top_p, 0.0..=1.0);
        self
    }

    /// Sets the number of answers. All but the first are the reply's
    /// [`alternatives`](conversant_core::Reply::alternatives).
    pub fn n(mut self, n: u32) -> Self {
        self.params.set_count("n", n);
        self
    }

    /// Sets the stop sequences. The [`stop`](conversant_core::CallOptions::stop) of a call replaces
    /// them. OpenAI's models that reason refuse them.
    pub fn stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.params.set_stop(stop);
        self
    }

    /// Sets the penalty for tokens that occurred before, from -2 to 2. OpenAI's models refuse it
    /// while they reason.
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        self.params.set_float("presence_penalty", penalty);
        self
    }

    /// Sets the penalty for tokens by how often they occurred before, from -2 to 2. OpenAI's models
    /// refuse it while they reason.
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.params.set_float("frequency_penalty", penalty);
        self
    }

    /// Sets the seed of the sampling, for reproducible answers where the server supports it.
    pub fn seed(mut self, seed: i64) -> Self {
        self.params.set("seed", seed);
        self
    }

    /// Sets the bias of tokens, from -100 to 100.
    pub fn logit_bias(mut self, bias: impl IntoIterator<Item = (u32, i32)>) -> Self {
        let bias: Map<_, _> =
            bias.into_iter().map(|(token, bias)| (token.to_string(), bias.into())).collect();
        self.params.set("logit_bias", bias);
        self
    }

    /// Sets whether streamed answers report their usage: the request then has `stream_options`,
    /// with `include_usage`.
    ///
    /// By default, it is sent to OpenAI and Anthropic alone ([`Dialect::stream_usage`]). Set `true`
    /// for another server, if it knows the option: llama.cpp, vLLM and Ollama do. Without it,
    /// [`Reply::usage`](conversant_core::Reply::usage) of a stream is `None` unless the server
    /// sends it unasked, and records and meters count nothing. LangChain 0.1 never sends it;
    /// `false` restores its request.
    ///
    /// [`Dialect::stream_usage`]: crate::Dialect::stream_usage
    pub fn stream_usage(mut self, report: bool) -> Self {
        self.settings.stream_usage = Some(report);
        self
    }

    /// Sets whether a stream that ends without `[DONE]` is an error even if the model gave a finish
    /// reason. Some servers never send it. Default: `false`.
    pub fn require_done(mut self, require: bool) -> Self {
        self.settings.require_done = require;
        self
    }

    /// Sets whether comments in a stream restart the [`idle_timeout`](Self::idle_timeout). Default:
    /// `false`.
    pub fn comments_keep_alive(mut self, keep_alive: bool) -> Self {
        self.settings.comments_keep_alive = keep_alive;
        self
    }

    /// Sets whether an answer that was cut off by a limit or a filter is an
    /// [`Incomplete`](conversant_core::ModelError::Incomplete) error. Default: `false`.
    pub fn require_complete(mut self, require: bool) -> Self {
        self.settings.require_complete = require;
        self
    }

    /// Sets whether an empty text is an
    /// [`EmptyAnswer`](conversant_core::ModelError::EmptyAnswer) error. Default: `false`; only an
    /// answer without any text is an error, and one that was cut off before it began.
    pub fn refuse_empty(mut self, refuse: bool) -> Self {
        self.settings.refuse_empty = refuse;
        self
    }
}
