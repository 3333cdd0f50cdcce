//! A cache of a conversation's transcript, in which each message is rendered once.

use std::sync::{Arc, Mutex};

use conversant_core::{HistoryError, Message, Range, Slice, Transcript, Version};

use super::{delta::Delta, stored_session::StoredSession};
use crate::sync::lock;

/// The transcript of a conversation, as of the last load.
#[derive(Default)]
pub(crate) struct TranscriptCache(Mutex<Rendered>);

#[derive(Default)]
struct Rendered {
    version: Version,
    /// The line of each message, preceded by a line break.
    text: String,
    /// The text as it was last returned, until a message is added.
    shared: Option<Arc<str>>,
}

/// The line break before the first message of a transcript.
#[derive(Clone, Copy)]
pub(crate) enum LeadingNewline {
    Omit,
    /// As in LangChain's `ConversationStringBufferMemory`.
    Keep,
}

impl TranscriptCache {
    /// Returns the transcript of the whole conversation and its version, and loads and renders only
    /// the new messages.
    pub(crate) async fn whole(
        &self,
        session: &StoredSession,
        transcript: &Transcript,
        newline: LeadingNewline,
    ) -> Result<(Arc<str>, Version), HistoryError> {
        let asked = lock(&self.0).version;
        let slice = session.load(Range::After(asked)).await?;
        let is_whole = lock(&self.0).extend(asked, &slice, transcript);
        if !is_whole {
            let slice = session.load(Range::All).await?;
            lock(&self.0).replace(&slice, transcript);
        }
        Ok(lock(&self.0).share(newline))
    }

    pub(crate) fn forget(&self) {
        *lock(&self.0) = Rendered::default();
    }
}

impl Rendered {
    /// Adds the messages that were loaded after `asked`, and returns whether the text is whole.
    fn extend(&mut self, asked: Version, slice: &Slice, transcript: &Transcript) -> bool {
        match Delta::between(self.version, asked, slice) {
            Delta::Append(known) if known == slice.messages.len() => {}
            Delta::Append(known) => {
                self.render(slice.messages.iter().skip(known), transcript);
                self.version = slice.version;
            }
            Delta::Restart(_) => self.replace(slice, transcript),
            Delta::Gap => return false,
        }
        true
    }

    fn replace(&mut self, whole: &Slice, transcript: &Transcript) {
        *self = Self { version: whole.version, ..Self::default() };
        self.render(whole.messages.iter(), transcript);
    }

    fn render<'m>(&mut self, messages: impl Iterator<Item = &'m Message>, transcript: &Transcript) {
        for message in messages {
            self.text.push('\n');
            // Writing to a `String` cannot fail.
            let _ = transcript.write_line(message, &mut self.text);
            self.shared = None;
        }
    }

    fn share(&mut self, newline: LeadingNewline) -> (Arc<str>, Version) {
        let text = match newline {
            LeadingNewline::Omit => self.text.strip_prefix('\n').unwrap_or_default(),
            LeadingNewline::Keep => &self.text,
        };
        let shared = self.shared.get_or_insert_with(|| Arc::from(text));
        (Arc::clone(shared), self.version)
    }
}
