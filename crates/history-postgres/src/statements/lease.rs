//! Acquires and releases leases, by the server's clock.

use conversant_core::{HistoryError, Lease};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::columns::column;
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const TAKE: &str = "SELECT conversant_lease($1, $2::text::uuid, $3, $4)";

const RELEASE: &str =
    "DELETE FROM conversant_leases WHERE session = $1 AND holder = $2::text::uuid";

/// A lease to acquire.
pub(crate) struct Take {
    pub(crate) lease: Lease,
    pub(crate) microseconds: i64,
}

/// A lease to release.
pub(crate) struct Release {
    pub(crate) lease: Lease,
}

impl Operation for Take {
    type Output = Lease;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Lease, Failure> {
        let row = client
            .query_typed_one(
                TAKE,
                &[
                    (&self.lease.session.as_str(), Type::TEXT),
                    (&self.lease.holder.stored_text(), Type::TEXT),
                    (&self.microseconds, Type::INT8),
                    (&limit.deadline, Type::INT8),
                ],
            )
            .await?;
        if column(&row, 0)? { Ok(self.lease.clone()) } else { Err(HistoryError::Busy.into()) }
    }
}

impl Operation for Release {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let holder = self.lease.holder.stored_text();
        let session = self.lease.session.as_str();
        client.execute_typed(RELEASE, &[(&session, Type::TEXT), (&holder, Type::TEXT)]).await?;
        Ok(())
    }
}
