//! The server that the tests run against, each with keys of its own.

use conversant_core::TurnId;
use conversant_harness::{Missing, Need};
use conversant_history_redis::{RedisHistory, RedisHistoryBuilder};
use redis::{FromRedisValue, aio::MultiplexedConnection};

/// Where the server is.
const URL: &str = "CONVERSANT_REDIS_URL";

/// Keys of the server's, for one test. They go when the test is over.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) connection: MultiplexedConnection,
}

impl Server {
    /// Connects to the server, if there is one.
    pub(crate) async fn start() -> Result<Self, Missing> {
        let url = Need::Services.variable(URL, "a Redis server")?;
        let client = redis::Client::open(url.as_str()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let prefix = format!("test:{}:", TurnId::random());
        Ok(Self { url, prefix, connection })
    }

    pub(crate) fn builder(&self) -> RedisHistoryBuilder {
        RedisHistory::builder(&self.url).prefix(&self.prefix)
    }

    pub(crate) async fn history(&self) -> RedisHistory {
        self.builder().connect().await.unwrap()
    }

    /// Runs a command. `@` before a word is the prefix of the test's keys.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ').map(|word| match word.strip_prefix('@') {
            Some(key) => format!("{}{key}", self.prefix),
            None => word.to_owned(),
        });
        let mut sent = redis::cmd(&words.next().unwrap());
        words.for_each(|word| {
            // An underscore is a space within a word, except in a key.
            let word = if word.starts_with(&self.prefix) { word } else { word.replace('_', " ") };
            sent.arg(word);
        });
        sent.query_async(&mut self.connection.clone()).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run("KEYS @*").await;
        keys.iter_mut().for_each(|key| *key = key.replacen(&self.prefix, "", 1));
        keys.sort();
        keys
    }

    /// Removes the keys. (A test that fails leaves them behind, to be looked at.)
    pub(crate) async fn stop(self) {
        for key in self.keys().await {
            let mut delete = redis::cmd("DEL");
            delete.arg(format!("{}{key}", self.prefix));
            delete.query_async::<i64>(&mut self.connection.clone()).await.unwrap();
        }
    }
}

/// Shows an error with its causes, without the numbers that systems give them.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| error.to_string().split(" (os error").next().unwrap_or_default().to_owned())
        .collect::<Vec<_>>()
        .join(": ")
}

/// Returns that Redis is not installed.
pub(crate) fn not_installed() -> Missing {
    Need::Services.missing("an installed `redis-server`")
}
