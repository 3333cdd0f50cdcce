//! Clears and removes sessions.
//!
//! Each statement has the epoch in which the session was seen, and a deadline. A statement that
//! arrives late, from a connection that broke, has no effect on a session that was cleared or
//! written since.

use conversant_core::{Range, SessionId};
use deadpool_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::{
    columns::{column, count, signed},
    load::Load,
    query::Preparation,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// Starts a new epoch of a session.
pub(crate) struct Clear {
    pub(crate) session: SessionId,
}

/// Removes a session.
pub(crate) struct Delete {
    pub(crate) session: SessionId,
}

/// Removes expired sessions, at most `max` of them, and expired leases.
pub(crate) struct Sweep {
    pub(crate) max: usize,
}

/// Returns the epoch of a session.
async fn epoch(session: &SessionId, client: &mut Client, limit: Limit) -> Result<i64, Failure> {
    let (session, range) = (session.clone(), Range::LastTurns(0));
    let load = Load { session, point: None, range, preparation: Preparation::Never };
    Ok(signed(load.run(client, limit).await?.version.epoch))
}

/// Clears a session that was seen in an epoch. One whose time is over is then in the next one.
async fn clear(
    session: &SessionId,
    seen: i64,
    client: &Client,
    limit: Limit,
) -> Result<(), Failure> {
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&session.as_str(), Type::TEXT), (&seen, Type::INT8), (&limit.deadline, Type::INT8)];
    client.execute_typed("SELECT conversant_clear($1, $2, $3)", &parameters).await?;
    Ok(())
}

impl Operation for Clear {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let seen = epoch(&self.session, client, limit).await?;
        clear(&self.session, seen, client, limit).await
    }
}

impl Operation for Delete {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        loop {
            let seen = epoch(&self.session, client, limit).await?;
            let row = client
                .query_typed_one(
                    "SELECT conversant_delete($1, $2, $3)",
                    &[
                        (&self.session.as_str(), Type::TEXT),
                        (&seen, Type::INT8),
                        (&limit.deadline, Type::INT8),
                    ],
                )
                .await?;
            if column(&row, 0)? {
                return Ok(());
            }
            // It was cleared meanwhile, or its time is over. A session whose time is over is seen
            // in an epoch in which it is not yet.
            clear(&self.session, seen, client, limit).await?;
        }
    }
}

impl Operation for Sweep {
    type Output = usize;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<usize, Failure> {
        let max = signed(self.max as u64);
        let row =
            client.query_typed_one("SELECT conversant_sweep($1)", &[(&max, Type::INT8)]).await?;
        Ok(usize::try_from(count(&row, 0)?).unwrap_or(usize::MAX))
    }
}
