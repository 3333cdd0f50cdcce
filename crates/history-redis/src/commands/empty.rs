//! Empties and removes sessions.
//!
//! Each tells the epoch that the session was seen in, so that a script that comes late, from a connection that broke, does nothing to a
//! session that has moved on.

use conversant_core::{HistoryError, SessionId};
use redis::{Script, aio::ConnectionManager};

use super::{CLEAR, CLEAR_FULL, DELETE, DELETE_FULL, EPOCH};
use crate::{engine::Operation, error::Failure, keys::SessionKeys};

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
}

/// Returns the epoch of a session.
async fn epoch(keys: &SessionKeys, connection: &mut ConnectionManager) -> Result<u64, Failure> {
    Ok(EPOCH.prepare_invoke().key(keys).invoke_async(connection).await?)
}

/// Runs a script, and if the server is full its twin that may write all the same. Returns whether it did its work.
async fn run(
    scripts: [&Script; 2],
    keys: &SessionKeys,
    arguments: &[String],
    connection: &mut ConnectionManager,
) -> Result<bool, Failure> {
    let [usual, full] = scripts.map(|script| {
        let mut script = script.prepare_invoke();
        script.key(keys).arg(arguments);
        script
    });
    match usual.invoke_async(connection).await.map_err(Failure::from) {
        Err(Failure::Refused(HistoryError::Full { source })) => {
            // A server that does not know of such scripts is just full.
            let freed = full.invoke_async(connection).await;
            freed.map_err(|_| Failure::Refused(HistoryError::Full { source }))
        }
        outcome => outcome,
    }
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        let seen = epoch(&self.keys, connection).await?;
        let lifetime = self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string());
        let arguments = [seen.to_string(), self.session.to_string(), lifetime];
        run([&CLEAR, &CLEAR_FULL], &self.keys, &arguments, connection).await?;
        Ok(())
    }
}

impl Operation for Delete {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        loop {
            let seen = epoch(&self.keys, connection).await?;
            let arguments = [seen.to_string(), self.session.to_string()];
            if run([&DELETE, &DELETE_FULL], &self.keys, &arguments, connection).await? {
                return Ok(());
            }
        }
    }
}
