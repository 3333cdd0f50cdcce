//! Spans and metrics of chains, model requests and tool calls, by OpenTelemetry's conventions.
//!
//! [`TracingObserver`] emits spans through `tracing`; a layer such as `tracing-opentelemetry`
//! exports them. `MetricsObserver` (feature `metrics`) records metrics through the facade
//! `metrics`, which has exporters for Prometheus and OpenTelemetry. Both are observers: add them to
//! a chain's builder.
//!
//! The names are those of OpenTelemetry's semantic conventions for generative AI, version 1.41 (the
//! last release with them; they are now maintained in `semantic-conventions-genai`). All `gen_ai.*`
//! names have the status *development*, so a later version may rename them. `error.type`,
//! `server.address` and `server.port` are stable. Names that begin with `conversant.` are not part
//! of the conventions.
//!
//! # Spans
//!
//! | span | name | kind | attributes |
//! |---|---|---|---|
//! | a call of a chain | `invoke_workflow {chain}` | internal | `gen_ai.workflow.name`, `gen_ai.conversation.id` (the session), `conversant.turn.id`, `conversant.cost`, the times below, `error.type` |
//! | a request to a model | `chat {model}`, `text_completion {model}` | client | `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.request.stream`, `gen_ai.request.stop_sequences`, `gen_ai.output.type`, `gen_ai.response.model`, `gen_ai.response.id`, `gen_ai.response.finish_reasons`, `gen_ai.response.time_to_first_chunk`, `gen_ai.usage.*`, `gen_ai.conversation.id`, `server.address`, `server.port`, `conversant.request.purpose`, `conversant.request.id`, `conversant.cache_hit`, `error.type` |
//! | a tool call of a tool loop | `execute_tool {tool}` | internal | `gen_ai.tool.name`, `gen_ai.tool.call.id`, `gen_ai.tool.type`, `gen_ai.conversation.id`, `error.type` |
//!
//! The requests of a memory, such as summaries, are children of the chain's span too, and have
//! their purpose in `conversant.request.purpose`
//! ([`RequestPurpose`](conversant_core::RequestPurpose)); other requests do not have the attribute.
//! An answer from a cache has `conversant.cache_hit` and no usage.
//!
//! `conversant.request.id` is the id by which the server's provider finds a request (the header
//! `x-request-id`), of errors too. `gen_ai.response.id` is the id of the answer's message, which
//! custom models may set; the adapters of `conversant-models` do not.
//!
//! All have `gen_ai.operation.name`. The span of a chain has the times of its parts, in seconds:
//! `conversant.queue.duration`, `conversant.load.duration`, `conversant.save.duration`. A failed
//! attempt that is repeated is an event of the request's span, with `error.type`,
//! `conversant.retry.attempt` and `conversant.retry.wait`. Lists are recorded as JSON text, since
//! `tracing` has no lists.
//!
//! The span of a chain is a child of the span in which the call is made; a chain inside another
//! one is a child of the other's. The spans are not entered, so what an HTTP client logs is not
//! inside them.
//!
//! # Content
//!
//! Messages, tool arguments and tool results are not recorded, unless
//! [`TracingObserver::with_content`] is set. Neither are the names and ids of calls of tools that
//! the model has made up, whose name is `_OTHER`. The texts of errors are recorded; they contain no
//! message text.
//!
//! # Metrics
//!
//! | metric | kind | unit | labels |
//! |---|---|---|---|
//! | `gen_ai.client.token.usage` | histogram | tokens | `gen_ai.token.type` (`input`, `output`) |
//! | `gen_ai.client.operation.duration` | histogram | s | `error.type` |
//! | `gen_ai.client.operation.time_to_first_chunk` | histogram | s | |
//! | `gen_ai.workflow.duration` | histogram | s | `gen_ai.workflow.name`, `error.type` |
//! | `gen_ai.execute_tool.duration` | histogram | s | `gen_ai.tool.name`, `error.type` |
//! | `conversant.client.retries` | counter | | `error.type` |
//! | `conversant.client.cached_tokens` | counter | tokens | |
//! | `conversant.client.cache_hits` | counter | | |
//!
//! The metrics with `client` in their names are of requests, and have the operation, the provider,
//! the model and the server as labels too. Those of a memory's requests have the label
//! `conversant.request.purpose`. An answer from a cache
//! is counted as a cache hit, and in no other metric of requests.
//!
//! Models and servers cannot make series without a bound. The name of a tool that the model has
//! made up is `_OTHER`, and so is a `gen_ai.response.model` of more than 128 bytes, and each one
//! after the first 100 that an observer and its clones have seen.
//!
//! # Examples
//!
//! ```
//! use conversant_chains::LlmChain;
//! use conversant_core::vars;
//! use conversant_prompts::PromptTemplate;
//! use conversant_testkit::ScriptedChat;
//! use conversant_tracing::TracingObserver;
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a service: an exporter of `opentelemetry-otlp`, and `.init()` instead of `set_default`.
//! let exporter = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
//! let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("service"));
//! let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
//!
//! let chain = LlmChain::builder()
//!     .prompt(PromptTemplate::from_template("Say {word}.")?)
//!     .model(ScriptedChat::new(["Hi"]))
//!     .observer(TracingObserver::new())
//!     .build()?;
//! chain.predict(vars! { "word" => "hi" }).await?;
//!
//! let spans = exporter.get_finished_spans()?;
//! let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
//! assert_eq!(names, ["chat", "invoke_workflow LLMChain"]);
//! # Ok(())
//! # }
//! ```

mod content;
#[cfg(feature = "metrics")]
mod metrics_observer;
mod names;
#[cfg(feature = "metrics")]
mod response_models;
mod tracing_observer;

#[cfg(feature = "metrics")]
pub use self::metrics_observer::{DURATION_BUCKETS, MetricsObserver, TOKEN_BUCKETS};
pub use self::tracing_observer::TracingObserver;
