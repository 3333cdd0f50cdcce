//! The part of an answer that a stream has received.

use conversant_core::{Message, Messages, Reply, Variables};

use crate::{answer::Answer, tool_rounds::ToolRounds};

#[derive(Default)]
pub(crate) struct PartialAnswer {
    /// The calls and results of a tool loop.
    exchange: Messages,
    /// The text that follows the last result.
    text: String,
}

impl PartialAnswer {
    /// Creates the part from the text of all rounds, after the calls and results that the turn had
    /// before the call.
    pub(crate) fn new(received: &str, rounds: ToolRounds, before: &Messages) -> Self {
        let text = rounds.text_of(received).to_owned();
        let mut exchange = before.clone();
        exchange.append(&rounds.into_messages());
        Self { exchange, text }
    }

    /// Returns the reason for which it is not a turn, if there is one: a turn ends with an answer.
    pub(crate) const fn fault(&self) -> Option<&'static str> {
        match (self.text.is_empty(), self.exchange.is_empty()) {
            (false, _) => None,
            (true, true) => Some("no text was received"),
            (true, false) => Some("no text was received after the results of tools"),
        }
    }

    pub(crate) fn into_answer(self) -> Answer {
        let Self { mut exchange, text } = self;
        let message = Message::ai(text);
        exchange.push(message.clone());
        Answer::new(Variables::new()).with_reply(Reply::new(message)).with_messages(exchange)
    }
}
