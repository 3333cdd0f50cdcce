//! The facts that a memory knows of a session, a user or a group.

use std::{
    fmt, mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_core::{
    ChatHistory, GroupId, HistoryError, Lease, Note, Range, Scope, SessionId, UserId, Version,
    clock::Instant,
};
use futures_timer::Delay;
use serde_json::{Map, Value as Json};

use crate::{conversation::stored_session::StoredSession, llm::limits::MAX_TEXT, sync};

/// The name of the note that has the facts.
pub(crate) const NOTE: &str = Note::FACTS;

/// The name of the note that covers the turns of a session that its facts describe.
pub(crate) const DESCRIBED: &str = Note::DESCRIBED;

/// The first and the longest pause between two attempts to take the lock.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// A fact: the description of an entity.
///
/// Needs the feature `entities`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// The name.
    pub name: String,
    /// The description.
    pub text: String,
}

/// Withholds the name and the description, which are the words of a person.
impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, text } = self;
        f.debug_struct("Fact")
            .field("name", &format_args!("<{} bytes>", name.len()))
            .field("text", &format_args!("<{} bytes>", text.len()))
            .finish()
    }
}

/// The facts that [`EntityMemory`](crate::EntityMemory) knows of a session, a user or a group, to
/// list, correct and forget them.
///
/// Needs the feature `entities`.
///
/// They are a note in the history: for a session a note of its own, which is removed when the
/// session is cleared; for a user or a group one of the session `conversant:user:ID` or
/// `conversant:group:ID`, which has no turns. So every history with notes has them. At most 2,000
/// facts with 4 MiB of text are stored; the ones written longest ago are dropped.
///
/// Facts do not depend on the branch: undoing a turn, giving an answer again and going back to an
/// earlier one neither lose what a person has set nor what a memory has learned on a branch that
/// was left. A memory describes the turns of a branch that it has not described yet, and so those
/// of one to which a session returns. There a name that was forgotten can become known again, as by
/// a later turn. A session that was [forked](ChatHistory::fork) begins without facts.
///
/// A change reads and writes the note under a [lease](ChatHistory::lease) of another session's
/// name, so that changes of several processes follow each other. It waits at most 15 seconds for
/// another change. The lease ends after 10 seconds, even if the change is not stored by then,
/// because its process was paused or the store does not answer. So a note is stored only in place
/// of the one that was read ([`ChatHistory::replace_note`]); if others have changed the facts, the
/// change begins again. In a history that cannot compare notes, one that is late overwrites theirs;
/// in one without leases too, the last writer wins.
///
/// A change that is dropped before its end holds the others up for 10 seconds, except the next one
/// of the same value or memory. So does a change whose process ends: the first change after a
/// restart may wait for the rest of the 10 seconds, as may the maintenance of an `EntityMemory`,
/// which waits no longer than the call's deadline.
///
/// In a store with a time to live, the facts of a user or a group are a session that no turns
/// renew: they are forgotten once none of them has changed for that time, however often the user
/// returns. Facts that have to stay need a store without it.
///
/// A memory that is describing a fact when it is corrected or forgotten keeps the correction.
///
/// # Examples
///
/// ```
/// use conversant_core::UserId;
/// use conversant_memory::{Facts, InMemoryHistory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let history = InMemoryHistory::new();
/// let facts = Facts::of_user(history, UserId::new("ada")?);
/// facts.set("Lisbon", "Ada lives there.").await?;
/// facts.set("chess", "Ada plays it.").await?;
///
/// facts.set("Lisbon", "Ada lived there until 2025.").await?;
/// facts.forget("chess").await?;
/// let known = facts.list().await?;
/// assert_eq!((known.len(), known[0].text.as_str()), (1, "Ada lived there until 2025."));
/// # Ok(())
/// # }
/// ```
pub struct Facts {
    session: StoredSession,
    /// The session that a change leases.
    lock: SessionId,
    /// Whether the session has turns that a note covers.
    has_turns: bool,
    abandoned: Abandoned,
}

/// The lease of a change that was dropped before it released its lease. The next change does.
pub(crate) type Abandoned = Arc<Mutex<Option<Lease>>>;

/// The lock of a change.
pub(crate) struct FactsLock {
    lease: Option<Lease>,
    abandoned: Abandoned,
}

impl Drop for FactsLock {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            *sync::lock(&self.abandoned) = Some(lease);
        }
    }
}

