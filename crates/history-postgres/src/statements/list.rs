//! Lists sessions.

use conversant_core::{HistoryError, SessionId};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::columns::{column, signed};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const LIST: &str = "SELECT id FROM conversant_sessions \
    WHERE id > $1 AND (messages > 0 OR branch IS NOT NULL) AND coalesce(expires > clock_timestamp(), true) ORDER BY id LIMIT $2";

/// The sessions after one, in byte order.
pub(crate) struct List {
    pub(crate) after: Option<SessionId>,
    pub(crate) limit: usize,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<SessionId>, Failure> {
        // A session's name is never empty, so every name comes after the empty text.
        let after = self.after.as_ref().map_or("", SessionId::as_str);
        let limit = signed(self.limit as u64);
        let rows = client.query_typed(LIST, &[(&after, Type::TEXT), (&limit, Type::INT8)]).await?;
        let mut sessions = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = SessionId::new(column::<String>(row, 0)?);
            sessions.push(id.map_err(|error| HistoryError::Corrupt {
                what: "found an invalid session name".to_owned(),
                source: Some(error.into()),
            })?);
        }
        Ok(sessions)
    }
}
