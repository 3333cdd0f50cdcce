//! The history in tables of its own.

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, OwnFormat, Range, SessionId,
    Slice, Turn, Version,
};
use conversant_history::{MAX_TIMEOUT, lease_holder};

use crate::{
    connect::{Connect, connect_settings},
    pool::{Barrier, Database},
    schema::Migrate,
    statements::{
        Append, Clear, Delete, First, HOLD, List, Load, LoadNote, Loaded, PutNote, Release, Stored,
        Sweep, Take,
    },
};

/// The default of [`PostgresHistoryBuilder::max_message_bytes`].
pub(crate) const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The most partitions of a table.
const MAX_PARTITIONS: u16 = 1024;

#[doc = include_str!("history.md")]
#[derive(Clone, Debug)]
pub struct PostgresHistory {
    database: Database,
    max_message_bytes: u64,
    lifetime_ms: Option<i64>,
    prepared_statements: bool,
}

impl PostgresHistory {
    /// Connects to a database with the default settings, and creates the tables if they are
    /// missing.
    ///
    /// # Errors
    /// As [`PostgresHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a connection to `url`, for example
    /// `postgres://user:password@host/database` or a list of libpq settings.
    pub fn builder(url: impl Into<String>) -> PostgresHistoryBuilder {
        PostgresHistoryBuilder {
            connect: Connect::new(url),
            max_message_bytes: MAX_MESSAGE_BYTES,
            time_to_live: None,
            partitions: None,
            prepared_statements: false,
        }
    }

    /// Removes at most `max` expired sessions, and all expired leases. Returns the number of
    /// sessions removed.
    ///
    /// Expired sessions are never loaded, so this only frees their space. Call it from time to
    /// time, from any number of processes.
    ///
    /// # Errors
    /// [`HistoryError::Backend`] if the database cannot be reached.
    pub async fn sweep(&self, max: u64) -> Result<u64, HistoryError> {
        self.database.run(Sweep { max }).await
    }

    async fn loaded(&self, session: &SessionId, range: Range) -> Result<Loaded, HistoryError> {
        let is_prepared = self.prepared_statements;
        let load = Load { session: session.clone(), range, is_prepared };
        let loaded = self.database.read(session, load).await?;
        loaded.check()?;
        Ok(loaded)
    }
}

impl OwnFormat for PostgresHistory {}

#[async_trait]
impl ChatHistory for PostgresHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.loaded(session, range).await?.slice()
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let encode = |message: &Message| message.to_stored_json(self.max_message_bytes);
        let messages = turn.messages().iter().map(encode).collect::<Result<_, _>>()?;
        let append = Append::new(session, turn, messages, expect, self.lifetime_ms)
            .prepared(self.prepared_statements);
        self.database.write(session, append).await
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let check = |message: &Message| message.to_stored_json(self.max_message_bytes).map(drop);
        messages.iter().try_for_each(check)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.database.write(session, Clear { session: session.clone() }).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.loaded(session, range).await?.turns()
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.database.run(List { after: after.cloned(), limit }).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.database.write(session, Delete { session: session.clone() }).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = self.database.read(session, First { session: session.clone(), count }).await?;
        let decode = |(number, json): (usize, &String)| {
            Message::from_stored_json(json, format_args!("message {number}"))
        };
        let messages = first.iter().take(count).enumerate().map(decode);
        Ok(Some(messages.collect::<Result<Vec<_>, _>>()?.into()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { session: session.clone(), name: name.to_owned() };
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
        let Ok(body) = serde_json::to_string(&note.body) else {
            return Err(HistoryError::Unsupported { what: "a note without a JSON form" });
        };
        let bytes = body.len() as u64;
        if bytes > self.max_message_bytes {
            return Err(HistoryError::TooLarge { bytes, limit: self.max_message_bytes });
        }
        let (session_id, name) = (session.clone(), name.to_owned());
        let put = PutNote { session: session_id, name, body, covers: note.covers };
        self.database.write(session, put).await
    }

    /// Acquires a session for one holder, by the clock of the database server.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), lease_holder()?);
        let microseconds = i64::try_from(time.min(MAX_TIMEOUT).as_micros()).unwrap_or(i64::MAX);
        self.database.write(session, Take { lease, microseconds }).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.database.write(&lease.session, Release { lease: lease.clone() }).await
    }
}

impl Loaded {
    /// Checks that the turns have no gap, from the begin of the range to the end of the session.
    fn check(&self) -> Result<(), HistoryError> {
        let count = self.version.messages;
        // The first message that is in the range for any sizes of the turns.
        let needed = match self.range {
            Range::LastTurns(0) | Range::LastBytes(0) => count,
            Range::LastTurns(_) | Range::LastBytes(_) => count.saturating_sub(1),
            _ => self.start().min(count),
        };
        let mut next = self.turns.first().map_or(count, |turn| turn.first);
        if next > needed {
            return Err(corrupt(format!("message {needed} is missing")));
        }
        for turn in &self.turns {
            if turn.first != next {
                let Stored { id, first, .. } = turn;
                return Err(corrupt(format!(
                    "turn {id} begins at message {first} instead of {next}"
                )));
            }
            next = turn.end();
        }
        if next != count {
            return Err(corrupt(format!("there are {next} messages instead of {count}")));
        }
        Ok(())
    }

