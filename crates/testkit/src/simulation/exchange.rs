//! The texts of a simulated conversation, and the form of its turns.

use std::collections::BTreeSet;

use conversant_core::{Message, Messages, Role};

/// The start of the simulated summary of turns.
const SUMMARY: &str = "Summary of ";

/// Returns the answer of a question.
pub(super) fn answer_of(question: &str) -> String {
    question.replacen("question", "answer", 1)
}

/// Returns whether a text is a question of the schedule, or the answer of an earlier step.
pub(super) fn is_question(text: &str) -> bool {
    number_of(text).is_some()
}

/// Returns the number of a text such as `question 7` or `answer 7`.
pub(super) fn number_of(text: &str) -> Option<usize> {
    let number = text.strip_prefix("question ").or_else(|| text.strip_prefix("answer "))?;
    number.parse().ok()
}

/// Returns the summary of all questions that a text names.
pub(super) fn summary_of(text: &str) -> String {
    let numbers: Vec<_> = numbers_in(text).iter().map(|n| format!("question {n}")).collect();
    format!("{SUMMARY}{}.", numbers.join(", "))
}

/// Returns the numbers of the turns that a message summarises.
pub(super) fn summarized(message: &Message) -> BTreeSet<usize> {
    let text = message.text();
    text.find(SUMMARY).and_then(|start| text.get(start..)).map(numbers_in).unwrap_or_default()
}

/// Returns the numbers of the questions that a text names.
fn numbers_in(text: &str) -> BTreeSet<usize> {
    let names = text.split("question ").skip(1);
    names
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        })
        .collect()
}

/// A turn: its question, whether its answer is whole, and the number of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) number: usize,
    pub(super) is_whole: bool,
    pub(super) messages: usize,
}

/// Splits messages into whole turns: a question, rounds of tool calls with all of their results,
/// and the answer. `partial` is whether an answer may be cut short.
///
/// # Errors
/// A description of the messages that are not a turn.
pub(super) fn exchanges(messages: &Messages, partial: bool) -> Result<Vec<Exchange>, String> {
    let (mut found, mut start) = (Vec::new(), 0);
    while start < messages.len() {
        let rest = messages.slice(start..);
        let next = (1..rest.len()).find(|index| rest.get(*index).is_some_and(is_human));
        let end = next.unwrap_or(rest.len());
        let turn = rest.slice(..end);
        let exchange = exchange(&turn)
            .filter(|exchange| partial || exchange.is_whole)
            .ok_or_else(|| format!("half a turn: {:?}", turn.to_string()))?;
        found.push(exchange);
        start += end;
    }
    Ok(found)
}

/// Reads one turn.
fn exchange(turn: &Messages) -> Option<Exchange> {
    let question = turn.first().filter(|message| is_human(message))?.text();
    let number = number_of(&question)?;
    let last = turn.len().checked_sub(1).filter(|last| *last > 0)?;
    rounds(&turn.slice(1..last)).then_some(())?;
    let answer = turn.get(last).filter(|message| *message.role() == Role::Ai)?;
    let (text, whole) = (answer.text(), answer_of(&question));
    let is_prefix = !text.is_empty() && whole.starts_with(&*text);
    (answer.tool_calls().is_empty() && is_prefix).then(|| Exchange {
        number,
        is_whole: text == whole,
        messages: turn.len(),
    })
}

/// Returns whether messages are rounds of tool calls, each call with its result.
pub(super) fn rounds(messages: &Messages) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        match message.role() {
            Role::Ai if open.is_empty() && !message.tool_calls().is_empty() => {
                open = message.tool_calls().iter().filter_map(|call| call.id.as_deref()).collect();
            }
            Role::Tool => {
                let id = message.tool_call_id().unwrap_or_default();
                let Some(index) = open.iter().position(|open| *open == id) else { return false };
                open.swap_remove(index);
            }
            _ => return false,
        }
    }
    open.is_empty()
}

pub(super) fn is_human(message: &Message) -> bool {
    *message.role() == Role::Human
}
