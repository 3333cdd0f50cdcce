//! The default prompt of a conversation.

use conversant_core::{
    Message, Messages, Prompt, PromptError, PromptValue, Slot, SlotKind, Value, Variables,
};

const INSTRUCTION: &str = "You are an assistant in a friendly conversation with a human. You give \
    full and specific answers. If you do not know something, you say so.";

/// The default prompt of a conversation: an instruction, the conversation and the user's input.
/// With a memory that returns messages it is a chat.
pub(super) struct ConversationPrompt {
    /// The conversation, and the input.
    slots: [Slot; 2],
}

impl ConversationPrompt {
    pub(super) fn new(history: Slot, input: &str) -> Self {
        Self { slots: [history, Slot::text(input.to_owned())] }
    }
}

impl Prompt for ConversationPrompt {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn format(&self, variables: &Variables) -> Result<PromptValue, PromptError> {
        PromptError::check_missing(&self.slots, variables)?;
        let [history, input] = &self.slots;
        let text = |slot: &Slot| variables.get(slot.name()).map(Value::to_text).unwrap_or_default();
        let input = text(input);
        if history.kind() == SlotKind::Text {
            let conversation = text(history);
            return Ok(PromptValue::from(format!(
                "{INSTRUCTION}\n\nThe conversation so far:\n{conversation}\nHuman: {input}\nAI:"
            )));
        }
        let mut messages = Messages::from_iter([Message::system(INSTRUCTION)]);
        match variables.get(history.name()) {
            Some(Value::Messages(conversation)) => messages.append(conversation),
            Some(other) => {
                let (name, found) = (history.name().to_owned(), other.kind());
                return Err(PromptError::NotMessages { name, found });
            }
            None => {}
        }
        messages.push(Message::human(input.into_owned()));
        Ok(PromptValue::from(messages))
    }
}
