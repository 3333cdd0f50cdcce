//! Exact counts, offline, with the tables of OpenAI's encodings.

use std::sync::{Mutex, PoisonError};

use conversant_core::{Message, Messages, ModelError, Role, TokenCounter};

use crate::wire::raw_calls;

/// The tokens of a message besides its text, as OpenAI documents them.
const PER_MESSAGE: usize = 3;
/// The tokens of a name besides its text.
const PER_NAME: usize = 1;
/// The tokens of the start of the answer.
const ANSWER: usize = 3;

/// An encoding of OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// GPT-4o and later, and the o series.
    O200kBase,
    /// GPT-4, GPT-3.5 and the embeddings models.
    Cl100kBase,
    /// Codex, and the later models of GPT-3.
    P50kBase,
    /// The first models of GPT-3.
    R50kBase,
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
            Self::P50kBase => "p50k_base",
            Self::R50kBase => "r50k_base",
        }
    }

    const fn fingerprint(self) -> u64 {
        self as u64
    }
}

/// A counter of tokens by an encoding of OpenAI. Its table is loaded on first use, and shared.
///
/// A message has the tokens that OpenAI documents: its role, its text, its name and 3 more. That is
/// exact for text. Of tool calls and of other parts only the words are counted.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages, TokenCounter};
/// use conversant_models::tokens::OpenAiTokens;
///
/// let tokens = OpenAiTokens::for_model("gpt-6-luna")?;
/// assert_eq!(tokens.count_text("Hi there my friend"), 4);
/// assert_eq!(tokens.count_message(&Message::human("Hi there my friend")), 8);
/// assert_eq!(tokens.count_prompt(&Messages::from(Message::human("Hi there my friend"))), 11);
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAiTokens {
    encoding: Encoding,
}

impl OpenAiTokens {
    /// Creates the counter of an encoding.
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self { encoding }
    }

    /// Creates the counter for a model of OpenAI, by its name.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the model is unknown. [`new`](Self::new) takes an encoding.
    pub fn for_model(model: &str) -> Result<Self, ModelError> {
        let encoding = match tiktoken::model_to_encoding(model) {
            Some("o200k_base" | "o200k_harmony") => Encoding::O200kBase,
            Some("cl100k_base") => Encoding::Cl100kBase,
            Some("p50k_base" | "p50k_edit") => Encoding::P50kBase,
            Some("r50k_base" | "gpt2") => Encoding::R50kBase,
            None if is_recent(model) => Encoding::O200kBase,
            _ => {
                return Err(ModelError::config(format!(
                    "unknown encoding of `{model}`; set one with `OpenAiTokens::new`"
                )));
            }
        };
        Ok(Self { encoding })
    }

    /// Returns the encoding.
    #[must_use]
    pub const fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Returns what the messages cost as a prompt: each of them, and the beginning of the answer.
    ///
    /// A message is counted once in its life, however often the conversation that it belongs to is.
    #[must_use]
    pub fn count_prompt(&self, messages: &Messages) -> usize {
        let count = |chunk: conversant_core::Chunk<'_>| {
            let memo = chunk.memo::<Counts>(self.encoding.fingerprint());
            let mut totals = memo.0.lock().unwrap_or_else(PoisonError::into_inner);
            let range = chunk.range();
            if totals.len() < range.end {
                let known = totals.len();
                for message in chunk.run_from(known) {
                    let before = totals.last().copied().unwrap_or(0);
                    totals.push(before + self.count_message(message));
                }
            }
            let up_to = |end: usize| end.checked_sub(1).and_then(|last| totals.get(last)).copied();
            up_to(range.end).unwrap_or(0) - up_to(range.start).unwrap_or(0)
        };
        messages.chunks().map(count).sum::<usize>() + ANSWER
    }
}

/// For each message of a run, what it and those before it cost.
#[derive(Default)]
struct Counts(Mutex<Vec<usize>>);

/// Returns whether a name is `gpt-5` or later. The table of names ends with those of its release.
fn is_recent(model: &str) -> bool {
    let version = model.strip_prefix("gpt-").unwrap_or_default();
    let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= 5)
}

impl TokenCounter for OpenAiTokens {
    fn count_text(&self, text: &str) -> usize {
        // The tables of all four are compiled in.
        tiktoken::get_encoding(self.encoding.name()).map_or(0, |encoding| encoding.count(text))
    }

    fn count_message(&self, message: &Message) -> usize {
        let role = match message.role() {
            Role::System => "system",
            Role::Human => "user",
            Role::Ai => "assistant",
            Role::Chat(role) => role,
            other => other.type_name(),
        };
        let name = message.name().map_or(0, |name| PER_NAME + self.count_text(name));
        let calls = message.tool_calls().iter();
        let calls =
            calls.map(|call| self.count_text(&call.name) + self.count_text(&call.args.to_string()));
        let raw = raw_calls(message);
        let raw = raw.map(|call| self.count_text(call.name) + self.count_text(call.arguments));
        PER_MESSAGE
            + self.count_text(role)
            + self.count_text(&message.text())
            + name
            + calls.sum::<usize>()
            + raw.sum::<usize>()
    }
}
