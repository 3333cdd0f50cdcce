//! The conversation under a memory: where it is kept, and the names and the form it is shown in.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Loaded, MemoryError, Messages, Range, SessionId, Slice,
    Slot, SlotKind, Ticket, Transcript, Turn, TurnId, TurnKeys, Value, Variables, Version,
};

use crate::{
    Conflict, InMemoryHistory,
    read::Read,
    written::{Opening, Written},
};

/// A conversation in a history, and how a memory shows it.
pub(crate) struct Conversation {
    pub(crate) history: Arc<dyn ChatHistory>,
    pub(crate) session: SessionId,
    pub(crate) slots: Vec<Slot>,
    pub(crate) keys: TurnKeys,
    pub(crate) transcript: Transcript,
    pub(crate) conflict: Conflict,
    read: Mutex<Read>,
    written: Mutex<Written>,
}

impl Conversation {
    /// Creates a conversation of its own, in a history of its own, shown as text in the variable `history`.
    pub(crate) fn new() -> Self {
        Self {
            history: Arc::new(InMemoryHistory::new()),
            session: SessionId::from(TurnId::random()),
            slots: vec![Slot::text("history")],
            keys: TurnKeys::new(),
            transcript: Transcript::default(),
            conflict: Conflict::default(),
            read: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Forgets what was read, because the settings have changed.
    pub(crate) fn reset(&mut self) {
        self.read = Mutex::default();
        self.written = Mutex::default();
    }

    /// Returns the name of the variable that it is shown in.
    pub(crate) fn name(&self) -> &str {
        self.slots.first().map_or("history", Slot::name)
    }

    /// Returns whether it is shown as messages, and not as text.
    pub(crate) fn shows_messages(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.kind() == SlotKind::Messages)
    }

    pub(crate) fn rename(&mut self, name: String) {
        let slot = if self.shows_messages() { Slot::messages(name) } else { Slot::text(name) };
        self.set_slot(slot);
    }

    pub(crate) fn show_messages(&mut self, messages: bool) {
        let name = self.name().to_owned();
        self.set_slot(if messages { Slot::messages(name) } else { Slot::text(name) });
    }

    fn set_slot(&mut self, slot: Slot) {
        if let Some(first) = self.slots.first_mut() {
            *first = slot;
        }
    }

    /// Returns messages in the form that the conversation is shown in.
    pub(crate) fn show(&self, messages: Messages) -> Value {
        if self.shows_messages() {
            Value::from(messages)
        } else {
            Value::from(self.transcript.render(&messages))
        }
    }

    /// Returns what a call is given: the variable, and a ticket for the version.
    pub(crate) fn loaded(&self, value: Value, version: Version) -> Loaded {
        let variables = Variables::from([(self.name().to_owned(), value)]);
        Loaded::new(variables).with_ticket(Ticket::new(version))
    }

    /// Returns the history itself: called through the `Arc`, each of its futures would be boxed twice.
    fn store(&self) -> &dyn ChatHistory {
        &*self.history
    }

    pub(crate) async fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        self.store().load(&self.session, range).await
    }

    /// Returns the whole conversation, reading only what was added since the last time.
    pub(crate) async fn whole(&self) -> Result<Slice, HistoryError> {
        if self.history.shares() {
            return self.load(Range::All).await;
        }
        let asked = lock(&self.read).version();
        let slice = self.load(Range::After(asked)).await?;
        let whole = lock(&self.read).take_in(asked, &slice);
        match whole {
            Some(whole) => Ok(whole),
            None => {
                let slice = self.load(Range::All).await?;
                Ok(lock(&self.read).replace(slice))
            }
        }
    }

    /// Returns the whole conversation as text, rendering only what was added since the last time.
    pub(crate) async fn whole_as_text(
        &self,
        opening: Opening,
    ) -> Result<(Arc<str>, Version), HistoryError> {
        let asked = lock(&self.written).version();
        let slice = self.load(Range::After(asked)).await?;
        let is_whole = lock(&self.written).take_in(asked, &slice, &self.transcript);
        if !is_whole {
            let slice = self.load(Range::All).await?;
            lock(&self.written).replace(&slice, &self.transcript);
        }
        Ok(lock(&self.written).show(opening))
    }

    /// Appends a turn, whose prompt saw the version that the ticket names.
    ///
    /// If the conversation was cleared since then, the turn belongs to what was forgotten: it is [`HistoryError::Stale`].
    pub(crate) async fn append(
        &self,
        turn: &Turn,
        ticket: &Ticket,
    ) -> Result<Version, MemoryError> {
        let version = match ticket.version() {
            None => self.store().append(&self.session, turn, Expect::Any).await,
            Some(base) => {
                let expect = match self.conflict {
                    Conflict::Append => Expect::SameEpoch(base),
                    Conflict::Fail => Expect::Exactly(base),
                };
                let turn = match turn.base() {
                    Some(_) => Cow::Borrowed(turn),
                    None => Cow::Owned(turn.clone().with_base(base)),
                };
                self.store().append(&self.session, &turn, expect).await
            }
        };
        version.map_err(MemoryError::from)
    }

