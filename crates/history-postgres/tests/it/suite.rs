//! The suite that every history passes.

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
    for level in ["repeatable\\ read", "serializable"] {
        let Some(server) = Server::start("the suite at other isolation levels").await else {
            return;
        };
        let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
        let history = conversant_history_postgres::PostgresHistory::connect(&url).await.unwrap();
        suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{level}: {error}"));
        server.stop().await;
    }
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
