//! The common part of the adapters: the connection, the parameters, and calls of an endpoint.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use conversant_core::{
    CallOptions, Event, EventEmitter, FinishReason, Message, ModelDescription, ModelError, Part,
    PartialReply, Reply, ToolChoice,
};
use http::Method;

use super::{
    builder::{OpenAiBuilder, Settings, connection_settings::ConnectionSettings},
    endpoint::Endpoint,
    faults::Faults,
    hints,
    params::Params,
    tool_wiring,
};
use crate::{
    dialect::{AZURE, Dialect, provider},
    http::{
        client::Outgoing,
        send::{Call, Connection},
    },
    wire::{Answer, BodyWriter, ModelInfo, Origin, Style, read_models},
};

/// An adapter, as it was built.
pub(crate) struct Adapter {
    pub(crate) connection: Connection,
    pub(crate) settings: Settings,
    /// The form of messages.
    pub(crate) style: Style,
    pub(crate) dialect: Dialect,
    /// The provider, by OpenTelemetry's names.
    provider: &'static str,
    /// The start of every request: the model and the parameters that are set once.
    pub(crate) head: Vec<u8>,
    /// The defaults of a call's options.
    pub(crate) options: CallOptions,
    /// The number of answers that are asked for.
    pub(crate) choices: usize,
}

impl Adapter {
    /// Checks a builder's settings.
    ///
    /// # Errors
    /// [`ModelError::Config`], if a setting is invalid.
    pub(crate) fn new<M>(builder: &OpenAiBuilder<M>) -> Result<Self, ModelError> {
        let OpenAiBuilder { model, params, settings, connection, .. } = builder;
        Self::checked(model, params, *settings, connection)
    }

    /// Does the work of [`new`](Self::new). It is compiled once for all adapters.
    fn checked(
        model: &str,
        params: &Params,
        settings: Settings,
        connection: &ConnectionSettings,
    ) -> Result<Self, ModelError> {
        let mut faults = Faults::default();
        if model.trim().is_empty() {
            faults.add("missing model name");
        }
        faults.extend(&params.faults);
        tool_wiring::check(&params.options, &mut faults);
        let is_azure = connection.is_azure();
        let connection = connection.check(&mut faults);
        faults.check()?;
        // Without a fault there is one.
        let mut connection = connection.ok_or_else(|| ModelError::config("no connection"))?;
        connection.mask.extend(params.mask());
        let endpoint = &connection.endpoint;
        let of_host = || if is_azure { Dialect::AZURE } else { Dialect::for_host(endpoint.host()) };
        let dialect = settings.dialect.unwrap_or_else(of_host);
        let developer_role = settings.developer_role.unwrap_or(dialect.developer_role);
        let origin = Origin { base_url: endpoint.public_name(), model: model.to_owned() };
        Ok(Self {
            style: Style::new(developer_role, dialect, origin),
            dialect,
            provider: if is_azure { AZURE } else { provider(endpoint.host()) },
            connection,
            settings,
            head: params.head(model),
            choices: params.choices(),
            options: params.options.clone(),
        })
    }

    /// Returns what observers see of the model.
    pub(crate) fn describe(&self) -> ModelDescription {
        let endpoint = &self.connection.endpoint;
        ModelDescription::new()
            .with_name(self.style.origin.model.as_str())
            .with_provider(self.provider)
            .with_server(endpoint.host(), endpoint.port())
            .with_forces_tools(self.options.tool_choice.as_ref().is_some_and(ToolChoice::is_forced))
    }

    /// Appends the parameters of a streamed answer.
    pub(crate) fn push_stream(&self, body: &mut BodyWriter) {
        body.push(b"\"stream\":true,");
        let wanted = self.settings.stream_usage.unwrap_or(self.dialect.stream_usage);
        if wanted && self.dialect.stream_options {
            body.push(b"\"stream_options\":{\"include_usage\":true},");
        }
    }

    /// Starts a call.
    ///
    /// # Errors
    /// [`ModelError::Config`], outside of a tokio runtime, or in one without a timer or sockets.
    pub(crate) fn start(&self, options: &CallOptions) -> Result<Call, ModelError> {
        self.connection.start(options.deadline)
    }

    /// Sends a request of a call and reads a whole answer.
    ///
    /// # Errors
    /// [`ModelError`], with every secret masked.
    pub(crate) async fn generate(
        &self,
        call: &mut Call,
        endpoint: &Endpoint,
        body: &Arc<[Bytes]>,
        options: &CallOptions,
    ) -> Result<Reply, ModelError> {
        let request = Outgoing { method: Method::POST, path: endpoint.path, body };
        let decode = |body: &[u8]| self.reply(endpoint, body, &options.events);
        let answered = self.connection.call(&request, call, &options.events, decode).await;
        let (mut reply, head) = answered.map_err(hints::add)?;
        reply.request_id = head.request_id;
        Ok(reply)
    }

