//! Servers that are killed, restarted and restored.

use std::{
    cell::Cell,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, TurnId, Version};
use tokio::time::sleep;

use super::{
    answered::{PAUSE, answered},
    broken::{exchange, new_session},
};
use crate::{
    join_all::join_all,
    servers::Server,
    suite::{
        check::{Checked, NO_TURNS, Stop, ensure, run, supported},
        report::{Running, SuiteError, SuiteReport},
    },
};

/// The number of writers, and of turns of each.
const WRITERS: usize = 32;
const TURNS: usize = 12;

/// The number of times that the server is killed while they write.
const KILLS: usize = 2;

/// Checks that a history on a server that is killed, restarted and restored loses no acknowledged
/// turn, doubles none, and notices that the server holds an older state.
///
/// `handles` are several pools of connections to `server`, as several processes have them. The
/// server has to be set to acknowledge what survives its end. The suite runs on a Tokio runtime and
/// takes as long as the server's restarts.
///
/// # Errors
/// [`SuiteError`], which names all checks that failed.
///
/// # Examples
///
/// ```no_run
/// # use conversant_core::{ChatHistory, HistoryError};
/// # async fn connect(url: &str) -> Result<Box<dyn ChatHistory>, HistoryError> { todo!() }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use conversant_testkit::{servers::RedisServer, suite};
///
/// let Some(server) = RedisServer::start(&[])? else { return Ok(()) };
/// let handles = [connect(&server.url()).await?, connect(&server.url()).await?];
/// suite::killed_history(&handles, server).await?;
/// # Ok(())
/// # }
/// ```
pub async fn killed_history<H: ChatHistory>(
    handles: &[H],
    server: impl Server,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("killed history");
    let subject = &Subject { handles, server: Arc::new(Mutex::new(server)) };
    run!(running, subject =>
        writers_of_a_server_that_is_killed_have_one_order,
        a_restored_backup_is_noticed,
    );
    running.finish()
}

struct Subject<'h, H, S> {
    handles: &'h [H],
    server: Arc<Mutex<S>>,
}

impl<H: ChatHistory, S: Server> Subject<'_, H, S> {
    fn handle(&self, number: usize) -> Result<&H, Stop> {
        let handle = self.handles.get(number % self.handles.len().max(1));
        handle.ok_or_else(|| Stop::Failed("there are no handles".to_owned()))
    }

    /// Does something to the server, which blocks.
    async fn server(&self, run: fn(&mut S) -> io::Result<()>) -> Checked {
        let server = Arc::clone(&self.server);
        let run = move || run(&mut server.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(run).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Stop::Failed("the server's control panicked".to_owned())),
        }
    }
}

async fn writers_of_a_server_that_is_killed_have_one_order<H: ChatHistory, S: Server>(
    subject: &Subject<'_, H, S>,
) -> Checked {
    let session = &new_session()?;
    // Without handles there are no turns, for which the killer would wait.
    subject.handle(0)?;
    let (acknowledged, failed) = (&Cell::new(0), &Cell::new(false));
    let writers = (0..WRITERS).map(async |writer| {
        let history = subject.handle(writer)?;
        let mut done: Vec<(Version, TurnId)> = Vec::new();
        for number in 0..TURNS {
            let turn = exchange(100 * writer + number);
            let version = answered(|| history.append(session, &turn, Expect::Any)).await;
            // The killer waits for turns that would not come.
            failed.set(failed.get() || version.is_err());
            done.push((version?, turn.id()));
            acknowledged.set(acknowledged.get() + 1);
        }
        Ok::<_, Stop>(done)
    });
    let killer = async {
        for kill in 1..=KILLS {
            while acknowledged.get() < kill * WRITERS * TURNS / (KILLS + 1) && !failed.get() {
                sleep(PAUSE).await;
            }
            subject.server(Server::kill).await?;
            subject.server(Server::restart).await?;
        }
        Ok::<_, Stop>(())
    };
    let (written, killed) = tokio::join!(join_all(writers), killer);
    killed?;
    let mut told = Vec::new();
    for writer in written {
        let done = writer?;
        ensure!(done.is_sorted(), "the turns of a writer are not in its order");
        told.extend(done);
    }
    told.sort();
    let history = subject.handle(0)?;
    let found = supported(answered(|| history.turns(session, Range::All)).await, NO_TURNS)?;
    let expected: Vec<TurnId> = told.iter().map(|(_, id)| *id).collect();
    let found: Vec<TurnId> = found.iter().map(Turn::id).collect();
    let lost = expected.iter().filter(|id| !found.contains(id)).count();
    ensure!(
        found == expected,
        "of {} acknowledged turns {lost} are lost; found {} turns, or another order than was acknowledged",
        expected.len(),
        found.len()
    );
    Ok(())
}

async fn a_restored_backup_is_noticed<H: ChatHistory, S: Server>(
    subject: &Subject<'_, H, S>,
) -> Checked {
    let (session, history) = (&new_session()?, subject.handle(0)?);
    let kept = exchange(1);
    answered(|| history.append(session, &kept, Expect::Any)).await?;
    subject.server(Server::backup).await?;
    let lost = exchange(2);
    let seen = answered(|| history.append(session, &lost, Expect::Any)).await?;
    subject.server(Server::restore).await?;
    expect_only(history, session, seen, &[&kept]).await?;
    // The conversation goes on otherwise, until it has the same length.
    let other = exchange(3);
    answered(|| history.append(session, &other, Expect::Any)).await?;
    expect_only(history, session, seen, &[&kept, &other]).await
}

/// Checks that a load after a version that was lost returns all that there is, and that an append
/// to it is refused.
async fn expect_only(
    history: &impl ChatHistory,
    session: &SessionId,
    seen: Version,
    turns: &[&Turn],
) -> Checked {
    let found = supported(answered(|| history.turns(session, Range::All)).await, NO_TURNS)?;
    ensure!(found.iter().eq(turns.iter().copied()), "found {} turns", found.len());
    let after = answered(|| history.load(session, Range::After(seen))).await?;
    let expected = turns.iter().map(|turn| turn.messages().len()).sum::<usize>();
    ensure!(
        after.messages.len() == expected,
        "after {seen:?}, which was lost, came {} of {expected} messages",
        after.messages.len()
    );
    let turn = exchange(4);
    for expect in [Expect::Exactly(seen), Expect::SameEpoch(seen)] {
        let refused = answered(|| history.append(session, &turn, expect)).await;
        ensure!(matches!(refused, Err(HistoryError::Stale { .. })), "{expect:?}: {refused:?}");
    }
    Ok(())
}
