//! Checks the version of the keys.

use conversant_core::HistoryError;

use crate::{
    error::Failure,
    link::Link,
    pool::{Limit, Operation},
};

/// The version of the keys that this crate writes.
const KNOWN: u64 = 2;

/// Checks the version, or writes it if there is none.
pub(crate) struct CheckSchema {
    pub(crate) key: String,
}

impl Operation for CheckSchema {
    type Output = ();

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<(), Failure> {
        let mut claim = redis::cmd("SET");
        claim.arg(&self.key).arg(KNOWN).arg("NX");
        claim.query_async::<Option<String>>(connection).await?;
        let found: Option<u64> = redis::cmd("GET").arg(&self.key).query_async(connection).await?;
        match found {
            Some(found) if found > KNOWN => {
                Err(HistoryError::SchemaTooNew { found, known: KNOWN }.into())
            }
            // Sessions of an earlier version are read as they are, and continued in the present
            // form, which that version does not know.
            Some(found) if found < KNOWN => {
                let mut raise = redis::cmd("SET");
                raise.arg(&self.key).arg(KNOWN);
                Ok(raise.query_async(connection).await?)
            }
            _ => Ok(()),
        }
    }
}
