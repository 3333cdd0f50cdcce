//! The server that the tests run against, each in a schema of its own.

use conversant_core::TurnId;
use conversant_harness::{Missing, Need};
use conversant_history_postgres::PostgresHistory;
use tokio_postgres::{Client, NoTls};

/// Where the server is.
const URL: &str = "CONVERSANT_POSTGRES_URL";

/// A schema of the server's, for one test. It goes when the test is over.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: Client,
    schema: String,
}

impl Server {
    /// Makes a schema on the server, if there is one.
    pub(crate) async fn start() -> Result<Self, Missing> {
        let url = Need::Services.variable(URL, "a PostgreSQL server")?;
        let schema = format!("test_{}", TurnId::random()).replace('-', "_");
        let client = client(&url).await;
        client
            .batch_execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}"))
            .await
            .unwrap();
        let url = with_options(&url, &format!("-csearch_path={schema}"));
        Ok(Self { url, client, schema })
    }

    pub(crate) async fn history(&self) -> PostgresHistory {
        PostgresHistory::connect(&self.url).await.unwrap()
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

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Adds settings of the server's to a URL.
pub(crate) fn with_options(url: &str, options: &str) -> String {
    let options = options.replace('=', "%3D").replace(' ', "%20").replace('\\', "%5C");
    let separator = if url.contains('?') { '&' } else { '?' };
    match url.split_once("options=") {
        Some((before, rest)) => format!("{before}options={options}%20{rest}"),
        None => format!("{url}{separator}options={options}"),
    }
}

/// Shows an error with its causes, without the numbers that systems give them.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| error.to_string().split(" (os error").next().unwrap_or_default().to_owned())
        .collect::<Vec<_>>()
        .join(": ")
}
