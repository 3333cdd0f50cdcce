//! Loads and stores notes.

use conversant_core::{HistoryError, Note, SessionId, Version};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{column, signed, version};
use crate::{engine::Operation, error::Failure};

const LOAD: &str = "SELECT n.body, n.covers_epoch, n.covers_messages FROM conversant_notes n \
    JOIN conversant_sessions s ON s.key = n.session \
    WHERE s.id = $1 AND n.name = $2 AND coalesce(s.expires > clock_timestamp(), true)";

const PUT: &str = "SELECT is_stale, epoch, messages FROM conversant_put_note($1, $2, $3, $4, $5)";

/// A note that is to be loaded.
pub(crate) struct LoadNote {
    pub(crate) session: SessionId,
    pub(crate) name: String,
}

/// A note that is to be stored, its body as JSON.
pub(crate) struct PutNote {
    pub(crate) session: SessionId,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) covers: Version,
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, client: &mut Client) -> Result<Option<Note>, Failure> {
        let name = self.name.as_bytes();
        let row = client
            .query_typed_opt(LOAD, &[(&self.session.as_str(), Type::TEXT), (&name, Type::BYTEA)])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = column(&row, 0)?;
        let body: conversant_core::Value =
            serde_json::from_str(&body).map_err(|error| HistoryError::Corrupt {
                what: "a note can't be read".to_owned(),
                source: Some(error.into()),
            })?;
        Ok(Some(Note::new(body, version(&row, 1)?)))
    }
}

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let name = self.name.as_bytes();
        let row = client
            .query_typed_one(
                PUT,
                &[
                    (&self.session.as_str(), Type::TEXT),
                    (&name, Type::BYTEA),
                    (&signed(self.covers.epoch), Type::INT8),
                    (&signed(self.covers.messages), Type::INT8),
                    (&self.body, Type::TEXT),
                ],
            )
            .await?;
        if column(&row, 0)? {
            let current = version(&row, 1)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
