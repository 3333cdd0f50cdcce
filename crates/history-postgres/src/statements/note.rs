//! Loads and stores notes.

use conversant_core::{HistoryError, Note, Point, SessionId, Version};
use conversant_history::invalid_json;
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{
    columns::{column, stored, stored_point, version_with_tip},
    query::Parameter,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const LOAD: &str = "SELECT * FROM conversant_read_note($1, $2, $3, $4)";

const PUT: &str = "SELECT is_stale, epoch, messages, tip \
    FROM conversant_write_note($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// A note to load.
pub(crate) struct LoadNote {
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
    pub(crate) name: String,
}

/// A note to store, its body as JSON.
pub(crate) struct PutNote {
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) covers: Version,
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Option<Note>, Failure> {
        let (at_point, turn) = stored_point(self.point)?;
        let parameters: [Parameter<'_>; 4] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&self.name.as_bytes(), Type::BYTEA),
        ];
        let row = client.query_typed_opt(LOAD, &parameters).await?;
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
        let (at_point, turn) = stored_point(self.point)?;
        let parameters: [Parameter<'_>; 9] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&self.name.as_bytes(), Type::BYTEA),
            (&epoch, Type::INT8),
            (&messages, Type::INT8),
            (&tip, Type::INT8),
            (&self.body, Type::TEXT),
            (&limit.deadline, Type::INT8),
        ];
        let row = client.query_typed_one(PUT, &parameters).await?;
        if column(&row, 0)? {
            let current = version_with_tip(&row, 1)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
