//! The history in tables of its own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    Expect, HistoryError, Message, Messages, Note, Point, Range, SessionId, Slice, Turn,
    UsageTotals, Version,
};
use conversant_history::{BranchedHistory, MAX_TIMEOUT};
use tokio::sync::Mutex;

use crate::{
    connect::{Connect, connect_settings},
    indexing::{Progress, index, index_titles},
    irregular::IrregularSessions,
    pool::{Barrier, Database},
    schema::{Migrated, Wanted},
    search::search_texts,
    statements::{
        Append, First, HOLD, IsAt, Load, LoadLast, LoadNote, Loaded, MAX_LAST_TURNS, Preparation,
        PutNote, ReplaceNote, Sweep, encode_note,
    },
};

/// The default of [`PostgresHistoryBuilder::max_message_bytes`].
pub(crate) const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The most bytes of a note's name, which is in an index.
const MAX_NOTE_NAME: usize = 2000;

/// The number of sessions that one statement removes.
const MAX_SWEPT_AT_ONCE: usize = 1_000;

/// The most partitions of a table.
const MAX_PARTITIONS: u16 = 1024;

#[doc = include_str!("history.md")]
#[derive(Clone, Debug)]
pub struct PostgresHistory {
    pub(crate) database: Database,
    pub(crate) max_message_bytes: u64,
    pub(crate) lifetime_ms: Option<i64>,
    preparation: Preparation,
    irregular: Arc<IrregularSessions>,
    /// Where the next call of `index_for_search` goes on.
    indexing: Arc<Mutex<Progress>>,
    /// The text search configuration, if there is a search.
    pub(crate) search: Option<Arc<str>>,
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
            search: None,
            prepared_statements: None,
        }
    }

    /// Removes at most `max` expired sessions, and all expired leases. Returns the number of
    /// sessions removed.
    ///
    /// Expired sessions are never loaded, so this only frees their space. Call it from time to
    /// time, from any number of processes.
    ///
    /// Some sessions are removed at a time, so that `max` may be large: each statement ends within
    /// the [`operation_timeout`](PostgresHistoryBuilder::operation_timeout).
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the database cannot be reached.
    /// - [`HistoryError::ReadOnly`] if the database is read-only, or the user may not write.
    /// - [`HistoryError::TimedOut`] if the database does not answer in time. Sessions that were
    ///   removed until then are gone.
    pub async fn sweep(&self, max: usize) -> Result<usize, HistoryError> {
        let mut swept = 0;
        loop {
            let wanted = (max - swept).min(MAX_SWEPT_AT_ONCE);
            let removed = self.database.change(Sweep { max: wanted }).await?;
            swept += removed;
            if removed < wanted || swept >= max {
                return Ok(swept);
            }
        }
    }

    /// Adds at most `max` turns and titles to the index of the
    /// [search](PostgresHistoryBuilder::search) that were stored before there was one. Returns
    /// their number: none are left once it is 0.
    ///
    /// A call goes on where the last one of this history ended. It takes as long as there is
    /// something to look up; each of its statements ends within the
    /// [`operation_timeout`](PostgresHistoryBuilder::operation_timeout), also with many millions of
    /// turns. Calls on one history wait for each other.
    ///
    /// # Errors
    /// - [`HistoryError::Unsupported`] if there is no search.
    /// - [`HistoryError::Corrupt`] if a turn cannot be read. The others are added, and it is passed
    ///   over from then on: call it again.
    pub async fn index_for_search(&self, max: usize) -> Result<usize, HistoryError> {
        if self.search.is_none() {
            return Err(HistoryError::Unsupported { what: "search" });
        }
        index(&self.database, &self.indexing, max).await
    }

    /// Returns whether the plain statements serve a session, as far as is known.
    fn is_regular(&self, session: &SessionId) -> bool {
        self.preparation.is_prepared() && !self.irregular.contains(session)
    }

    async fn loaded(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Loaded, HistoryError> {
        let preparation = self.preparation.clone();
        let load = Load { session: session.clone(), point, range, preparation };
        let loaded = self.database.read(session, load).await?;
        loaded.check()?;
        Ok(loaded)
    }
}

