//! Servers that do not answer.

use std::{future::Future, net::SocketAddr, time::Duration};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, SessionId, Turn, TurnId};
use tokio::time::timeout;

use super::{
    answered::{answered, in_time},
    broken::{LONG, exchange, new_session},
    network::Network,
    patience::at_most,
};
use crate::{
    join_all::join_all,
    suite::check::{Checked, NO_TURNS, Stop, ensure, supported},
};

/// The longest time that any operation may take.
const MAX_OPERATION: Duration = Duration::from_secs(60);

/// Waits for an operation that the store cannot complete.
async fn ended<T>(
    name: &str,
    operation: impl Future<Output = Result<T, HistoryError>>,
) -> Result<(), Stop> {
    let Ok(outcome) = timeout(at_most(MAX_OPERATION), operation).await else {
        return Err(Stop::Failed(format!(
            "{name} did not end within {:?}",
            at_most(MAX_OPERATION)
        )));
    };
    ensure!(outcome.is_err(), "{name} succeeded, although no request reached the server");
    Ok(())
}

pub(super) async fn every_operation_ends_although_nothing_answers<H, F, Fut>(
    network: &Network<F>,
) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let [first, second, third, fourth] =
        [new_session()?, new_session()?, new_session()?, new_session()?];
    let before = exchange(1);
    in_time(|| history.append(&first, &before, Expect::Any)).await?;
    proxy.hold();
    let (turn, other) = (exchange(2), exchange(3));
    let (loaded, appended, queued, cleared, listed) = tokio::join!(
        ended("load", history.load(&first, Range::All)),
        ended("append", history.append(&second, &turn, Expect::Any)),
        ended("an append behind it", history.append(&second, &other, Expect::Any)),
        ended("clear", history.clear(&third)),
        ended("turns", history.turns(&fourth, Range::All)),
    );
    proxy.release();
    loaded.and(appended).and(queued).and(cleared).and(listed)?;
    // The store serves again, also the sessions on which operations were under way.
    in_time(|| history.append(&second, &turn, Expect::Any)).await?;
    let found = in_time(|| history.load(&second, Range::All)).await?.messages.len();
    ensure!(found == 2, "found {found} messages of one turn");
    let found = in_time(|| history.load(&first, Range::All)).await?.messages.len();
    ensure!(found == 2, "found {found} messages of a turn from before");
    Ok(())
}

pub(super) async fn connections_that_hang_are_replaced<H, F, Fut>(network: &Network<F>) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let session = new_session()?;
    let turn = exchange(0);
    answered(|| history.append(&session, &turn, Expect::Any)).await?;
    proxy.freeze();
    // Nothing closes the connections, and each operation that meets one may fail.
    for number in 1..8 {
        let found = answered(|| history.load(&session, Range::All)).await?.messages.len();
        ensure!(found == 2 * number, "found {found} messages after {number} turns");
        let turn = exchange(number);
        answered(|| history.append(&session, &turn, Expect::Any)).await?;
    }
    proxy.release();
    let found = answered(|| history.load(&session, Range::All)).await?.messages.len();
    ensure!(found == 16, "found {found} messages after 8 turns");
    Ok(())
}

pub(super) async fn an_append_that_timed_out_takes_no_effect_later<H, F, Fut>(
    network: &Network<F>,
) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let session = new_session()?;
    for round in 0..2 {
        let (late, next) = (exchange(1), exchange(2));
        proxy.hold();
        ended("append", history.append(&session, &late, Expect::Any)).await?;
        proxy.set_aside();
        answered(|| history.clear(&session)).await?;
        answered(|| history.append(&session, &next, Expect::Any)).await?;
        // The server gets the request now, after its caller has given it up.
        if timeout(at_most(MAX_OPERATION), proxy.deliver()).await.is_err() {
            return Err(Stop::Failed("the server did not close the connections".to_owned()));
        }
        let found = supported(answered(|| history.turns(&session, Range::All)).await, NO_TURNS)?;
        ensure!(
            found.as_slice() == std::slice::from_ref(&next),
            "round {round}: {} turns after a late append, a clear and an append",
            found.len()
        );
        answered(|| history.clear(&session)).await?;
    }
    Ok(())
}

/// A write other than an append.
#[derive(Clone, Copy, Debug)]
enum Write {
    Clear,
    Delete,
    PutNote,
    Lease,
}

pub(super) async fn no_write_takes_effect_after_its_timeout<H, F, Fut>(
    network: &Network<F>,
) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let writes = [Write::Clear, Write::Delete, Write::PutNote, Write::Lease];
    // A write can take several requests, of which the first ones arrive in time.
    let cases = writes.into_iter().flat_map(|write| (0..3).map(move |requests| (write, requests)));
    let checks = cases.map(async |(write, requests)| {
        late_write(network, write, requests).await.map_err(|stop| match stop {
            Stop::Failed(what) => {
                Stop::Failed(format!("{write:?} after {requests} requests: {what}"))
            }
            skipped @ Stop::Skipped(_) => skipped,
        })
    });
    join_all(checks).await.into_iter().collect()
}

/// Lets a write time out, writes to its session, and then lets the late request arrive.
async fn late_write<H, F, Fut>(network: &Network<F>, write: Write, requests: usize) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let session = new_session()?;
    let first = exchange(1);
    let version = answered(|| history.append(&session, &first, Expect::Any)).await?;
    proxy.hold_after(requests);
    let operation = async {
        match write {
            Write::Clear => history.clear(&session).await,
            Write::Delete => history.delete(&session).await,
            Write::PutNote => history.put_note(&session, "late", &Note::new("late", version)).await,
            Write::Lease => history.lease(&session, LONG).await.map(drop),
        }
    };
    let Ok(outcome) = timeout(at_most(MAX_OPERATION), operation).await else {
        return Err(Stop::Failed(format!("it did not end within {:?}", at_most(MAX_OPERATION))));
    };
    proxy.set_aside();
    if matches!(outcome, Ok(()) | Err(HistoryError::Unsupported { .. })) {
        return Ok(());
    }
    let next = exchange(2);
    answered(|| history.append(&session, &next, Expect::Any)).await?;
    let before = state(&history, &session).await?;
    if timeout(at_most(MAX_OPERATION), proxy.deliver()).await.is_err() {
        return Err(Stop::Failed("the server did not close the connections".to_owned()));
    }
    let after = state(&history, &session).await?;
    ensure!(before == after, "{before:?} became {after:?} when the late request arrived");
    if matches!(write, Write::Lease) {
        let leased = answered(|| history.lease(&session, LONG)).await;
        ensure!(leased.is_ok(), "the late request took the lease: {leased:?}");
    }
    Ok(())
}

/// Returns the ids of a session's turns, and whether it has the note.
async fn state(
    history: &impl ChatHistory,
    session: &SessionId,
) -> Result<(Vec<TurnId>, bool), Stop> {
    let turns = supported(answered(|| history.turns(session, Range::All)).await, NO_TURNS)?;
    let note = answered(|| history.note(session, "late")).await.is_ok_and(|note| note.is_some());
    Ok((turns.iter().map(Turn::id).collect(), note))
}
