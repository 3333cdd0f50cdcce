//! The observer that emits spans.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use conversant_core::{
    CallId, CallInfo, CallRecord, CallResult, Event, ModelDescription, ModelError, ModelRequest,
    Observer, ObserverIdentity, Reply, Report, RequestPurpose, ResponseFormat, ToolCall, Usage,
    shortened, shown_name,
};
use serde_json::Value as Json;
use tracing::{Span, field::Empty, info_span, warn};

use crate::{content, names};

/// The attribute with the server's id of a request.
const REQUEST_ID: &str = "conversant.request.id";

/// An observer that emits a span for each call of a chain, each request to a model and each tool
/// call. See the [crate's page](crate) for their names and attributes.
///
/// One observer, or its clones, serves many chains and concurrent calls: they share the spans that
/// are open.
#[derive(Clone, Default)]
pub struct TracingObserver {
    content: bool,
    calls: Arc<Mutex<HashMap<CallId, CallSpans>>>,
}

/// The open spans of a call.
#[derive(Default)]
struct CallSpans {
    /// `None` for a model that is called without a chain.
    chain: Option<Span>,
    /// Requests and tool calls, by their numbers.
    parts: HashMap<u32, Span>,
}

impl TracingObserver {
    /// Creates an observer that does not record content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the content of messages, tool arguments and tool results is recorded, in
    /// `gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.tool.call.arguments` and
    /// `gen_ai.tool.call.result`. It may be personal, and it may be large. `false` by default.
    #[must_use]
    pub const fn with_content(mut self, content: bool) -> Self {
        self.content = content;
        self
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallId, CallSpans>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_call(&self, call: &CallInfo) {
        let name = call.chain.as_deref().unwrap_or_default();
        let parent = call.parent.and_then(|parent| self.calls().get(&parent)?.chain.clone());
        let parent = parent.unwrap_or_else(Span::current);
        let span = info_span!(
            target: "conversant",
            parent: &parent,
            "invoke_workflow",
            "otel.name" = format!("invoke_workflow {name}").trim_end(),
            "otel.kind" = "internal",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "gen_ai.operation.name" = "invoke_workflow",
            "gen_ai.workflow.name" = name,
            "gen_ai.conversation.id" = call.session.as_ref().map(tracing::field::display),
            "conversant.turn.id" = call.turn_id.map(tracing::field::display),
            "conversant.queue.duration" = Empty,
            "conversant.load.duration" = Empty,
            "conversant.save.duration" = Empty,
            "conversant.cost" = Empty,
            "error.type" = Empty,
        );
        let spans = CallSpans { chain: Some(span), ..CallSpans::default() };
        self.calls().insert(call.id, spans);
    }

    fn end_call(&self, call: &CallInfo, result: &CallResult<'_>, record: &CallRecord) {
        let Some(spans) = self.calls().remove(&call.id) else { return };
        // Parts before the whole.
        drop(spans.parts);
        let Some(span) = spans.chain else { return };
        let times = record.timings;
        record_seconds(&span, "conversant.queue.duration", times.queue);
        record_seconds(&span, "conversant.load.duration", times.load);
        record_seconds(&span, "conversant.save.duration", times.save);
        if let Some(cost) = record.cost {
            span.record("conversant.cost", cost.as_f64());
        }
        match result {
            CallResult::Failed { error, class, .. } => {
                record_error(&span, class, &Report::new(*error).to_string());
            }
            CallResult::Cancelled => record_error(&span, "cancelled", "the call was dropped"),
            _ => {}
        }
    }

    fn start_part(&self, call: &CallInfo, number: u32, start: impl FnOnce(&Span) -> Span) {
        let chain = self.calls().get(&call.id).and_then(|spans| spans.chain.clone());
        let span = start(&chain.unwrap_or_else(Span::current));
        self.calls().entry(call.id).or_default().parts.insert(number, span);
    }

    fn end_part(&self, call: &CallInfo, number: u32) -> Option<Span> {
        let mut calls = self.calls();
        let spans = calls.get_mut(&call.id)?;
        let span = spans.parts.remove(&number);
        if spans.chain.is_none() && spans.parts.is_empty() {
            calls.remove(&call.id);
        }
        span
    }

    fn start_request(
        &self,
        call: &CallInfo,
        number: u32,
        model: &ModelDescription,
        request: ModelRequest<'_>,
        purpose: RequestPurpose,
        is_streamed: bool,
    ) {
        self.start_part(call, number, |parent| {
            let (operation, options) = (names::operation(model), request.options());
            let name = model.name.as_deref();
            let stop = (!options.stop.is_empty()).then(|| Json::from(options.stop.clone()));
            let output = options.response_format.as_ref().map(|format| match format {
                ResponseFormat::Text => "text",
                _ => "json",
            });
            info_span!(
                target: "conversant",
                parent: parent,
                "request",
                "otel.name" = format!("{operation} {}", name.unwrap_or_default()).trim_end(),
                "otel.kind" = "client",
                "otel.status_code" = Empty,
                "otel.status_description" = Empty,
                "gen_ai.operation.name" = operation,
                "gen_ai.provider.name" = names::provider(model),
                "gen_ai.request.model" = name,
                "gen_ai.request.stream" = is_streamed.then_some(true),
                "gen_ai.request.stop_sequences" = stop.as_ref().map(tracing::field::display),
                "gen_ai.output.type" = output,
                "gen_ai.conversation.id" = call.session.as_ref().map(tracing::field::display),
                "gen_ai.input.messages" = self.content.then(|| content::input(request)),
                "gen_ai.output.messages" = Empty,
                "gen_ai.response.model" = Empty,
                "gen_ai.response.id" = Empty,
                "gen_ai.response.finish_reasons" = Empty,
                "gen_ai.response.time_to_first_chunk" = Empty,
                "gen_ai.usage.input_tokens" = Empty,
                "gen_ai.usage.output_tokens" = Empty,
                "gen_ai.usage.cache_read.input_tokens" = Empty,
                "gen_ai.usage.cache_creation.input_tokens" = Empty,
                "gen_ai.usage.reasoning.output_tokens" = Empty,
                "server.address" = model.server_address.as_deref(),
                "server.port" = model.server_port.map(i64::from),
                "conversant.request.purpose" = purpose.is_memory().then(|| purpose.as_str()),
                "conversant.cache_hit" = Empty,
                "conversant.request.id" = Empty,
                "error.type" = Empty,
            )
        });
    }

    fn end_request(&self, span: &Span, result: Result<&Reply, &ModelError>) {
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                let api_error = error.api_error();
                record_id(span, REQUEST_ID, api_error.and_then(|it| it.request_id.as_deref()));
                return record_error(span, error.class(), &Report::new(error).to_string());
            }
        };
        record_model(span, reply);
        record_id(span, "gen_ai.response.id", reply.message.id());
        let reasons: Vec<_> = std::iter::once(&reply.finish_reason)
            .chain(reply.alternatives.iter().map(|choice| &choice.finish_reason))
            .filter_map(|reason| reason.as_ref().map(ToString::to_string))
            .collect();
        if !reasons.is_empty() {
            span.record("gen_ai.response.finish_reasons", Json::from(reasons).to_string());
        }
        if reply.from_cache {
            span.record("conversant.cache_hit", true);
        } else {
            record_id(span, REQUEST_ID, reply.request_id.as_deref());
            if let Some(usage) = &reply.usage {
                record_usage(span, usage);
            }
        }
        if self.content {
            span.record("gen_ai.output.messages", content::output(reply));
        }
    }

    fn start_tool(&self, call: &CallInfo, number: u32, tool: &ToolCall, is_known: bool) {
        // A name that the model has made up is text of its answer, and so may be its id.
        let (name, id) = match is_known || self.content {
            true => (tool.name.as_str(), tool.id.as_deref()),
            false => (names::OTHER, None),
        };
        self.start_part(call, number, |parent| {
            info_span!(
                target: "conversant",
                parent: parent,
                "execute_tool",
                "otel.name" = format!("execute_tool {name}"),
                "otel.kind" = "internal",
                "otel.status_code" = Empty,
                "otel.status_description" = Empty,
                "gen_ai.operation.name" = "execute_tool",
                "gen_ai.tool.name" = name,
                "gen_ai.tool.type" = "function",
                "gen_ai.tool.call.id" = id,
                "gen_ai.tool.call.arguments" = self.content.then(|| tool.args.to_string()),
                "gen_ai.tool.call.result" = Empty,
                "gen_ai.conversation.id" = call.session.as_ref().map(tracing::field::display),
                "error.type" = Empty,
            )
        });
    }

    /// Returns the span of a request that has not ended.
    fn request(&self, call: &CallInfo, number: Option<u32>) -> Option<Span> {
        self.calls().get(&call.id)?.parts.get(&number?).cloned()
    }

    fn retry(
        &self,
        call: &CallInfo,
        number: Option<u32>,
        attempt: u32,
        error: &ModelError,
        wait: Duration,
    ) {
        let parent = self.request(call, number).unwrap_or_else(Span::current).id();
        let class = error.class();
        warn!(
            target: "conversant",
            parent: parent,
            {
                "error.type" = class,
                "conversant.retry.attempt" = i64::from(attempt),
                "conversant.retry.wait" = wait.as_secs_f64(),
            },
            "retrying: {}",
            Report::new(error),
        );
    }
}

