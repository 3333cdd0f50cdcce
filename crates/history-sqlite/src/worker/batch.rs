//! The writer: commits the queued writes together, because each commit waits for the disk.

use std::time::{Duration, Instant};

use conversant_core::HistoryError;
use conversant_history::{Jobs, SqliteFileFault, WorkerError};
use futures_channel::oneshot;
use rusqlite::Connection;

use super::{
    files::Files,
    pending::Held,
    readers::{Read, Readers},
    writer::{SharedWriter, Writer},
};
use crate::{
    statement::{caught, execute, reply, transaction},
    table::seen::SeenSessions,
};

/// The maximum number of writes in one transaction.
const MAX_WRITES: usize = 128;

/// The time for which the writer of a store that was just opened stays awake.
const AWAKE: Duration = Duration::from_micros(200);

/// Acquires the write lock at the start of the transaction, so that another writer cannot make it
/// fail half way.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// An entry of the writer's queue.
pub(super) enum Task {
    Write(Box<dyn Write>),
    /// A read that is handed on to a reader when the writes before it are committed.
    Read(Read),
    /// A read that is made on the writer's connection, which has the pages that it has written.
    BriefRead(Read),
}

/// A write, with its return type erased.
pub(super) trait Write: Send {
    /// Runs the statements, in a transaction.
    fn run(&mut self, connection: &Connection, seen: &mut SeenSessions)
    -> Result<(), HistoryError>;
    /// Returns when the write was queued.
    fn queued(&self) -> Instant;
    /// Returns whether it removes data, which is then removed from the log too.
    fn erases(&self) -> bool;
    /// Sends the final outcome to the caller.
    fn settle(self: Box<Self>, outcome: Result<(), HistoryError>);
}

pub(super) struct Job<T, F> {
    queued: Instant,
    erases: bool,
    run: F,
    returned: Option<T>,
    reply: oneshot::Sender<Result<T, HistoryError>>,
    held: Held,
}

impl<T, F> Job<T, F> {
    pub(super) fn new(
        run: F,
        erases: bool,
        reply: oneshot::Sender<Result<T, HistoryError>>,
        held: Held,
    ) -> Self {
        Self { queued: Instant::now(), erases, run, returned: None, reply, held }
    }
}

impl<T, F> Write for Job<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut SeenSessions) -> Result<T, HistoryError> + Send,
{
    fn run(
        &mut self,
        connection: &Connection,
        seen: &mut SeenSessions,
    ) -> Result<(), HistoryError> {
        self.returned = Some((self.run)(connection, seen)?);
        Ok(())
    }

    fn queued(&self) -> Instant {
        self.queued
    }

    fn erases(&self) -> bool {
        self.erases
    }

    fn settle(self: Box<Self>, outcome: Result<(), HistoryError>) {
        let Self { returned, reply: to, held, .. } = *self;
        drop(held);
        if let Some(answer) = outcome.map(|()| returned).transpose() {
            reply(to, answer);
        }
    }
}

/// Writes what is queued until the queue ends. A read is made when the writes before it are
/// committed.
pub(super) fn write_all(
    shared: &SharedWriter,
    tasks: &Jobs<Task>,
    readers: &Readers,
    files: &Files,
) {
    let (mut log, mut waits) = (Log::default(), Waits::new(shared.busy_timeout()));
    let mut task = tasks.next_awake(AWAKE);
    while let Some(first) = task {
        let (mut writes, mut reads, mut brief_reads) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(task) = next {
            match task {
                Task::Write(write) => writes.push(write),
                Task::Read(read) => reads.push(read),
                Task::BriefRead(read) => brief_reads.push(read),
            }
            next = if writes.len() < MAX_WRITES { tasks.try_next() } else { None };
        }
        if !writes.is_empty() {
            write(shared, files, &mut log, &mut waits, writes);
        }
        for read in reads {
            // The readers end after the writer.
            let _ = readers.send(read);
        }
        for read in brief_reads {
            if let Some(writer) = shared.lock().as_mut() {
                // The last write may have left less.
                let _ = writer.connection.busy_timeout(shared.busy_timeout());
                read(&mut writer.connection);
            }
        }
        log.empty_later(shared);
        task = tasks.next();
    }
}

/// The busy timeout of writes that have used up theirs in the queue behind other writes.
const MIN_BUSY_TIMEOUT: Duration = Duration::from_millis(50);

/// How long writes wait for other processes: the busy timeout, from when they were queued.
struct Waits {
    busy_timeout: Duration,
    /// Whether another process held the file for as long as the last transaction waited.
    was_busy: bool,
}

impl Waits {
    const fn new(busy_timeout: Duration) -> Self {
        Self { busy_timeout, was_busy: false }
    }

    fn left(&self, queued: Instant) -> Duration {
        self.busy_timeout.saturating_sub(queued.elapsed())
    }

    /// Returns whether a write has waited for its time. SQLite counts in milliseconds.
    fn is_over(&self, queued: Instant) -> bool {
        self.left(queued) < Duration::from_millis(1)
    }

    /// Sets the busy timeout of a connection to what is left of it for a write. One that has waited
    /// behind other writes for its time is still tried: at once, if they have waited for a process.
    fn limit(&self, connection: &Connection, queued: Instant) {
        let least = if self.was_busy { Duration::ZERO } else { MIN_BUSY_TIMEOUT };
        let left = self.left(queued).max(least.min(self.busy_timeout));
        // Without it, the previous timeout applies.
        let _ = connection.busy_timeout(left);
    }
}

/// The write-ahead log, which has what was removed from the file until it is emptied.
#[derive(Default)]
struct Log {
    has_removed: bool,
    /// When it could not be emptied last.
    refused: Option<Instant>,
}

