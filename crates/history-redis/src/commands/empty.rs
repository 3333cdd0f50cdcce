//! Clears and removes sessions.
//!
//! Each script has the epoch in which the session was seen. A script that arrives late, from a
//! connection that broke, has no effect on a session that was cleared since.

use conversant_core::{HistoryError, SessionId};
use redis::Script;

use super::{
    listing::Selection,
    scripts::{CLEAR, CLEAR_FULL, DELETE, DELETE_FULL, EPOCH, lifetime},
};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// Starts a new epoch of a session.
pub(crate) struct Clear {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    pub(crate) lifetime_ms: Option<u64>,
}

/// Removes a session.
pub(crate) struct Delete {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    /// The conditions that it has to fulfil.
    pub(crate) selection: Option<Selection>,
}

/// Returns the epoch of a session.
async fn epoch(keys: &SessionKeys, connection: &mut Link) -> Result<u64, Failure> {
    Ok(EPOCH.prepare_invoke().key(keys).invoke_async(connection).await?)
}

/// Runs a script or, if the server is full, its twin that may write. Returns its answer.
async fn run(
    scripts: [&Script; 2],
    keys: &SessionKeys,
    arguments: &[String],
    connection: &mut Link,
) -> Result<i64, Failure> {
    let [usual, full] = scripts.map(|script| {
        let mut script = script.prepare_invoke();
        script.key(keys).arg(arguments);
        script
    });
    match usual.invoke_async(connection).await.map_err(Failure::from) {
        Err(Failure::Refused(HistoryError::Full { source })) => {
            // An earlier version does not know the flag, and is full.
            let freed = full.invoke_async(connection).await;
            freed.map_err(|_| Failure::Refused(HistoryError::Full { source }))
        }
        outcome => outcome,
    }
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let seen = epoch(&self.keys, connection).await?;
        let lifetime = lifetime(self.lifetime_ms);
        let arguments = [limit.0.to_string(), seen.to_string(), self.session.to_string(), lifetime];
        run([&CLEAR, &CLEAR_FULL], &self.keys, &arguments, connection).await?;
        Ok(())
    }
}

/// The outcome of a deletion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    Deleted,
    /// It does not fulfil the conditions.
    NotSelected,
    /// A part of it is missing or cannot be read, so that it cannot be said whether it does.
    Damaged,
}

impl Operation for Delete {
    type Output = Deletion;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Deletion, Failure> {
        loop {
            let seen = epoch(&self.keys, connection).await?;
            let mut arguments = vec![limit.0.to_string(), seen.to_string()];
            arguments.push(self.session.to_string());
            arguments.extend(self.selection.iter().flat_map(Selection::arguments));
            match run([&DELETE, &DELETE_FULL], &self.keys, &arguments, connection).await? {
                0 => {}
                1 => return Ok(Deletion::Deleted),
                2 => return Ok(Deletion::NotSelected),
                _ => return Ok(Deletion::Damaged),
            }
        }
    }
}
