//! Sends the statements of every call.

use conversant_history::postgres::PostgresPool;
use deadpool_postgres::Client;
use tokio_postgres::{
    Error, Row, Statement,
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
        if self.is_prepared() {
            let prepared = prepare(client, statement, parameters).await?;
            let rows = client.query(&prepared, &values(parameters)).await;
            if !self.is_lost(&rows) {
                return rows;
            }
        }
        client.query_typed(statement, parameters).await
    }

    /// Executes a statement in the same way, and returns the number of rows that it changed.
    pub(crate) async fn execute(
        &self,
        client: &Client,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, Error> {
        if self.is_prepared() {
            let prepared = prepare(client, statement, parameters).await?;
            let changed = client.execute(&prepared, &values(parameters)).await;
            if !self.is_lost(&changed) {
                return changed;
            }
        }
        client.execute_typed(statement, parameters).await
    }

    /// Returns whether the server has lost a prepared statement, so that nothing was done. A pooler
    /// is then assumed in front of it.
    fn is_lost<T>(&self, outcome: &Result<T, Error>) -> bool {
        match (outcome, self) {
            (Err(error), Self::IfDirect(pool))
                if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) =>
            {
                pool.set_indirect();
                true
            }
            _ => false,
        }
    }
}

async fn prepare(
    client: &Client,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Statement, Error> {
    let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
    client.prepare_typed_cached(statement, &types).await
}

fn values<'p>(parameters: &[Parameter<'p>]) -> Vec<&'p (dyn ToSql + Sync)> {
    parameters.iter().map(|(value, _)| *value).collect()
}