impl Log {
    /// Writes the log to the file and empties it, for callers that have removed data. It waits for
    /// other connections that read, and less if they have been waited for a moment before.
    fn empty(&mut self, connection: &Connection) {
        if self.was_refused() {
            self.try_empty(connection, SHORT_LOG_TIMEOUT);
        } else {
            self.try_empty(connection, LOG_TIMEOUT);
        }
    }

    /// Empties it if that failed a while ago. The callers of the writes before it have their
    /// answers. The last connection that is closed removes the log.
    fn empty_later(&mut self, shared: &SharedWriter) {
        if self.has_removed
            && !self.was_refused()
            && let Some(writer) = shared.lock().as_ref()
        {
            self.try_empty(&writer.connection, SHORT_LOG_TIMEOUT);
        }
    }

    /// Returns whether an attempt failed a moment ago.
    fn was_refused(&self) -> bool {
        self.refused.is_some_and(|refused| refused.elapsed() < LOG_PAUSE)
    }

    fn try_empty(&mut self, connection: &Connection, limit: Duration) {
        let _ = connection.busy_timeout(limit);
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = connection.query_row(checkpoint, [], |row| row.get::<_, bool>(0));
        self.has_removed = !busy.is_ok_and(|busy| !busy);
        self.refused = self.has_removed.then(Instant::now);
    }
}

/// The longest wait for readers before the log is emptied, in an operation that removes data.
const LOG_TIMEOUT: Duration = Duration::from_millis(100);

/// The same after other writes, and soon after an attempt that failed.
const SHORT_LOG_TIMEOUT: Duration = Duration::from_millis(20);

/// The time after an attempt to empty the log that failed, in which it is tried for operations that
/// remove data only.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Writes all in one transaction or, if the store fails for one of them, each in its own. None
/// waits for another process longer because of those that were queued later.
fn write(
    shared: &SharedWriter,
    files: &Files,
    log: &mut Log,
    waits: &mut Waits,
    mut writes: Vec<Box<dyn Write>>,
) {
    let erases = writes.iter().any(|write| write.erases());
    log.has_removed |= erases;
    // What was committed to another file than that of this name is not acknowledged.
    let settle = |write: Box<dyn Write>, outcome, fault: Option<SqliteFileFault>| {
        write.settle(fault.map_or(outcome, |fault| Err(fault.into())));
    };
    while writes.len() > 1
        && let Some(oldest) = writes.iter().map(|write| write.queued()).min()
    {
        let outcomes =
            commit(shared, erases.then_some(&mut *log), waits, oldest, |connection, seen| {
                writes.iter_mut().map(|write| part(connection, seen, write.as_mut())).collect()
            });
        match outcomes {
            Ok::<Vec<_>, _>(outcomes) => {
                let fault = files.check_write().err();
                let settled = writes.into_iter().zip(outcomes);
                return settled.for_each(|(write, outcome)| settle(write, outcome, fault));
            }
            // Each of them would be busy as well. Those whose time is not over go on waiting.
            Err(HistoryError::Busy) => {
                let (mut over, mut left): (Vec<_>, _) =
                    writes.into_iter().partition(|write| waits.is_over(write.queued()));
                if over.is_empty() {
                    // SQLite has not waited: it would not the next time.
                    std::mem::swap(&mut over, &mut left);
                }
                over.into_iter().for_each(|write| write.settle(Err(HistoryError::Busy)));
                writes = left;
            }
            Err(_) => break,
        }
    }
    for mut write in writes {
        let (queued, erased) = (write.queued(), write.erases().then_some(&mut *log));
        let run = |connection: &Connection, seen: &mut SeenSessions| write.run(connection, seen);
        let outcome = commit(shared, erased, waits, queued, run);
        settle(write, outcome, files.check_write().err());
    }
}

/// Runs a transaction, and empties the log that it has removed data from. The connection is free
/// again when its callers learn of the outcome.
fn commit<T>(
    shared: &SharedWriter,
    erased: Option<&mut Log>,
    waits: &mut Waits,
    queued: Instant,
    run: impl FnOnce(&Connection, &mut SeenSessions) -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    let mut writer = shared.lock();
    let Writer { connection, seen } = writer.as_mut().ok_or(WorkerError::Closed)?;
    waits.limit(connection, queued);
    seen.begin();
    let outcome =
        caught(connection, |connection| transaction(connection, BEGIN, || run(connection, seen)));
    waits.was_busy = matches!(outcome, Err(HistoryError::Busy));
    match (&outcome, erased) {
        (Ok(_), Some(log)) => log.empty(connection),
        (Ok(_), None) => {}
        (Err(_), _) => seen.forget(),
    }
    outcome
}

/// Runs one write of several. The inner result is its own; if it is an error, the others are not
/// affected. The outer result is an error if the store fails.
fn part(
    connection: &Connection,
    seen: &mut SeenSessions,
    write: &mut dyn Write,
) -> Result<Result<(), HistoryError>, HistoryError> {
    execute(connection, "SAVEPOINT part", [])?;
    let outcome = write.run(connection, seen);
    match &outcome {
        Ok(()) => {}
        Err(
            HistoryError::Stale { .. }
            | HistoryError::Busy
            | HistoryError::UnknownTurn { .. }
            | HistoryError::TurnIdInUse { .. }
            | HistoryError::TooManyLabels { .. }
            | HistoryError::Unsupported { .. },
        ) => {
            seen.forget();
            execute(connection, "ROLLBACK TO part", [])?;
        }
        Err(_) => return outcome.map(Ok),
    }
    execute(connection, "RELEASE part", [])?;
    Ok(outcome)
}
