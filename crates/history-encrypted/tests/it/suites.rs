//! The suites that every history passes, over each store.

use conversant_core::{ChatHistory, OwnFormat};
use conversant_history_encrypted::Encrypted;
use conversant_history_jsonl::JsonlHistory;
use conversant_history_postgres::PostgresHistory;
use conversant_history_redis::RedisHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::{
    servers::{PostgresServer, RedisServer},
    suite,
};

use crate::support::{key, keys};

/// Runs the suites over a store, with plain and with blinded session ids.
async fn passes<H: OwnFormat + Clone>(store: &H) {
    let plain = Encrypted::new(store.clone(), keys());
    passes_each(&plain).await;
}

async fn passes_blinded<H: OwnFormat + Clone>(store: &H) {
    let blinded = Encrypted::new(store.clone(), keys()).with_blinding_key(&key(9));
    passes_each(&blinded).await;
}

async fn passes_each<H: ChatHistory + Clone>(history: &H) {
    for report in [
        suite::history(|| history.clone()).await,
        suite::versioned_history(|| history.clone()).await,
        suite::reopened_history(|| history.clone()).await,
    ] {
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.skipped().next(), None, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    passes(&InMemoryHistory::new()).await;
    passes_blinded(&InMemoryHistory::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_branches() {
    let history = Encrypted::new(InMemoryHistory::new(), keys());
    let report = suite::branched_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    passes(&SqliteHistory::open(folder.path().join("plain.db")).unwrap()).await;
    passes_blinded(&SqliteHistory::open(folder.path().join("blinded.db")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_files() {
    let folder = tempfile::tempdir().unwrap();
    passes(&JsonlHistory::open(folder.path().join("plain")).unwrap()).await;
    passes_blinded(&JsonlHistory::open(folder.path().join("blinded")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres() {
    let start = tokio::task::spawn_blocking(|| PostgresServer::start(&[])).await.unwrap().unwrap();
    let Some(server) = start else {
        eprintln!("left out: the suite over Postgres, whose programs are not installed");
        return;
    };
    let history = PostgresHistory::connect(&server.url()).await.unwrap();
    passes(&history).await;
    drop(history);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis() {
    let start = tokio::task::spawn_blocking(|| RedisServer::start(&[])).await.unwrap().unwrap();
    let Some(server) = start else {
        eprintln!("left out: the suite over Redis, whose programs are not installed");
        return;
    };
    let history = RedisHistory::connect(&server.url()).await.unwrap();
    passes(&history).await;
    drop(history);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
