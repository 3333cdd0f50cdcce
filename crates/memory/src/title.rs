//! A title for a conversation, made by a model.

use conversant_core::{
    BoxError, Content, LanguageModel, MaintainContext, Message, Messages, RequestPurpose, Role,
    Transcript, vars,
};

use crate::llm::{
    prompted_model::PromptedModel,
    static_prompt::Piece::{self, Text, Variable},
};

/// The prompt that requests a title.
const TITLE: &[Piece] = &[
    Text(
        "Write a title for the conversation below, as a list of conversations shows it: at most six \
         words, in the language of the conversation, without quotation marks and without a full \
         stop. Answer with the title and nothing else.\n\n",
    ),
    Variable("conversation"),
    Text("\n\nTitle:"),
];

/// The most messages that are sent: 6. The beginning of a conversation says what it is about.
const MAX_MESSAGES: usize = 6;
/// The most characters of a message that are sent: 2,000.
const MAX_MESSAGE_CHARS: usize = 2_000;
/// The most characters of a title: 80.
const MAX_TITLE_CHARS: usize = 80;

/// Asks a model for the title of a conversation, for a list of sessions:
/// [`ChatHistory::set_title`](conversant_core::ChatHistory::set_title) accepts it.
///
/// Needs the feature `summaries`.
///
/// - The model gets the first 6 messages, at most 2,000 characters of the text of each, and the
///   request for a title of at most six words in the language of the conversation. System messages
///   are left out, and nothing is stored.
/// - The title is one line of at most 80 characters, without quotation marks around it, Markdown
///   and a full stop. A longer answer is cut at a word, with `…` at its end.
///
/// No chain observes the request. It has the model's deadline only: to cancel it, drop the future.
///
/// # Errors
/// The model's error, or an error if the answer has no text.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, LanguageModel, Range, SessionId, Turn};
/// use conversant_memory::{InMemoryHistory, title};
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let (history, session) = (InMemoryHistory::new(), SessionId::new("chat-1")?);
/// let turn = Turn::exchange("When do the cherries bloom in Kyoto?", "In April, usually.");
/// history.append(&session, &turn, Expect::Any).await?;
///
/// let model = LanguageModel::chat(ScriptedChat::new(["\"Cherry blossom in Kyoto.\""]));
/// let messages = history.load(&session, Range::All).await?.messages;
/// let title = title(&model, &messages).await?;
/// assert_eq!(title, "Cherry blossom in Kyoto");
/// history.set_title(&session, Some(&title)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn title(model: &LanguageModel, messages: &Messages) -> Result<String, BoxError> {
    let model = PromptedModel::new(model.clone(), TITLE, RequestPurpose::Memory);
    let conversation = Transcript::default().render(&beginning(messages));
    let variables = vars! { "conversation" => conversation };
    let answer = model.call_for_beginning(&variables, MaintainContext::new()).await?;
    cleaned(&answer).ok_or_else(|| "cannot use the model's answer: it has no title".into())
}

/// Returns the first messages of a conversation, other than system messages, with texts that are
/// cut.
fn beginning(messages: &Messages) -> Messages {
    let said = messages.iter().filter(|message| *message.role() != Role::System);
    let cut = |message: &Message| {
        let text = message.text();
        let text: String = text.chars().take(MAX_MESSAGE_CHARS).collect();
        Message::new(message.role().clone(), Content::from(text))
    };
    said.take(MAX_MESSAGES).map(cut).collect()
}

/// Characters around a title that are not part of it.
const AROUND: &[char] = &[
    '"', '\'', '`', '*', '_', '#', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}',
    '\u{ab}', '\u{bb}', '\u{300c}', '\u{300d}', ' ',
];

/// Returns the title in an answer: its first line with letters or digits, without decoration.
fn cleaned(answer: &str) -> Option<String> {
    let line = answer.lines().find(|line| line.contains(char::is_alphanumeric))?;
    let words: Vec<_> = line
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    let mut title = line.trim_matches(AROUND);
    for prefix in ["Title:", "title:"] {
        title = title.strip_prefix(prefix).unwrap_or(title).trim_matches(AROUND);
    }
    // The mark can be within the quotation marks or after them.
    title = title.trim_end_matches(['.', '\u{3002}']).trim_matches(AROUND);
    if title.is_empty() {
        return None;
    }
    if title.chars().count() <= MAX_TITLE_CHARS {
        return Some(title.to_owned());
    }
    let cut: String = title.chars().take(MAX_TITLE_CHARS - 1).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    Some(format!("{whole}\u{2026}"))
}
