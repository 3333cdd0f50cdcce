//! Empties and removes sessions.
//!
//! Each is told the epoch that the session was seen in, so that a statement that comes late, from a connection that broke, does
//! nothing to a session that has moved on.

use conversant_core::{Range, SessionId};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{Load, column, count, signed};
use crate::{engine::Operation, error::Failure};

/// Starts a new epoch of a session.
pub(crate) struct Clear {
    pub(crate) session: SessionId,
}

/// Removes a session.
pub(crate) struct Delete {
    pub(crate) session: SessionId,
}

/// Removes sessions whose time is up, and leases.
pub(crate) struct Sweep {
    pub(crate) most: u64,
}

/// Returns the epoch of a session.
async fn epoch(session: &SessionId, client: &mut Client) -> Result<i64, Failure> {
    let load = Load { session: session.clone(), range: Range::LastTurns(0) };
    Ok(signed(load.run(client).await?.version.epoch))
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let seen = epoch(&self.session, client).await?;
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&self.session.as_str(), Type::TEXT), (&seen, Type::INT8)];
        client.execute_typed("SELECT conversant_clear($1, $2)", &parameters).await?;
        Ok(())
    }
}

impl Operation for Delete {
    type Output = ();

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        loop {
            let seen = epoch(&self.session, client).await?;
            let row = client
                .query_typed_one(
                    "SELECT conversant_delete($1, $2)",
                    &[(&self.session.as_str(), Type::TEXT), (&seen, Type::INT8)],
                )
                .await?;
            if column(&row, 0)? {
                return Ok(());
            }
        }
    }
}

impl Operation for Sweep {
    type Output = u64;

    async fn run(&self, client: &mut Client) -> Result<u64, Failure> {
        let most = signed(self.most);
        let row =
            client.query_typed_one("SELECT conversant_sweep($1)", &[(&most, Type::INT8)]).await?;
        count(&row, 0)
    }
}
