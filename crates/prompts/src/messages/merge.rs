//! Merging consecutive messages of one role.

use std::sync::Arc;

use conversant_core::{Content, Message, Messages, Part, Role};

/// Merges consecutive messages of the same role, for models that refuse them.
///
/// Texts are joined by a line break; parts and tool calls are concatenated. The name, the id and
/// other fields are those of the first message. Results of tools and functions are never merged,
/// since each answers a call.
///
/// # Examples
///
/// ```
/// use conversant_core::{Message, Messages};
/// use conversant_prompts::merge_message_runs;
///
/// let messages = Messages::from_iter([
///     Message::human("What is your favourite colour?"),
///     Message::human("And your favourite food?"),
///     Message::ai("Blue."),
/// ]);
/// let merged = merge_message_runs(&messages);
/// assert_eq!(merged.len(), 2);
/// assert_eq!(merged.first().map(|m| m.text().into_owned()).as_deref(),
///     Some("What is your favourite colour?\nAnd your favourite food?"));
/// ```
#[must_use]
pub fn merge_message_runs(messages: &Messages) -> Messages {
    let mut runs: Vec<Vec<&Arc<Message>>> = Vec::new();
    for message in messages.iter_shared() {
        let is_result = matches!(message.role(), Role::Tool | Role::Function);
        match runs.last_mut() {
            Some(run)
                if !is_result && run.last().is_some_and(|last| last.role() == message.role()) =>
            {
                run.push(message);
            }
            _ => runs.push(vec![message]),
        }
    }
    runs.into_iter().filter_map(|run| merge(&run)).collect()
}

/// Makes one message of a run.
fn merge(run: &[&Arc<Message>]) -> Option<Arc<Message>> {
    let (first, others) = run.split_first()?;
    if others.is_empty() {
        return Some(Arc::clone(first));
    }
    let all = || run.iter().map(|message| &***message);
    let content = if all().all(|message| message.content().as_text().is_some()) {
        let texts: Vec<_> =
            all().filter_map(|m| m.content().as_text()).filter(|text| !text.is_empty()).collect();
        Content::from(texts.join("\n"))
    } else {
        Content::from(all().flat_map(|message| parts(message.content())).collect::<Vec<_>>())
    };
    let mut merged = Message::new(first.role().clone(), content)
        .with_tool_calls(all().flat_map(|message| message.tool_calls().iter().cloned()))
        .with_invalid_tool_calls(all().flat_map(|m| m.invalid_tool_calls().iter().cloned()));
    if let Some(name) = first.name() {
        merged = merged.with_name(name);
    }
    if let Some(id) = first.id() {
        merged = merged.with_id(id);
    }
    for (name, value) in first.extra() {
        merged = merged.with_extra(name.clone(), value.clone());
    }
    Some(Arc::new(merged))
}

fn parts(content: &Content) -> Vec<Part> {
    match content.as_text() {
        Some("") => Vec::new(),
        Some(text) => vec![Part::text(text)],
        None => content.parts().to_vec(),
    }
}