impl Observer for TracingObserver {
    fn on_event(&self, call: &CallInfo, event: &Event<'_>) {
        match event {
            Event::CallStarted { .. } => self.start_call(call),
            Event::CallEnded { result, record, .. } => self.end_call(call, result, record),
            Event::ModelStarted { number, model, purpose, request, is_streamed, .. } => {
                self.start_request(call, *number, model, *request, *purpose, *is_streamed);
            }
            Event::Retrying { number, attempt, error, wait, .. } => {
                self.retry(call, *number, *attempt, error, *wait);
            }
            Event::AnswerRejected { number, reply, .. } => {
                if let Some((span, usage)) = self.request(call, *number).zip(reply.usage.as_ref()) {
                    record_model(&span, reply);
                    record_usage(&span, usage);
                }
            }
            Event::ModelEnded { number, result, first_token, .. } => {
                if let Some(span) = self.end_part(call, *number) {
                    record_seconds(&span, "gen_ai.response.time_to_first_chunk", *first_token);
                    self.end_request(&span, *result);
                }
            }
            Event::ToolStarted { number, call: tool, is_known, .. } => {
                self.start_tool(call, *number, tool, *is_known);
            }
            Event::ToolEnded { number, result, .. } => {
                let Some(span) = self.end_part(call, *number) else { return };
                match result {
                    Ok(content) if self.content => {
                        span.record("gen_ai.tool.call.result", &*content.text());
                    }
                    Ok(_) => {}
                    Err(reason) => {
                        // The reason is a text for the model, and may quote the arguments.
                        let reason = if self.content { reason.as_str() } else { "the tool failed" };
                        record_error(&span, "tool_error", reason);
                    }
                }
            }
            Event::Warned { warning, .. } => {
                let chain = self.calls().get(&call.id).and_then(|spans| spans.chain.clone());
                let span = chain.unwrap_or_else(Span::current);
                warn!(target: "conversant", parent: span.id(), "{}", Report::new(*warning));
            }
            _ => {}
        }
    }

