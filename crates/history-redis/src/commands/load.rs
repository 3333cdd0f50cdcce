//! Loads a part of a session, and its version, as they are at one moment.

use conversant_core::{HistoryError, Range, TurnId, Version};
use conversant_history::langchain::version_from_text;

use super::scripts::{FIRST, LOAD, corrupt, count, tip, version};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// A part of a session to load, with its turns or without.
pub(crate) struct Load {
    pub(crate) keys: SessionKeys,
    pub(crate) range: Range,
    pub(crate) with_turns: bool,
}

/// Loaded messages and turns.
pub(crate) struct Loaded {
    pub(crate) version: Version,
    /// The index of the first message.
    pub(crate) start: u64,
    /// Each as JSON.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The turns that begin in the range, in order.
    pub(crate) turns: Vec<Stored>,
}

/// A stored turn without its messages.
pub(crate) struct Stored {
    /// The index of its first message in the session.
    pub(crate) first: u64,
    /// Its number of messages.
    pub(crate) count: u64,
    pub(crate) id: TurnId,
    pub(crate) incomplete: bool,
    pub(crate) base: Option<Version>,
}

impl Operation for Load {
    type Output = Loaded;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Loaded, Failure> {
        let (range, first, second) = match self.range {
            Range::All => ("all", 0, 0),
            Range::LastTurns(turns) => ("turns", turns as u64, 0),
            Range::LastMessages(messages) => ("messages", messages as u64, 0),
            Range::LastBytes(bytes) => ("bytes", bytes, 0),
            Range::After(seen) => ("after", seen.epoch, seen.messages),
            _ => return Err(HistoryError::Unsupported { what: "this range" }.into()),
        };
        let mut script = LOAD.prepare_invoke();
        let seen_tip = if let Range::After(seen) = self.range { tip(seen) } else { String::new() };
        script.key(&self.keys).arg(range).arg(first).arg(second).arg(u8::from(self.with_turns));
        script.arg(seen_tip);
        type Answer = (i64, i64, i64, Vec<Vec<u8>>, Vec<String>, String);
        let (epoch, stored, start, messages, turns, tip): Answer =
            script.invoke_async(connection).await?;
        let turns = turns.iter().rev().map(|turn| Stored::read(turn));
        Ok(Loaded {
            version: version(epoch, stored, &tip)?,
            start: count(start)?,
            messages,
            turns: turns.collect::<Result<_, _>>()?,
        })
    }
}

impl Stored {
    /// Parses a turn as `Append` and `append.lua` write it: `first count id incomplete base`.
    fn read(kept: &str) -> Result<Self, HistoryError> {
        Self::parse(kept).ok_or_else(|| corrupt("cannot decode a turn".to_owned()))
    }

    fn parse(kept: &str) -> Option<Self> {
        let mut parts = kept.split(' ');
        let stored = Self {
            first: parts.next()?.parse().ok()?,
            count: parts.next()?.parse().ok()?,
            id: parts.next()?.parse().ok()?,
            incomplete: parts.next()? == "1",
            base: match parts.next()? {
                "-" => None,
                base => Some(version_from_text(base)?),
            },
        };
        parts.next().is_none().then_some(stored)
    }
}

/// The first messages of a session.
pub(crate) struct First {
    pub(crate) keys: SessionKeys,
    pub(crate) count: usize,
}

impl Operation for First {
    /// Each as JSON.
    type Output = Vec<Vec<u8>>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<Vec<u8>>, Failure> {
        let mut script = FIRST.prepare_invoke();
        script.key(&self.keys).arg(self.count);
        Ok(script.invoke_async(connection).await?)
    }
}
