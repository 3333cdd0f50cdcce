//! The server that the tests run against, each in a schema of its own.

use conversant_core::TurnId;
use conversant_harness::{Missing, Need};
use conversant_history_postgres::PostgresHistory;
use tokio_postgres::{Client, NoTls};

/// Where the server is.
const URL: &str = "CONVERSANT_POSTGRES_URL";

/// A schema of the server's, or a database, for one test. It goes when the test is over.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: Client,
    removal: String,
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
        Ok(Self { url, client, removal: format!("DROP SCHEMA {schema} CASCADE") })
    }

    /// Makes a database on the server, if there is one, for a test that counts what is read, or
    /// sees all schemas. In a database that tests share, an open transaction of one keeps `VACUUM`
    /// from removing the dead rows of all, which are then read.
    pub(crate) async fn start_alone() -> Result<Self, Missing> {
        let url = Need::Services.variable(URL, "a PostgreSQL server")?;
        let database = format!("test_{}", TurnId::random()).replace('-', "_");
        let create = format!("CREATE DATABASE {database}");
        client(&url).await.batch_execute(&create).await.unwrap();
        let url = in_database(&url, &database);
        Ok(Self {
            client: client(&url).await,
            url,
            removal: format!("DROP DATABASE {database} WITH (FORCE)"),
        })
    }

    pub(crate) async fn history(&self) -> PostgresHistory {
        PostgresHistory::connect(&self.url).await.unwrap()
    }

    /// Removes the schema or the database. (A test that fails leaves it behind, to be looked at.)
    pub(crate) async fn stop(self) {
        client(&Need::Services.variable(URL, "a PostgreSQL server").unwrap())
            .await
            .batch_execute(&self.removal)
            .await
            .unwrap();
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

/// Returns a URL with another database.
fn in_database(url: &str, database: &str) -> String {
    let (url, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}?{options}")
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
