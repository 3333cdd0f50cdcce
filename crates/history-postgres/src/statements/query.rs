//! Sends the statements of every call.

use deadpool_postgres::Client;
use tokio_postgres::{
    Error, Row,
    types::{ToSql, Type},
};

/// A parameter and its type.
pub(crate) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// Returns the rows of a statement. A prepared one is parsed and planned once in each connection;
/// any other one is sent with its text, which works through every pooler.
pub(crate) async fn query(
    client: &Client,
    is_prepared: bool,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, Error> {
    if !is_prepared {
        return client.query_typed(statement, parameters).await;
    }
    let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
    let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
    let statement = client.prepare_typed_cached(statement, &types).await?;
    client.query(&statement, &values).await
}