impl PostgresHistory {
    fn put(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
        note: &Note,
    ) -> Result<PutNote, HistoryError> {
        if name.len() > MAX_NOTE_NAME {
            let what = "notes with names of more than 2,000 bytes";
            return Err(HistoryError::Unsupported { what });
        }
        let body = encode_note(&note.body)?;
        let (session, name) = (session.clone(), name.to_owned());
        let (covers, lifetime_ms) = (note.covers, self.lifetime_ms);
        Ok(PutNote { session, point, name, body, covers, lifetime_ms })
    }
}

#[async_trait]
impl BranchedHistory for PostgresHistory {
    async fn load_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        if point.is_some() || !self.is_regular(session) {
            return self.loaded(session, point, range).await?.slice();
        }
        let preparation = self.preparation.clone();
        match range {
            Range::LastTurns(turns @ 1..=MAX_LAST_TURNS) => {
                let load = LoadLast { session: session.clone(), turns, preparation };
                if let Some(slice) = self.database.read(session, load).await? {
                    return Ok(slice);
                }
            }
            Range::After(version) if version.messages > 0 && version.tip != 0 => {
                let is_at = IsAt { session: session.clone(), version, preparation };
                if self.database.read(session, is_at).await? {
                    return Ok(Slice::new(Messages::default(), version).with_turns(Vec::new()));
                }
            }
            _ => return self.loaded(session, point, range).await?.slice(),
        }
        let slice = self.loaded(session, point, range).await?.slice()?;
        // The plain statement would have found a regular session.
        let is_irregular = match range {
            Range::After(version) => version.matches(slice.version),
            _ => !slice.messages.is_empty(),
        };
        if is_irregular {
            self.irregular.insert(session);
        }
        Ok(slice)
    }

    async fn append_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let encode = |message: &Message| message.to_compact_json(self.max_message_bytes);
        let append = Append {
            session: session.clone(),
            point,
            turn: turn.id(),
            expect,
            messages: turn.messages().iter().map(encode).collect::<Result<_, _>>()?,
            bytes: turn.messages().iter().map(Message::stored_json_len).sum(),
            incomplete: turn.is_incomplete(),
            base: turn.base(),
            totals: UsageTotals::of_turn(turn),
            texts: self.search.as_ref().map(|_| search_texts(turn)),
            lifetime_ms: self.lifetime_ms,
            is_regular: point.is_none() && self.is_regular(session),
            preparation: self.preparation.clone(),
        };
        self.database.write(session, append).await
    }

    async fn turns_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        self.loaded(session, point, range).await?.turns()
    }

    async fn first_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = First { session: session.clone(), point, count };
        let first = self.database.read(session, first).await?;
        let decode = |(number, json): (usize, &String)| {
            Message::from_stored_json(json, format_args!("message {number}"))
        };
        let messages = first.iter().take(count).enumerate().map(decode);
        Ok(Some(messages.collect::<Result<Vec<_>, _>>()?.into()))
    }

    async fn note_at(
        &self,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { session: session.clone(), point, name: name.to_owned() };
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
/// | [`search`](Self::search) | as the database has it, at first none |
/// | [`prepared_statements`](Self::prepared_statements) | without a pooler |
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresHistoryBuilder {
    connect: Connect,
    max_message_bytes: u64,
    time_to_live: Option<Duration>,
    partitions: Option<u16>,
    search: Option<String>,
    prepared_statements: Option<bool>,
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

    /// Creates an index of the words of all turns and titles, with a text search configuration of
    /// the database: `simple`, which keeps words as they are, or that of a language, such as
    /// `english`. By default there is none, and appends do not pay for it.
    ///
    /// With it, [`SessionFilter::with_text`](conversant_core::SessionFilter::with_text) finds
    /// sessions. It is a property of the database: all programs that connect later index what they
    /// append, with this setting or without. Start those again that were connected before, and add
    /// what they had stored by [`PostgresHistory::index_for_search`]. The first program that
    /// connects with it adds the titles, some at a time. Until it has, sessions are not found by
    /// them; if its `connect` fails or is dropped before, [`PostgresHistory::index_for_search`]
    /// adds those that are left. It blocks others only while the empty index is created, which
    /// takes as long as one look at each session's row.
    ///
    /// A language's configuration compares words by their stems and has stop words, which are in no
    /// index. With `english`, a list for `university` also has sessions with "universe", and one
    /// for `will` has none; in a longer text, stop words are passed over.
    /// [`delete_sessions`](conversant_core::ChatHistory::delete_sessions) deletes what such a list
    /// has, except that a text with a stop word is
    /// [`HistoryError::InvalidText`]. Use `simple` where people delete by their words.
    pub fn search(mut self, configuration: impl Into<String>) -> Self {
        self.search = Some(configuration.into());
        self
    }

    /// Sets how long a session is kept after its last turn, by the server's clock. Unlimited by
    /// default.
    ///
    /// It applies to sessions that are written from now on. Expired sessions are not loaded. Their
    /// space is freed by [`PostgresHistory::sweep`] or by the next turn of the session.
    ///
    /// A session without turns, such as that of the facts of a user or a group, is kept as long
    /// after its last note: facts that do not change for this time are forgotten.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Sets whether the statements of loads and appends are prepared, once in each connection. By
    /// default they are if all connections end at the server itself.
    ///
    /// The server then parses and plans each of them once a connection, not once a call. Behind a
    /// pooler that gives each transaction another connection, they cannot be prepared. A pooler is
    /// recognized: the process that serves a connection is not the one with which it began. Set
    /// `true` behind a pooler that follows prepared statements, as PgBouncer does from version
    /// 1.21 on with `max_prepared_statements`.
    pub const fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared_statements = Some(prepared);
        self
    }

    /// Connects, and creates the tables or migrates those of an earlier version. A migration takes
    /// as long as it needs, also for the locks of other transactions: the
    /// [`operation_timeout`](Self::operation_timeout) is only the time for which it begins again if
    /// the connection breaks. Other programs that connect wait for it. Dropping the future ends it.
    ///
    /// # Errors
    /// - [`HistoryError::Backend`] if the URL cannot be parsed, the database cannot be reached, its
    ///   encoding is not UTF-8, its tables have another number of
    ///   [`partitions`](Self::partitions) or another [`search`](Self::search), or there is no Tokio
    ///   runtime.
    /// - [`HistoryError::ReadOnly`] if the database is read-only, or the user lacks a privilege.
    /// - [`HistoryError::SchemaTooNew`] if a later version of this crate created the tables.
    /// - [`HistoryError::TimedOut`] if the database does not answer in time.
    pub async fn connect(mut self) -> Result<PostgresHistory, HistoryError> {
        self.connect.pool.detect_poolers = self.prepared_statements.is_none();
        let database = self.connect.database(Barrier(HOLD.into())).await?;
        let wanted = Wanted { partitions: self.partitions, search: self.search };
        let Migrated { search, is_search_new } =
            wanted.migrate(&database, self.connect.operation_timeout).await?;
        if is_search_new {
            index_titles(&database).await?;
        }
        let lifetime = self.time_to_live.map(|time| time.min(MAX_TIMEOUT).as_millis());
        Ok(PostgresHistory {
            preparation: match self.prepared_statements {
                Some(true) => Preparation::Always,
                Some(false) => Preparation::Never,
                None => Preparation::IfDirect(database.pool().clone()),
            },
            database,
            irregular: Arc::default(),
            indexing: Arc::default(),
            max_message_bytes: self.max_message_bytes,
            search: search.map(Arc::from),
            lifetime_ms: lifetime.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        })
    }
}
