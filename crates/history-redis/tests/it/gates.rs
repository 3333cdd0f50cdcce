//! The cost of a call on the wire: counts that noise does not touch.

use conversant_core::{ChatHistory, Expect, Message, Point, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::{CountingProxy, RedisServer};
use redis::aio::MultiplexedConnection;
use tokio::task::spawn_blocking;

use crate::server::{Server, not_installed};

/// The turns of a window.
const WINDOW: usize = 20;

/// The bytes that a load or an append may send in addition to the stored text.
const MAX_SENT: u64 = 900;

/// The bytes that a turn, and a load, may take in addition to the stored text.
const MAX_OF_TURN: u64 = 100;
const MAX_RECEIVED: u64 = 600;
/// The bytes of the answer to the usual append, which says only that it was done.
const MAX_RECEIVED_OF_APPEND: u64 = 8;

/// The commands that an append and a load run at the server, that which runs the script included.
const COMMANDS_OF_APPEND: u64 = 9;
const COMMANDS_OF_NEW_TURNS: u64 = 4;
const COMMANDS_OF_LAST_TURNS: u64 = 5;
/// The same of the turns that follow a turn, if one does, of all branches of the session.
const COMMANDS_OF_ALTERNATIVES: u64 = 13;
/// The commands of a fork for each session that has turns of its path.
const COMMANDS_OF_ANCESTOR: u64 = 4;

pub(crate) async fn an_operation_takes_few_commands_of_the_server() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&["--appendonly", "no"]).unwrap());
    let server = started.await.unwrap().ok_or_else(not_installed)?;
    let client = redis::Client::open(server.url()).unwrap();
    let mut control = client.get_multiplexed_async_connection().await.unwrap();
    let history = RedisHistory::builder(server.url()).connections(1).connect().await.unwrap();
    let session = SessionId::new("session").unwrap();
    let mut seen = history.append(&session, &turn(), Expect::Any).await.unwrap();
    history.load(&session, Range::All).await.unwrap();
    for length in [10, 1_000] {
        while seen.messages < length {
            seen = history.append(&session, &turn(), Expect::Any).await.unwrap();
        }
        let before = commands(&mut control).await;
        seen = history.append(&session, &turn(), Expect::Exactly(seen)).await.unwrap();
        let after = commands(&mut control).await;
        // One less, if the turn before was stored in the same millisecond.
        let found = after - before;
        assert!(found <= COMMANDS_OF_APPEND, "append at {length}: {found}");
        for (range, expected) in [
            (Range::After(seen), COMMANDS_OF_NEW_TURNS),
            (Range::LastTurns(WINDOW), COMMANDS_OF_LAST_TURNS),
        ] {
            let before = commands(&mut control).await;
            history.load(&session, range).await.unwrap();
            let after = commands(&mut control).await;
            assert_eq!(after - before, expected, "{range:?} at {length}");
        }
    }
    Ok(())
}

/// The rows of the branches are read by one command, for any number of them.
pub(crate) async fn alternatives_take_few_commands_with_many_branches() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&["--appendonly", "no"]).unwrap());
    let server = started.await.unwrap().ok_or_else(not_installed)?;
    let client = redis::Client::open(server.url()).unwrap();
    let mut control = client.get_multiplexed_async_connection().await.unwrap();
    let history = RedisHistory::builder(server.url()).connections(1).connect().await.unwrap();
    let session = SessionId::new("session").unwrap();
    let (first, second, third) = (turn(), turn(), turn());
    for turn in [&first, &second, &third] {
        history.append(&session, turn, Expect::Any).await.unwrap();
    }
    // The server gets the script.
    history.alternatives(&session, first.id().into()).await.unwrap();
    for branches in 1..200 {
        let view = history.at(Point::After(first.id())).unwrap();
        view.append(&session, &turn(), Expect::Any).await.unwrap();
        let before = commands(&mut control).await;
        let found = history.alternatives(&session, second.id().into()).await.unwrap();
        let taken = commands(&mut control).await - before;
        assert_eq!(found.len(), 1);
        assert!(taken <= COMMANDS_OF_ALTERNATIVES, "{taken} with {branches} branches");
    }
    let found = history.alternatives(&session, first.id().into()).await.unwrap();
    assert_eq!(found.len(), 200);
    Ok(())
}

