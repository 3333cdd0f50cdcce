//! The formats of other programs: each reads one conversation of a file, or writes one.

pub(crate) mod chatgpt;
pub(crate) mod fine_tuning;
pub(crate) mod langchain_file;
pub(crate) mod sharegpt;
pub(crate) mod tool_calls;

use conversant_core::{Content, Message, Part, PartKind, Turn};

use crate::event::{OmissionReason, Omitted};

/// Calls a function with each message that models are trained on, and with its text. The function
/// returns whether the format has a form for the message.
///
/// An answer that was cut off is left out with its turn: a model would learn to stop there. Of the
/// parts of a message, the format has a form for text and those that `keeps` accepts.
fn training_messages(
    turns: &[Turn],
    omit: &mut impl FnMut(Omitted),
    keeps: fn(&Part) -> bool,
    mut write: impl FnMut(&Message, &str) -> bool,
) {
    let mut position = 0;
    for turn in turns {
        if turn.is_incomplete() {
            omit(Omitted::message(position + 1, OmissionReason::IncompleteTurn));
            position += turn.messages().len() as u64;
            continue;
        }
        for message in turn.messages().iter() {
            position += 1;
            if !write(message, &text(message)) {
                omit(Omitted::message(position, OmissionReason::NoForm));
                continue;
            }
            let parts = message.content().parts().iter();
            for part in parts.filter(|part| part.as_text().is_none() && !keeps(part)) {
                let reason = match part.kind() {
                    PartKind::Reasoning => OmissionReason::Reasoning,
                    _ => OmissionReason::Part,
                };
                omit(Omitted::message(position, reason));
            }
        }
    }
}

/// Returns the text parts of a message, each on a line.
fn text(message: &Message) -> String {
    match message.content() {
        Content::Text(text) => text.clone(),
        content => {
            let lines: Vec<_> = content.parts().iter().filter_map(Part::as_text).collect();
            lines.join("\n")
        }
    }
}
