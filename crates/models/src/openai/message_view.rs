//! The view of a conversation that a request shows: merged system messages and cache breakpoints.

use conversant_core::{Content, Message, Messages, Part, Role};
use serde_json::{Map, json};

/// Merges the system messages at the start into one, for servers whose templates take only one.
/// Messages whose content has parts other than text stay as they are.
pub(super) fn merge_system(messages: &Messages) -> Option<Messages> {
    let is_system = |message: &&Message| {
        matches!(message.role(), Role::System) && message.content().as_text().is_some()
    };
    let leading: Vec<_> = messages.iter().take_while(is_system).collect();
    if leading.len() < 2 {
        return None;
    }
    let texts: Vec<_> = leading.iter().filter_map(|message| message.content().as_text()).collect();
    let mut merged = Messages::from(Message::system(texts.join("\n\n")));
    merged.append(&messages.slice(leading.len()..));
    Some(merged)
}

/// Marks the last message at the start that is a system message, and the last message, as the ends
/// of prefixes to cache (`cache_control`).
pub(super) fn mark_cache_breakpoints(messages: &Messages) -> Messages {
    let is_system = |message: &&Message| matches!(message.role(), Role::System);
    let systems = messages.iter().take_while(is_system).count();
    let mut marked = Messages::new();
    let mut start = 0;
    for end in [systems, messages.len()] {
        // Runs in between are shared, with what is remembered of their encoding.
        if let Some(last) = end.checked_sub(1).filter(|last| *last >= start) {
            marked.append(&messages.slice(start..last));
            marked.extend(messages.get(last).map(with_breakpoint));
            start = end;
        }
    }
    marked
}

fn with_breakpoint(message: &Message) -> Message {
    match message.content().as_text() {
        Some(text) if !text.is_empty() => {
            let part = Map::from_iter([
                ("type".to_owned(), json!("text")),
                ("text".to_owned(), json!(text)),
                ("cache_control".to_owned(), json!({"type": "ephemeral"})),
            ]);
            message.clone().with_content(Content::from(vec![Part::from_object(part)]))
        }
        _ => message.clone(),
    }
}
