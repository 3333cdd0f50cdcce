//! Forks: the turns that they share, and those that stay when a session is gone or has expired.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Point, Range, SessionId, Turn, Version,
};
use conversant_harness::Tested;
use conversant_history_redis::RedisHistory;

use crate::server::Server;

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

async fn write(history: &RedisHistory, name: &str, count: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for number in 0..count {
        let turn = Turn::exchange(format!("question {number}"), format!("answer {number}"));
        history.append(&session(name), &turn, Expect::Any).await.unwrap();
        turns.push(turn);
    }
    turns
}

/// Once all sessions that share turns are gone, in any order, so are the turns.
pub(crate) async fn nothing_stays_of_forks_that_are_gone() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let names = ["a", "b", "c"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut turns = write(&history, "a", 6).await;
        history.fork(&session("a"), turns[3].id().into(), &session("b")).await.unwrap();
        turns.truncate(4);
        let own = Turn::exchange("own", "answer");
        history.append(&session("b"), &own, Expect::Any).await.unwrap();
        history.fork(&session("b"), own.id().into(), &session("c")).await.unwrap();
        let view = history.at(turns[1].id().into()).unwrap();
        let side = Turn::exchange("side", "answer");
        view.append(&session("c"), &side, Expect::Any).await.unwrap();
        turns.push(own);
        let mut left = vec!["a", "b", "c"];
        for gone in order {
            history.delete(&session(names[gone])).await.unwrap();
            left.retain(|name| *name != names[gone]);
            for name in &left {
                let found = history.turns(&session(name), Range::All).await.unwrap();
                match *name {
                    "a" => assert_eq!(found.len(), 6, "{order:?}"),
                    "b" => assert_eq!(found, turns, "{order:?}"),
                    _ => assert_eq!(
                        found,
                        [&turns[..2], std::slice::from_ref(&side)].concat(),
                        "{order:?}"
                    ),
                }
            }
            // The turns that only a deleted session had are gone at once.
            if left.iter().all(|name| *name != "a") && !left.is_empty() {
                let shared =
                    server.keys().await.into_iter().find(|key| key.starts_with("{a}:turns"));
                let kept = server.run::<usize>(&format!("LLEN @{}", shared.unwrap())).await;
                assert_eq!(kept, 4, "{order:?}");
            }
        }
        let keys = server.keys().await;
        assert!(!keys.iter().any(|key| key.starts_with('{')), "{order:?}: {keys:?}");
    }
    server.stop().await;
    Ok(())
}

/// Turns that are shared live as long as one of their sessions, and no longer.
pub(crate) async fn shared_turns_expire_with_the_last_session() -> Tested {
    let server = Server::start().await?;
    let of = |seconds| server.builder().time_to_live(Duration::from_secs(seconds)).connect();
    let (short, long, for_good) =
        (of(100).await.unwrap(), of(10_000).await.unwrap(), server.history().await);
    let turns = write(&short, "a", 3).await;
    let point = Point::After(turns[1].id());
    let left = async |key: &str| server.run::<i64>(&format!("PTTL @{key}")).await / 1000;
    long.fork(&session("a"), point, &session("b")).await.unwrap();
    for key in ["{a}:turns:0.0", "{a}:ids:0", "{a}:shared:0.0"] {
        assert!((9_900..=10_000).contains(&left(key).await), "{key}: {}", left(key).await);
    }
    assert!(left("{a}:branches").await <= 100);
    for_good.fork(&session("a"), point, &session("c")).await.unwrap();
    for key in ["{a}:turns:0.0", "{a}:ids:0", "{a}:shared:0.0"] {
        assert_eq!(server.run::<i64>(&format!("PTTL @{key}")).await, -1, "{key}");
    }
    for_good.delete(&session("c")).await.unwrap();
    assert!((9_900..=10_000).contains(&left("{a}:turns:0.0").await));
    // The time of the first session is up.
    server.run::<()>("HSET @{a}:meta expires 1000").await;
    assert!(short.load(&session("a"), Range::All).await.unwrap().messages.is_empty());
    let again = write(&short, "a", 1).await;
    assert_eq!(short.turns(&session("a"), Range::All).await.unwrap(), again);
    assert_eq!(long.turns(&session("b"), Range::All).await.unwrap(), turns[..2]);
    // The third turn was of the expired session alone.
    assert_eq!(server.run::<usize>("LLEN @{a}:turns:0.0").await, 2);
    // It gets branches again, with other names.
    let view = short.at(Point::Start).unwrap();
    view.append(&session("a"), &turns[2], Expect::Any).await.unwrap();
    assert_eq!(short.turns(&session("a"), Range::All).await.unwrap(), turns[2..]);
    assert_eq!(long.turns(&session("b"), Range::All).await.unwrap(), turns[..2]);
    server.stop().await;
    Ok(())
}

/// The lifetime of a session without turns begins with its last note.
pub(crate) async fn facts_that_change_outlive_their_first_lifetime() -> Tested {
    let server = Server::start().await?;
    let of = |seconds| server.builder().time_to_live(Duration::from_secs(seconds)).connect();
    let (short, long, for_good) =
        (of(100).await.unwrap(), of(10_000).await.unwrap(), server.history().await);
    let id = session("a");
    let left = async || server.run::<i64>("PTTL @{a}:notes").await / 1000;
    let note = |text: &str| Note::new(text, Version::default());
    short.put_note(&id, "entities", &note("first")).await.unwrap();
    assert!(left().await <= 100);
    long.put_note(&id, "entities", &note("second")).await.unwrap();
    assert!((9_900..=10_000).contains(&left().await), "{}", left().await);
    let read = note("second");
    assert!(short.replace_note(&id, "entities", Some(&read), &note("third")).await.unwrap());
    assert!((0..=100).contains(&left().await), "{}", left().await);
    for_good.put_note(&id, "entities", &note("fourth")).await.unwrap();
    assert_eq!(server.run::<i64>("PTTL @{a}:notes").await, -1);
    // That of a session with turns begins with its last turn.
    write(&short, "a", 1).await;
    long.put_note(&id, "entities", &note("fifth")).await.unwrap();
    assert!((0..=100).contains(&left().await), "{}", left().await);
    server.stop().await;
    Ok(())
}

/// A fork into a session whose time is up begins it anew.
pub(crate) async fn an_expired_session_can_be_forked_into() -> Tested {
    let server = Server::start().await?;
    let history = server.builder().time_to_live(Duration::from_secs(100)).connect().await.unwrap();
    let turns = write(&history, "a", 2).await;
    write(&history, "b", 2).await;
    let seen = history.load(&session("b"), Range::All).await.unwrap().version;
    let point = Point::After(turns[0].id());
    let stale = history.fork(&session("a"), point, &session("b")).await;
    assert!(matches!(stale, Err(HistoryError::Stale { .. })), "{stale:?}");
    server.run::<()>("HSET @{b}:meta expires 1000").await;
    let version = history.fork(&session("a"), point, &session("b")).await.unwrap();
    assert!(version.epoch > seen.epoch);
    assert_eq!(history.turns(&session("b"), Range::All).await.unwrap(), turns[..1]);
    let expired = history.fork(&session("b"), point, &session("c")).await;
    assert_eq!(expired.unwrap().messages, 2);
    server.stop().await;
    Ok(())
}
