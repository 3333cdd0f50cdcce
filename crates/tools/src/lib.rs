//! Tools that a chat model may call, and the loop that runs them.
//!
//! Depend on this crate to let a model call functions of your program. [`ToolLoop`] wraps a chat
//! model: it runs the calls that the model makes, returns the results to it, and ends with the
//! model's answer. The loop is a chat model itself, so chains, memories and layers work with it,
//! and a chain stores the question, the calls, their results and the answer as one turn.
//!
//! A tool implements [`Tool`](conversant_core::Tool). [`FnTool`] makes one from an async function
//! over JSON, or, with the feature `schema`, over a type whose JSON Schema is derived.
//!
//! The loop needs a tokio runtime with a timer if tools have time limits or calls have deadlines.
//! Without one, a call with a deadline fails with
//! [`ModelError::Config`](conversant_core::ModelError) when the model calls a tool. A tool with a
//! time limit does not run, and the model receives an error as its result.
//!
//! # Examples
//!
//! ```
//! use conversant_chains::LlmChain;
//! use conversant_core::{vars, Message, ToolCall};
//! use conversant_memory::BufferMemory;
//! use conversant_prompts::PromptTemplate;
//! use conversant_tools::{FnTool, ToolLoop};
//! use serde_json::json;
//! # use conversant_core::{async_trait, ChatModel, ChatRequest, ModelError, Reply};
//! # struct Model;
//! # #[async_trait]
//! # impl ChatModel for Model {
//! #     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
//! #         let last = request.messages.last().unwrap();
//! #         Ok(Reply::new(match last.tool_call_id() {
//! #             Some(_) => Message::ai(format!("It is {}.", last.text())),
//! #             None => Message::ai("").with_tool_calls([ToolCall::new(
//! #                 "weather", json!({"city": "Kyoto"})).with_id("call_1")]),
//! #         }))
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = Model;
//! let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
//! let weather = FnTool::new("weather", "The weather in a city.", schema, |arguments| async move {
//!     Ok(format!("sunny in {}", arguments["city"].as_str().unwrap_or("?")).into())
//! });
//! let chain = LlmChain::builder()
//!     .prompt(PromptTemplate::from_template("{history}\nHuman: {question}")?)
//!     .model(ToolLoop::builder(model).tool(weather).build()?)
//!     .memory(BufferMemory::new())
//!     .build()?;
//! let answer = chain.predict(vars! { "question" => "How is the weather in Kyoto?" }).await?;
//! assert_eq!(answer, "It is sunny in Kyoto.");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod approval;
mod builder;
mod error;
mod exchange;
mod fn_tool;
mod result_limit;
mod time_limit;
mod tool_loop;
mod tool_runner;
mod tool_set;

pub use self::{
    approval::{Approval, ApproveCalls},
    builder::ToolLoopBuilder,
    error::{RoundLimit, ToolSetError},
    fn_tool::FnTool,
    tool_loop::ToolLoop,
};
