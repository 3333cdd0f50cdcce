//! The index by session of LangChain's table.

use deadpool_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::table::TableName;
use crate::{
    error::Failure,
    pool::{Limit, Operation},
    statements::column,
};

/// Whether a valid index of all rows begins with the session.
const HAS_INDEX: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL \
    AND a.attname = 'session_id')";

/// Looks for an index by session.
pub(super) struct HasIndex(pub(super) TableName);

impl Operation for HasIndex {
    type Output = bool;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<bool, Failure> {
        has_index(client, &self.0).await
    }
}

/// Adds an index by session, unless there is one.
pub(super) struct AddIndex(pub(super) TableName);

impl Operation for AddIndex {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        if has_index(client, &self.0).await? {
            return Ok(());
        }
        // The server chooses a name: one made of the table's could be too long.
        let create = format!("CREATE INDEX ON {} (session_id, id)", self.0.quoted());
        Ok(client.batch_execute(&create).await?)
    }
}

async fn has_index(client: &Client, table: &TableName) -> Result<bool, Failure> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&table.quoted(), Type::TEXT)];
    let row = client.query_typed_one(HAS_INDEX, &parameters).await?;
    column(&row, 0)
}