    /// Returns the index of the range's first message.
    fn start(&self) -> u64 {
        let count = self.version.messages;
        match self.range {
            Range::LastMessages(messages) => count.saturating_sub(messages as u64),
            Range::LastBytes(bytes) => {
                let mut left = bytes;
                let messages = self.turns.iter().rev().flat_map(|turn| turn.messages.iter().rev());
                let fitting = messages.take_while(|message| {
                    let rest = left.checked_sub(message.len() as u64);
                    rest.inspect(|&rest| left = rest).is_some()
                });
                count.saturating_sub(fitting.count() as u64)
            }
            Range::After(seen) if seen.epoch == self.version.epoch => seen.messages,
            _ => 0,
        }
    }

    fn slice(&self) -> Result<Slice, HistoryError> {
        let start = self.start();
        let first = self.turns.first().map_or(start, |turn| turn.first);
        let skipped = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = self.turns.iter().flat_map(Stored::numbered);
        let messages: Vec<Message> = numbered
            .skip(skipped)
            .map(|(number, turn, json)| turn.decode(number, json))
            .collect::<Result<_, _>>()?;
        Ok(Slice::new(messages, self.version))
    }

    /// Returns the turns that begin in the range.
    fn turns(&self) -> Result<Vec<Turn>, HistoryError> {
        let start = self.start();
        self.turns.iter().filter(|turn| turn.first >= start).map(Stored::turn).collect()
    }
}

impl Stored {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.messages.len() as u64)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &Self, &str)> {
        (self.first..).zip(&self.messages).map(move |(number, json)| (number, self, json.as_str()))
    }

    fn decode(&self, number: u64, json: &str) -> Result<Message, HistoryError> {
        Message::from_stored_json(json, format_args!("message {number}, of turn {}", self.id))
    }

    fn turn(&self) -> Result<Turn, HistoryError> {
        let messages: Messages = self
            .numbered()
            .map(|(number, turn, json)| turn.decode(number, json))
            .collect::<Result<Vec<_>, _>>()?
            .into();
        let turn = Turn::identified(self.id, messages).with_incomplete(self.incomplete);
        Ok(self.base.into_iter().fold(turn, Turn::with_base))
    }
}

fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

/// Builds a [`PostgresHistory`]. See [`PostgresHistory::builder`].
///
/// | setting | default |
/// |---|---|
/// | [`max_connections`](Self::max_connections) | 16 |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`acquire_timeout`](Self::acquire_timeout) | 10 s |
/// | [`operation_timeout`](Self::operation_timeout) | 30 s |
/// | [`root_certificates`](Self::root_certificates) | the system's |
/// | [`max_message_bytes`](Self::max_message_bytes) | 16 MiB |
/// | [`time_to_live`](Self::time_to_live) | unlimited |
/// | [`partitions`](Self::partitions) | none |
/// | [`prepared_statements`](Self::prepared_statements) | off |
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresHistoryBuilder {
    connect: Connect,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
    partitions: Option<u16>,
    prepared_statements: bool,
}

impl PostgresHistoryBuilder {
    connect_settings!();

    /// Sets the number of partitions of the tables, from 1 to 1,024, by a hash of the session. By
    /// default the tables are not partitioned.
    ///
    /// With partitions, vacuuming and indexes keep to a part of the data. It applies to tables that
    /// are created: the first program that connects decides. A program that leaves it out works
    /// with any tables; one that sets another number than theirs is refused.
    pub const fn partitions(mut self, partitions: u16) -> Self {
        self.partitions = Some(match partitions {
            0 => 1,
            MAX_PARTITIONS.. => MAX_PARTITIONS,
            within => within,
        });
        self
    }

    /// Sets how long a session is kept after its last turn, by the server's clock. Unlimited by
    /// default.
    ///
    /// It applies to sessions that are written from now on. Expired sessions are not loaded. Their
    /// space is freed by [`PostgresHistory::sweep`] or by the next turn of the session.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Sets whether the statements of loads and appends are prepared, once in each connection. Off
    /// by default.
    ///
    /// The server then parses and plans each of them once a connection, not once a call. Leave it
    /// off behind a pooler that gives each transaction another connection, unless the pooler
    /// follows prepared statements, as PgBouncer does from version 1.21 on.
    pub const fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared_statements = prepared;
        self
    }

    /// Connects, and creates the tables or migrates those of an earlier version.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the database cannot be reached, its
    ///   encoding is not UTF-8, its tables have another number of
    ///   [`partitions`](Self::partitions), or there is no Tokio runtime.
    /// - [`HistoryError::ReadOnly`] if the database is read-only.
    /// - [`HistoryError::SchemaTooNew`] if a later version of this crate created the tables.
    /// - [`HistoryError::TimedOut`] if the database does not answer in time.
    pub async fn connect(self) -> Result<PostgresHistory, HistoryError> {
        let database = self.connect.database(Barrier(HOLD.into())).await?;
        database.run(Migrate { partitions: self.partitions }).await?;
        let lifetime = self.time_to_live.map(|time| time.min(MAX_TIMEOUT).as_millis());
        Ok(PostgresHistory {
            database,
            max_message_bytes: self.max_message_bytes,
            prepared_statements: self.prepared_statements,
            lifetime_ms: lifetime.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        })
    }
}
