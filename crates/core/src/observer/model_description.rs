//! The description of a model, for observers.

/// A model as observers see it. Returned by [`ChatModel::describe`](crate::ChatModel::describe).
///
/// # Examples
///
/// ```
/// use conversant_core::ModelDescription;
///
/// let model = ModelDescription::new()
///     .with_name("gpt-6-luna")
///     .with_provider("openai")
///     .with_server("api.openai.com", 443);
/// assert_eq!(model.name.as_deref(), Some("gpt-6-luna"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelDescription {
    /// The model's name, as requests contain it.
    pub name: Option<String>,
    /// The provider, by OpenTelemetry's names (`gen_ai.provider.name`), such as `openai` or
    /// `mistral_ai`.
    pub provider: Option<String>,
    /// The host of the model's server.
    pub server_address: Option<String>,
    /// The port of the model's server.
    pub server_port: Option<u16>,
    /// Whether the model continues text ([`CompletionModel`](crate::CompletionModel)) instead of
    /// taking messages.
    pub is_completion: bool,
    /// Whether the model emits the events of its requests itself. Set by models that make requests
    /// to other models, such as a tool loop or a fallback.
    pub emits_events: bool,
    /// Whether the model must call a tool in each answer, unless a call's options say otherwise, by
    /// a [`ToolChoice`](crate::ToolChoice) of its own settings. A caller that goes on after tools
    /// lifts it ([`CallOptions::lift_forced_choice`](crate::CallOptions::lift_forced_choice)).
    pub forces_tools: bool,
}

impl ModelDescription {
    /// Creates an empty description.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            name: None,
            provider: None,
            server_address: None,
            server_port: None,
            is_completion: false,
            emits_events: false,
            forces_tools: false,
        }
    }

    /// Sets the model's name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the provider.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Sets the host and the port of the model's server.
    #[must_use]
    pub fn with_server(mut self, address: impl Into<String>, port: u16) -> Self {
        self.server_address = Some(address.into());
        self.server_port = Some(port);
        self
    }

    /// Sets whether the model emits the events of its requests itself. By default
    /// [`LanguageModel`](crate::LanguageModel) emits them.
    #[must_use]
    pub const fn with_emits_events(mut self, emits_events: bool) -> Self {
        self.emits_events = emits_events;
        self
    }

    /// Sets whether the model's own settings force it to call a tool in each answer.
    #[must_use]
    pub const fn with_forces_tools(mut self, forces_tools: bool) -> Self {
        self.forces_tools = forces_tools;
        self
    }
}
