//! The suite that every history passes.

use std::{cell::Cell, time::Duration};

use conversant_harness::Tested;
use conversant_testkit::suite;

use crate::server::Server;

pub(crate) async fn a_history_in_redis_is_a_history() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let report = suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_history_with_a_time_to_live_is_a_history() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    let history = server.builder().time_to_live(hour).connections(1).connect().await.unwrap();
    suite::history(|| history.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    server.stop().await;
    Ok(())
}

pub(crate) async fn handles_see_what_the_others_write() -> Tested {
    let server = Server::start().await?;
    let (first, second) = (server.history().await, server.history().await);
    let turn = Cell::new(false);
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

pub(crate) async fn a_store_that_was_replaced_is_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let report = suite::versioned_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn turns_of_a_session_are_a_tree() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    for builder in [server.builder(), server.builder().time_to_live(hour)] {
        let history = builder.connect().await.unwrap();
        let report = suite::branched_history(|| history.clone()).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.skipped().next(), None, "{report}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn sessions_are_listed() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    for builder in [server.builder(), server.builder().time_to_live(hour)] {
        let history = builder.connect().await.unwrap();
        let report = suite::listed_history(|| history.clone()).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        // There is no search.
        assert!(report.skipped().map(|(check, _)| check).eq(["words_are_found"]), "{report}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn writers_of_two_pools_have_one_order() -> Tested {
    let server = Server::start().await?;
    let pools = [server.history().await, server.history().await];
    let report = suite::shared_history(&pools).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
    // A session that nothing uses has no lock.
    assert!(format!("{pools:?}").contains("sessions_in_use: 0"), "{pools:?}");
    server.stop().await;
    Ok(())
}
