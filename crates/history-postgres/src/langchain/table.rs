//! LangChain's table: its name and columns.

use conversant_core::HistoryError;
use conversant_history::postgres::PostgresError;
use deadpool_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{
    error::{Failure, backend},
    pool::{Limit, Operation},
    statements::column,
};

/// The name of a table, checked and quoted for use in a statement.
#[derive(Clone, Debug)]
pub(super) struct TableName(String);

impl TableName {
    /// Checks a name of letters, digits and underscores, optionally after a schema's name and a
    /// dot.
    pub(super) fn new(name: &str) -> Result<Self, HistoryError> {
        let is_plain = |part: &str| {
            let begins = part.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
            begins
                && part.len() < 64
                && part.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        };
        let parts: Vec<&str> = name.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_plain(part)) {
            return Err(backend(PostgresError::new(format!(
                "cannot use the table name `{name}`: it is not one of SQL without quotes; use \
                 letters, digits and underscores, at most 63"
            ))));
        }
        Ok(Self(format!("\"{}\"", parts.join("\".\""))))
    }

    pub(super) fn quoted(&self) -> &str {
        &self.0
    }
}

/// The type of a table's column `message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// That of LangChain 0.1.20 `postgres.py::PostgresChatMessageHistory`.
    Jsonb,
    /// That of LangChain 0.1.20 `sql.py::SQLChatMessageHistory`.
    Text,
}

impl Column {
    /// Returns the other columns, as LangChain's classes create them.
    const fn columns(self) -> &'static str {
        match self {
            Self::Jsonb => "session_id TEXT NOT NULL, message JSONB NOT NULL",
            Self::Text => "session_id TEXT, message TEXT",
        }
    }

    /// Checks that a column takes a row: `jsonb` takes no NUL.
    pub(super) fn check(self, row: &str) -> Result<(), HistoryError> {
        // The texts between escaped backslashes.
        let has_nul = || row.split("\\\\").any(|text| text.contains("\\u0000"));
        if self == Self::Jsonb && has_nul() {
            let what = "NUL characters in a LangChain table whose messages are jsonb";
            return Err(HistoryError::Unsupported { what });
        }
        Ok(())
    }

    fn of(name: &str) -> Option<Self> {
        match name {
            "jsonb" => Some(Self::Jsonb),
            "json" | "text" | "character varying" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Opens a table, or creates it, and returns the type of its messages.
pub(super) struct Open {
    pub(super) name: TableName,
    /// The type with which a missing table is created, if it is.
    pub(super) create: Option<Column>,
}

/// The type of the column, if the table exists.
const TYPE_OF: &str = "SELECT format_type(atttypid, NULL) FROM pg_catalog.pg_attribute \
    WHERE attrelid = to_regclass($1) AND attname = 'message' AND NOT attisdropped";

impl Operation for Open {
    type Output = Column;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Column, Failure> {
        let table = self.name.quoted();
        let mut found = type_of(client, table).await?;
        if found.is_none() {
            let Some(created) = self.create else { return Err(self.missing(client).await?) };
            let columns = created.columns();
            let create =
                format!("CREATE TABLE IF NOT EXISTS {table} (id SERIAL PRIMARY KEY, {columns})");
            let created = client.batch_execute(&create).await;
            found = type_of(client, table).await?;
            // Another program may have created it at the same moment, which the server reports as
            // an error.
            if found.is_none() {
                created?;
            }
        }
        found.as_deref().and_then(Column::of).ok_or_else(|| {
            let what = "cannot use the table: its column `message` is neither `jsonb` nor `text`";
            backend(PostgresError::new(what)).into()
        })
    }
}

/// The tables that have LangChain's columns.
const TABLES: &str = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' \
    AND n.nspname NOT LIKE 'pg\\_%' AND 3 = ( \
        SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid \
        AND NOT a.attisdropped AND a.attname IN ('id', 'session_id', 'message') \
    ) ORDER BY 1 LIMIT 10";

impl Open {
    /// Returns the error for a table that is missing, with the names of those that may be meant.
    async fn missing(&self, client: &Client) -> Result<Failure, Failure> {
        let mut others = Vec::new();
        for row in client.query_typed(TABLES, &[]).await? {
            others.push(column::<String>(&row, 0)?);
        }
        let others = match others.as_slice() {
            [] => "no other table has LangChain's columns".to_owned(),
            others => format!("LangChain's columns are in `{}`", others.join("`, `")),
        };
        let name = self.name.quoted().replace('"', "");
        let what = format!("cannot find LangChain's columns in the table `{name}`; {others}");
        Ok(backend(PostgresError::new(what)).into())
    }
}

/// Returns the type of a table's column `message`, if it exists.
async fn type_of(client: &Client, table: &str) -> Result<Option<String>, Failure> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&table, Type::TEXT)];
    let row = client.query_typed_opt(TYPE_OF, &parameters).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
