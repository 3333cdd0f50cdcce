//! The history in keys of its own.

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, OwnFormat, Range, SessionId,
    Slice, Turn, Version,
};
use conversant_history::{MAX_TIMEOUT, lease_holder};

#[cfg(feature = "cluster")]
use crate::commands::{Adopt, ListCluster};
use crate::{
    commands::{
        Append, CheckSchema, Clear, Delete, First, List, Load, LoadNote, Loaded, PutNote, Release,
        Stored, Take,
    },
    connect::{Connect, Servers, connect_settings},
    error::{RedisError, backend},
    keys::Keys,
    pool::Database,
};

/// The default prefix of keys.
const PREFIX: &str = "conversant:";

/// The default of [`RedisHistoryBuilder::max_message_bytes`].
pub(crate) const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

#[doc = include_str!("history.md")]
#[derive(Clone, Debug)]
pub struct RedisHistory {
    database: Database,
    keys: Keys,
    max_message_bytes: u64,
    lifetime_ms: Option<u64>,
}

impl RedisHistory {
    /// Connects to a server with the default settings.
    ///
    /// # Errors
    /// As [`RedisHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a connection to `url`, for example
    /// `redis://user:password@host:6379/0`, or `rediss://…` for an encrypted one.
    pub fn builder(url: impl Into<String>) -> RedisHistoryBuilder {
        Self::of(Servers::Single(url.into()))
    }

    /// Returns a builder for a Redis Cluster, by the URLs of some of its nodes. The user, the
    /// password and the encryption of the first one are those of all nodes.
    #[cfg(feature = "cluster")]
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisHistoryBuilder {
        Self::of(Servers::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// Returns a builder for the master that sentinels name. `master` is the URL of the master with
    /// its name in the place of a host, for example `redis://user:password@mymaster/0`. `sentinels`
    /// are URLs of sentinels, such as `redis://10.0.0.1:26379`.
    #[cfg(feature = "sentinel")]
    pub fn sentinel<U: Into<String>>(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = U>,
    ) -> RedisHistoryBuilder {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        Self::of(Servers::Sentinel { master: master.into(), sentinels })
    }

    fn of(servers: Servers) -> RedisHistoryBuilder {
        RedisHistoryBuilder {
            connect: Connect::new(servers),
            prefix: PREFIX.to_owned(),
            max_message_bytes: MAX_MESSAGE_BYTES,
            time_to_live: None,
        }
    }

    async fn loaded(
        &self,
        session: &SessionId,
        range: Range,
        with_turns: bool,
    ) -> Result<Loaded, HistoryError> {
        let load = Load { keys: self.keys.session(session), range, with_turns };
        self.database.read(session, load).await
    }
}

impl OwnFormat for RedisHistory {}

#[async_trait]
impl ChatHistory for RedisHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.loaded(session, range, false).await?.slice()
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let encode = |message: &Message| message.to_stored_json(self.max_message_bytes);
        let messages = turn.messages().iter().map(encode).collect::<Result<_, _>>()?;
        let keys = self.keys.session(session);
        let append = Append::new(keys, session, turn, messages, expect, self.lifetime_ms);
        #[cfg(feature = "cluster")]
        let append = append.with_listing(self.keys.listing(session));
        self.database.write(session, append).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let check = |message: &Message| message.to_stored_json(self.max_message_bytes).map(drop);
        messages.iter().try_for_each(check)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        self.database.write(session, Clear { keys, session: session.clone(), lifetime_ms }).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.loaded(session, range, true).await?.turns()
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let list = List { keys: self.keys.clone(), after: after.cloned(), limit };
        #[cfg(feature = "cluster")]
        if let Some(listed) = self.keys.listed().cloned() {
            return self.database.run(ListCluster { list, listed }).await;
        }
        self.database.run(list).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let keys = self.keys.session(session);
        self.database.write(session, Delete { keys, session: session.clone() }).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = First { keys: self.keys.session(session), count };
        let first = self.database.read(session, first).await?;
        let decode = |(number, json): (usize, &Vec<u8>)| {
            Message::from_stored_json(json, format_args!("message {number}"))
        };
        let messages = first.iter().enumerate().map(decode);
        Ok(Some(messages.collect::<Result<Vec<_>, _>>()?.into()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { keys: self.keys.session(session), name: name.to_owned() };
        self.database.read(session, load).await
    }

    /// Stores a note. Fails with [`HistoryError::Stale`] if it covers a version of another
    /// conversation.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let covers = note.covers;
        let Ok(note) = serde_json::to_string(note) else {
            return Err(HistoryError::Unsupported { what: "a note without a JSON form" });
        };
        let bytes = note.len() as u64;
        if bytes > self.max_message_bytes {
            return Err(HistoryError::TooLarge { bytes, limit: self.max_message_bytes });
        }
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        let put = PutNote { keys, name: name.to_owned(), note, covers, lifetime_ms };
        self.database.write(session, put).await
    }

    /// Acquires a session for one holder, by the server's clock, in milliseconds.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), lease_holder()?);
        let (keys, milliseconds) = (self.keys.lease(session), millis(time).max(1));
        let take = Take { keys, lease, milliseconds };
        self.database.write(session, take).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let release = Release { keys: self.keys.lease(&lease.session), lease: lease.clone() };
        self.database.write(&lease.session, release).await
    }
}

