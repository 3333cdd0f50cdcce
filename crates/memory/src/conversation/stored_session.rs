//! One session of a history.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Note, Range, SessionId, Slice, Turn, TurnId,
    Version,
};

/// A session and the history that stores it.
pub(crate) struct StoredSession {
    pub(crate) history: Arc<dyn ChatHistory>,
    pub(crate) id: SessionId,
}

impl StoredSession {
    /// Creates a session with a random id in a history.
    pub(crate) fn random(history: impl ChatHistory + 'static) -> Self {
        Self { history: Arc::new(history), id: SessionId::from(TurnId::random()) }
    }

    /// Returns the history itself. A call through the `Arc` would box each future twice.
    fn store(&self) -> &dyn ChatHistory {
        &*self.history
    }

    pub(crate) async fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        self.store().load(&self.id, range).await
    }

    pub(crate) async fn append(
        &self,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.store().append(&self.id, turn, expect).await
    }

    pub(crate) async fn clear(&self) -> Result<(), HistoryError> {
        self.store().clear(&self.id).await
    }

    pub(crate) async fn first(&self, count: usize) -> Result<Option<Messages>, HistoryError> {
        self.store().first(&self.id, count).await
    }

    pub(crate) async fn note(&self, name: &str) -> Result<Option<Note>, HistoryError> {
        self.store().note(&self.id, name).await
    }

    pub(crate) async fn put_note(&self, name: &str, note: &Note) -> Result<(), HistoryError> {
        self.store().put_note(&self.id, name, note).await
    }
}
