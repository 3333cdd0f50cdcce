//! A session of the history under test, for checks.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Range, SessionId, Slice, Turn, TurnId, Version,
};

pub(super) use super::super::check::supported;
use super::super::check::{Checked, Stop, ensure};

pub(super) struct SessionDriver<'h, H> {
    pub(super) history: &'h H,
    pub(super) session: SessionId,
}

impl<'h, H: ChatHistory> SessionDriver<'h, H> {
    /// Begins a session that the store has never seen.
    pub(super) fn new(history: &'h H) -> Result<Self, Stop> {
        Self::named(history, &format!("suite {}", TurnId::random()))
    }

    pub(super) fn named(history: &'h H, name: &str) -> Result<Self, Stop> {
        Ok(Self { history, session: SessionId::new(name)? })
    }

    /// Returns the session's version. A new session has no messages, and its epoch is the store's
    /// choice.
    pub(super) async fn version(&self) -> Result<Version, HistoryError> {
        Ok(self.load(Range::LastMessages(0)).await?.version)
    }

    pub(super) async fn append(&self, turn: &Turn) -> Result<Version, HistoryError> {
        self.history.append(&self.session, turn, Expect::Any).await
    }

    pub(super) async fn append_if(
        &self,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.history.append(&self.session, turn, expect).await
    }

    /// Checks that a turn is refused because another one has its id.
    pub(super) async fn refuses(&self, what: &str, turn: &Turn, expect: Expect) -> Checked {
        match self.append_if(turn, expect).await {
            Err(HistoryError::TurnIdInUse { turn: id, .. }) if id == turn.id() => Ok(()),
            outcome => {
                ensure!(false, "{what}, with the id of a stored turn: {outcome:?}");
                Ok(())
            }
        }
    }

    /// Appends `count` exchanges and returns the version after each.
    pub(super) async fn fill(&self, count: usize) -> Result<Vec<Version>, HistoryError> {
        let mut versions = Vec::new();
        for number in 0..count {
            versions.push(self.append(&exchange(number)).await?);
        }
        Ok(versions)
    }

    pub(super) async fn load(&self, range: Range) -> Result<Slice, HistoryError> {
        self.history.load(&self.session, range).await
    }

    pub(super) async fn all(&self) -> Result<Slice, HistoryError> {
        self.load(Range::All).await
    }

    pub(super) async fn clear(&self) -> Result<(), HistoryError> {
        self.history.clear(&self.session).await
    }

    /// Returns the session's turns, if the history loads turns.
    pub(super) async fn turns(&self) -> Result<Option<Vec<Turn>>, HistoryError> {
        match self.history.turns(&self.session, Range::All).await {
            Err(HistoryError::Unsupported { .. }) => Ok(None),
            turns => turns.map(Some),
        }
    }

    /// Checks that the session holds these turns and nothing else.
    pub(super) async fn holds(&self, turns: &[&Turn]) -> Checked {
        let expected = joined(turns);
        let slice = self.all().await?;
        ensure!(
            slice.messages == expected,
            "expected {} messages of {} turns, found {}{}",
            expected.len(),
            turns.len(),
            slice.messages.len(),
            if slice.messages.len() == expected.len() { ", not the same" } else { "" }
        );
        let counted = slice.version.messages;
        ensure!(
            counted == slice.messages.len() as u64,
            "the version counts {counted} messages, and there are {}",
            slice.messages.len()
        );
        Ok(())
    }
}

pub(super) fn exchange(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

pub(super) fn joined(turns: &[&Turn]) -> Messages {
    let mut messages = Messages::new();
    turns.iter().for_each(|turn| messages.append(turn.messages()));
    messages
}
