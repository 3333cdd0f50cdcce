//! Sends the statements of every call.

use conversant_history::postgres::PostgresPool;
use deadpool_postgres::Client;
use tokio_postgres::{
    Error, Row,
    error::SqlState,
    types::{ToSql, Type},
};

/// A parameter and its type.
pub(crate) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// When statements are prepared.
#[derive(Clone, Debug)]
pub(crate) enum Preparation {
    Always,
    Never,
    /// While the connections of a pool end at the server itself.
    IfDirect(PostgresPool),
}

impl Preparation {
    pub(crate) fn is_prepared(&self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::IfDirect(pool) => pool.is_direct(),
        }
    }

    /// Returns the rows of a statement. A prepared one is parsed and planned once in each
    /// connection; any other one is sent with its text, which works through every pooler.
    pub(crate) async fn query(
        &self,
        client: &Client,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        if !self.is_prepared() {
            return client.query_typed(statement, parameters).await;
        }
        let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
        let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
        let prepared = client.prepare_typed_cached(statement, &types).await?;
        match (client.query(&prepared, &values).await, self) {
            // The server has lost it, so that nothing was done.
            (Err(error), Self::IfDirect(pool))
                if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) =>
            {
                pool.set_indirect();
                client.query_typed(statement, parameters).await
            }
            (rows, _) => rows,
        }
    }
}
