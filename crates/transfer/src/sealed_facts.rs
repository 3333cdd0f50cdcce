//! Facts in a form that cannot be read here: those of an encrypted history, without its keys.

use conversant_core::{ChatHistory, HistoryError, Note, Range, SessionId, Value, Version};

/// The note of a session's facts as it is, and the note that says how far its turns are described.
pub(crate) struct SealedFacts {
    facts: Note,
    described: Option<Note>,
}

impl SealedFacts {
    /// Returns whether a note of facts has something other than a map.
    pub(crate) fn are_in(facts: &Note) -> bool {
        match &facts.body {
            Value::Data(data) => !data.is_object() && !data.is_null(),
            body => body.as_text() != Some(""),
        }
    }

    pub(crate) async fn read(
        from: &dyn ChatHistory,
        session: &SessionId,
        facts: Note,
    ) -> Result<Self, HistoryError> {
        let described = from.note(session, Note::DESCRIBED).await?;
        Ok(Self { facts, described })
    }

    /// Stores the notes, and returns whether the facts are there and can be opened.
    pub(crate) async fn store(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<bool, HistoryError> {
        for _ in 0..Note::FACTS_ATTEMPTS {
            if let Some(is_stored) = self.store_once(to, session).await? {
                return Ok(is_stored);
            }
        }
        Ok(false)
    }

    /// Stores the notes. Returns `None` if the session was changed meanwhile.
    async fn store_once(
        &self,
        to: &dyn ChatHistory,
        session: &SessionId,
    ) -> Result<Option<bool>, HistoryError> {
        if let Some(known) = to.note(session, Note::FACTS).await? {
            return Ok(Some(known.body == self.facts.body));
        }
        let version = to.load(session, Range::LastMessages(0)).await?.version;
        let Some(facts) = placed(&self.facts, version) else { return Ok(Some(false)) };
        match to.replace_note(session, Note::FACTS, None, &facts).await {
            Ok(true) => {}
            Ok(false) | Err(HistoryError::Stale { .. }) => return Ok(None),
            Err(HistoryError::Unsupported { .. }) => {
                to.put_note(session, Note::FACTS, &facts).await?;
            }
            Err(error) => return Err(error),
        }
        // Without it, turns are described once more.
        if let Some(described) = self.described.as_ref().and_then(|note| placed(note, version)) {
            match to.put_note(session, Note::DESCRIBED, &described).await {
                Err(HistoryError::Stale { .. }) => return Ok(None),
                put => put?,
            }
        }
        Ok(Some(true))
    }
}

/// Returns a note for a session of a version, unless it could not be opened there: it is bound to
/// the version that it covers, or, if it covers no turns, to an epoch that is not a later one.
fn placed(note: &Note, version: Version) -> Option<Note> {
    let covers = note.covers;
    let is_same = covers.epoch == version.epoch && covers.messages <= version.messages;
    let is_earlier = covers.messages == 0 && covers.epoch < version.epoch;
    let placed = Version::new(version.epoch, covers.messages);
    (is_same || is_earlier).then(|| Note::new(note.body.clone(), placed))
}
