//! The formats of other programs: each reads one conversation of a file, or writes one.

pub(crate) mod chatgpt;
pub(crate) mod fine_tuning;
pub(crate) mod langchain_file;
pub(crate) mod sharegpt;
pub(crate) mod tool_calls;

use conversant_core::{Content, Message, Part, PartKind, Role, Turn};

use self::tool_calls::{Call, calls_of};
use crate::event::{OmissionReason, Omitted};

/// The parts of messages for which a format has a form, besides text.
struct Forms {
    part: fn(&Part) -> bool,
    call: fn(&Call<'_>) -> bool,
}

/// Calls a function with each message that models are trained on, and with its text and its tool
/// calls. The function returns whether the format has a form for the message. Returns the number of
/// turns of which something was written.
///
/// An answer that was cut off is left out with its turn: a model would learn to stop there. A call
/// that the format has no form for is left out with its result.
fn training_messages(
    turns: &[Turn],
    omit: &mut impl FnMut(Omitted),
    forms: &Forms,
    mut write: impl FnMut(&Message, &str, &[Call<'_>]) -> bool,
) -> usize {
    let (mut position, mut written) = (0, 0);
    for turn in turns {
        if turn.is_incomplete() {
            omit(Omitted::message(position + 1, OmissionReason::IncompleteTurn));
            position += turn.messages().len() as u64;
            continue;
        }
        let mut is_written = false;
        // The ids of the calls that were left out and whose results come next.
        let mut left_out = Vec::new();
        for message in turn.messages().iter() {
            position += 1;
            let text = text(message);
            let (calls, without_form): (Vec<_>, _) =
                calls_of(message).into_iter().partition(forms.call);
            if *message.role() == Role::Ai {
                left_out = without_form.iter().map(|call| call.id).collect();
            }
            let result_of = message.tool_call_id().filter(|_| *message.role() == Role::Tool);
            let place = result_of.and_then(|id| left_out.iter().position(|call| *call == Some(id)));
            let is_left_out = match place {
                Some(place) => {
                    left_out.swap_remove(place);
                    true
                }
                None => !without_form.is_empty() && calls.is_empty() && text.is_empty(),
            };
            if is_left_out || !write(message, &text, &calls) {
                omit(Omitted::message(position, OmissionReason::NoForm));
                continue;
            }
            is_written = true;
            for _ in without_form {
                omit(Omitted::message(position, OmissionReason::NoForm));
            }
            let parts = message.content().parts().iter();
            for part in parts.filter(|part| part.as_text().is_none() && !(forms.part)(part)) {
                let reason = match part.kind() {
                    PartKind::Reasoning => OmissionReason::Reasoning,
                    _ => OmissionReason::Part,
                };
                omit(Omitted::message(position, reason));
            }
        }
        written += usize::from(is_written);
    }
    written
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
