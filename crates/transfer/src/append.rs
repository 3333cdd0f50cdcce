//! Appending the turns of a conversation to its session, so that a repetition adds nothing and no
//! other turns come between.

use std::ops;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, TurnId, Version};

/// A session to which the turns of a conversation are appended, each at the place that it has in
/// the conversation.
pub(crate) struct SessionWriter<'h> {
    history: &'h dyn ChatHistory,
    session: SessionId,
    /// The version after the last turn.
    after: Version,
    turns: u64,
    /// The turns that are stored, now or before, if they are needed.
    ids: Option<Vec<TurnId>>,
}

/// The result of an append.
pub(crate) enum Appended {
    /// The turn is stored, now or before.
    Stored,
    /// The session has other turns in the place of this one.
    Diverged {
        /// The number of turns before.
        turns: u64,
    },
    /// The history cannot store a message of the turn.
    Refused,
}

impl<'h> SessionWriter<'h> {
    pub(crate) async fn new(
        history: &'h dyn ChatHistory,
        session: SessionId,
    ) -> Result<Self, HistoryError> {
        let found = history.load(&session, Range::LastMessages(0)).await?.version;
        // The first turn is stored already, or the session is empty.
        let after = if found.messages == 0 { found } else { Version::new(found.epoch, 0) };
        Ok(Self { history, session, after, turns: 0, ids: None })
    }

    /// Returns the writer of a conversation that was read up to a turn. `None`: the session has
    /// other turns.
    pub(crate) async fn after(
        history: &'h dyn ChatHistory,
        session: SessionId,
        last: TurnId,
    ) -> Result<Option<Self>, HistoryError> {
        let mut writer = Self::new(history, session).await?;
        let found = history.load(&writer.session, Range::LastMessages(0)).await?.version;
        if found.messages > 0 {
            let Some(stored) = writer.find(last).await? else { return Ok(None) };
            writer.after = Version::new(found.epoch, stored.end);
        }
        Ok(Some(writer))
    }

    /// Returns the messages of a turn that the session has, up to its tip.
    async fn find(&self, id: TurnId) -> Result<Option<ops::Range<u64>>, HistoryError> {
        let turns = match self.history.turns(&self.session, Range::All).await {
            Err(HistoryError::Unsupported { .. }) => Vec::new(),
            turns => turns?,
        };
        let mut end = 0;
        for turn in turns {
            let start = end;
            end += turn.messages().len() as u64;
            if turn.id() == id {
                return Ok(Some(start..end));
            }
        }
        Ok(None)
    }

    /// Passes over a turn that is not stored because the session has its id, for a part of it, at
    /// this place. Returns whether that is so.
    pub(crate) async fn pass_over(&mut self, id: TurnId) -> Result<bool, HistoryError> {
        let stored = self.find(id).await?.filter(|stored| stored.start == self.after.messages);
        if let Some(stored) = &stored {
            self.after = Version::new(self.after.epoch, stored.end);
        }
        Ok(stored.is_some())
    }

    pub(crate) const fn session(&self) -> &SessionId {
        &self.session
    }

    /// Sets whether the ids of turns are kept, which takes memory for each.
    pub(crate) fn with_ids(mut self, with_ids: bool) -> Self {
        self.ids = with_ids.then(Vec::new);
        self
    }

    /// Returns the number of turns that are stored, now or before.
    pub(crate) const fn turns(&self) -> u64 {
        self.turns
    }

    /// Returns the ids of these turns, if they are kept.
    pub(crate) fn ids(&self) -> &[TurnId] {
        self.ids.as_deref().unwrap_or_default()
    }

    /// Appends the next turn.
    pub(crate) async fn append(&mut self, turn: &Turn) -> Result<Appended, HistoryError> {
        let expected = self.after.messages + turn.messages().len() as u64;
        match self.history.append(&self.session, turn, Expect::Exactly(self.after)).await {
            Ok(version) if version.messages == expected => {
                self.after = version;
                self.turns += 1;
                if let Some(ids) = &mut self.ids {
                    ids.push(turn.id());
                }
                Ok(Appended::Stored)
            }
            // Stored, but not in this place; or not stored, and the place is taken.
            Ok(_) | Err(HistoryError::Stale { .. } | HistoryError::TurnIdInUse { .. }) => {
                Ok(Appended::Diverged { turns: self.turns })
            }
            Err(HistoryError::TooLarge { .. } | HistoryError::Unsupported { .. }) => {
                Ok(Appended::Refused)
            }
            Err(error) => Err(error),
        }
    }
}
