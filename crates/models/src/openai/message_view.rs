//! The view of a conversation that a request shows: merged messages and cache breakpoints.

use conversant_core::{Content, Message, Messages, Part, Role};
use serde_json::{Map, Value as Json, json};

use crate::dialect::{CacheBreakpoint, Dialect};

/// Returns the messages as a dialect needs them, or `None` if they are so already.
pub(super) fn of(
    messages: &Messages,
    dialect: &Dialect,
    breakpoint: Option<CacheBreakpoint>,
) -> Option<Messages> {
    let mut view = None;
    if dialect.merge_system_messages {
        view = merge_system(messages);
    }
    if dialect.alternating_roles {
        view = merge_neighbours(view.as_ref().unwrap_or(messages)).or(view);
    }
    if let Some(form) = breakpoint {
        view = Some(mark_cache_breakpoints(view.as_ref().unwrap_or(messages), form));
    }
    view
}

/// Merges the system messages at the start into one, for servers whose templates take only one.
/// Messages whose content has parts other than text stay as they are.
fn merge_system(messages: &Messages) -> Option<Messages> {
    let is_system = |message: &&Message| {
        let content = message.content();
        let is_text = || !content.is_empty() && content.parts().iter().all(is_text);
        matches!(message.role(), Role::System) && (content.as_text().is_some() || is_text())
    };
    let leading: Vec<_> = messages.iter().take_while(is_system).map(Message::content).collect();
    let (first, others) = leading.split_first().filter(|(_, others)| !others.is_empty())?;
    let texts: Option<Vec<_>> = leading.iter().map(|content| content.as_text()).collect();
    let content = match texts {
        Some(texts) => Content::from(texts.join("\n\n")),
        None => others
            .iter()
            .fold(as_plain_text(first), |merged, next| joined(&merged, &as_plain_text(next))),
    };
    let mut merged = Messages::from(Message::system(content));
    merged.append(&messages.slice(leading.len()..));
    Some(merged)
}

fn is_text(part: &Part) -> bool {
    part.as_text().is_some()
}

/// Returns parts that are text and nothing else as one text, in which a line is a part, and other
/// content as it is.
fn as_plain_text(content: &Content) -> Content {
    let is_plain =
        |part: &Part| is_text(part) && part.as_object().is_none_or(|fields| fields.len() == 2);
    if content.as_text().is_some() || !content.parts().iter().all(is_plain) {
        return content.clone();
    }
    let lines: Vec<_> = content.parts().iter().filter_map(Part::as_text).collect();
    Content::from(lines.join("\n"))
}

/// Merges neighbouring messages of the user, and of the assistant without tool calls, for servers
/// whose templates demand that the two take turns.
fn merge_neighbours(messages: &Messages) -> Option<Messages> {
    let pairs = || messages.iter().zip(messages.iter().skip(1));
    if !pairs().any(|(message, next)| merges(message, next)) {
        return None;
    }
    let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages.iter() {
        match merged.last_mut() {
            Some(last) if merges(last, message) => {
                let content = joined(last.content(), message.content());
                *last = last.clone().with_content(content);
            }
            _ => merged.push(message.clone()),
        }
    }
    Some(merged.into())
}

fn merges(message: &Message, next: &Message) -> bool {
    let is_plain = |message: &Message| {
        message.tool_calls().is_empty()
            && message.invalid_tool_calls().is_empty()
            && message.extra().get("additional_kwargs").is_none()
    };
    let may_merge = match message.role() {
        Role::Human => true,
        Role::Ai => is_plain(message) && is_plain(next),
        _ => false,
    };
    may_merge && message.role() == next.role() && message.name() == next.name()
}

/// Joins two contents: texts by a blank line, parts one after the other.
fn joined(first: &Content, second: &Content) -> Content {
    match (first.as_text(), second.as_text()) {
        (Some(first), Some(second)) => Content::from(format!("{first}\n\n{second}")),
        _ => Content::Parts(parts(first).chain(parts(second)).collect()),
    }
}

fn parts(content: &Content) -> impl Iterator<Item = Part> {
    let text = content.as_text().map(Part::text);
    text.into_iter().chain(content.parts().iter().cloned())
}

/// Marks the last message at the start that is a system message, and the last message, as the ends
/// of prefixes to cache.
fn mark_cache_breakpoints(messages: &Messages, form: CacheBreakpoint) -> Messages {
    let is_system = |message: &&Message| matches!(message.role(), Role::System);
    let systems = messages.iter().take_while(is_system).count();
    let mut marked = Messages::new();
    let mut start = 0;
    for end in [systems, messages.len()] {
        // Runs in between are shared, with what is remembered of their encoding.
        if let Some(last) = end.checked_sub(1).filter(|last| *last >= start) {
            marked.append(&messages.slice(start..last));
            marked.extend(messages.get(last).map(|message| with_breakpoint(message, form)));
            start = end;
        }
    }
    marked
}

/// Returns a message with a mark at its last text, or the message if it has none.
fn with_breakpoint(message: &Message, form: CacheBreakpoint) -> Message {
    let mut parts: Vec<_> = parts(message.content()).collect();
    let texts = parts.iter_mut().filter(|part| part.as_text().is_some_and(|text| !text.is_empty()));
    let Some(part) = texts.last() else { return message.clone() };
    let bare = [("type", Json::from("text")), ("text", part.as_text().into())];
    let bare = || bare.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut fields: Map<_, _> = part.as_object().cloned().unwrap_or_else(bare);
    let (name, mark) = match form {
        CacheBreakpoint::CacheControl => ("cache_control", json!({"type": "ephemeral"})),
        CacheBreakpoint::PromptCacheBreakpoint => {
            ("prompt_cache_breakpoint", json!({"mode": "explicit"}))
        }
    };
    fields.insert(name.to_owned(), mark);
    *part = Part::from_object(fields);
    message.clone().with_content(Content::from(parts))
}
