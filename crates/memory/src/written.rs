//! A conversation as text, kept so that each message is rendered once.

use std::sync::Arc;

use conversant_core::{Message, Slice, Transcript, Version};

use crate::read::{News, news};

/// A conversation as text, as far as it was read.
#[derive(Default)]
pub(crate) struct Written {
    version: Version,
    /// Each message's line, a line break before it.
    text: String,
    /// The text as it was last shown, for as long as nothing is added.
    shown: Option<Arc<str>>,
}

/// How a conversation's text opens, if there is any.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// With the first message.
    Message,
    /// With a line break, as LangChain's `ConversationStringBufferMemory` does.
    LineBreak,
}

impl Written {
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Adds what was read after `asked`, and returns whether the text is whole; if not, the two don't meet.
    pub(crate) fn take_in(
        &mut self,
        asked: Version,
        slice: &Slice,
        transcript: &Transcript,
    ) -> bool {
        match news(self.version, asked, slice) {
            News::More(known) => {
                self.add(slice.messages.iter().skip(known), transcript);
                self.version = self.version.max(slice.version);
            }
            News::Restart(_) => self.replace(slice, transcript),
            News::Gap => return false,
        }
        true
    }

    /// Starts again with the whole.
    pub(crate) fn replace(&mut self, whole: &Slice, transcript: &Transcript) {
        *self = Self { version: whole.version, ..Self::default() };
        self.add(whole.messages.iter(), transcript);
    }

    fn add<'m>(&mut self, messages: impl Iterator<Item = &'m Message>, transcript: &Transcript) {
        for message in messages {
            self.text.push('\n');
            // Writing to a `String` does not fail.
            let _ = transcript.write_line(message, &mut self.text);
            self.shown = None;
        }
    }

    /// Returns the text, and the version that it goes to.
    pub(crate) fn show(&mut self, opening: Opening) -> (Arc<str>, Version) {
        let text = match opening {
            Opening::Message => self.text.strip_prefix('\n').unwrap_or_default(),
            Opening::LineBreak => &self.text,
        };
        let shown = self.shown.get_or_insert_with(|| Arc::from(text));
        (Arc::clone(shown), self.version)
    }
}
