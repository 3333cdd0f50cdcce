//! Acquires and releases leases, by the server's clock.

use conversant_core::{HistoryError, Lease};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// A holder whose connection broke before the answer gets its own lease again.
const TAKE: &str = "INSERT INTO conversant_leases AS l (session, holder, expires) \
    VALUES ($1, $2::text::uuid, clock_timestamp() + $3 * interval '1 microsecond') \
    ON CONFLICT (session) DO UPDATE SET holder = excluded.holder, expires = excluded.expires \
    WHERE l.expires <= clock_timestamp() OR l.holder = excluded.holder";

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

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Lease, Failure> {
        let taken = client
            .execute_typed(
                TAKE,
                &[
                    (&self.lease.session.as_str(), Type::TEXT),
                    (&self.lease.holder.to_string(), Type::TEXT),
                    (&self.microseconds, Type::INT8),
                ],
            )
            .await?;
        if taken == 0 { Err(HistoryError::Busy.into()) } else { Ok(self.lease.clone()) }
    }
}

impl Operation for Release {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let holder = self.lease.holder.to_string();
        let session = self.lease.session.as_str();
        client.execute_typed(RELEASE, &[(&session, Type::TEXT), (&holder, Type::TEXT)]).await?;
        Ok(())
    }
}
