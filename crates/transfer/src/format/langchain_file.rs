//! The file of LangChain's `FileChatMessageHistory`: a list of stored messages.

use std::io::{self, Write};

use conversant_core::{Message, python::json_dumps};

/// Reads a stored message.
pub(crate) fn read(text: &[u8]) -> Result<Message, ()> {
    let stored = serde_json::from_slice(text).map_err(|_| ())?;
    Message::from_stored(stored).map_err(|_| ())
}

/// Writes messages as LangChain 0.1.20
/// `langchain_community/chat_message_histories/file.py::FileChatMessageHistory` does, to the byte.
pub(crate) fn write<'m>(
    mut to: impl Write,
    messages: impl Iterator<Item = &'m Message>,
) -> io::Result<()> {
    to.write_all(b"[")?;
    for (index, message) in messages.enumerate() {
        if index > 0 {
            to.write_all(b", ")?;
        }
        to.write_all(json_dumps(&message.to_stored()).as_bytes())?;
    }
    to.write_all(b"]")
}
