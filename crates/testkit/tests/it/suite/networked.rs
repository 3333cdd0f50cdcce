//! The suites of histories whose store is shared, replaced, or behind a network.

use std::time::Duration;

use conversant_testkit::{block_on, suite};

use super::{
    each_check_finds_its_flaw,
    flawed_history::History,
    history_flaw::HistoryFlaw,
    remote_history::{Remote, RemoteFlaw, Store},
    tipped_history::{TipFlaw, Tipped},
};

#[test]
fn each_check_of_the_versioned_history_suite_finds_its_flaw() {
    let flaws = [
        (TipFlaw::NamesNoTurn, "a_version_names_its_last_turn"),
        (TipFlaw::LoadsByCount, "after_another_conversation_comes_all"),
        (TipFlaw::AppendsByCount, "an_append_to_another_conversation_is_stale"),
        (TipFlaw::ForgetsTheTipOfNotes, "a_note_keeps_the_tip_that_it_covers"),
    ];
    each_check_finds_its_flaw(&flaws, |flaw| {
        let history = Tipped::new(flaw);
        block_on(suite::versioned_history(|| history.clone()))
    });
}

#[test]
fn each_check_of_the_shared_history_suite_finds_its_flaw() {
    let flaws = [
        (HistoryFlaw::WritesBackASession, "writers_of_all_handles_have_one_order"),
        (HistoryFlaw::ChecksThenWrites, "exact_appends_lose_no_turn"),
        (HistoryFlaw::LooksThenWrites, "one_turn_of_all_handles_is_there_once"),
    ];
    each_check_finds_its_flaw(&flaws, |flaw| {
        let history = History::new(flaw);
        block_on(suite::shared_history(&[history.reopen(), history.reopen()]))
    });
}

/// The time for which a flaw may keep a suite waiting.
const PATIENCE: Duration = Duration::from_secs(8);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a suite, whose default limits hold for the history without a flaw.
async fn within_patience<T>(flaw: Option<RemoteFlaw>, suite: impl Future<Output = T>) -> T {
    match flaw {
        Some(_) => suite::with_patience(PATIENCE, suite).await,
        None => suite.await,
    }
}

#[test]
fn each_check_of_the_networked_history_suite_finds_its_flaw() {
    let flaws = [
        (RemoteFlaw::AppendsAgain, "a_lost_answer_is_settled_by_the_turn"),
        (RemoteFlaw::GivesUp, "broken_connections_are_replaced"),
        (RemoteFlaw::KeepsWhatHangs, "connections_that_hang_are_replaced"),
        (RemoteFlaw::AppendsAgain, "connections_cut_at_any_byte_lose_nothing"),
        (RemoteFlaw::AppendsToTheFront, "writers_of_breaking_connections_have_one_order"),
        (RemoteFlaw::Assumes, "every_operation_ends_although_nothing_answers"),
        (RemoteFlaw::HasNoDeadline, "an_append_that_timed_out_takes_no_effect_later"),
        (RemoteFlaw::HasDeadlinesForAppends, "no_write_takes_effect_after_its_timeout"),
    ];
    each_check_finds_its_flaw(&flaws, |flaw| {
        runtime().block_on(async {
            let (store, address) = Store::start(flaw).await;
            let checks =
                suite::networked_history(&address, async |proxy| Ok(Remote::new(&store, &proxy)));
            within_patience(flaw, checks).await
        })
    });
}

#[test]
fn each_check_of_the_killed_history_suite_finds_its_flaw() {
    let flaws = [
        (RemoteFlaw::WritesToDiskLater, "writers_of_a_server_that_is_killed_have_one_order"),
        (RemoteFlaw::ComparesCounts, "a_restored_backup_is_noticed"),
    ];
    each_check_finds_its_flaw(&flaws, |flaw| {
        runtime().block_on(async {
            let (store, address) = Store::start(flaw).await;
            let handles = [Remote::new(&store, &address), Remote::new(&store, &address)];
            within_patience(flaw, suite::killed_history(&handles, store)).await
        })
    });
}

#[test]
fn a_suite_without_handles_fails() {
    runtime().block_on(async {
        let (store, _) = Store::start(None).await;
        let none: [Remote; 0] = [];
        let error = suite::killed_history(&none, store).await.unwrap_err();
        let failed: Vec<_> = error.failed().map(|(_, what)| what).collect();
        assert_eq!(failed, ["there are no handles"; 2], "{error}");
        let error = suite::shared_history(&none).await.unwrap_err();
        assert!(error.failed().all(|(_, what)| what.contains("no handles")), "{error}");
    });
}
