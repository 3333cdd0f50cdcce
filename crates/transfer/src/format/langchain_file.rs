//! The file of LangChain's `FileChatMessageHistory`: a list of stored messages.

use std::io::{self, Write};

use conversant_core::{Message, Turn, python::json_dumps};
use serde_json::{Map, Value as Json};

/// The mark of an answer that was cut off, as LangChain's tables have it.
const INCOMPLETE: &str = "conversant_incomplete";

/// Reads a stored message, and whether it is the end of an answer that was cut off.
pub(crate) fn read(text: &[u8]) -> Result<(Message, bool), ()> {
    let mut stored: Json = serde_json::from_slice(text).map_err(|_| ())?;
    let mark = kwargs(&mut stored).and_then(|kwargs| kwargs.shift_remove(INCOMPLETE));
    let message = Message::from_stored(stored).map_err(|_| ())?;
    Ok((message, mark == Some(Json::Bool(true))))
}

/// Writes messages as LangChain 0.1.20
/// `langchain_community/chat_message_histories/file.py::FileChatMessageHistory` does, to the byte.
/// Those at the indices `cut_off` have a mark, which LangChain keeps and sends to no model.
pub(crate) fn write<'m>(
    mut to: impl Write,
    messages: impl Iterator<Item = &'m Message>,
    cut_off: &[usize],
) -> io::Result<()> {
    to.write_all(b"[")?;
    for (index, message) in messages.enumerate() {
        if index > 0 {
            to.write_all(b", ")?;
        }
        let mut stored = message.to_stored();
        if cut_off.binary_search(&index).is_ok()
            && let Some(kwargs) = kwargs(&mut stored)
        {
            kwargs.insert(INCOMPLETE.to_owned(), true.into());
        }
        to.write_all(json_dumps(&stored).as_bytes())?;
    }
    to.write_all(b"]")
}

/// Returns the indices of the messages with which answers that were cut off end.
pub(crate) fn cut_off(turns: &[Turn]) -> Vec<usize> {
    let mut end: usize = 0;
    let ends = turns.iter().filter_map(|turn| {
        end += turn.messages().len();
        if turn.is_incomplete() && !turn.messages().is_empty() { end.checked_sub(1) } else { None }
    });
    ends.collect()
}

fn kwargs(stored: &mut Json) -> Option<&mut Map<String, Json>> {
    stored.get_mut("data")?.get_mut("additional_kwargs")?.as_object_mut()
}
