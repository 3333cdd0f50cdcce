//! The facts that a memory knows of a session, a user or a group.

use std::time::Duration;

use conversant_core::{
    ChatHistory, HistoryError, Lease, Note, Range, Scope, SessionId, Version, clock::Instant,
};
use futures_timer::Delay;
use serde_json::{Map, Value as Json};

use crate::{error::TransferError, event::OmissionReason, sealed_facts::SealedFacts};

/// The first and the longest pause between two attempts to take the lock.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// Copies the facts of a user or a group from one history to another: those that memories wrote,
/// and those that a person corrected. Names that the other history has already keep their text
/// there, so that a copy can be repeated.
///
/// At most 2,000 facts with 4 MiB of text are stored, as by memories; of more, those that the other
/// history had stay. A copy waits at most 15 seconds for a memory that is changing the facts.
///
/// [`copy`](crate::copy) copies the facts of sessions; [`Scope::Session`] has none here.
///
/// # Errors
/// [`TransferError::Session`], with the session that has the facts. Its source is
/// [`HistoryError::Busy`] if others change the facts for longer, [`HistoryError::Unsupported`] if
/// the other history has no notes or has encrypted facts, or encrypted facts cannot be copied as
/// they are, and otherwise the error of a history.
///
/// # Examples
///
/// ```
/// use conversant_core::UserId;
/// use conversant_memory::{Facts, InMemoryHistory};
/// use conversant_transfer::copy_facts;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (old, new) = (InMemoryHistory::new(), InMemoryHistory::new());
/// let ada = UserId::new("ada")?;
/// Facts::of_user(old.clone(), ada.clone()).set("Lisbon", "Ada lives there.").await?;
///
/// copy_facts(&old, &new, &ada.clone().into()).await?;
/// let text = Facts::of_user(new, ada).get("Lisbon").await?;
/// assert_eq!(text.as_deref(), Some("Ada lives there."));
/// # Ok(())
/// # }
/// ```
pub async fn copy_facts(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    scope: &Scope,
) -> Result<(), TransferError> {
    let Some(session) = scope.facts_session() else { return Ok(()) };
    let copied = copy_all(from, to, &session).await;
    copied.map_err(|error| TransferError::from(error).in_session(&session))
}

async fn copy_all(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    session: &SessionId,
) -> Result<(), HistoryError> {
    let facts = SessionFacts::read(from, session).await?;
    match facts.try_store(to, session).await? {
        Stored::All | Stored::Part => Ok(()),
        Stored::Sealed if facts.sealed.is_some() => {
            Err(HistoryError::Unsupported { what: "facts that were encrypted for another place" })
        }
        Stored::Sealed => {
            Err(HistoryError::Unsupported { what: "changes of facts that are encrypted" })
        }
    }
}

/// The facts of a session, a user or a group.
#[derive(Default)]
pub(crate) struct SessionFacts {
    pub(crate) facts: Map<String, Json>,
    /// The number of messages from the start on that are described in them.
    pub(crate) described: u64,
    /// The facts in a form that cannot be read here, in place of the others.
    pub(crate) sealed: Option<SealedFacts>,
}

