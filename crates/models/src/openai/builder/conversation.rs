//! Settings of models that take a conversation: roles, tools, the form of answers and caches.

use conversant_core::{ResponseFormat, ToolChoice, ToolDefinition};

use super::{OpenAiBuilder, markers::ChatEndpoint};

impl<M: ChatEndpoint> OpenAiBuilder<M> {
    /// Sets whether system messages are sent with the role `developer`. Default: as the
    /// [`Dialect`](crate::Dialect) says, which is `false` for all known hosts.
    pub fn developer_role(mut self, developer: bool) -> Self {
        self.settings.developer_role = Some(developer);
        self
    }

    /// Sets the key of the provider's prompt cache. The
    /// [`prompt_cache_key`](conversant_core::CallOptions::prompt_cache_key) of a call replaces it.
    /// It is sent only to servers that accept it, by the [`Dialect`](crate::Dialect). Of a key with
    /// more than 64 characters, which OpenAI refuses, the first 47 and a hash are sent.
    pub fn prompt_cache_key(mut self, key: impl Into<String>) -> Self {
        self.params.options.prompt_cache_key = Some(key.into());
        self
    }

    /// Sets whether requests mark the prefixes to cache: the system messages at the start, and the
    /// whole conversation. Default: `false`.
    ///
    /// The mark is that of the [`Dialect`](crate::Dialect):
    ///
    /// - `cache_control`: Anthropic's models behind a gateway cache nothing without it.
    /// - `prompt_cache_breakpoint`: OpenAI's models from gpt-5.6 on. They also cache the whole
    ///   conversation unmarked, unless `extra("prompt_cache_options", json!({"mode":
    ///   "explicit"}))` is set. Older models refuse it.
    ///
    /// Most other servers cache by themselves.
    pub fn cache_breakpoints(mut self, mark: bool) -> Self {
        self.settings.cache_breakpoints = mark;
        self
    }

    /// Sets the tools that the model may call. The
    /// [`tools`](conversant_core::CallOptions::tools) of a call replace them. On
    /// `/chat/completions`, OpenAI's models that reason refuse them: use `OpenAiResponses`, or set
    /// the reasoning effort to `none`.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ToolDefinition;
    /// use conversant_models::OpenAiChat;
    /// use serde_json::json;
    ///
    /// let clock = ToolDefinition::new("clock", json!({"type": "object", "properties": {}}));
    /// let model = OpenAiChat::builder("m").base_url("http://localhost/v1").tools([clock]).build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        self.params.options.tools = tools.into_iter().collect();
        self
    }

    /// Sets whether the model calls tools. It is sent only together with tools.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.params.options.tool_choice = Some(choice);
        self
    }

    /// Sets whether the model may call several tools at once. It is sent only together with tools.
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.params.options.parallel_tool_calls = Some(parallel);
        self
    }

    /// Sets the format of answers. [`Reply::json`](conversant_core::Reply::json) reads them.
    pub fn response_format(mut self, format: ResponseFormat) -> Self {
        self.params.options.response_format = Some(format);
        self
    }
}
