//! One session of a history, and the turn that was last appended to it.

use std::sync::{Arc, Mutex};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Note, Range, SessionId, Slice, Turn, TurnId,
    Version,
};

use super::kept_lease::{KeptLease, Term};
use crate::sync::lock;

/// A session and the history that stores it.
///
/// From a [verbatim](ChatHistory::is_verbatim) history, the turn that was appended last is not
/// loaded again. While a [`KeptLease`] is held that keeps other writers out, the messages after it
/// are not looked for.
pub(crate) struct StoredSession {
    pub(crate) history: Arc<dyn ChatHistory>,
    pub(crate) id: SessionId,
    lease: Option<Arc<KeptLease>>,
    appended: Mutex<Option<Appended>>,
}

/// A turn that directly follows a version.
#[derive(Clone)]
struct Appended {
    after: Version,
    messages: Messages,
    /// The version with it.
    version: Version,
    /// The term of the lease that began with it.
    term: Option<Term>,
}

impl StoredSession {
    pub(crate) fn new(history: Arc<dyn ChatHistory>, id: SessionId) -> Self {
        Self { history, id, lease: None, appended: Mutex::default() }
    }

    /// Creates a session with a random id in a history.
    pub(crate) fn random(history: impl ChatHistory + 'static) -> Self {
        Self::new(Arc::new(history), SessionId::from(TurnId::random()))
    }

    /// Returns the same session in another history, under the same lease.
    pub(crate) fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        let lease = self.lease.clone();
        Self { history, id: self.id.clone(), lease, appended: Mutex::default() }
    }

    /// Sets the lease that is held while the session is used.
    pub(crate) fn set_lease(&mut self, lease: Arc<KeptLease>) {
        self.lease = Some(lease);
    }

    /// Returns the history itself. A call through the `Arc` would box each future twice.
    fn store(&self) -> &dyn ChatHistory {
        &*self.history
    }

    pub(crate) async fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        let Range::After(asked) = range else { return self.store().load(&self.id, range).await };
        let appended = lock(&self.appended).clone();
        let known = appended.and_then(|appended| appended.after(asked));
        let Some(known) = known else { return self.store().load(&self.id, range).await };
        if known.term.is_some() && known.term == self.term() {
            return Ok(known.slice());
        }
        let newer = self.store().load(&self.id, Range::After(known.version)).await?;
        match known.join(newer) {
            Some(slice) => Ok(slice),
            None => self.store().load(&self.id, range).await,
        }
    }

    pub(crate) async fn append(
        &self,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        if !self.store().is_verbatim() {
            return self.store().append(&self.id, turn, expect).await;
        }
        // Until the outcome is known, nothing is.
        *lock(&self.appended) = None;
        let lease = self.lease.as_ref().map(|lease| (lease, lease.begin_write()));
        let version = self.store().append(&self.id, turn, expect).await?;
        let term = lease.and_then(|(lease, begun)| lease.end_write(begun));
        *lock(&self.appended) = Appended::new(turn, expect, version, term);
        Ok(version)
    }

    pub(crate) async fn clear(&self) -> Result<(), HistoryError> {
        *lock(&self.appended) = None;
        let lease = self.lease.as_ref().map(|lease| (lease, lease.begin_write()));
        self.store().clear(&self.id).await?;
        lease.map(|(lease, begun)| lease.end_write(begun));
        Ok(())
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

    pub(crate) async fn replace_note(
        &self,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.store().replace_note(&self.id, name, read, note).await
    }

    /// Returns whether the conversation has a version, at its end or before.
    pub(crate) async fn has(&self, version: Version) -> Result<bool, HistoryError> {
        Ok(follows(&self.load(Range::After(version)).await?, version))
    }

    fn term(&self) -> Option<Term> {
        self.lease.as_ref()?.term()
    }
}

impl Appended {
    /// Returns nothing unless the turn directly follows the version that its append expected.
    fn new(turn: &Turn, expect: Expect, version: Version, term: Option<Term>) -> Option<Self> {
        let after = expect.version()?;
        let messages = turn.messages();
        let follows = version.epoch == after.epoch
            && version.messages == after.messages + messages.len() as u64
            && version.tip == turn.id().fingerprint();
        follows.then(|| Self { after, messages: messages.clone(), version, term })
    }

    /// Returns the part that follows a version: the turn or nothing of it.
    fn after(mut self, asked: Version) -> Option<Self> {
        if asked == self.version {
            self.messages = Messages::new();
            // The store finds what follows, with the same cost.
            return self.term.is_some().then_some(self);
        }
        (asked == self.after).then_some(self)
    }

    fn slice(self) -> Slice {
        let turns = if self.messages.is_empty() { Vec::new() } else { vec![0] };
        Slice::new(self.messages, self.version).with_turns(turns)
    }

    /// Adds the messages after the turn. Returns nothing if the conversation was replaced, or is at
    /// another point.
    fn join(self, newer: Slice) -> Option<Slice> {
        if !follows(&newer, self.version) {
            return None;
        }
        let length = self.messages.len();
        let starts = newer.turns.map(|turns| {
            (length > 0)
                .then_some(0)
                .into_iter()
                .chain(turns.iter().map(|turn| turn + length))
                .collect()
        });
        let mut messages = self.messages;
        messages.append(&newer.messages);
        let slice = Slice::new(messages, newer.version);
        Some(match starts {
            Some(starts) => slice.with_turns(starts),
            None => slice,
        })
    }
}

/// Returns whether messages that were loaded after a version do follow it, or there are none.
fn follows(newer: &Slice, version: Version) -> bool {
    newer.version.epoch == version.epoch
        && newer.start() == version.messages
        && (!newer.messages.is_empty() || newer.version.matches(version))
}
