//! Loads and stores notes.

use conversant_core::{HistoryError, Note, SessionId, Version};
use conversant_history::invalid_json;
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::columns::{column, stored, version_with_tip};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const LOAD: &str = "SELECT n.body, n.covers_epoch, n.covers_messages, n.covers_tip FROM conversant_notes n \
    JOIN conversant_sessions s ON s.key = n.session \
    WHERE s.id = $1 AND n.name = $2 AND coalesce(s.expires > clock_timestamp(), true)";

const PUT: &str = "SELECT is_stale, epoch, messages, tip \
    FROM conversant_store_note($1, $2, $3, $4, $5, $6, $7)";

/// A note to load.
pub(crate) struct LoadNote {
    pub(crate) session: SessionId,
    pub(crate) name: String,
}

/// A note to store, its body as JSON.
pub(crate) struct PutNote {
    pub(crate) session: SessionId,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) covers: Version,
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Option<Note>, Failure> {
        let name = self.name.as_bytes();
        let row = client
            .query_typed_opt(LOAD, &[(&self.session.as_str(), Type::TEXT), (&name, Type::BYTEA)])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = column(&row, 0)?;
        let body: conversant_core::Value = serde_json::from_str(&body)
            .map_err(|error| invalid_json(&format!("note `{}`", self.name), &error))?;
        Ok(Some(Note::new(body, version_with_tip(&row, 1)?)))
    }
}

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let (epoch, messages, tip) = stored(self.covers);
        let name = self.name.as_bytes();
        let row = client
            .query_typed_one(
                PUT,
                &[
                    (&self.session.as_str(), Type::TEXT),
                    (&name, Type::BYTEA),
                    (&epoch, Type::INT8),
                    (&messages, Type::INT8),
                    (&tip, Type::INT8),
                    (&self.body, Type::TEXT),
                    (&limit.0, Type::INT8),
                ],
            )
            .await?;
        if column(&row, 0)? {
            let current = version_with_tip(&row, 1)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