    /// Returns the server's models, in its order.
    ///
    /// # Errors
    /// [`ModelError`], with every secret masked.
    pub(crate) async fn models(&self) -> Result<Vec<ModelInfo>, ModelError> {
        let mut call = self.connection.start(None)?;
        let body = &Arc::default();
        let request = Outgoing { method: Method::GET, path: "models", body };
        let events = EventEmitter::disabled();
        let (models, _) = self.connection.call(&request, &mut call, &events, read_models).await?;
        Ok(models)
    }

    /// Decodes and checks a whole answer.
    pub(super) fn reply(
        &self,
        endpoint: &Endpoint,
        body: &[u8],
        events: &EventEmitter,
    ) -> Result<Reply, ModelError> {
        self.check(endpoint, (endpoint.decode)(body)?, events)
    }

    /// Returns an error of an answer that has begun as the caller gets it: without secrets, and
    /// with the remedy.
    pub(super) fn error(&self, error: ModelError) -> ModelError {
        hints::add(self.connection.mask.error(error))
    }

    /// Checks that an answer has content, and that it is as complete as the settings demand.
    pub(super) fn check(
        &self,
        endpoint: &Endpoint,
        answer: Answer,
        events: &EventEmitter,
    ) -> Result<Reply, ModelError> {
        let Answer { mut reply, is_absent, refusal } = answer;
        if let Some(error) = self.fault(&reply, is_absent, refusal) {
            // The error does not say what was paid for.
            if events.is_enabled() {
                let mut model = self.describe();
                model.is_completion = endpoint.path == "completions";
                events.emit(&Event::answer_rejected(&model, events.purpose(), &reply));
            }
            return Err(error);
        }
        // Results have to name their calls.
        name_calls(&mut reply.message);
        reply.alternatives.iter_mut().for_each(|choice| name_calls(&mut choice.message));
        if endpoint.notes_origin {
            self.style.origin.stamp(&mut reply);
        }
        Ok(reply)
    }

    /// Returns the error of an answer that cannot be used.
    fn fault(&self, reply: &Reply, is_absent: bool, refusal: Option<String>) -> Option<ModelError> {
        let is_empty = reply.message.content().is_empty() && reply.message.tool_calls().is_empty();
        if let Some(text) = refusal.filter(|_| is_empty) {
            return Some(ModelError::Refused { text: text.into() });
        }
        let is_cut_off = reply.finish_reason.as_ref().is_some_and(FinishReason::is_cut_off);
        let is_void = if is_cut_off { says_nothing(&reply.message) } else { is_absent };
        if is_void || (self.settings.refuse_empty && is_empty && !is_media(&reply.message)) {
            return Some(ModelError::EmptyAnswer { finish_reason: reply.finish_reason.clone() });
        }
        if !is_cut_off || !self.settings.require_complete {
            return None;
        }
        let finish_reason = reply.finish_reason.clone()?;
        let partial = PartialReply::new(reply.text().into_owned());
        Some(ModelError::Incomplete { finish_reason, partial })
    }
}

/// Returns whether an answer that was cut off has nothing: no text, no reasoning and no calls.
/// Whether its text is then empty or absent depends on the server, and on whether it streams.
fn says_nothing(message: &Message) -> bool {
    let is_silent = |part: &Part| part.as_text().is_some_and(str::is_empty);
    let kwargs = message.extra().get("additional_kwargs");
    message.content().as_text().is_none_or(str::is_empty)
        && message.content().parts().iter().all(is_silent)
        && message.tool_calls().is_empty()
        && message.invalid_tool_calls().is_empty()
        && message.reasoning().is_none()
        && !is_media(message)
        && kwargs.is_none_or(|kwargs| kwargs.get("function_call").is_none())
}

/// Returns whether a message without text is one with sounds or images that the model made.
fn is_media(message: &Message) -> bool {
    let kwargs = message.extra().get("additional_kwargs");
    kwargs.is_some_and(|kwargs| kwargs.get("audio").or(kwargs.get("images")).is_some())
}

fn name_calls(message: &mut Message) {
    if let Cow::Owned(named) = message.with_call_ids() {
        *message = named;
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Implements the constructors of an adapter and its list of models.
macro_rules! constructors {
    ($adapter:ident) => {
        impl $adapter {
            /// Returns a builder of an adapter for a model, by its name at the server.
            pub fn builder(model: impl Into<String>) -> $crate::OpenAiBuilder<Self> {
                $crate::OpenAiBuilder::new(model.into())
            }

            /// Returns a builder with the key, the base URL and the organization of the
            /// environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL` and `OPENAI_ORG_ID`. They are read
            /// now; later settings replace them.
            pub fn from_env(model: impl Into<String>) -> $crate::OpenAiBuilder<Self> {
                $crate::OpenAiBuilder::from_env(model.into())
            }

            /// Returns the server's models, in its order.
            ///
            /// # Errors
            /// [`ModelError`](conversant_core::ModelError), as for a call.
            pub async fn models(
                &self,
            ) -> Result<Vec<$crate::ModelInfo>, conversant_core::ModelError> {
                self.adapter.models().await
            }
        }
    };
}
pub(super) use constructors;
