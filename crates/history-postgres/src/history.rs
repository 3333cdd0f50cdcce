//! The history whose conversations are in tables of its own.

use std::time::Duration;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, Range, SessionId, Slice,
    Turn, TurnId, Version,
};

use crate::{
    connecting::Connecting,
    encoded::{decode, encode},
    engine::Engine,
    schema::Migrate,
    statements::{
        Append, Clear, Delete, First, List, Load, LoadNote, Loaded, PutNote, Release, Stored,
        Sweep, Take,
    },
};

/// The largest message that is taken, unless told otherwise.
const MOST_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

/// The longest time that is counted: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[doc = include_str!("history.md")]
#[derive(Clone, Debug)]
pub struct PostgresHistory {
    engine: Engine,
    most_message_bytes: u64,
    lifetime_ms: Option<i64>,
}

impl PostgresHistory {
    /// Connects to a database with the defaults, and makes the tables if they are not there.
    ///
    /// # Errors
    /// As [`PostgresHistoryBuilder::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, HistoryError> {
        Self::builder(url).connect().await
    }

    /// Begins to say how to connect, by a URL such as `postgres://user:password@host/database` or a list of settings as libpq
    /// has them.
    pub fn builder(url: impl Into<String>) -> PostgresHistoryBuilder {
        PostgresHistoryBuilder {
            connecting: Connecting::new(url),
            most_message_bytes: MOST_MESSAGE_BYTES,
            time_to_live: None,
        }
    }

    /// Removes sessions whose time to live is over, at most so many, and leases that have ended. Returns how many sessions there were.
    ///
    /// They can't be seen even if this is never called; it frees their room. Call it now and then, from one place or several.
    ///
    /// # Errors
    /// [`HistoryError::Backend`], if the database can't be reached.
    pub async fn sweep(&self, most: u64) -> Result<u64, HistoryError> {
        self.engine.change(Sweep { most }).await
    }

    async fn loaded(&self, session: &SessionId, range: Range) -> Result<Loaded, HistoryError> {
        let loaded = self.engine.read(session, Load { session: session.clone(), range }).await?;
        loaded.check(range)?;
        Ok(loaded)
    }
}

#[async_trait]
impl ChatHistory for PostgresHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.loaded(session, range).await?.slice(range)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let messages = encode(turn.messages(), self.most_message_bytes)?;
        let append = Append::new(session, turn, messages, expect, self.lifetime_ms);
        self.engine.write(session, append).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.engine.write(session, Clear { session: session.clone() }).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.loaded(session, range).await?.turns(range)
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.engine.look(List { after: after.cloned(), limit }).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.engine.write(session, Delete { session: session.clone() }).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = self.engine.read(session, First { session: session.clone(), count }).await?;
        let read = |(number, json): (usize, &String)| decode(json, || format!("message {number}"));
        let messages = first.iter().take(count).enumerate().map(read);
        Ok(Some(messages.collect::<Result<Vec<_>, _>>()?.into()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let load = LoadNote { session: session.clone(), name: name.to_owned() };
        self.engine.read(session, load).await
    }

    /// Stores a note; one that covers an epoch other than the session's is [`HistoryError::Stale`].
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let Ok(body) = serde_json::to_string(&note.body) else {
            return Err(HistoryError::Unsupported { what: "a note that is no JSON" });
        };
        let bytes = body.len() as u64;
        if bytes > self.most_message_bytes {
            return Err(HistoryError::TooLarge { bytes, limit: self.most_message_bytes });
        }
        let (session_id, name) = (session.clone(), name.to_owned());
        let put = PutNote { session: session_id, name, body, covers: note.covers };
        self.engine.write(session, put).await
    }

    /// Takes the session for one holder, by the clock of the database's server.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), TurnId::random());
        let microseconds = i64::try_from(time.min(LONGEST).as_micros()).unwrap_or(i64::MAX);
        self.engine.write(session, Take { lease, microseconds }).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.engine.write(&lease.session, Release { lease: lease.clone() }).await
    }
}

