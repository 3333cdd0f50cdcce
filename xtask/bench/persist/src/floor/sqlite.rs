//! A hand-written store in a SQLite file: a table, two statements, and a thread that owns the
//! connection.

use std::{path::Path, sync::mpsc, thread};

use conversant_core::{BoxError, TurnId};
use rusqlite::{Connection, config::DbConfig, params};
use tokio::sync::oneshot;

use super::{Message, NewTurn, checksum, decode};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS turns (
        session TEXT NOT NULL, number INTEGER NOT NULL, id BLOB NOT NULL, body TEXT NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (session, number), UNIQUE (session, id)
    ) WITHOUT ROWID;";

const LOAD: &str = "SELECT number, id, body, sum FROM turns WHERE session = ?1 AND number >= ?2
                    ORDER BY number DESC LIMIT ?3";
const APPEND: &str = "INSERT INTO turns SELECT ?1, ?2, ?3, ?4, ?5
                      WHERE EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND epoch = ?6)
                      ON CONFLICT (session, id) DO NOTHING";

/// The connection, used in line.
pub(crate) struct InLine {
    connection: Connection,
}

impl InLine {
    pub(crate) fn open(file: &Path) -> Result<Self, BoxError> {
        let connection = Connection::open(file)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection })
    }

    pub(crate) fn begin(&self, session: &str) -> Result<(), BoxError> {
        self.connection
            .execute("INSERT OR IGNORE INTO sessions VALUES (?1, 0)", [session])
            .map(drop)
            .map_err(Into::into)
    }

    /// Fills a session in few transactions.
    pub(crate) fn fill(&self, session: &str, turns: usize) -> Result<(), BoxError> {
        self.begin(session)?;
        self.connection.execute_batch("BEGIN")?;
        for number in 0..turns {
            self.append(session, number as u64, &NewTurn::of(number)?)?;
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Loads at most `limit` turns, the last ones from a number on, and the number of the next.
    pub(crate) fn load(
        &self,
        session: &str,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Message>, u64), BoxError> {
        let mut select = self.connection.prepare_cached(LOAD)?;
        let mut rows = select.query(params![session, from, limit])?;
        let mut found = Vec::with_capacity(limit.min(64));
        let mut next = from;
        while let Some(row) = rows.next()? {
            let number: u64 = row.get(0)?;
            let id = TurnId::from_u128(u128::from_be_bytes(row.get(1)?));
            let body = row.get_ref(2)?.as_str()?;
            let sum: u32 = row.get(3)?;
            if checksum(session, number, id, body.as_bytes()) != sum {
                return Err("a damaged row".into());
            }
            next = next.max(number + 1);
            found.push(body.to_owned());
        }
        let mut messages = Vec::with_capacity(found.len() * 2);
        for body in found.iter().rev() {
            decode(body.as_bytes(), &mut messages)?;
        }
        Ok((messages, next))
    }

    /// Appends a turn, by a number that the caller knows.
    pub(crate) fn append(
        &self,
        session: &str,
        number: u64,
        turn: &NewTurn,
    ) -> Result<(), BoxError> {
        let sum = checksum(session, number, turn.id, turn.body.as_bytes());
        let row = params![session, number, turn.id.as_bytes(), turn.body, sum, 0];
        match self.connection.prepare_cached(APPEND)?.execute(row)? {
            1 => Ok(()),
            _ => Err("the session was cleared".into()),
        }
    }
}

type Job = Box<dyn FnOnce(&InLine) + Send>;

/// The connection on a thread of its own, as an asynchronous program needs it.
#[derive(Clone)]
pub(crate) struct OnThread {
    jobs: mpsc::Sender<Job>,
}

impl OnThread {
    pub(crate) fn start(store: InLine) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for job in queue {
                job(&store);
            }
        });
        Self { jobs }
    }

    async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&InLine) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, BoxError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| drop(reply.send(run(store))));
        self.jobs.send(job).map_err(|_| "the store has ended")?;
        answer.await?
    }

    /// As [`InLine::load`].
    pub(crate) async fn load(
        &self,
        session: &str,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Message>, u64), BoxError> {
        let session = session.to_owned();
        self.run(move |store| store.load(&session, from, limit)).await
    }

    pub(crate) async fn append(
        &self,
        session: &str,
        number: u64,
        turn: NewTurn,
    ) -> Result<(), BoxError> {
        let session = session.to_owned();
        self.run(move |store| store.append(&session, number, &turn)).await
    }
}
