//! Prompt templates for strings and for chats, with LangChain's rendering to the byte.
//!
//! Depend on this crate to make prompts: it is `conversant-core`'s
//! [`Prompt`](conversant_core::Prompt) for templates, without I/O, runtime or provider. To
//! write a model, a memory or a prompt of another kind, depend on `conversant-core` alone.
//!
//! | | |
//! |---|---|
//! | [`PromptTemplate`] | one text with variables |
//! | [`ChatPromptTemplate`] | messages: literal ones, templates, [`MessagesPlaceholder`]s |
//! | [`FewShotPromptTemplate`], [`FewShotChatPromptTemplate`] | examples, fixed or chosen by an [`ExampleSelector`] (feature `few-shot`) |
//! | [`PipelinePromptTemplate`] | prompts whose results are variables of the next |
//! | [`LoadedPrompt`] | prompts from LangChain's files and serialised objects (feature `json`) |
//! | [`trim_messages`], [`filter_messages`], [`merge_message_runs`] | helpers on lists of messages |
//! | [`Snapshot`] | prompts in snapshots, with [recipes](docs::snapshots) |
//!
//! # Features
//!
//! `few-shot` and `json` are enabled by default.
//!
//! - `few-shot`: prompts with examples, and the selectors of examples.
//! - `full`: each of the others.
//! - `macros`: `prompt!`, `chat_prompt!` and `#[derive(PromptInputs)]`, templates that the compiler
//!   checks.
//! - `jinja`, `mustache`: templates in these formats.
//! - `json`: prompts as LangChain's JSON: `Serialize`, and [`LoadedPrompt`].
//! - `load`: YAML, and `load_prompt`, which reads a file; nothing else of this crate does I/O.
//!
//! Where a prompt renders differently than in LangChain 0.1, the guide of the crate `conversant`
//! says so and why, in `guide::differences`.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{Message, Messages, Prompt, vars};
//! use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
//!
//! let prompt = ChatPromptTemplate::from_messages((
//!     Message::system("You are a chatbot having a conversation with a human."),
//!     MessagesPlaceholder::new("chat_history"),
//!     MessageTemplate::human("{human_input}"),
//! ))?;
//! assert_eq!(prompt.input_variables(), ["chat_history", "human_input"]);
//!
//! let value = prompt.format(&vars! {
//!     "chat_history" => Messages::from_iter([Message::human("Hi"), Message::ai("Hello!")]),
//!     "human_input" => "How are you?",
//! })?;
//! assert_eq!(
//!     value.to_string(),
//!     "System: You are a chatbot having a conversation with a human.\n\
//!      Human: Hi\nAI: Hello!\nHuman: How are you?",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private;
mod chat;
pub mod docs;
mod error;
#[cfg(feature = "few-shot")]
mod few_shot;
#[cfg(feature = "jinja")]
mod jinja;
mod known_values;
#[cfg(feature = "json")]
mod load;
#[cfg(feature = "macros")]
mod macros;
mod messages;
#[cfg(feature = "mustache")]
mod mustache;
mod name_index;
mod partials;
mod pipeline;
mod prompt_template;
#[cfg(feature = "json")]
mod save;
mod slot_set;
mod snapshot;
mod template_format;
mod text;
mod value_to_argument;
mod work_limit;

pub use conversant_template::{Excerpt, Location, SyntaxErrorKind, escape};

#[cfg(feature = "few-shot")]
pub use crate::few_shot::{
    Example, ExampleSelector, FewShotChatPromptTemplate, FewShotPromptBuilder,
    FewShotPromptTemplate, LengthBasedSelector, SemanticSelector,
};
#[cfg(feature = "jinja")]
pub use crate::jinja::fault::JinjaFault;
#[cfg(feature = "load")]
pub use crate::load::load_prompt;
#[cfg(feature = "json")]
pub use crate::load::{LoadError, LoadedPrompt};
#[cfg(feature = "macros")]
pub use crate::macros::PromptInputs;
#[cfg(feature = "mustache")]
pub use crate::mustache::fault::MustacheFault;
pub use crate::{
    chat::{
        ChatPromptTemplate, MessageTemplate, MessageTemplates, MessagesPlaceholder, PartTemplate,
    },
    error::{TemplateError, TemplateFault},
    messages::{MessageFilter, MessageTrim, filter_messages, merge_message_runs, trim_messages},
    pipeline::PipelinePromptTemplate,
    prompt_template::PromptTemplate,
    snapshot::Snapshot,
    template_format::TemplateFormat,
    work_limit::{MAX_OUTPUT_BYTES, WorkLimit},
};