impl Loaded {
    /// Checks that the turns are without a gap, from where the range begins up to the end.
    fn check(&self, range: Range) -> Result<(), HistoryError> {
        let count = self.version.messages;
        // A message that is in the range, whatever the turns and their sizes are.
        let needed = match range {
            Range::LastTurns(0) | Range::LastBytes(0) => count,
            Range::LastTurns(_) | Range::LastBytes(_) => count.saturating_sub(1),
            _ => self.start(range).min(count),
        };
        let mut next = self.turns.first().map_or(count, |turn| turn.first);
        if next > needed {
            return Err(corrupt(format!("message {needed} is missing")));
        }
        for turn in &self.turns {
            if turn.first != next {
                let Stored { id, first, .. } = turn;
                return Err(corrupt(format!("turn {id} begins at message {first} and not {next}")));
            }
            next = turn.end();
        }
        if next != count {
            return Err(corrupt(format!("there are {next} messages instead of {count}")));
        }
        Ok(())
    }

    /// Returns the index of the range's first message.
    fn start(&self, range: Range) -> u64 {
        let count = self.version.messages;
        match range {
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

    fn slice(&self, range: Range) -> Result<Slice, HistoryError> {
        let start = self.start(range);
        let first = self.turns.first().map_or(start, |turn| turn.first);
        let skipped = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = self.turns.iter().flat_map(Stored::numbered);
        let messages: Vec<Message> = numbered
            .skip(skipped)
            .map(|(number, turn, json)| decode(json, || turn.place(number)))
            .collect::<Result<_, _>>()?;
        Ok(Slice::new(messages, self.version))
    }

    /// Returns the turns that begin in the range.
    fn turns(&self, range: Range) -> Result<Vec<Turn>, HistoryError> {
        let start = self.start(range);
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

    fn place(&self, number: u64) -> String {
        format!("message {number}, of turn {},", self.id)
    }

    fn turn(&self) -> Result<Turn, HistoryError> {
        let unreadable =
            |_| corrupt(format!("the id of the turn at message {} is none", self.first));
        let id: TurnId = self.id.parse().map_err(unreadable)?;
        let messages: Messages = self
            .numbered()
            .map(|(number, turn, json)| decode(json, || turn.place(number)))
            .collect::<Result<Vec<_>, _>>()?
            .into();
        let turn = Turn::new(messages).with_id(id).with_incomplete(self.incomplete);
        Ok(match self.base {
            Some(base) => turn.with_base(base),
            None => turn,
        })
    }
}

fn corrupt(what: String) -> HistoryError {
    HistoryError::Corrupt { what, source: None }
}

/// How to connect, and within which limits. See [`PostgresHistory::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresHistoryBuilder {
    connecting: Connecting,
    most_message_bytes: u64,
    time_to_live: Option<Duration>,
}

impl PostgresHistoryBuilder {
    /// Sets how many connections there may be at once. The default is 16.
    pub fn most_connections(mut self, most: usize) -> Self {
        self.connecting.set_most_connections(most);
        self
    }

    /// Sets how long to wait for the server to take a connection, and for a connection to be free. The default is 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.connecting.set_patience(patience);
        self
    }

    /// Sets certificates, in PEM, to trust beside the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.connecting.set_roots(pem.into());
        self
    }

    /// Sets the largest message that is taken, in bytes of its JSON. The default is 16 MiB.
    pub const fn most_message_bytes(mut self, most: u64) -> Self {
        self.most_message_bytes = most;
        self
    }

    /// Sets how long a session is kept after its last turn, by the clock of the server. The default is for good.
    ///
    /// It holds for sessions that are written to from now on. What is over can't be seen, and its room is freed by
    /// [`PostgresHistory::sweep`] or by the next turn of the session.
    pub const fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Connects, and makes the tables if they are not there.
    ///
    /// # Errors
    ///
    /// - [`HistoryError::Backend`], if the URL can't be read, the database can't be reached, its encoding is not UTF-8, or there is no
    ///   Tokio runtime.
    /// - [`HistoryError::ReadOnly`], if it can't be written to.
    /// - [`HistoryError::SchemaTooNew`], if a later version of this crate has made the tables.
    pub async fn connect(self) -> Result<PostgresHistory, HistoryError> {
        let engine = self.connecting.engine()?;
        engine.change(Migrate).await?;
        let lifetime = self.time_to_live.map(|time| time.min(LONGEST).as_millis());
        Ok(PostgresHistory {
            engine,
            most_message_bytes: self.most_message_bytes,
            lifetime_ms: lifetime.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        })
    }
}
