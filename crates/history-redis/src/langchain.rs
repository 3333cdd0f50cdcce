//! The history in LangChain's lists.

mod commands;

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, HistoryIdentity, Message, Messages, Range, SessionId, Slice,
    Turn, Version,
};
use conversant_history::langchain::{
    Part, Row, Tail, check_messages, encode_turn, load_range, load_turns,
};

use self::commands::{Clear, Fetch, Fetched, List, Write, decode};
use crate::{
    connect::{Connect, Servers, connect_settings},
    history::{MAX_MESSAGE_BYTES, millis},
    pool::Database,
};

/// LangChain's prefix of keys.
const PREFIX: &str = "message_store:";

#[doc = include_str!("langchain.md")]
#[derive(Clone, Debug)]
pub struct LangChainRedisHistory {
    database: Database,
    prefix: String,
    max_message_bytes: u64,
    lifetime_ms: Option<u64>,
}

impl LangChainRedisHistory {
    /// Connects to a server with the default settings.
    ///
    /// # Errors
    /// As [`LangChainRedisHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a connection to `url`, for example
    /// `redis://user:password@host:6379/0`, or `rediss://…` for an encrypted one.
    pub fn builder(url: impl Into<String>) -> LangChainRedisHistoryBuilder {
        Self::of(Servers::Single(url.into()))
    }

    /// Returns a builder for a Redis Cluster, by the URLs of some of its nodes. The user, the
    /// password and the encryption of the first one are those of all nodes.
    #[cfg(feature = "cluster")]
    pub fn cluster<U: Into<String>>(
        urls: impl IntoIterator<Item = U>,
    ) -> LangChainRedisHistoryBuilder {
        Self::of(Servers::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// Returns a builder for the master that sentinels name. `master` is the URL of the master with
    /// its name in the place of a host, for example `redis://user:password@mymaster/0`. `sentinels`
    /// are URLs of sentinels, such as `redis://10.0.0.1:26379`.
    #[cfg(feature = "sentinel")]
    pub fn sentinel<U: Into<String>>(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = U>,
    ) -> LangChainRedisHistoryBuilder {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        Self::of(Servers::Sentinel { master: master.into(), sentinels })
    }

    fn of(servers: Servers) -> LangChainRedisHistoryBuilder {
        LangChainRedisHistoryBuilder {
            connect: Connect::new(servers),
            prefix: PREFIX.to_owned(),
            max_message_bytes: MAX_MESSAGE_BYTES,
            time_to_live: None,
        }
    }

    fn key(&self, session: &SessionId) -> String {
        format!("{}{session}", self.prefix)
    }

    async fn fetch(&self, session: &SessionId, part: Part) -> Result<Tail, HistoryError> {
        let fetch = Fetch { key: self.key(session), part };
        let Fetched { version, rows } = self.database.read(session, fetch).await?;
        let first = match part {
            Part::First(_) => 0,
            _ => version.messages.saturating_sub(rows.len() as u64),
        };
        let rows = (first..).zip(&rows).map(|(number, json)| decode(number, json));
        Ok(Tail { version, rows: rows.collect::<Result<_, _>>()? })
    }
}

#[async_trait]
impl ChatHistory for LangChainRedisHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let Tail { version, rows } = load_range(range, |part| self.fetch(session, part)).await?;
        let messages: Vec<_> = rows.into_iter().map(Row::into_message).collect();
        Ok(Slice::new(messages, version))
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        Some(self.database.identity())
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let write = Write {
            key: self.key(session),
            turn: turn.clone(),
            expect,
            rows: encode_turn(turn, self.max_message_bytes)?,
            lifetime_ms: self.lifetime_ms,
        };
        self.database.write(session, write).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        check_messages(messages, self.max_message_bytes)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let key = self.key(session);
        let fetch = Fetch { key: key.clone(), part: Part::Last(0) };
        let Fetched { version, .. } = self.database.read(session, fetch).await?;
        self.database.write(session, Clear { key, epoch: version.epoch }).await
    }

    /// Loads the turns that begin in a range. It reads all rows of the session, since only they
    /// tell which turns there are.
    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        load_turns(range, |part| self.fetch(session, part)).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let Tail { rows, .. } = self.fetch(session, Part::First(count as u64)).await?;
        Ok(Some(rows.into_iter().map(Row::into_message).collect()))
    }

    /// Lists sessions. It scans all keys of the database.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let all = self.database.run(List { prefix: self.prefix.clone() }).await?;
        let is_later = |session: &SessionId| after.is_none_or(|after| session > after);
        Ok(all.into_iter().filter(is_later).take(limit).collect())
    }

    /// Removes a session, as [`clear`](ChatHistory::clear) does.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }
}

/// Builds a [`LangChainRedisHistory`]. See [`LangChainRedisHistory::builder`].
///
/// | setting | default |
/// |---|---|
/// | [`connections`](Self::connections) | 4 |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`operation_timeout`](Self::operation_timeout) | 30 s |
/// | [`only_root_certificates`](Self::only_root_certificates) | the system's |
/// | [`prefix`](Self::prefix) | `message_store:` |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
#[derive(Clone, Debug)]
#[must_use]
pub struct LangChainRedisHistoryBuilder {
    connect: Connect,
    prefix: String,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
}

impl LangChainRedisHistoryBuilder {
    connect_settings!();

    /// Sets the prefix of keys: LangChain's `key_prefix`. `message_store:` by default.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a session is kept after its last turn: LangChain's `ttl`. By default the
    /// expiry of a session is not changed.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the server cannot be reached, or
    ///   there is no Tokio runtime.
    /// - [`HistoryError::TimedOut`] if the server does not answer in time.
    pub async fn connect(self) -> Result<LangChainRedisHistory, HistoryError> {
        Ok(LangChainRedisHistory {
            database: self.connect.database().await?,
            prefix: self.prefix,
            max_message_bytes: self.max_message_bytes,
            lifetime_ms: self.time_to_live.map(|time| millis(time).max(1)),
        })
    }
}