impl SessionFacts {
    /// Reads the facts. A history without notes has none.
    pub(crate) async fn read(
        from: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Self, HistoryError> {
        let note = match from.note(session, Note::FACTS).await {
            Err(HistoryError::Unsupported { .. }) => None,
            note => note?,
        };
        let Some(note) = note else { return Ok(Self::default()) };
        if SealedFacts::are_in(&note) {
            let sealed = SealedFacts::read(from, session, note).await?;
            return Ok(Self { sealed: Some(sealed), ..Self::default() });
        }
        let facts = note.facts();
        if facts.is_empty() {
            return Ok(Self::default());
        }
        let described = described(from, session, &note).await?.messages;
        Ok(Self { facts, described, sealed: None })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Stores the facts of a session, and returns the reason if not all of them are.
    pub(crate) async fn store(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Option<OmissionReason>, HistoryError> {
        match self.try_store(to, session).await {
            Ok(Stored::All) => Ok(None),
            Ok(Stored::Sealed) => Ok(Some(OmissionReason::SealedFacts)),
            Err(HistoryError::Unsupported { .. }) if self.sealed.is_some() => {
                Ok(Some(OmissionReason::SealedFacts))
            }
            Ok(Stored::Part)
            | Err(HistoryError::Unsupported { .. } | HistoryError::TooLarge { .. }) => {
                Ok(Some(OmissionReason::Facts))
            }
            Err(HistoryError::Busy) => Ok(Some(OmissionReason::FactsInUse)),
            Err(error) => Err(error),
        }
    }

    /// Adds the facts under their lock.
    async fn try_store(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Stored, HistoryError> {
        if let Some(sealed) = &self.sealed {
            let is_stored = sealed.store(to, session).await?;
            return Ok(if is_stored { Stored::All } else { Stored::Sealed });
        }
        if self.is_empty() {
            return Ok(Stored::All);
        }
        for _ in 0..Note::FACTS_ATTEMPTS {
            let lease = lock(to, session).await?;
            let added = self.add(to, session).await;
            if let Some(lease) = lease {
                // A lease that is not released expires.
                let _ = to.release(&lease).await;
            }
            if let Some(stored) = added? {
                return Ok(stored);
            }
        }
        Err(HistoryError::Busy)
    }

    /// Adds the facts. Returns `None` if others were stored meanwhile, or the session was cleared.
    async fn add(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Option<Stored>, HistoryError> {
        let known = to.note(session, Note::FACTS).await?;
        // Facts that cannot be read here stay: they would be lost.
        if known.as_ref().is_some_and(SealedFacts::are_in) {
            return Ok(Some(Stored::Sealed));
        }
        let version = to.load(session, Range::LastMessages(0)).await?.version;
        let described = match &known {
            Some(known) => described(to, session, known).await?,
            // The turns that are described already, as far as they were copied.
            None if self.described < version.messages => {
                Version::new(version.epoch, self.described)
            }
            None => version,
        };
        let before = known.as_ref().map(Note::facts).unwrap_or_default();
        let mut facts = self.facts.clone();
        for (name, text) in &before {
            facts.shift_remove(name);
            facts.insert(name.clone(), text.clone());
        }
        let note = Note::new(Note::facts_body(facts), Version::new(version.epoch, 0));
        let after = note.facts();
        let has_all = self.facts.keys().all(|name| after.contains_key(name));
        let stored = if has_all { Stored::All } else { Stored::Part };
        if after == before {
            return Ok(Some(stored));
        }
        match to.replace_note(session, Note::FACTS, known.as_ref(), &note).await {
            Ok(false) | Err(HistoryError::Stale { .. }) => return Ok(None),
            Err(HistoryError::Unsupported { .. }) => {
                to.put_note(session, Note::FACTS, &note).await?;
            }
            Ok(true) => {}
            Err(error) => return Err(error),
        }
        if described.messages > 0 {
            let described = Note::new("", described);
            match to.put_note(session, Note::DESCRIBED, &described).await {
                Err(HistoryError::Stale { .. }) => return Ok(None),
                put => put?,
            }
        }
        Ok(Some(stored))
    }
}

/// Whether facts are stored, now or before.
enum Stored {
    All,
    /// The note has no place for all of them.
    Part,
    /// No: facts in a form that cannot be read here are stored, or are to be.
    Sealed,
}

/// Waits for the lock of a session's facts. It is `None` if the history has no leases.
async fn lock(to: &dyn ChatHistory, session: &SessionId) -> Result<Option<Lease>, HistoryError> {
    let lock = Note::facts_lock(session);
    let [mut pause, longest] = PAUSES;
    let mut started = None;
    loop {
        let lease = to.lease(&lock, Note::FACTS_LEASE).await;
        if !matches!(lease, Err(HistoryError::Busy)) {
            return lease;
        }
        let waited = started.get_or_insert_with(Instant::now).elapsed();
        let left = Note::FACTS_WAIT.saturating_sub(waited);
        if left.is_zero() {
            return lease;
        }
        Delay::new(pause.min(left)).await;
        pause = (pause * 2).min(longest);
    }
}

/// Returns the version up to which the turns of a session are described in its facts.
async fn described(
    history: &dyn ChatHistory,
    session: &SessionId,
    facts: &Note,
) -> Result<Version, HistoryError> {
    if let Some(described) = facts.described_in_facts() {
        return Ok(described);
    }
    let note = history.note(session, Note::DESCRIBED).await?;
    Ok(note.map_or(facts.covers, |note| note.covers))
}
