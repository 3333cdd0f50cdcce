//! The suite that every history passes.

use std::time::Duration;

use conversant_history_postgres::PostgresHistory;
use conversant_testkit::suite;

use crate::server::{Server, with_options};

#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_postgres_is_a_history() {
    let Some(server) = Server::start("the suite of histories").await else { return };
    let history = server.history().await;
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}

#[tokio::test]
async fn handles_see_what_the_others_write() {
    let Some(server) = Server::start("the suite of histories that are reopened").await else {
        return;
    };
    let (first, second) = (server.history().await, server.history().await);
    let turn = std::cell::Cell::new(false);
    let report = suite::reopened_history(|| {
        turn.set(!turn.get());
        if turn.get() { first.clone() } else { second.clone() }
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_isolation_levels_change_nothing() {
    tokio::join!(at_level("repeatable\\ read"), at_level("serializable"));
}

async fn at_level(level: &str) {
    let Some(server) = Server::start("the suite at other isolation levels").await else { return };
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::connect(&url).await.unwrap();
    suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{level}: {error}"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_replaced_is_noticed() {
    let Some(server) = Server::start("versions that name their last turn").await else { return };
    let history = server.history().await;
    let report = suite::versioned_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_searched() {
    tokio::join!(lists_at("read\\ committed"), lists_at("serializable"));
}

async fn lists_at(level: &str) {
    let Some(server) = Server::start("lists of sessions").await else { return };
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::builder(&url).search("simple").connect().await.unwrap();
    let report = suite::listed_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{level}: {error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_branches() {
    tokio::join!(branches_at("read\\ committed"), branches_at("serializable"));
}

async fn branches_at(level: &str) {
    let Some(server) = Server::start("branches of a session").await else { return };
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::connect(&url).await.unwrap();
    let report = suite::branched_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{level}: {error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_two_pools_have_one_order() {
    // At the last level, conflicts are serialization failures, and tried again.
    for level in ["read\\ committed", "serializable"] {
        let Some(server) = Server::start("32 writers over two pools").await else { return };
        let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
        let patience = Duration::from_secs(60);
        let connect = || {
            let builder = PostgresHistory::builder(&url).max_connections(4);
            builder.connect_timeout(patience).acquire_timeout(patience).connect()
        };
        let pools = [connect().await.unwrap(), connect().await.unwrap()];
        let report = suite::shared_history(&pools).await;
        let report = report.unwrap_or_else(|error| panic!("{level}: {error}"));
        assert_eq!(report.skipped().next(), None, "{report}");
        // A session that nothing uses has no lock.
        assert!(format!("{pools:?}").contains("sessions_in_use: 0"), "{pools:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_change_nothing() {
    let Some(server) = Server::start("the suite with prepared statements").await else { return };
    let builder = PostgresHistory::builder(&server.url).prepared_statements(true);
    let history = builder.connect().await.unwrap();
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
}
