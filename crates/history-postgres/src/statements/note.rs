//! Loads and stores notes.

use conversant_core::{HistoryError, Messages, Note, Point, SessionId, Value, Version};
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
    FROM conversant_keep_note($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const REPLACE: &str = "SELECT is_stale, epoch, messages, tip, is_as_read \
    FROM conversant_replace_note($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

/// Before the JSON of a body of messages, which would be data otherwise.
const MESSAGES: char = ' ';

/// Encodes the body of a note.
pub(crate) fn encode(body: &Value) -> Result<String, HistoryError> {
    let Ok(mut json) = serde_json::to_string(body) else {
        return Err(HistoryError::Unsupported { what: "a note without a JSON form" });
    };
    Note::check_size(json.len())?;
    if body.as_messages().is_some() {
        json.insert(0, MESSAGES);
    }
    Ok(json)
}

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
    pub(crate) lifetime_ms: Option<i64>,
}

/// A note to store in place of the one that was read.
pub(crate) struct ReplaceNote {
    pub(crate) read: Option<Note>,
    pub(crate) put: PutNote,
}

/// A note as it is stored.
struct Stored {
    body: String,
    covers: Version,
}

impl Stored {
    async fn read(
        client: &Client,
        session: &SessionId,
        point: Option<Point>,
        name: &str,
    ) -> Result<Option<Self>, Failure> {
        let (at_point, turn) = stored_point(point)?;
        let parameters: [Parameter<'_>; 4] = [
            (&session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&name.as_bytes(), Type::BYTEA),
        ];
        let row = client.query_typed_opt(LOAD, &parameters).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self { body: column(&row, 0)?, covers: version_with_tip(&row, 1)? }))
    }

    fn decode(&self, name: &str) -> Result<Note, HistoryError> {
        let body = if self.body.starts_with(MESSAGES) {
            serde_json::from_str::<Messages>(&self.body).map(Value::from)
        } else {
            serde_json::from_str(&self.body)
        };
        let body = body.map_err(|error| invalid_json(&format!("note `{name}`"), &error))?;
        Ok(Note::new(body, self.covers))
    }
}

impl Operation for LoadNote {
    type Output = Option<Note>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Option<Note>, Failure> {
        let stored = Stored::read(client, &self.session, self.point, &self.name).await?;
        Ok(stored.map(|stored| stored.decode(&self.name)).transpose()?)
    }
}

impl Operation for ReplaceNote {
    type Output = bool;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<bool, Failure> {
        let put = &self.put;
        let stored = Stored::read(client, &put.session, put.point, &put.name).await?;
        let found = stored.as_ref().map(|stored| stored.decode(&put.name)).transpose()?;
        if found != self.read {
            return Ok(false);
        }
        // The text that was found is what the database compares.
        let (epoch, messages, tip) = self::stored(put.covers);
        let (at_point, turn) = stored_point(put.point)?;
        let body = stored.as_ref().map(|stored| stored.body.as_str());
        let read = self::stored(stored.as_ref().map_or(Version::default(), |stored| stored.covers));
        let parameters: [Parameter<'_>; 14] = [
            (&put.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&put.name.as_bytes(), Type::BYTEA),
            (&epoch, Type::INT8),
            (&messages, Type::INT8),
            (&tip, Type::INT8),
            (&put.body, Type::TEXT),
            (&limit.deadline, Type::INT8),
            (&body, Type::TEXT),
            (&read.0, Type::INT8),
            (&read.1, Type::INT8),
            (&read.2, Type::INT8),
            (&put.lifetime_ms, Type::INT8),
        ];
        let row = client.query_typed_one(REPLACE, &parameters).await?;
        if column(&row, 0)? {
            let current = version_with_tip(&row, 1)?;
            return Err(HistoryError::Stale { expected: put.covers, current }.into());
        }
        column(&row, 4)
    }
}

impl Operation for PutNote {
    type Output = ();

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<(), Failure> {
        let (epoch, messages, tip) = stored(self.covers);
        let (at_point, turn) = stored_point(self.point)?;
        let parameters: [Parameter<'_>; 10] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&self.name.as_bytes(), Type::BYTEA),
            (&epoch, Type::INT8),
            (&messages, Type::INT8),
            (&tip, Type::INT8),
            (&self.body, Type::TEXT),
            (&limit.deadline, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
        ];
        let row = client.query_typed_one(PUT, &parameters).await?;
        if column(&row, 0)? {
            let current = version_with_tip(&row, 1)?;
            return Err(HistoryError::Stale { expected: self.covers, current }.into());
        }
        Ok(())
    }
}
