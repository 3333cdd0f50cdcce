//! The history whose conversations are in keys of its own.

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, Range, SessionId, Slice,
    Turn, TurnId, Version,
};

use crate::{
    commands::{
        Append, CheckSchema, Clear, Delete, First, List, Load, LoadNote, Loaded, PutNote, Release,
        Stored, Take,
    },
    connecting::Connecting,
    encoded::{decode, encode},
    engine::Engine,
    error::{RedisError, backend},
    keys::Keys,
};

/// What keys begin with, unless told otherwise.
const PREFIX: &str = "conversant:";

/// The largest message that is taken, unless told otherwise.
pub(crate) const MOST_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The longest time that is counted: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[doc = include_str!("history.md")]
#[derive(Clone, Debug)]
pub struct RedisHistory {
    engine: Engine,
    keys: Keys,
    most_message_bytes: u64,
    lifetime_ms: Option<u64>,
}

impl RedisHistory {
    /// Connects to a server with the defaults.
    ///
    /// # Errors
    /// As [`RedisHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Begins to say how to connect, by a URL such as `redis://user:password@host:6379/0`, or `rediss://…` to encrypt.
    pub fn builder(url: impl Into<String>) -> RedisHistoryBuilder {
        RedisHistoryBuilder {
            connecting: Connecting::new(url),
            prefix: PREFIX.to_owned(),
            most_message_bytes: MOST_MESSAGE_BYTES,
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
        self.engine.read(session, load).await
    }
}

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
        let messages = encode(turn.messages(), self.most_message_bytes)?;
        let keys = self.keys.session(session);
        let append = Append::new(keys, session, turn, messages, expect, self.lifetime_ms);
        self.engine.write(session, append).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        self.engine.write(session, Clear { keys, session: session.clone(), lifetime_ms }).await
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
        self.engine.look(list).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let keys = self.keys.session(session);
        self.engine.write(session, Delete { keys, session: session.clone() }).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = First { keys: self.keys.session(session), count };
        let first = self.engine.read(session, first).await?;
        let read = |(number, json): (usize, &Vec<u8>)| decode(json, || format!("message {number}"));
        let messages = first.iter().enumerate().map(read);
        Ok(Some(messages.collect::<Result<Vec<_>, _>>()?.into()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { keys: self.keys.session(session), name: name.to_owned() };
        self.engine.read(session, load).await
    }

    /// Stores a note; one that covers an epoch other than the session's is [`HistoryError::Stale`].
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let covers = note.covers;
        let Ok(note) = serde_json::to_string(note) else {
            return Err(HistoryError::Unsupported { what: "a note that is no JSON" });
        };
        let bytes = note.len() as u64;
        if bytes > self.most_message_bytes {
            return Err(HistoryError::TooLarge { bytes, limit: self.most_message_bytes });
        }
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        let put = PutNote { keys, name: name.to_owned(), note, covers, lifetime_ms };
        self.engine.write(session, put).await
    }

    /// Takes the session for one holder, by the clock of the server, which counts milliseconds.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), TurnId::random());
        let take = Take { key: self.keys.lease(session), lease, milliseconds: millis(time).max(1) };
        self.engine.write(session, take).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let release = Release { key: self.keys.lease(&lease.session), lease: lease.clone() };
        self.engine.write(&lease.session, release).await
    }
}

impl Loaded {
    fn decoded(self) -> Result<Vec<Message>, HistoryError> {
        let expected = self.version.messages.saturating_sub(self.start);
        let found = self.messages.len() as u64;
        if found != expected {
            return Err(corrupt(format!("{found} messages were found instead of {expected}")));
        }
        (self.start..)
            .zip(self.messages)
            .map(|(number, json)| decode(&json, || format!("message {number}")))
            .collect()
    }

    fn slice(self) -> Result<Slice, HistoryError> {
        let version = self.version;
        Ok(Slice::new(self.decoded()?, version))
    }

    fn turns(mut self) -> Result<Vec<Turn>, HistoryError> {
        let (start, end) = (self.start, self.version.messages);
        let stored = std::mem::take(&mut self.turns);
        // A range may begin within a turn, but the session does not.
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
                return Err(corrupt(format!("turn {id} begins at message {first} and not {next}")));
            }
            next = first.saturating_add(count);
            let index =
                |number: u64| usize::try_from(number.saturating_sub(start)).unwrap_or(usize::MAX);
            let messages = messages.slice(index(first)..index(next));
            let turn = Turn::new(messages).with_id(id).with_incomplete(incomplete);
            turns.push(match base {
                Some(base) => turn.with_base(base),
                None => turn,
            });
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

/// Returns a time as the server counts it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}

/// How to connect, and within which limits. See [`RedisHistory::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisHistoryBuilder {
    connecting: Connecting,
    prefix: String,
    most_message_bytes: u64,
    time_to_live: Option<Duration>,
}

impl RedisHistoryBuilder {
    /// Sets how many connections there are. Each carries many operations at once; a second one lets them pass a large message. The default
    /// is 4.
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

    /// Sets what the names of all keys begin with. The default is `conversant:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the largest message that is taken, in bytes of its JSON. The default is 16 MiB.
    pub const fn most_message_bytes(mut self, most: u64) -> Self {
        self.most_message_bytes = most;
        self
    }

    /// Sets how long a session is kept after its last turn, by the clock of the server, which then frees its room. The default is for
    /// good. It holds for sessions that are written to from now on.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// - [`HistoryError::Backend`], if the URL can't be read, the server can't be reached, the prefix has a brace, or there is no Tokio
    ///   runtime.
    /// - [`HistoryError::ReadOnly`], if it can't be written to.
    /// - [`HistoryError::SchemaTooNew`], if a later version of this crate has written the keys.
    pub async fn connect(self) -> Result<RedisHistory, HistoryError> {
        if self.prefix.contains(['{', '}']) {
            return Err(backend(RedisError::new("the prefix of the keys has a brace")));
        }
        let keys = Keys::new(&self.prefix);
        let engine = self.connecting.engine().await?;
        engine.look(CheckSchema { key: keys.schema() }).await?;
        Ok(RedisHistory {
            engine,
            keys,
            most_message_bytes: self.most_message_bytes,
            lifetime_ms: self.time_to_live.map(|time| millis(time).max(1)),
        })
    }
}
