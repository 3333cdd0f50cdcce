//! Empties and removes sessions.
//!
//! Each tells the epoch that the session was seen in, so that a script that comes late, from a connection that broke, does nothing to a
//! session that has moved on.

use conversant_core::SessionId;
use redis::aio::ConnectionManager;

use super::{CLEAR, DELETE, EPOCH};
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

impl Operation for Clear {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        let seen = epoch(&self.keys, connection).await?;
        let lifetime = self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string());
        let mut script = CLEAR.prepare_invoke();
        script.key(&self.keys).arg(seen).arg(self.session.as_str()).arg(lifetime);
        script.invoke_async::<i64>(connection).await?;
        Ok(())
    }
}

impl Operation for Delete {
    type Output = ();

    async fn run(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        loop {
            let seen = epoch(&self.keys, connection).await?;
            let mut script = DELETE.prepare_invoke();
            script.key(&self.keys).arg(seen).arg(self.session.as_str());
            if script.invoke_async(connection).await? {
                return Ok(());
            }
        }
    }
}