    pub(crate) async fn clear(&self) -> Result<(), MemoryError> {
        self.store().clear(&self.session).await?;
        *lock(&self.read) = Read::default();
        *lock(&self.written) = Written::default();
        Ok(())
    }
}

/// Takes a lock. Nothing that runs under one leaves its data half changed, so a panic elsewhere is no reason to fail.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a memory the settings that all of its kind share. The memory has a field `conversation`, and a method `reset` that
/// forgets what was read of the one before.
macro_rules! conversation_settings {
    ($memory:ident: $($form:ident),*) => {
        impl $memory {
            /// Names the variable that the conversation is shown in. The default is `history`.
            #[must_use]
            pub fn with_memory_key(mut self, key: impl Into<String>) -> Self {
                self.conversation.rename(key.into());
                self
            }

            /// Names the input that holds the user's words. By default it is the only input besides the memory's own variables.
            #[must_use]
            pub fn with_input_key(mut self, key: impl Into<String>) -> Self {
                self.conversation.keys = std::mem::take(&mut self.conversation.keys).with_input_key(key);
                self
            }

            /// Names the output that holds the answer. By default it is the only output.
            #[must_use]
            pub fn with_output_key(mut self, key: impl Into<String>) -> Self {
                self.conversation.keys = std::mem::take(&mut self.conversation.keys).with_output_key(key);
                self
            }

            /// Shows a conversation of this history. By default the memory has a conversation of its own, in memory.
            ///
            /// A history is shared as an `Arc` of it; an [`InMemoryHistory`](crate::InMemoryHistory) as its clone.
            #[must_use]
            pub fn with_history(
                mut self,
                history: impl conversant_core::ChatHistory + 'static,
                session: conversant_core::SessionId,
            ) -> Self {
                self.conversation.history = std::sync::Arc::new(history);
                self.conversation.session = session;
                self.reset();
                self
            }

            /// Sets what becomes of a turn if another process was there first. By default it is kept, after the newer ones.
            #[must_use]
            pub const fn with_conflict(mut self, conflict: crate::Conflict) -> Self {
                self.conversation.conflict = conflict;
                self
            }

            /// Holds the conversation during each call, at most this long, so that no other process calls a model on it.
            #[must_use]
            pub fn leased(self, time: std::time::Duration) -> crate::LeasedMemory<Self> {
                let history = std::sync::Arc::clone(self.history());
                let session = self.session().clone();
                crate::LeasedMemory::new(self, history, session, time)
            }

            /// Returns the history that the conversation is kept in.
            #[must_use]
            pub fn history(&self) -> &std::sync::Arc<dyn conversant_core::ChatHistory> {
                &self.conversation.history
            }

            /// Returns the conversation's name in its history.
            #[must_use]
            pub fn session(&self) -> &conversant_core::SessionId {
                &self.conversation.session
            }

            /// Reads the whole conversation from the history, whatever of it a prompt sees.
            ///
            /// # Errors
            /// What the history returns.
            pub async fn messages(
                &self,
            ) -> Result<conversant_core::Messages, conversant_core::HistoryError> {
                self.conversation.load(conversant_core::Range::All).await.map(|slice| slice.messages)
            }
        }

        impl std::fmt::Debug for $memory {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($memory))
                    .field("session", &self.conversation.session)
                    .field("slots", &self.conversation.slots)
                    .field("keys", &self.conversation.keys)
                    .finish_non_exhaustive()
            }
        }

        $(crate::conversation::$form!($memory);)*
    };
}

/// Gives a memory the settings of a conversation that is written as text somewhere.
macro_rules! prefixes {
    ($memory:ident) => {
        impl $memory {
            /// Sets the name before the user's lines. The default is `Human`.
            #[must_use]
            pub fn with_human_prefix(mut self, prefix: impl Into<String>) -> Self {
                let ai = self.conversation.transcript.ai_prefix().to_owned();
                self.conversation.transcript = conversant_core::Transcript::new(prefix, ai);
                self.reset();
                self
            }

            /// Sets the name before the model's lines. The default is `AI`.
            #[must_use]
            pub fn with_ai_prefix(mut self, prefix: impl Into<String>) -> Self {
                let human = self.conversation.transcript.human_prefix().to_owned();
                self.conversation.transcript = conversant_core::Transcript::new(human, prefix);
                self.reset();
                self
            }
        }
    };
}

/// Gives a memory the choice between text and messages.
macro_rules! text_or_messages {
    ($memory:ident) => {
        impl $memory {
            /// Sets whether the variable holds messages, for a placeholder in a chat prompt. By default it holds text.
            #[must_use]
            pub fn with_return_messages(mut self, return_messages: bool) -> Self {
                self.conversation.show_messages(return_messages);
                self
            }
        }
    };
}

pub(crate) use {conversation_settings, prefixes, text_or_messages};
