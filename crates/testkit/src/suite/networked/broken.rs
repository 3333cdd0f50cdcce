//! Connections that break.

use std::{future::Future, net::SocketAddr, time::Duration};

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Range, SessionId, Turn, TurnId};

use super::{
    answered::{answered, in_time},
    network::Network,
};
use crate::{
    join_all::join_all,
    suite::check::{Checked, NO_TURNS, Stop, ensure, supported},
};

/// The time of a lease that does not expire during a check.
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) fn new_session() -> Result<SessionId, Stop> {
    Ok(SessionId::new(format!("suite {}", TurnId::random()))?)
}

pub(super) fn exchange(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

pub(super) async fn a_lost_answer_is_settled_by_the_turn<H, F, Fut>(network: &Network<F>) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let session = new_session()?;
    let mut turns = Vec::new();
    for number in 0..5 {
        let turn = exchange(number);
        let seen = in_time(|| history.load(&session, Range::LastTurns(0))).await?.version;
        let version = in_time(|| {
            proxy.swallow_answer();
            history.append(&session, &turn, Expect::Exactly(seen))
        });
        let version = version.await?;
        ensure!(version.messages == seen.messages + 2, "{seen} led to {version}");
        turns.push(turn);
    }
    let found = supported(in_time(|| history.turns(&session, Range::All)).await, NO_TURNS)?;
    ensure!(found == turns, "found {} turns instead of {}", found.len(), turns.len());

    let version = in_time(|| history.load(&session, Range::LastTurns(0))).await?.version;
    let brief = Note::new("brief", version);
    let put = in_time(|| {
        proxy.swallow_answer();
        history.put_note(&session, "summary", &brief)
    });
    match put.await {
        Err(HistoryError::Unsupported { .. }) => {}
        stored => {
            stored?;
            let note = in_time(|| {
                proxy.swallow_answer();
                history.note(&session, "summary")
            });
            let note = note.await?;
            ensure!(note.is_some(), "the note is not there");
        }
    }
    proxy.swallow_answer();
    if let Some(lease) = history.lease(&session, LONG).await? {
        let released = in_time(|| {
            proxy.swallow_answer();
            history.release(&lease)
        });
        released.await?;
        ensure!(history.lease(&session, LONG).await?.is_some(), "the lease was not released");
    }
    let clear = in_time(|| {
        proxy.swallow_answer();
        history.clear(&session)
    });
    clear.await?;
    let cleared = in_time(|| history.load(&session, Range::All)).await?;
    ensure!(cleared.messages.is_empty(), "{} messages were left", cleared.messages.len());
    ensure!(cleared.version.epoch != version.epoch, "the epoch is still {}", version.epoch);
    Ok(())
}

pub(super) async fn broken_connections_are_replaced<H, F, Fut>(network: &Network<F>) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let session = new_session()?;
    for number in 0..4 {
        let turn = exchange(number);
        let append = in_time(|| {
            proxy.break_connections();
            history.append(&session, &turn, Expect::Any)
        });
        append.await?;
        let load = in_time(|| {
            proxy.break_connections();
            history.load(&session, Range::All)
        });
        let found = load.await?.messages.len();
        ensure!(found == 2 * number + 2, "found {found} messages after {} turns", number + 1);
    }
    Ok(())
}

pub(super) async fn connections_cut_at_any_byte_lose_nothing<H, F, Fut>(
    network: &Network<F>,
) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    // Most of them wait for a time limit.
    let cuts = (0..16).chain([20, 30, 40, 60, 80, 120, 160, 240, 400]);
    let checks = cuts.map(async |bytes| {
        let (proxy, history) = network.open().await?;
        let session = new_session()?;
        let (cut, next) = (exchange(bytes), exchange(bytes + 1));
        proxy.cut_answers_after(bytes);
        let outcome = history.append(&session, &cut, Expect::Any).await;
        proxy.heal();
        let followed = history.append(&session, &next, Expect::Any).await;
        let appended = [(cut.id(), outcome.is_ok()), (next.id(), followed.is_ok())];
        holds(&history, &session, &appended).await
    });
    join_all(checks).await.into_iter().collect()
}

pub(super) async fn writers_of_breaking_connections_have_one_order<H, F, Fut>(
    network: &Network<F>,
) -> Checked
where
    H: ChatHistory,
    F: Fn(SocketAddr) -> Fut,
    Fut: Future<Output = Result<H, HistoryError>>,
{
    let (proxy, history) = network.open().await?;
    let (session, history, proxy) = (new_session()?, &history, &proxy);
    let session = &session;
    let writers = (0..8).map(async |writer| {
        let mut appended = Vec::new();
        for number in 0..6 {
            if (writer + number) % 4 == 0 {
                proxy.break_connections();
            }
            let turn = exchange(10 * writer + number);
            let outcome = history.append(session, &turn, Expect::Any).await;
            appended.push((turn.id(), outcome.is_ok()));
        }
        appended
    });
    for appended in join_all(writers).await {
        holds(history, session, &appended).await?;
    }
    Ok(())
}

/// Checks that each acknowledged turn of one writer is stored once, and any other at most once, in
/// the order of the appends.
pub(super) async fn holds(
    history: &impl ChatHistory,
    session: &SessionId,
    appended: &[(TurnId, bool)],
) -> Checked {
    let stored = supported(answered(|| history.turns(session, Range::All)).await, NO_TURNS)?;
    let stored: Vec<TurnId> = stored
        .iter()
        .map(Turn::id)
        .filter(|id| appended.iter().any(|(turn, _)| turn == id))
        .collect();
    let expected =
        appended.iter().filter(|(id, is_acknowledged)| *is_acknowledged || stored.contains(id));
    let expected: Vec<TurnId> = expected.map(|(id, _)| *id).collect();
    let acknowledged = appended.iter().filter(|(_, is_acknowledged)| *is_acknowledged).count();
    ensure!(
        stored == expected,
        "found {} turns, of which {acknowledged} were acknowledged, instead of {} in order",
        stored.len(),
        expected.len()
    );
    Ok(())
}
