//! An answer as servers send it: a whole body, or an event of a stream. Both are read by the same
//! structs, since some servers send one in place of the other.

use std::borrow::Cow;

use super::{
    message_in::{ContentIn, MessageIn},
    tolerant::{AnyValue, Count, Index, List, Text, tolerant},
    usage::UsageIn,
};

tolerant! {
    struct AnswerIn<'de> {
        model: Text<'de>,
        choices: List<ChoiceIn<'de>>,
        usage: UsageIn<'de>,
        error: Box<AnyValue>,
        errors: Box<AnyValue>,
        // Groq.
        x_groq: Box<GroqIn<'de>>,
        // MiniMax.
        base_resp: Box<StatusIn<'de>>,
    }
    struct ChoiceIn<'de> {
        index: Index,
        delta: MessageIn<'de>,
        message: MessageIn<'de>,
        text: Text<'de>,
        finish_reason: Text<'de>,
        error: Box<AnyValue>,
        // Moonshot.
        usage: Box<UsageIn<'de>>,
    }
    struct GroqIn<'de> {
        usage: Box<UsageIn<'de>>,
        error: Box<AnyValue>,
    }
    struct StatusIn<'de> {
        status_code: Count,
        status_msg: Text<'de>,
    }
}

impl<'de> AnswerIn<'de> {
    /// Returns the text of an event that has no other content, as a slice of the JSON.
    pub(super) fn only_text(&self) -> Option<&'de str> {
        let others = self.count() - usize::from(self.model.is_some());
        let [choice] = self.choices.as_ref()?.0.as_slice() else { return None };
        let index = match choice.index {
            None => 0,
            Some(Index::At(0)) => 1,
            Some(_) => return None,
        };
        if others != 1 || choice.count() != 1 + index {
            return None;
        }
        match (&choice.text, &choice.delta) {
            (Some(Text(Cow::Borrowed(text))), None) => Some(text),
            (None, Some(delta)) if delta.count() == 1 => match &delta.content {
                Some(ContentIn::Text(Cow::Borrowed(text))) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}