impl Loaded {
    fn decoded(self) -> Result<Vec<Message>, HistoryError> {
        let expected = self.version.messages.saturating_sub(self.start);
        let found = self.messages.len() as u64;
        if found != expected {
            return Err(corrupt(format!("there are {found} messages instead of {expected}")));
        }
        (self.start..)
            .zip(self.messages)
            .map(|(number, json)| Message::from_stored_json(json, format_args!("message {number}")))
            .collect()
    }

    fn slice(self) -> Result<Slice, HistoryError> {
        let version = self.version;
        Ok(Slice::new(self.decoded()?, version))
    }

    fn turns(mut self) -> Result<Vec<Turn>, HistoryError> {
        let (start, end) = (self.start, self.version.messages);
        let stored = std::mem::take(&mut self.turns);
        // A range may begin within a turn, a session does not.
        let mut next = match stored.first() {
            _ if start == 0 => 0,
            Some(first) => first.first,
            None => end,
        };
        let messages = Messages::from(self.decoded()?);
        let mut turns = Vec::with_capacity(stored.len());
        for turn in stored {
            let Stored { first, count, id, incomplete, base } = turn;
            if first != next {
                return Err(corrupt(format!(
                    "turn {id} begins at message {first} instead of {next}"
                )));
            }
            next = first.saturating_add(count);
            let index =
                |number: u64| usize::try_from(number.saturating_sub(start)).unwrap_or(usize::MAX);
            let messages = messages.slice(index(first)..index(next));
            let turn = Turn::identified(id, messages).with_incomplete(incomplete);
            turns.push(base.into_iter().fold(turn, Turn::with_base));
        }
        if next != end {
            return Err(corrupt(format!("there are {next} messages instead of {end}")));
        }
        Ok(turns)
    }
}

fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

/// Returns a time in the server's unit, milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.min(MAX_TIMEOUT).as_millis()).unwrap_or(u64::MAX)
}

/// Builds a [`RedisHistory`]. See [`RedisHistory::builder`].
///
/// | setting | default |
/// |---|---|
/// | [`connections`](Self::connections) | 4 |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`operation_timeout`](Self::operation_timeout) | 30 s |
/// | [`root_certificates`](Self::root_certificates) | the system's |
/// | [`prefix`](Self::prefix) | `conversant:` |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisHistoryBuilder {
    connect: Connect,
    prefix: String,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
}

impl RedisHistoryBuilder {
    connect_settings!();

    /// Sets the prefix of all keys. `conversant:` by default.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long a session is kept after its last turn, by the server's clock. Unlimited by
    /// default.
    ///
    /// It applies to sessions that are written from now on. The server frees the space of expired
    /// sessions.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the server cannot be reached, the
    ///   prefix contains a brace, or there is no Tokio runtime.
    /// - [`HistoryError::ReadOnly`] if the server is read-only.
    /// - [`HistoryError::SchemaTooNew`] if a later version of this crate wrote the keys.
    /// - [`HistoryError::TimedOut`] if the server does not answer in time.
    pub async fn connect(self) -> Result<RedisHistory, HistoryError> {
        if self.prefix.contains(['{', '}']) {
            let what = "invalid prefix of keys: it contains a brace";
            return Err(backend(RedisError::new(what)));
        }
        let keys = Keys::new(&self.prefix);
        #[cfg(feature = "cluster")]
        let keys = if self.connect.is_cluster() { keys.in_cluster() } else { keys };
        let database = self.connect.database().await?;
        database.run(CheckSchema { key: keys.schema() }).await?;
        #[cfg(feature = "cluster")]
        if keys.listed().is_some() {
            database.run(Adopt { keys: keys.clone() }).await?;
        }
        Ok(RedisHistory {
            database,
            keys,
            max_message_bytes: self.max_message_bytes,
            lifetime_ms: self.time_to_live.map(|time| millis(time).max(1)),
        })
    }
}
