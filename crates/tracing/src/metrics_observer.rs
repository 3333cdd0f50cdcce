//! The observer that records metrics.

use std::time::Duration;

use conversant_core::{
    CallInfo, CallResult, Event, ModelDescription, ModelError, Observer, ObserverIdentity, Reply,
    RequestPurpose,
};
use metrics::{Label, SharedString, Unit, counter, describe_histogram, histogram};

use crate::{names, response_models::ResponseModels};

const TOKEN_USAGE: &str = "gen_ai.client.token.usage";
const DURATION: &str = "gen_ai.client.operation.duration";
const TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
const WORKFLOW_DURATION: &str = "gen_ai.workflow.duration";
const TOOL_DURATION: &str = "gen_ai.execute_tool.duration";

/// Its address stands for the recorder that all observers share.
static RECORDER: u8 = 0;

/// The bucket boundaries that the conventions recommend for `gen_ai.client.token.usage`, in tokens.
/// They are set at the exporter.
pub const TOKEN_BUCKETS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The bucket boundaries that the conventions recommend for durations, in seconds. They are set at
/// the exporter.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// An observer that records metrics through the facade `metrics`, with its global recorder. See the
/// [crate's page](crate) for their names.
///
/// The facade is used, and not OpenTelemetry's API, because it changes rarely, has no types in this
/// crate's signatures, and has exporters for both worlds.
///
/// One observer, or its clones, serves all chains of a program: they share the names of models that
/// are labels.
///
/// # Examples
///
/// ```
/// use conversant_chains::LlmChain;
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
/// use conversant_tracing::MetricsObserver;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a service: install the recorder of `metrics-exporter-prometheus` first.
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Say {word}.")?)
///     .model(ScriptedChat::new(["Hi"]))
///     .observer(MetricsObserver::new())
///     .build()?;
/// chain.predict(vars! { "word" => "hi" }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MetricsObserver {
    response_models: ResponseModels,
}

impl MetricsObserver {
    /// Creates an observer, and describes the metrics to the recorder.
    #[must_use]
    pub fn new() -> Self {
        describe_histogram!(TOKEN_USAGE, Unit::Count, "Number of input and output tokens used.");
        describe_histogram!(DURATION, Unit::Seconds, "Duration of requests to models.");
        describe_histogram!(
            TIME_TO_FIRST_CHUNK,
            Unit::Seconds,
            "Time from a streamed request to the first piece of its answer."
        );
        describe_histogram!(WORKFLOW_DURATION, Unit::Seconds, "Duration of calls of chains.");
        describe_histogram!(TOOL_DURATION, Unit::Seconds, "Duration of tool calls.");
        Self::default()
    }
}

impl Observer for MetricsObserver {
    fn on_event(&self, call: &CallInfo, event: &Event<'_>) {
        match event {
            Event::ModelEnded { model, purpose, result, time, first_token, .. } => {
                self.request_ended(model, *purpose, *result, *time, *first_token);
            }
            Event::AnswerRejected { model, purpose, reply, .. } => {
                record_usage(reply, &self.labels(model, *purpose, Some(reply)));
            }
            Event::Retrying { model, purpose, error, .. } => {
                let labels = model.map(|model| self.labels(model, *purpose, None));
                let labels = with(&labels.unwrap_or_default(), error_type(error.class()));
                counter!("conversant.client.retries", labels).increment(1);
            }
            Event::ToolEnded { call: tool, result, time, is_known, .. } => {
                // A name that the model has made up would be a series of its own.
                let name = if *is_known { &tool.name } else { names::OTHER };
                let mut labels = vec![label("gen_ai.tool.name", name)];
                labels.extend(result.is_err().then(|| error_type("tool_error")));
                histogram!(TOOL_DURATION, labels).record(time.as_secs_f64());
            }
            // Maintenance that the caller started is not a call of the chain.
            Event::CallEnded { result: CallResult::Maintained, .. } => {}
            Event::CallEnded { result, record, .. } => {
                let name = call.chain.as_deref().unwrap_or_default();
                let mut labels = vec![label("gen_ai.workflow.name", name)];
                labels.extend(match result {
                    CallResult::Failed { class, .. } => Some(error_type(class)),
                    CallResult::Cancelled => Some(error_type("cancelled")),
                    _ => None,
                });
                let time = record.timings.total.unwrap_or_default();
                histogram!(WORKFLOW_DURATION, labels).record(time.as_secs_f64());
            }
            _ => {}
        }
    }

    /// Returns the same for all observers, since they have the same recorder.
    fn identity(&self) -> Option<ObserverIdentity> {
        ObserverIdentity::of(&RECORDER)
    }
}

impl MetricsObserver {
    fn request_ended(
        &self,
        model: &ModelDescription,
        purpose: RequestPurpose,
        result: Result<&Reply, &ModelError>,
        time: Duration,
        first_token: Option<Duration>,
    ) {
        let labels = self.labels(model, purpose, result.ok());
        // No request was made, so that its tokens and its time would distort the metrics.
        if result.is_ok_and(|reply| reply.from_cache) {
            counter!("conversant.client.cache_hits", labels).increment(1);
            return;
        }
        if let Ok(reply) = result {
            record_usage(reply, &labels);
        }
        if let Some(first) = first_token {
            histogram!(TIME_TO_FIRST_CHUNK, labels.clone()).record(first.as_secs_f64());
        }
        let labels = match result {
            Ok(_) => labels,
            Err(error) => with(&labels, error_type(error.class())),
        };
        histogram!(DURATION, labels).record(time.as_secs_f64());
    }

    /// Returns the labels of a request.
    fn labels(
        &self,
        model: &ModelDescription,
        purpose: RequestPurpose,
        reply: Option<&Reply>,
    ) -> Vec<Label> {
        let mut labels = vec![
            label("gen_ai.operation.name", names::operation(model)),
            label("gen_ai.provider.name", names::provider(model)),
        ];
        let response = reply.and_then(|reply| reply.model.as_deref());
        // The program's own name makes no series that a server chooses.
        let is_own = response == model.name.as_deref();
        let response =
            response.map(|name| if is_own { name } else { self.response_models.label(name) });
        let port = model.server_port.map(|port| port.to_string());
        let optional = [
            ("gen_ai.request.model", model.name.as_deref()),
            ("gen_ai.response.model", response),
            ("server.address", model.server_address.as_deref()),
            ("server.port", port.as_deref()),
        ];
        labels.extend(optional.into_iter().filter_map(|(name, value)| Some(label(name, value?))));
        if purpose.is_memory() {
            labels.push(label("conversant.request.purpose", purpose.as_str()));
        }
        labels
    }
}

fn label(name: &'static str, value: &str) -> Label {
    Label::new(name, SharedString::from(value.to_owned()))
}

fn record_usage(reply: &Reply, labels: &[Label]) {
    let Some(usage) = reply.usage else { return };
    for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
        let labels = with(labels, label("gen_ai.token.type", kind));
        histogram!(TOKEN_USAGE, labels).record(count(tokens));
    }
    if let Some(tokens) = usage.cached_tokens {
        counter!("conversant.client.cached_tokens", labels.to_vec()).increment(tokens);
    }
}

fn error_type(class: &str) -> Label {
    label("error.type", class)
}

fn with(labels: &[Label], label: Label) -> Vec<Label> {
    labels.iter().cloned().chain([label]).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^52")]
fn count(tokens: u64) -> f64 {
    tokens as f64
}
