//! A title for a conversation, made by a model.

use conversant_core::{
    Content, LanguageModel, MaintainContext, Message, Messages, ModelError, RequestPurpose, Role,
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
///   and a full stop, and without words before it such as "Here is a title:". A longer answer is
///   cut at a word, with `…` at its end.
///
/// No chain observes the request. It has the model's deadline only: to cancel it, drop the future.
///
/// # Errors
/// [`ModelError`]: the model's own, or one that is not retryable if its answer has no title.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, LanguageModel, Range, SessionId, Turn};
/// use conversant_memory::{InMemoryHistory, title};
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
pub async fn title(model: &LanguageModel, messages: &Messages) -> Result<String, ModelError> {
    let model = PromptedModel::new(model.clone(), TITLE, RequestPurpose::Memory);
    let conversation = Transcript::default().render(&beginning(messages));
    let variables = vars! { "conversation" => conversation };
    let untitled = |cause| ModelError::custom("the model's answer has no title", false, cause);
    match model.call_for_beginning(&variables, MaintainContext::new()).await {
        Ok(answer) => cleaned(&answer).ok_or_else(|| untitled(None)),
        Err(error) => Err(match error.downcast::<ModelError>() {
            Ok(error) => *error,
            Err(error) => untitled(Some(error)),
        }),
    }
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

/// Characters that end what a model says before the title.
const COLONS: &[char] = &[':', '\u{ff1a}'];

/// Returns the title in an answer: its first line with letters or digits after what the model says
/// before it, without decoration.
fn cleaned(answer: &str) -> Option<String> {
    let (line, is_led) = title_line(answer)?;
    let words: Vec<_> = line
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    let line = if is_led { without_list_marker(&line) } else { &line };
    let mut title = after_lead(line).trim_matches(AROUND);
    const PREFIX: &str = "title:";
    while title.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
        title = title.get(PREFIX.len()..).unwrap_or_default().trim_matches(AROUND);
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

/// Returns the line of the title, and whether lines such as "Here is a title:" are before it.
fn title_line(answer: &str) -> Option<(&str, bool)> {
    let is_fence = |line: &str| line.trim_start().starts_with("```");
    let mut lines =
        answer.lines().filter(|line| line.contains(char::is_alphanumeric) && !is_fence(line));
    let mut line = lines.next()?;
    let mut next = lines.next();
    // "Sure!", and then a line that leads to the title.
    if let Some(second) = next.filter(|second| ends_with(line, &['!']) && ends_with(second, COLONS))
    {
        (line, next) = (second, lines.next());
    }
    match next {
        Some(next) if ends_with(line, COLONS) => Some((next, true)),
        _ => Some((line, false)),
    }
}

fn ends_with(line: &str, marks: &[char]) -> bool {
    line.trim_end().trim_end_matches(AROUND).ends_with(marks)
}

/// Returns what follows "Here is a title:" in a line. A title may have a colon, too: words before
/// it lead to the title only if they speak of one, and show it or mark where it begins and ends.
fn after_lead(line: &str) -> &str {
    let Some((lead, title)) = line.split_once(COLONS) else { return line };
    let lead = lead.to_lowercase();
    let speaks_of_it = lead.split(|char: char| !char.is_alphabetic()).any(|word| word == "title");
    let shows_it = ["here is ", "here's ", "here\u{2019}s "].iter().any(|it| lead.contains(it));
    let title = title.trim();
    let is_marked = title.starts_with(AROUND) && title.trim_end_matches('.').ends_with(AROUND);
    if speaks_of_it && (shows_it || is_marked) { title } else { line }
}

/// Takes the mark of a list, such as `- ` or `1. `, off a line.
fn without_list_marker(line: &str) -> &str {
    let (mark, rest) = line.split_once(' ').unwrap_or(("", line));
    let number = mark.strip_suffix(['.', ')']);
    let is_number = number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if is_number || matches!(mark, "-" | "*" | "+" | "\u{2022}") { rest } else { line }
}
