//! LangChain's table: its name, and what its columns are.

use conversant_core::HistoryError;
use deadpool_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{
    engine::Operation,
    error::{Failure, PostgresError, backend},
};

/// The name of a table, checked and quoted, so that it can stand in a statement.
#[derive(Clone, Debug)]
pub(super) struct TableName(String);

impl TableName {
    /// Takes a name, with its schema's before it or without: letters, digits and underscores.
    pub(super) fn new(name: &str) -> Result<Self, HistoryError> {
        let is_plain = |part: &str| {
            let begins = part.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
            begins
                && part.len() < 64
                && part.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        };
        let parts: Vec<&str> = name.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_plain(part)) {
            return Err(backend(PostgresError::new("the name of the table is no plain name")));
        }
        Ok(Self(format!("\"{}\"", parts.join("\".\""))))
    }

    pub(super) fn quoted(&self) -> &str {
        &self.0
    }
}

/// How a table keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// As `PostgresChatMessageHistory` does.
    Jsonb,
    /// As `SQLChatMessageHistory` does.
    Text,
}

impl Column {
    /// Returns the columns beside the number, as LangChain's classes make them.
    const fn columns(self) -> &'static str {
        match self {
            Self::Jsonb => "session_id TEXT NOT NULL, message JSONB NOT NULL",
            Self::Text => "session_id TEXT, message TEXT",
        }
    }

    fn of(name: &str) -> Option<Self> {
        match name {
            "jsonb" => Some(Self::Jsonb),
            "json" | "text" | "character varying" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Looks at a table, or makes it, and returns how it keeps messages.
pub(super) struct Open {
    pub(super) name: TableName,
    /// How it is to be made if it is not there.
    pub(super) make: Column,
}

/// The type of a column, if the table is there.
const TYPE_OF: &str = "SELECT format_type(atttypid, NULL) FROM pg_catalog.pg_attribute \
    WHERE attrelid = to_regclass($1) AND attname = 'message' AND NOT attisdropped";

impl Operation for Open {
    type Output = Column;

    async fn run(&self, client: &mut Client) -> Result<Column, Failure> {
        let table = self.name.quoted();
        let mut found = type_of(client, table).await?;
        if found.is_none() {
            let columns = self.make.columns();
            let make =
                format!("CREATE TABLE IF NOT EXISTS {table} (id SERIAL PRIMARY KEY, {columns})");
            let made = client.batch_execute(&make).await;
            found = type_of(client, table).await?;
            // Somebody else may have made it at the same moment, which the server reports as a fault.
            if found.is_none() {
                made?;
            }
        }
        found.as_deref().and_then(Column::of).ok_or_else(|| {
            let what = "the table's column `message` is neither jsonb nor text";
            backend(PostgresError::new(what)).into()
        })
    }
}

/// Returns the type of a table's column of messages, if there is such.
async fn type_of(client: &Client, table: &str) -> Result<Option<String>, Failure> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&table, Type::TEXT)];
    let row = client.query_typed_opt(TYPE_OF, &parameters).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
