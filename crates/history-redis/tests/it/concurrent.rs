//! Many writers, over two pools, and what a session's gate leaves behind.

use std::collections::BTreeMap;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn, Version};
use conversant_history_redis::RedisHistory;

use crate::server::Server;

const TASKS: usize = 32;
const TURNS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_two_pools_make_one_order() {
    let Some(server) = Server::start("32 writers over two pools").await else { return };
    let pools = [server.history().await, server.history().await];
    let session = SessionId::new("shared").unwrap();
    let mut writers = Vec::new();
    for task in 0..TASKS {
        let (history, session) = (pools[task % 2].clone(), session.clone());
        writers.push(tokio::spawn(write(history, session, task)));
    }
    let mut told: BTreeMap<Version, Turn> = BTreeMap::new();
    for writer in writers {
        for (version, turn) in writer.await.unwrap() {
            assert!(told.insert(version, turn).is_none(), "two turns were told version {version}");
        }
    }
    // All that was acknowledged is there, once, in the acknowledged order, and nothing else.
    let found = pools[0].turns(&session, Range::All).await.unwrap();
    assert_eq!(told.len(), TASKS * TURNS);
    assert!(found.iter().eq(told.values()), "{} turns, in another order", found.len());
    // A turn whose prompt saw a version comes after it.
    let mut end = 0;
    for turn in &found {
        assert!(turn.base().unwrap().messages <= end, "a turn saw what came later");
        end += turn.messages().len() as u64;
    }
    server.stop().await;
}

/// Appends turns, each after a look at the session.
async fn write(history: RedisHistory, session: SessionId, task: usize) -> Vec<(Version, Turn)> {
    let mut done = Vec::new();
    for number in 0..TURNS {
        let seen = history.load(&session, Range::LastTurns(1)).await.unwrap().version;
        let turn = Turn::exchange(format!("question {task}.{number}"), "answer").with_base(seen);
        let version = history.append(&session, &turn, Expect::SameEpoch(seen)).await.unwrap();
        done.push((version, turn));
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_appends_never_lose_a_turn_in_silence() {
    let Some(server) = Server::start("exact appends").await else { return };
    let pools = [server.history().await, server.history().await];
    let session = SessionId::new("shared").unwrap();
    let mut writers = Vec::new();
    for task in 0..8 {
        let (history, session) = (pools[task % 2].clone(), session.clone());
        writers.push(tokio::spawn(async move {
            let mut kept = 0;
            for number in 0..25 {
                let seen = history.load(&session, Range::LastMessages(0)).await.unwrap().version;
                let turn = Turn::exchange(format!("{task}.{number}"), "answer");
                match history.append(&session, &turn, Expect::Exactly(seen)).await {
                    Ok(version) => {
                        let expected = Version::new(seen.epoch, seen.messages + 2);
                        assert_eq!(version, expected.with_tip(turn.id().fingerprint()));
                        kept += 1;
                    }
                    Err(HistoryError::Stale { expected, current }) => {
                        assert_eq!(expected, seen);
                        assert!(current > seen);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            kept
        }));
    }
    let mut kept = 0;
    for writer in writers {
        kept += writer.await.unwrap();
    }
    assert_eq!(server.run::<i64>("LLEN @{shared}:turns").await, kept);
    server.stop().await;
}

#[tokio::test]
async fn gates_do_not_grow() {
    let Some(server) = Server::start("gates of ended sessions").await else { return };
    let history = server.history().await;
    for number in 0..100 {
        let session = SessionId::new(format!("session {number}")).unwrap();
        history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
        history.load(&session, Range::All).await.unwrap();
    }
    assert!(format!("{history:?}").contains("sessions_in_use: 0"), "{history:?}");
    server.stop().await;
}