pub(crate) async fn a_fork_of_forks_takes_few_commands_for_each() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&["--appendonly", "no"]).unwrap());
    let server = started.await.unwrap().ok_or_else(not_installed)?;
    let client = redis::Client::open(server.url()).unwrap();
    let mut control = client.get_multiplexed_async_connection().await.unwrap();
    let history = RedisHistory::builder(server.url()).connections(1).connect().await.unwrap();
    let name = |number: usize| SessionId::new(format!("session {number}")).unwrap();
    let mut taken = Vec::new();
    for number in 0..40 {
        let turn = turn();
        history.append(&name(number), &turn, Expect::Any).await.unwrap();
        let before = commands(&mut control).await;
        history.fork(&name(number), turn.id().into(), &name(number + 1)).await.unwrap();
        taken.push(commands(&mut control).await - before);
    }
    // The first source is a session without branches.
    for (number, pair) in taken.windows(2).enumerate().skip(2) {
        assert!(pair[1] <= pair[0] + COMMANDS_OF_ANCESTOR, "fork {number}: {taken:?}");
    }
    let end = history.load(&name(40), Range::All).await.unwrap();
    assert_eq!(end.messages.len(), 80);
    Ok(())
}

/// Returns the number of commands that the server has run, without those that ask for it.
async fn commands(control: &mut MultiplexedConnection) -> u64 {
    let ask = redis::cmd("INFO").arg("commandstats").clone();
    let statistics: String = ask.query_async(control).await.unwrap();
    let of = |line: &str| {
        let (name, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let count = counts.split(',').next()?.parse::<u64>().ok()?;
        (name != "info").then_some(count)
    };
    statistics.lines().filter_map(of).sum()
}

fn turn() -> Turn {
    Turn::exchange("q".repeat(123), "a".repeat(400))
}

pub(crate) async fn an_operation_is_one_round_trip_and_little_more_than_its_text() -> Tested {
    let server = Server::start().await?;
    let address = server.url.strip_prefix("redis://").unwrap().trim_end_matches('/');
    let proxy = CountingProxy::start(address).await.unwrap();
    let builder = RedisHistory::builder(format!("redis://{}/", proxy.address()));
    let history = builder.prefix(&server.prefix).connections(1).connect().await.unwrap();
    let session = SessionId::new("session").unwrap();
    let stored = |turn: &Turn| {
        let bytes = |message: &Message| message.to_stored().to_string().len() as u64;
        turn.messages().iter().map(bytes).sum::<u64>()
    };
    let mut seen = history.append(&session, &turn(), Expect::Any).await.unwrap();
    // The server gets the other script.
    history.load(&session, Range::All).await.unwrap();
    for _ in 0..2 * WINDOW {
        let next = turn();
        let before = proxy.traffic();
        seen = history.append(&session, &next, Expect::Exactly(seen)).await.unwrap();
        let after = proxy.traffic();
        assert_eq!(after.round_trips - before.round_trips, 1);
        assert!(after.sent - before.sent < stored(&next) + MAX_SENT, "{before:?} {after:?}");
        let received = after.received - before.received;
        assert!(received <= MAX_RECEIVED_OF_APPEND, "{before:?} {after:?}");
    }
    let window = (stored(&turn()) + MAX_OF_TURN) * WINDOW as u64;
    for (range, received) in [
        (Range::LastTurns(WINDOW), window),
        (Range::LastMessages(2 * WINDOW), window),
        (Range::After(seen), 0),
        (Range::LastTurns(0), 0),
    ] {
        let before = proxy.traffic();
        history.load(&session, range).await.unwrap();
        let after = proxy.traffic();
        assert_eq!(after.round_trips - before.round_trips, 1, "{range:?}");
        assert!(after.sent - before.sent < MAX_SENT, "{range:?} {before:?} {after:?}");
        let read = after.received - before.received;
        assert!(read < received + MAX_RECEIVED, "{range:?} {read}");
    }
    server.stop().await;
    Ok(())
}
