//! The server that the tests run against, each in a schema of its own.

use std::io::Write;

use conversant_core::TurnId;
use tokio_postgres::{Client, NoTls};

/// Where a server with pgvector is.
const URL: &str = "CONVERSANT_PGVECTOR_URL";

/// Set where a server has to be there.
const REQUIRED: &str = "CONVERSANT_REQUIRE_SERVICES";

/// A schema of the server, for one test. It is removed when the test is over.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: Client,
    schema: String,
}

impl Server {
    /// Creates a schema on the server, or reports that `test` is left out because there is none.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let Ok(url) = std::env::var(URL) else {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {URL} is not");
            // The harness keeps what tests print to itself, unless it is written like this.
            let told = format!("left out: {test}, which needs PostgreSQL with pgvector in {URL}\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            return None;
        };
        let schema = format!("test_{}", TurnId::random()).replace('-', "_");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let create = format!("CREATE SCHEMA {schema}; SET search_path = {schema}");
        client.batch_execute(&create).await.unwrap();
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options=-csearch_path%3D{schema}");
        Some(Self { url, client, schema })
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