impl Facts {
    /// Returns the facts of a session: those of an `EntityMemory` with the default scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::SessionId;
    /// use conversant_memory::{Facts, InMemoryHistory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let facts = Facts::of_session(InMemoryHistory::new(), SessionId::new("ada-1")?);
    /// assert!(facts.list().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of_session(history: impl ChatHistory + 'static, session: SessionId) -> Self {
        Self::new(Arc::new(history), &Scope::Session, session)
    }

    /// Returns the facts of a user.
    #[must_use]
    pub fn of_user(history: impl ChatHistory + 'static, user: UserId) -> Self {
        Self::of_scope(history, &user.into())
    }

    /// Returns the facts of a group.
    #[must_use]
    pub fn of_group(history: impl ChatHistory + 'static, group: GroupId) -> Self {
        Self::of_scope(history, &group.into())
    }

    fn of_scope(history: impl ChatHistory + 'static, scope: &Scope) -> Self {
        // The scope has a session of its own, so this one is not used.
        let unused = SessionId::from(conversant_core::TurnId::from_u128(0));
        Self::new(Arc::new(history), scope, unused)
    }

    /// Returns the facts of a scope, as seen from a session.
    pub(crate) fn new(history: Arc<dyn ChatHistory>, scope: &Scope, session: SessionId) -> Self {
        let own = scope.facts_session();
        let has_turns = own.is_none();
        let id = own.unwrap_or(session);
        let lock = Note::facts_lock(&id);
        let session = StoredSession::new(history, id);
        Self { session, lock, has_turns, abandoned: Abandoned::default() }
    }

    /// Sets the place of the lease that a dropped change leaves.
    pub(crate) fn with_abandoned(mut self, abandoned: &Abandoned) -> Self {
        self.abandoned = Arc::clone(abandoned);
        self
    }

    /// Lists all facts, the one that was written last at the end.
    ///
    /// # Errors
    /// The errors of the history; [`HistoryError::Unsupported`] if it has no notes.
    pub async fn list(&self) -> Result<Vec<Fact>, HistoryError> {
        let facts = self.read().await?;
        Ok(facts.into_iter().map(|(name, text)| Fact { name, text: to_text(&text) }).collect())
    }

    /// Returns the description of a name.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn get(&self, name: &str) -> Result<Option<String>, HistoryError> {
        Ok(self.read().await?.get(name).map(to_text))
    }

    /// Sets the description of a name, at most 64 KiB with the name. Later turns may extend it.
    ///
    /// # Errors
    /// - [`HistoryError::TooLarge`] if the name and the text are longer than 64 KiB.
    /// - [`HistoryError::Busy`] if other changes hold the facts for 15 seconds.
    /// - The errors of the history; [`HistoryError::Unsupported`] if it has no notes.
    pub async fn set(
        &self,
        name: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<(), HistoryError> {
        let (name, text) = (name.into(), text.into());
        let bytes = name.len().saturating_add(text.len());
        if bytes > MAX_TEXT {
            let (bytes, limit) = (bytes as u64, MAX_TEXT as u64);
            return Err(HistoryError::TooLarge { what: "fact", bytes, limit });
        }
        self.change(|facts| {
            facts.shift_remove(&name);
            facts.insert(name.clone(), Json::from(text.as_str()));
        })
        .await
    }

    /// Forgets a name, and returns whether it was known. Turns in which it was said stay in the
    /// conversation.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn forget(&self, name: &str) -> Result<bool, HistoryError> {
        self.change(|facts| facts.shift_remove(name).is_some()).await
    }

    /// Forgets all names.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn clear(&self) -> Result<(), HistoryError> {
        self.change(Map::clear).await
    }

    /// Reads the facts.
    pub(crate) async fn read(&self) -> Result<Map<String, Json>, HistoryError> {
        Ok(to_facts(self.note().await?.as_ref()))
    }

    /// Reads the note that has the facts.
    pub(crate) async fn note(&self) -> Result<Option<Note>, HistoryError> {
        self.session.note(NOTE).await
    }

    /// Changes the facts under the lock.
    pub(crate) async fn change<R>(
        &self,
        change: impl Fn(&mut Map<String, Json>) -> R + Send + Sync,
    ) -> Result<R, HistoryError> {
        self.change_before(None, change).await
    }

    /// Changes the facts, and waits for the lock until a deadline at most. A change whose lock has
    /// expired may find that they were changed meanwhile, and begins again.
    pub(crate) async fn change_before<R>(
        &self,
        deadline: Option<Instant>,
        change: impl Fn(&mut Map<String, Json>) -> R + Send + Sync,
    ) -> Result<R, HistoryError> {
        let mut tried = None;
        for _ in 0..Note::FACTS_ATTEMPTS {
            let held = self.lock(deadline).await?;
            let read = self.note().await;
            let changed = match read {
                Ok(read) => self.replace(read, &change, &mut tried).await,
                Err(error) => Err(error),
            };
            self.unlock(held).await;
            if let Some(outcome) = changed? {
                return Ok(outcome);
            }
        }
        Err(HistoryError::Busy)
    }

    /// Changes facts that were read, and stores them unless the note has others now. `tried` has
    /// what was to be stored then.
    async fn replace<R>(
        &self,
        read: Option<Note>,
        change: &(impl Fn(&mut Map<String, Json>) -> R + Send + Sync),
        tried: &mut Option<(Note, R)>,
    ) -> Result<Option<R>, HistoryError> {
        if let Some((_, outcome)) = tried.take_if(|(note, _)| read.as_ref() == Some(note)) {
            // The store has sent a request twice.
            return Ok(Some(outcome));
        }
        let covers = read.as_ref().map(|note| note.covers).filter(|_| self.has_turns);
        let epoch = match covers {
            Some(covers) => covers.epoch,
            None => self.session.load(Range::LastMessages(0)).await?.version.epoch,
        };
        let described = read.as_ref().filter(|_| self.has_turns).and_then(Note::described_in_facts);
        if let Some(described) = described {
            self.session.put_note(DESCRIBED, &Note::new("", described)).await?;
        }
        let mut facts = to_facts(read.as_ref());
        let outcome = change(&mut facts);
        let note = Note::new(Note::facts_body(facts), on_every_branch(epoch));
        match self.session.replace_note(NOTE, read.as_ref(), &note).await {
            Ok(true) => Ok(Some(outcome)),
            Ok(false) => {
                *tried = Some((note, outcome));
                Ok(None)
            }
            Err(HistoryError::Unsupported { .. }) => {
                self.session.put_note(NOTE, &note).await.map(|()| Some(outcome))
            }
            // The session was cleared meanwhile.
            Err(HistoryError::Stale { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the lock, until a deadline at most. It holds nothing if the history has no leases.
    pub(crate) async fn lock(&self, deadline: Option<Instant>) -> Result<FactsLock, HistoryError> {
        let mut held = FactsLock { lease: None, abandoned: Arc::clone(&self.abandoned) };
        let abandoned = mem::take(&mut *sync::lock(&self.abandoned));
        if abandoned.is_some() {
            held.lease = abandoned;
            self.release(&mut held).await;
        }
        let [mut pause, longest] = PAUSES;
        // Without contention no clock is read: there is none on every target.
        let mut started = None;
        loop {
            let lease = self.session.history.lease(&self.lock, Note::FACTS_LEASE).await;
            if matches!(lease, Err(HistoryError::Busy)) {
                let waited = started.get_or_insert_with(Instant::now).elapsed();
                let mut left = Note::FACTS_WAIT.saturating_sub(waited);
                if let Some(deadline) = deadline {
                    left = left.min(deadline.saturating_duration_since(Instant::now()));
                }
                if !left.is_zero() {
                    Delay::new(pause.min(left)).await;
                    pause = (pause * 2).min(longest);
                    continue;
                }
            }
            held.lease = lease?;
            return Ok(held);
        }
    }

    pub(crate) async fn unlock(&self, mut held: FactsLock) {
        self.release(&mut held).await;
    }

    async fn release(&self, held: &mut FactsLock) {
        if let Some(lease) = &held.lease {
            // A lease that is not released expires.
            let _ = self.session.history.release(lease).await;
            held.lease = None;
        }
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("session", &self.session.id).finish_non_exhaustive()
    }
}

/// Returns what a note with facts covers in an epoch: no turns, so that it is on each branch.
pub(crate) const fn on_every_branch(epoch: u64) -> Version {
    Version::new(epoch, 0)
}

/// Returns the facts of a note, or none without it.
pub(crate) fn to_facts(note: Option<&Note>) -> Map<String, Json> {
    note.map(Note::facts).unwrap_or_default()
}

fn to_text(text: &Json) -> String {
    text.as_str().unwrap_or_default().to_owned()
}

/// A description that a memory has rewritten.
pub(crate) struct Rewritten {
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: String,
}

impl Rewritten {
    /// Stores the description, unless the fact was changed while it was rewritten. Then returns
    /// `false`.
    pub(crate) fn store(&self, facts: &mut Map<String, Json>) -> bool {
        let stored = facts.get(&self.name).map(to_text);
        // Written by an earlier attempt whose outcome was lost.
        if stored.as_deref() == Some(&*self.after) {
            return true;
        }
        if stored != self.before {
            return false;
        }
        facts.shift_remove(&self.name);
        facts.insert(self.name.clone(), Json::from(self.after.as_str()));
        true
    }
}
