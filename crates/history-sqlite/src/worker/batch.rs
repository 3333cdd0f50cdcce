//! The writer: what waits is committed together, because a commit waits for the disk.

use std::sync::mpsc;

use conversant_core::HistoryError;
use futures_channel::oneshot;
use rusqlite::Connection;

use super::{Read, Task, pending::Held};
use crate::failure::failure;

/// The most writes in one transaction.
const LARGEST: usize = 128;

/// A write, whatever it returns.
pub(super) trait Write: Send {
    /// Writes, in a transaction.
    fn run(&mut self, connection: &Connection) -> Result<(), HistoryError>;
    /// Tells what came of it, once that can't change any more.
    fn settle(self: Box<Self>, outcome: Result<(), HistoryError>);
}

pub(super) struct Job<T, F> {
    run: F,
    returned: Option<T>,
    reply: oneshot::Sender<Result<T, HistoryError>>,
    held: Option<Held>,
}

impl<T, F> Job<T, F> {
    pub(super) const fn new(
        run: F,
        reply: oneshot::Sender<Result<T, HistoryError>>,
        held: Option<Held>,
    ) -> Self {
        Self { run, returned: None, reply, held }
    }
}

impl<T, F> Write for Job<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, HistoryError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), HistoryError> {
        self.returned = Some((self.run)(connection)?);
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), HistoryError>) {
        let Self { returned, reply, held, .. } = *self;
        drop(held);
        if let Some(answer) = outcome.map(|()| returned).transpose() {
            // Nobody to hear it is no fault.
            let _ = reply.send(answer);
        }
    }
}

/// Writes what comes through the queue until it ends. A read is handed on when the writes before it are committed.
pub(super) fn write_all(
    connection: &Connection,
    tasks: &mpsc::Receiver<Task>,
    reads: &mpsc::Sender<Read>,
) {
    while let Ok(first) = tasks.recv() {
        let (mut writes, mut held_back) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(task) = next {
            match task {
                Task::Write(write) => writes.push(write),
                Task::Read(read) => held_back.push(read),
            }
            next = if writes.len() < LARGEST { tasks.try_recv().ok() } else { None };
        }
        write(connection, writes);
        for read in held_back {
            // The readers end after the writer.
            let _ = reads.send(read);
        }
    }
}

/// Writes all in one transaction, or if that fails for one of them, each in its own.
fn write(connection: &Connection, mut writes: Vec<Box<dyn Write>>) {
    if writes.len() > 1 {
        let outcomes = transaction(connection, || {
            writes.iter_mut().map(|write| part(connection, write.as_mut())).collect()
        });
        match outcomes {
            Ok::<Vec<_>, _>(outcomes) => {
                let settled = writes.into_iter().zip(outcomes);
                return settled.for_each(|(write, outcome)| write.settle(outcome));
            }
            // Nor would there be a place for each of them.
            Err(HistoryError::Busy) => {
                return writes.into_iter().for_each(|write| write.settle(Err(HistoryError::Busy)));
            }
            Err(_) => {}
        }
    }
    for mut write in writes {
        let outcome = transaction(connection, || write.run(connection));
        write.settle(outcome);
    }
}

/// Runs one write of several. It may refuse without harm to the others: that is what the inner result says. The outer
/// is of a store that fails.
fn part(
    connection: &Connection,
    write: &mut dyn Write,
) -> Result<Result<(), HistoryError>, HistoryError> {
    connection.execute_batch("SAVEPOINT part").map_err(failure)?;
    let outcome = write.run(connection);
    match &outcome {
        Ok(()) => {}
        Err(HistoryError::Stale { .. } | HistoryError::Busy | HistoryError::Unsupported { .. }) => {
            connection.execute_batch("ROLLBACK TO part").map_err(failure)?;
        }
        Err(_) => return outcome.map(Ok),
    }
    connection.execute_batch("RELEASE part").map_err(failure)?;
    Ok(outcome)
}

/// Runs a transaction that takes the writers' lock at its start, so that it never fails half way because of another
/// writer.
fn transaction<T>(
    connection: &Connection,
    run: impl FnOnce() -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
    let outcome = run().and_then(|returned| {
        connection.execute_batch("COMMIT").map_err(failure)?;
        Ok(returned)
    });
    // After some errors SQLite has rolled back by itself.
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    outcome
}
