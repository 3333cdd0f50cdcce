//! The history whose conversations are in LangChain's lists.

mod commands;
mod rows;

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Messages, Range, SessionId, Slice, Turn, Version,
};

use self::{
    commands::{Clear, Fetch, Fetched, List, Part, Write},
    rows::Row,
};
use crate::{
    connecting::Connecting,
    engine::Engine,
    history::{MOST_MESSAGE_BYTES, millis},
};

/// What LangChain's keys begin with.
const PREFIX: &str = "message_store:";

#[doc = include_str!("langchain.md")]
#[derive(Clone, Debug)]
pub struct LangChainRedisHistory {
    engine: Engine,
    prefix: String,
    most_message_bytes: u64,
    lifetime_ms: Option<u64>,
}

/// Rows of a session, read.
struct Tail {
    version: Version,
    rows: Vec<Row>,
}

impl LangChainRedisHistory {
    /// Connects to a server with the defaults.
    ///
    /// # Errors
    /// As [`LangChainRedisHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Begins to say how to connect, by a URL such as `redis://user:password@host:6379/0`, or `rediss://…` to encrypt.
    pub fn builder(url: impl Into<String>) -> LangChainRedisHistoryBuilder {
        LangChainRedisHistoryBuilder {
            connecting: Connecting::new(url),
            prefix: PREFIX.to_owned(),
            most_message_bytes: MOST_MESSAGE_BYTES,
            time_to_live: None,
        }
    }

    fn key(&self, session: &SessionId) -> String {
        format!("{}{session}", self.prefix)
    }

    async fn tail(&self, session: &SessionId, part: Part) -> Result<Tail, HistoryError> {
        let fetch = Fetch { key: self.key(session), part };
        let Fetched { version, rows } = self.engine.read(session, fetch).await?;
        let first = match part {
            Part::First(_) => 0,
            _ => version.messages.saturating_sub(rows.len() as u64),
        };
        let rows = (first..).zip(&rows).map(|(number, json)| Row::read(json, number));
        Ok(Tail { version, rows: rows.collect::<Result<_, _>>()? })
    }

    /// Fetches rows from the end, twice as many each time, until they tell where a range begins.
    async fn range(&self, session: &SessionId, range: Range) -> Result<Tail, HistoryError> {
        let mut rows = match range {
            Range::All => u64::MAX,
            Range::LastMessages(messages) => messages as u64,
            Range::After(seen) => return self.tail(session, Part::After(seen)).await,
            Range::LastTurns(turns) => (turns as u64).saturating_mul(3).saturating_add(8),
            Range::LastBytes(_) => 16,
            _ => return Err(HistoryError::Unsupported { what: "this range" }),
        };
        loop {
            let mut tail = self.tail(session, Part::Last(rows)).await?;
            let is_whole = tail.rows.len() as u64 == tail.version.messages;
            if let Some(start) = start(range, &tail.rows, is_whole) {
                tail.rows.drain(..start);
                return Ok(tail);
            }
            rows = rows.saturating_mul(2);
        }
    }
}

/// Returns where a range begins in the last rows, unless more of them have to be seen for that.
fn start(range: Range, rows: &[Row], is_whole: bool) -> Option<usize> {
    match range {
        Range::LastTurns(turns) => {
            let starts = rows::starts(rows);
            match starts.len().checked_sub(turns) {
                // What looks like a turn's begin is one only if a row is before it.
                Some(index) if index > 0 || is_whole => {
                    Some(starts.get(index).copied().unwrap_or(rows.len()))
                }
                _ => is_whole.then_some(0),
            }
        }
        Range::LastBytes(bytes) => {
            let mut left = bytes;
            let fitting = rows.iter().rev().take_while(|row| {
                let rest = left.checked_sub(row.bytes());
                rest.inspect(|&rest| left = rest).is_some()
            });
            let start = rows.len() - fitting.count();
            (start > 0 || is_whole).then_some(start)
        }
        _ => Some(0),
    }
}

#[async_trait]
impl ChatHistory for LangChainRedisHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let Tail { version, rows } = self.range(session, range).await?;
        let messages: Vec<_> = rows.into_iter().map(|row| row.message).collect();
        Ok(Slice::new(messages, version))
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let write = Write {
            key: self.key(session),
            turn: turn.id(),
            expect,
            rows: rows::write(turn, self.most_message_bytes)?,
            lifetime_ms: self.lifetime_ms,
        };
        self.engine.write(session, write).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let key = self.key(session);
        let fetch = Fetch { key: key.clone(), part: Part::Last(0) };
        let Fetched { version, .. } = self.engine.read(session, fetch).await?;
        self.engine.write(session, Clear { key, epoch: version.epoch }).await
    }

    /// Loads the turns that begin in a range. All rows of the session are read for it, because only they tell which turns there are.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let wanted = self.range(session, range).await?;
        let skipped = wanted.version.messages.saturating_sub(wanted.rows.len() as u64);
        let all = self.range(session, Range::All).await?;
        let mut next = 0;
        let mut turns = rows::turns(&all.rows);
        turns.retain(|turn| {
            let first = next;
            next += turn.messages().len() as u64;
            first >= skipped
        });
        Ok(turns)
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let Tail { rows, .. } = self.tail(session, Part::First(count as u64)).await?;
        Ok(Some(rows.into_iter().map(|row| row.message).collect()))
    }

    /// Lists sessions. All keys of the database are looked at for it.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let all = self.engine.look(List { prefix: self.prefix.clone() }).await?;
        let is_later = |session: &SessionId| after.is_none_or(|after| session > after);
        Ok(all.into_iter().filter(is_later).take(limit).collect())
    }

    /// Removes a session: the same as to clear it.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

/// How to connect, and within which limits. See [`LangChainRedisHistory::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LangChainRedisHistoryBuilder {
    connecting: Connecting,
    prefix: String,
    most_message_bytes: u64,
    time_to_live: Option<Duration>,
}

impl LangChainRedisHistoryBuilder {
    /// Sets what the names of keys begin with: LangChain's `key_prefix`. The default is `message_store:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how many connections there are. Each carries many operations at once. The default is 4.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connecting.set_connections(connections);
        self
    }

    /// Sets how long to wait for the server to take a connection, and to answer. The default is 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.connecting.set_patience(patience);
        self
    }

    /// Sets certificates, in PEM, to trust instead of the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connecting.set_roots(pem.into());
        self
    }

    /// Sets the largest message that is taken, in bytes of its JSON. The default is 16 MiB.
    pub const fn most_message_bytes(mut self, most: u64) -> Self {
        self.most_message_bytes = most;
        self
    }

    /// Sets how long a session is kept after its last turn: LangChain's `ttl`. The default is for good, or what Python has set.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Backend`], if the URL can't be read, the server can't be reached, or there is no Tokio runtime.
    pub async fn connect(self) -> Result<LangChainRedisHistory, HistoryError> {
        Ok(LangChainRedisHistory {
            engine: self.connecting.engine().await?,
            prefix: self.prefix,
            most_message_bytes: self.most_message_bytes,
            lifetime_ms: self.time_to_live.map(|time| millis(time).max(1)),
        })
    }
}