    fn identity(&self) -> Option<ObserverIdentity> {
        ObserverIdentity::of(&*self.calls)
    }
}

/// Records the name of the model as the server reports it: it can be of any length.
fn record_model(span: &Span, reply: &Reply) {
    span.record("gen_ai.response.model", reply.model.as_deref().map(shortened).as_deref());
}

/// Records an id that a server made: it can be any text.
fn record_id(span: &Span, name: &str, id: Option<&str>) {
    if let Some(id) = id {
        span.record(name, &*shown_name(id));
    }
}

/// Returns a count as the kind of integer that OpenTelemetry has.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn record_seconds(span: &Span, name: &str, time: Option<Duration>) {
    if let Some(time) = time {
        span.record(name, time.as_secs_f64());
    }
}

fn record_error(span: &Span, class: &str, description: &str) {
    span.record("error.type", class);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", description);
}

impl fmt::Debug for TracingObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingObserver")
            .field("content", &self.content)
            .field("calls", &self.calls().len())
            .finish()
    }
}

fn record_usage(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", integer(usage.input_tokens));
    span.record("gen_ai.usage.output_tokens", integer(usage.output_tokens));
    span.record("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens.map(integer));
    span.record("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens.map(integer));
    span.record("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens.map(integer));
}
