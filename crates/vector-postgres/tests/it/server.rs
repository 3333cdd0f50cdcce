//! The server that the tests run against, each in a schema of its own.

use conversant_core::TurnId;
use conversant_harness::{Missing, Need};
use tokio_postgres::{Client, NoTls};

/// Where a server with pgvector is.
const URL: &str = "CONVERSANT_PGVECTOR_URL";

/// A schema of the server, for one test. It is removed when the test is over.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: Client,
    schema: String,
}

impl Server {
    /// Creates a schema on the server, if there is one.
    pub(crate) async fn start() -> Result<Self, Missing> {
        let url = Need::Services.variable(URL, "PostgreSQL with pgvector")?;
        let schema = format!("test_{}", TurnId::random()).replace('-', "_");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let create = format!("CREATE SCHEMA {schema}; SET search_path = {schema}");
        client.batch_execute(&create).await.unwrap();
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options=-csearch_path%3D{schema}");
        Ok(Self { url, client, schema })
    }

    /// Removes the schema. (A test that fails leaves it behind, to be looked at.)
    pub(crate) async fn stop(self) {
        self.client.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema)).await.unwrap();
    }

    /// Returns the only column of the only row.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }
}
