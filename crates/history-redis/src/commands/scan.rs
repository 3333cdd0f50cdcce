//! Scans the keys of a database.

use redis::aio::ConnectionManager;

use crate::error::Failure;

/// The number of keys that one step of a scan examines.
const STEP: usize = 1000;

/// The keys that match a pattern, of all types or of one, some at a time. A key can be found
/// twice.
pub(crate) struct Scan {
    pattern: String,
    kind: Option<&'static str>,
    /// `None` once all keys were examined.
    cursor: Option<String>,
}

impl Scan {
    pub(crate) fn new(pattern: String, kind: Option<&'static str>) -> Self {
        Self { pattern, kind, cursor: Some("0".to_owned()) }
    }

    /// Returns the keys that the next step finds, or `None` after the last one.
    pub(crate) async fn next(
        &mut self,
        connection: &mut ConnectionManager,
    ) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(&self.pattern);
        scan.arg("COUNT").arg(STEP);
        if let Some(kind) = self.kind {
            scan.arg("TYPE").arg(kind);
        }
        let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(connection).await?;
        self.cursor = (next != "0").then_some(next);
        Ok(Some(keys))
    }
}
