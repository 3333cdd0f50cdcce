//! The messages that histories store, for one that encodes nothing.

use conversant_core::{Content, HistoryError, Message, Role};
use serde_json::{Map, Value as Json};

/// The levels of a value up to which no form of its message is nested too deep.
const SURELY_STORED: usize = 100;

/// The levels of a value from which on each form of its message is. Such values are not encoded:
/// it takes stack for each level.
const SURELY_REFUSED: usize = 121;

/// Checks that the other histories would read the messages again, and imports too.
pub(super) fn check<'m>(
    messages: impl IntoIterator<Item = &'m Message>,
) -> Result<(), HistoryError> {
    messages.into_iter().try_for_each(|message| match levels(message) {
        SURELY_REFUSED.. => {
            Err(HistoryError::Unsupported { what: "values nested more than 120 levels deep" })
        }
        levels if levels > SURELY_STORED || is_unanswered(message) => {
            message.check_stored_json(u64::MAX)
        }
        _ => Ok(()),
    })
}

/// Returns whether the id or name of the call that a message answers is missing.
fn is_unanswered(message: &Message) -> bool {
    match message.role() {
        Role::Tool => message.tool_call_id().is_none(),
        Role::Function => message.name().is_none(),
        _ => false,
    }
}

/// Returns the levels of the value of a message that is nested deepest.
fn levels(message: &Message) -> usize {
    let parts = match message.content() {
        Content::Parts(parts) => parts.as_slice(),
        _ => &[],
    };
    let parts = parts.iter().filter_map(|part| part.as_object()).map(levels_of_map);
    let calls = message
        .tool_calls()
        .iter()
        .flat_map(|call| [levels_of(&call.args, SURELY_REFUSED), levels_of_map(&call.extra)]);
    let invalid = message.invalid_tool_calls().iter().map(|call| levels_of_map(&call.extra));
    let extra = levels_of_map(message.extra());
    parts.chain(calls).chain(invalid).fold(extra, usize::max)
}

fn levels_of_map(map: &Map<String, Json>) -> usize {
    let inner = map.values().map(|value| levels_of(value, SURELY_REFUSED - 1)).max();
    inner.map_or(0, |inner| inner + 1)
}

/// Returns the levels of a value, at most `most`.
fn levels_of(value: &Json, most: usize) -> usize {
    if most == 0 {
        return 0;
    }
    let inner = |value| levels_of(value, most - 1);
    match value {
        Json::Array(items) => 1 + items.iter().map(inner).max().unwrap_or_default(),
        Json::Object(map) => 1 + map.values().map(inner).max().unwrap_or_default(),
        _ => 0,
    }
}
