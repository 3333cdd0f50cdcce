//! Adds turns to the index of the search that were stored before there was one.

use deadpool_postgres::Client;
use tokio_postgres::{Row, types::Type};

use super::{
    columns::{column, signed},
    query::Parameter,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const UNINDEXED: &str = "SELECT t.session, t.first, t.messages FROM conversant_turns t \
    WHERE NOT EXISTS (SELECT FROM conversant_search x \
    WHERE x.session = t.session AND x.first = t.first) LIMIT $1";

const INDEX: &str = "SELECT conversant_index_turn($1, $2, $3)";

/// Turns that are not indexed, at most `max`: each with its branch, its first message, and its
/// messages as JSON.
pub(crate) struct Unindexed {
    pub(crate) max: u64,
}

/// A turn to index.
pub(crate) struct IndexTurn {
    pub(crate) branch: i64,
    pub(crate) first: i64,
    pub(crate) texts: Vec<String>,
}

impl Operation for Unindexed {
    type Output = Vec<(i64, i64, Vec<String>)>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Self::Output, Failure> {
        let rows = client.query_typed(UNINDEXED, &[(&signed(self.max), Type::INT8)]).await?;
        let turn = |row: &Row| Ok((column(row, 0)?, column(row, 1)?, column(row, 2)?));
        rows.iter().map(turn).collect::<Result<_, Failure>>()
    }
}

impl Operation for IndexTurn {
    type Output = ();

    async fn run(&self, client: &mut Client, _: Limit) -> Result<(), Failure> {
        let parameters: [Parameter<'_>; 3] = [
            (&self.branch, Type::INT8),
            (&self.first, Type::INT8),
            (&self.texts, Type::TEXT_ARRAY),
        ];
        client.query_typed(INDEX, &parameters).await?;
        Ok(())
    }
}
