//! The suite that every history passes.

use std::time::Duration;

use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::suite;

use crate::server::{Server, with_options};

pub(crate) async fn a_history_in_postgres_is_a_history() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn handles_see_what_the_others_write() -> Tested {
    let server = Server::start().await?;
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
    Ok(())
}

pub(crate) async fn other_isolation_levels_change_nothing() -> Tested {
    tokio::try_join!(at_level("repeatable\\ read"), at_level("serializable"))?;
    Ok(())
}

async fn at_level(level: &str) -> Tested {
    let server = Server::start().await?;
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::connect(&url).await.unwrap();
    suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{level}: {error}"));
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_store_that_was_replaced_is_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let report = suite::versioned_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn sessions_are_listed_and_searched() -> Tested {
    tokio::try_join!(
        lists_at("read\\ committed", "simple"),
        lists_at("serializable", "simple"),
        lists_at("read\\ committed", "english"),
    )?;
    Ok(())
}

async fn lists_at(level: &str, configuration: &str) -> Tested {
    let server = Server::start().await?;
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::builder(&url).search(configuration).connect().await.unwrap();
    let report = suite::listed_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{level} {configuration}: {error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_session_has_branches() -> Tested {
    tokio::try_join!(branches_at("read\\ committed"), branches_at("serializable"))?;
    Ok(())
}

async fn branches_at(level: &str) -> Tested {
    let server = Server::start().await?;
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::connect(&url).await.unwrap();
    let report = suite::branched_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{level}: {error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn writers_of_two_pools_have_one_order() -> Tested {
    // At the last level, conflicts are serialization failures, and tried again.
    for level in ["read\\ committed", "serializable"] {
        let server = Server::start().await?;
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
    Ok(())
}

pub(crate) async fn prepared_statements_change_nothing() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).prepared_statements(true);
    let history = builder.connect().await.unwrap();
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}
