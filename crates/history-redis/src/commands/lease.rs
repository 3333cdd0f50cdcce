//! Acquires and releases leases, by the server's clock.

use conversant_core::{HistoryError, Lease};

use super::scripts::{RELEASE, TAKE};
use crate::{
    error::Failure,
    keys::LeaseKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// A lease to acquire.
pub(crate) struct Take {
    pub(crate) keys: LeaseKeys,
    pub(crate) lease: Lease,
    pub(crate) milliseconds: u64,
}

/// A lease to release.
pub(crate) struct Release {
    pub(crate) keys: LeaseKeys,
    pub(crate) lease: Lease,
}

impl Operation for Take {
    type Output = Lease;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Lease, Failure> {
        let mut script = TAKE.prepare_invoke();
        script.key(&self.keys).arg(limit.0);
        script.arg(self.lease.holder.stored_text()).arg(self.milliseconds);
        if script.invoke_async(connection).await? {
            Ok(self.lease.clone())
        } else {
            Err(HistoryError::Busy.into())
        }
    }
}

impl Operation for Release {
    type Output = ();

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<(), Failure> {
        let mut script = RELEASE.prepare_invoke();
        script.key(&self.keys).arg(self.lease.holder.stored_text());
        script.invoke_async::<i64>(connection).await?;
        Ok(())
    }
}
