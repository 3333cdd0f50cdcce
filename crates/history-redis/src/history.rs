//! The history in keys of its own.

use std::time::Duration;

#[cfg(doc)]
use conversant_core::ChatHistory;
use conversant_core::{
    BytesLeft, Expect, HistoryError, Message, Messages, Note, Point, Range, SessionId, Slice, Turn,
    Version, async_trait,
};
use conversant_history::{BranchedHistory, MAX_TIMEOUT};

#[cfg(feature = "cluster")]
use crate::commands::Adopt;
use crate::{
    commands::{
        Append, CheckSchema, Completions, Decoded, First, Load, LoadNote, Loaded, PutNote,
        ReplaceNote, encode_note,
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
    pub(crate) database: Database,
    pub(crate) keys: Keys,
    pub(crate) max_message_bytes: u64,
    pub(crate) lifetime_ms: Option<u64>,
    pub(crate) completions: Completions,
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

    /// Loads the turns that have messages of a range, and returns the index at which it begins in
    /// their messages.
    async fn decoded(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<(Version, Decoded, usize), HistoryError> {
        let load = Load { keys: self.keys.session(session), range, point };
        let Loaded { version, turns, before } = self.database.read(session, load).await?;
        let decoded = Decoded::new(turns, None)?;
        if decoded.end().is_some_and(|end| end != version.messages) {
            return Err(HistoryError::Corrupt {
                what: "the last turn is not where the session ends".to_owned(),
                source: None,
            });
        }
        let start = start(range, &decoded.messages, version, before);
        Ok((version, decoded, start))
    }
}

impl RedisHistory {
    fn put(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<PutNote, HistoryError> {
        let covers = note.covers;
        let note = encode_note(note)?;
        Ok(PutNote {
            keys: self.keys.session(session),
            name: name.to_owned(),
            note,
            covers,
            lifetime_ms: self.lifetime_ms,
            session: session.clone(),
            point,
        })
    }
}

#[async_trait]
impl BranchedHistory for RedisHistory {
    async fn load_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let (version, decoded, start) = self.decoded(session, point, range).await?;
        let starts = decoded.starts().filter_map(|turn| turn.checked_sub(start)).collect();
        let mut messages = decoded.messages;
        messages.drain(..start);
        Ok(Slice::new(messages, version).with_turns(starts))
    }

    async fn turns_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let (_, decoded, start) = self.decoded(session, point, range).await?;
        Ok(decoded.into_turns(start))
    }

    async fn append_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let messages = turn.messages().to_compact_json(self.max_message_bytes)?;
        let keys = self.keys.session(session);
        let append = Append::new(keys, session, point, turn, &messages, expect, self.lifetime_ms);
        #[cfg(feature = "cluster")]
        let append = append.with_listing(self.keys.listing(session));
        self.database.write(session, append).await
    }

    async fn first_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = First { keys: self.keys.session(session), count, point };
        let turns = self.database.read(session, first).await?;
        let mut messages = Decoded::new(turns, Some(0))?.messages;
        messages.truncate(count);
        Ok(Some(messages.into()))
    }

    async fn note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { keys: self.keys.session(session), name: name.to_owned(), point };
        self.database.read(session, load).await
    }

    async fn put_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.database.write(session, self.put(session, point, name, note)?).await
    }

    async fn replace_note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let put = self.put(session, point, name, note)?;
        self.database.write(session, ReplaceNote { read: read.cloned(), put }).await
    }
}

/// Returns the index at which a range begins in the messages of the turns that have it.
fn start(range: Range, messages: &[Message], version: Version, before: u64) -> usize {
    let count = messages.len();
    match range {
        Range::LastMessages(wanted) => count.saturating_sub(wanted),
        Range::LastBytes(limit) => {
            let mut left = BytesLeft::new(limit);
            let sizes = messages.iter().rev().map(Message::stored_json_len);
            count - sizes.take_while(|&bytes| left.takes(bytes)).count()
        }
        Range::After(_) => {
            let loaded = version.messages.saturating_sub(count as u64);
            usize::try_from(before.saturating_sub(loaded)).unwrap_or(count).min(count)
        }
        _ => 0,
    }
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
/// | [`only_root_certificates`](Self::only_root_certificates) | the system's |
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
    ///
    /// A session without turns, such as that of the facts of a user or a group, is kept as long
    /// after its last note: facts that do not change for this time are forgotten.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects. The first program that connects to a cluster also gives its slots their lists,
    /// which takes as long as a scan of all keys there.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the server cannot be reached, the
    ///   prefix contains a brace, or there is no Tokio runtime.
    /// - [`HistoryError::ReadOnly`] if the server is read-only, or the user may not write.
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
        database.prepare(CheckSchema { key: keys.schema() }).await?;
        #[cfg(feature = "cluster")]
        if keys.listed().is_some() {
            database.without_limit().prepare(Adopt { keys: keys.clone() }).await?;
        }
        Ok(RedisHistory {
            database,
            keys,
            max_message_bytes: self.max_message_bytes,
            lifetime_ms: self.time_to_live.map(|time| millis(time).max(1)),
            completions: Completions::default(),
        })
    }
}
