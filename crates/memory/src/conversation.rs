//! The conversation of a memory: where it is stored, and the form in which it is shown.

mod conflict;
mod delta;
#[cfg(any(feature = "entities", feature = "summaries", feature = "vectors"))]
pub(crate) mod derived_state;
pub(crate) mod held_turns;
pub(crate) mod kept_lease;
pub(crate) mod leading_system;
pub(crate) mod message_cache;
pub(crate) mod note;
pub(crate) mod settings;
pub(crate) mod stored_session;
pub(crate) mod suffix_cache;
pub(crate) mod transcript_cache;
pub(crate) mod turn_boundaries;

use std::{borrow::Cow, sync::Arc};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Loaded, MemoryError, Messages, Range, SessionId, Slice,
    Slot, SlotKind, Ticket, Transcript, Turn, TurnKeys, Value, Variables, Version,
};

pub use self::conflict::Conflict;
use self::{
    message_cache::MessageCache,
    stored_session::StoredSession,
    transcript_cache::{LeadingNewline, TranscriptCache},
};
use crate::in_memory::InMemoryHistory;

/// The name of the variable that shows the conversation, unless another is set.
const DEFAULT_KEY: &str = "history";

/// A conversation in a history, and the form in which a memory shows it.
pub(crate) struct Conversation {
    pub(crate) session: StoredSession,
    pub(crate) slots: Vec<Slot>,
    pub(crate) keys: TurnKeys,
    pub(crate) transcript: Transcript,
    pub(crate) conflict: Conflict,
    messages: MessageCache,
    rendered: TranscriptCache,
}

impl Conversation {
    /// Creates a conversation in its own in-memory history, shown as text in the variable
    /// `history`.
    pub(crate) fn new() -> Self {
        Self {
            session: StoredSession::random(InMemoryHistory::new()),
            slots: vec![Slot::text(DEFAULT_KEY)],
            keys: TurnKeys::new(),
            transcript: Transcript::default(),
            conflict: Conflict::default(),
            messages: MessageCache::default(),
            rendered: TranscriptCache::default(),
        }
    }

    /// Returns a conversation with the same settings over another history, without its caches.
    pub(crate) fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            session: self.session.over(history),
            slots: self.slots.clone(),
            keys: self.keys.clone(),
            transcript: self.transcript.clone(),
            conflict: self.conflict,
            messages: MessageCache::default(),
            rendered: TranscriptCache::default(),
        }
    }

    /// Discards the caches.
    pub(crate) fn forget(&self) {
        self.messages.forget();
        self.rendered.forget();
    }

    /// Returns the name of the variable that shows the conversation.
    pub(crate) fn name(&self) -> &str {
        self.slots.first().map_or(DEFAULT_KEY, Slot::name)
    }

    /// Returns whether the conversation is shown as messages instead of text.
    pub(crate) fn shows_messages(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.kind() == SlotKind::Messages)
    }

    fn to_name(&self) -> Cow<'static, str> {
        self.slots.first().map_or(Cow::Borrowed(DEFAULT_KEY), Slot::to_name)
    }

    pub(crate) fn rename(&mut self, name: Cow<'static, str>) {
        let slot = if self.shows_messages() { Slot::messages(name) } else { Slot::text(name) };
        self.set_slot(slot);
    }

    pub(crate) fn show_messages(&mut self, messages: bool) {
        let name = self.to_name();
        self.set_slot(if messages { Slot::messages(name) } else { Slot::text(name) });
    }

    fn set_slot(&mut self, slot: Slot) {
        if let Some(first) = self.slots.first_mut() {
            *first = slot;
        }
    }

    /// Returns messages in the form in which the conversation is shown.
    pub(crate) fn show(&self, messages: Messages) -> Value {
        if self.shows_messages() {
            Value::from(messages)
        } else {
            Value::from(self.transcript.render(&messages))
        }
    }

    /// Returns the result of a load: the variable, and a ticket for the version.
    pub(crate) fn loaded(&self, value: Value, version: Version) -> Loaded {
        let variables = Variables::from([(self.to_name(), value)]);
        Loaded::new(variables).with_ticket(Ticket::new(version))
    }

    /// Returns the user's input of a call: as the chain passes it, or determined by the memory's
    /// keys.
    #[cfg(any(feature = "entities", feature = "vectors"))]
    pub(crate) fn input<'c>(
        &self,
        context: conversant_core::LoadContext<'c>,
    ) -> Option<Cow<'c, str>> {
        if let Some(input) = context.input {
            return Some(Cow::Borrowed(input));
        }
        let name = self.keys.input_name(context.inputs.names(), &self.slots).ok()?;
        context.inputs.get(name).map(|value| value.to_text())
    }

    pub(crate) fn stored_in(&self) -> (&dyn ChatHistory, &SessionId) {
        (&*self.session.history, &self.session.id)
    }

    /// Returns the whole conversation, and loads only the new messages.
    pub(crate) async fn whole(&self) -> Result<Slice, HistoryError> {
        if self.session.history.shares() {
            return self.session.load(Range::All).await;
        }
        self.messages.after(&self.session, None).await
    }

    /// Returns the transcript of the whole conversation, and loads and renders only the new
    /// messages.
    pub(crate) async fn whole_as_text(
        &self,
        newline: LeadingNewline,
    ) -> Result<(Arc<str>, Version), HistoryError> {
        self.rendered.whole(&self.session, &self.transcript, newline).await
    }

    /// Checks that the history accepts messages, without I/O.
    pub(crate) fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        let (history, session) = self.stored_in();
        for message in messages {
            history.check(session, std::slice::from_ref(message))?;
        }
        Ok(())
    }

    /// Appends a turn whose prompt contained the version that the ticket names.
    ///
    /// # Errors
    /// [`HistoryError::Stale`] if the conversation was cleared or replaced since then: the turn
    /// belongs to the removed conversation.
    pub(crate) async fn append(
        &self,
        turn: &Turn,
        ticket: &Ticket,
    ) -> Result<Version, MemoryError> {
        let version = match ticket.version() {
            None => self.session.append(turn, Expect::Any).await,
            Some(base) => {
                let expect = match self.conflict {
                    Conflict::Append => Expect::SameEpoch(base),
                    Conflict::Fail => Expect::Exactly(base),
                };
                let turn = match turn.base() {
                    Some(_) => Cow::Borrowed(turn),
                    None => Cow::Owned(turn.clone().with_base(base)),
                };
                self.session.append(&turn, expect).await
            }
        };
        version.map_err(MemoryError::from)
    }

    /// Removes the conversation from its history.
    pub(crate) async fn clear(&self) -> Result<(), MemoryError> {
        self.session.clear().await?;
        self.forget();
        Ok(())
    }
}
