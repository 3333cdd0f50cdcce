//! Keys that the server evicts, that an operator removes, or that have another type.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Point, Range, SessionFilter, SessionId, Turn, Version,
};
use conversant_harness::Tested;
use conversant_history_redis::RedisHistory;
use conversant_testkit::{
    servers::RedisServer,
    suite::{MALFORMED_MESSAGES, MALFORMED_SECRET},
};

use tokio::task::spawn_blocking;

use crate::server::{Server, chain, not_installed};

/// The keys without which a session is not whole.
const PARTS: [&str; 4] = ["meta", "turns", "ids", "notes"];

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

/// Writes a session with two turns and a note.
async fn write(history: &RedisHistory, name: &str) -> (Turn, Version) {
    let (session, turn) = (session(name), Turn::exchange("hi", "hello"));
    history.append(&session, &turn, Expect::Any).await.unwrap();
    let version = history.append(&session, &Turn::exchange("a", "b"), Expect::Any).await.unwrap();
    history.put_note(&session, "summary", &Note::new("brief", version)).await.unwrap();
    (turn, version)
}

/// Each key of a session is removed, and replaced by a text and by a list: every operation reports
/// the damage, the session is listed, and it can be cleared and removed.
pub(crate) async fn a_damaged_session_is_noticed_by_every_operation() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let mut number = 0;
    for part in PARTS {
        for damage in ["DEL", "SET", "LPUSH"] {
            number += 1;
            let name = format!("s{number}");
            let id = session(&name);
            let (turn, version) = write(&history, &name).await;
            let key = format!("@{{{name}}}:{part}");
            server.run::<redis::Value>(&format!("DEL {key}")).await;
            if damage != "DEL" {
                server.run::<redis::Value>(&format!("{damage} {key} text")).await;
            }
            // Neither read shortened, nor written twice.
            let outcomes = [
                history.load(&id, Range::All).await.map(drop),
                history.load(&id, Range::LastTurns(1)).await.map(drop),
                history.load(&id, Range::After(version)).await.map(drop),
                history.turns(&id, Range::All).await.map(drop),
                history.append(&id, &turn, Expect::Any).await.map(drop),
                history.append(&id, &Turn::exchange("a", "b"), Expect::Any).await.map(drop),
                history.first(&id, 1).await.map(drop),
                history.note(&id, "summary").await.map(drop),
                history.put_note(&id, "other", &Note::new("x", version)).await.map(drop),
            ];
            for (operation, outcome) in outcomes.into_iter().enumerate() {
                let is_corrupt = matches!(outcome, Err(HistoryError::Corrupt { .. }));
                assert!(is_corrupt, "{operation} after {damage} of `{part}`: {outcome:?}");
            }
            assert!(history.sessions(None, 100).await.unwrap().contains(&id), "{damage} {part}");
            match number % 2 {
                0 => history.clear(&id).await.unwrap(),
                _ => history.delete(&id).await.unwrap(),
            }
            let empty = history.load(&id, Range::All).await.unwrap();
            assert!(empty.messages.is_empty());
            assert!(empty.version.epoch > version.epoch, "{damage} {part}: {:?}", empty.version);
            history.append(&id, &turn, Expect::Any).await.unwrap();
            assert_eq!(history.turns(&id, Range::All).await.unwrap(), [turn]);
        }
    }
    server.stop().await;
    Ok(())
}

/// Each key of a session with two branches, and of a fork of it, is removed or replaced: no
/// operation shortens a path or stores a turn twice, and the session can be cleared.
pub(crate) async fn a_damaged_tree_is_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let mut number = 0;
    let parts = ["meta", "branches", "turns:0.0", "turns:0.1", "ids:0", "notes"];
    for (part, damage) in parts.into_iter().flat_map(|part| ["DEL", "SET"].map(|how| (part, how))) {
        number += 1;
        let (name, fork) = (format!("s{number}"), session(&format!("fork{number}")));
        let id = session(&name);
        let (turn, _) = write(&history, &name).await;
        let (left, next) = (Turn::exchange("c", "d"), Turn::exchange("e", "f"));
        history.append(&id, &left, Expect::Any).await.unwrap();
        let view = history.at(turn.id().into()).unwrap();
        let version = view.append(&id, &next, Expect::Any).await.unwrap();
        history.fork(&id, next.id().into(), &fork).await.unwrap();
        let path = [turn.clone(), next.clone()];
        assert_eq!(history.turns(&id, Range::All).await.unwrap(), path);
        server.run::<redis::Value>(&format!("DEL @{{{name}}}:{part}")).await;
        if damage == "SET" {
            server.run::<redis::Value>(&format!("SET @{{{name}}}:{part} text")).await;
        }
        let what = format!("{damage} of {part}");
        let is_corrupt = |outcome: &Result<(), HistoryError>| {
            matches!(outcome, Err(HistoryError::Corrupt { .. }))
        };
        // The turn that is appended again is on the other branch.
        let is_stored = |operation| operation == 2 && part == "turns:0.1";
        for (operation, outcome) in [
            history.turns(&id, Range::All).await.map(drop),
            history.load(&id, Range::All).await.map(drop),
            history.append(&id, &left, Expect::Any).await.map(drop),
            history.alternatives(&id, Point::Start).await.map(drop),
        ]
        .iter()
        .enumerate()
        {
            assert!(
                is_corrupt(outcome) || is_stored(operation) && outcome.is_ok(),
                "{what} {operation}: {outcome:?}"
            );
        }
        // The fork needs the lists alone.
        let forked = history.turns(&fork, Range::All).await;
        match part {
            "turns:0.0" | "turns:0.1" => assert!(is_corrupt(&forked.map(drop)), "{what}"),
            _ => assert_eq!(forked.unwrap(), path, "{what}"),
        }
        assert!(history.sessions(None, 100).await.unwrap().contains(&id), "{what}");
        history.clear(&id).await.unwrap();
        let empty = history.load(&id, Range::All).await.unwrap();
        assert!(empty.messages.is_empty() && empty.version.epoch > version.epoch, "{what}");
        history.append(&id, &turn, Expect::Any).await.unwrap();
        history.append(&id, &left, Expect::Any).await.unwrap();
        assert_eq!(history.turns(&id, Range::All).await.unwrap(), [turn, left], "{what}");
    }
    server.stop().await;
    Ok(())
}

/// Every number that the server keeps is replaced by one that is none.
pub(crate) async fn numbers_that_are_none_are_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let mut number = 0;
    for field in ["epoch", "messages", "expires", "notes"] {
        for value in ["x", "-1", "1.5", "1e3", "99999999999999999999", "0x10"] {
            number += 1;
            let name = format!("s{number}");
            let (turn, _) = write(&history, &name).await;
            server.run::<redis::Value>(&format!("HSET @{{{name}}}:meta {field} {value}")).await;
            let outcomes = [
                history.load(&session(&name), Range::All).await.map(drop),
                history.append(&session(&name), &turn, Expect::Any).await.map(drop),
            ];
            for outcome in outcomes {
                let is_corrupt = matches!(outcome, Err(HistoryError::Corrupt { .. }));
                assert!(is_corrupt, "{field} {value}: {outcome:?}");
            }
            history.clear(&session(&name)).await.unwrap();
            history.append(&session(&name), &turn, Expect::Any).await.unwrap();
        }
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_list_of_another_type_leaves_nothing_half_done() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let id = session("s");
    let (turn, version) = write(&history, "s").await;
    history.set_label(&id, "user", Some("ada")).await.unwrap();
    for list in ["sessions", "listed"] {
        server.run::<redis::Value>(&format!("RENAME @{list} @kept")).await;
        server.run::<redis::Value>(&format!("SET @{list} text")).await;
        let outcomes = [
            history.append(&id, &Turn::exchange("a", "b"), Expect::Any).await.map(drop),
            history.clear(&id).await,
            history.delete(&id).await,
            history.append(&session("new"), &turn, Expect::Any).await.map(drop),
            history.set_title(&id, Some("A title")).await,
            history.set_label(&session("new"), "user", Some("ada")).await,
            history.fork(&id, turn.id().into(), &session("new")).await.map(drop),
            match list {
                "sessions" => history.sessions(None, 10).await.map(drop),
                _ => history.list_sessions(&SessionFilter::new(), None, 10).await.map(drop),
            },
        ];
        for (operation, outcome) in outcomes.into_iter().enumerate() {
            let is_corrupt = matches!(outcome, Err(HistoryError::Corrupt { .. }));
            assert!(is_corrupt, "{list} {operation}: {outcome:?}");
        }
        server.run::<redis::Value>(&format!("RENAME @kept @{list}")).await;
        assert_eq!(history.load(&id, Range::All).await.unwrap().version, version, "{list}");
        assert_eq!(history.sessions(None, 9).await.unwrap(), std::slice::from_ref(&id), "{list}");
        let page = history.list_sessions(&SessionFilter::new(), None, 9).await.unwrap();
        assert!(page.sessions.iter().map(|info| &info.session).eq([&id]), "{list}");
        assert!(!server.keys().await.iter().any(|key| key.contains("{new}")), "{list}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn the_list_of_sessions_is_whole_although_its_key_was_evicted() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let names = ["a", "b {x}%", "c\u{e9}\n", "[*?]"];
    let mut expected: Vec<SessionId> = names.into_iter().map(session).collect();
    expected.sort();
    for name in names {
        write(&history, name).await;
    }
    write(&history, "cleared").await;
    history.clear(&session("cleared")).await.unwrap();
    for round in 0..3 {
        assert_eq!(history.sessions(None, 10).await.unwrap(), expected, "round {round}");
        assert_eq!(history.sessions(Some(&expected[0]), 2).await.unwrap(), expected[1..3]);
        server.run::<redis::Value>("DEL @sessions").await;
        if round == 1 {
            // A session that is written before the list is completed begins a new key.
            history.append(&session("a"), &Turn::exchange("a", "b"), Expect::Any).await.unwrap();
        }
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn the_list_by_last_use_is_whole_although_its_key_was_evicted() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    for name in ["a", "b {x}%", "c\n"] {
        write(&history, name).await;
    }
    history.set_label(&session("a"), "user", Some("ada")).await.unwrap();
    history.set_title(&session("title"), Some("A title")).await.unwrap();
    write(&history, "cleared").await;
    history.clear(&session("cleared")).await.unwrap();
    history.put_note(&session("note"), "fact", &Note::new("x", Version::default())).await.unwrap();
    let all = SessionFilter::new();
    let ada = SessionFilter::new().with_label("user", "ada");
    let expected = history.list_sessions(&all, None, 10).await.unwrap();
    assert_eq!(expected.sessions.len(), 4);
    for round in 0..3 {
        server.run::<redis::Value>("DEL @listed").await;
        if round == 1 {
            // A session that is written before the list is completed begins a new key.
            history.set_title(&session("title"), Some("A title")).await.unwrap();
        }
        let found = history.list_sessions(&all, None, 10).await.unwrap();
        assert_eq!(found, expected, "round {round}");
        let found = history.list_sessions(&ada, None, 10).await.unwrap().sessions;
        assert!(found.iter().map(|info| info.session.as_str()).eq(["a"]), "round {round}");
    }
    // A damaged session is listed, and found to be damaged.
    server.run::<redis::Value>("DEL @{a}:meta").await;
    assert_eq!(history.list_sessions(&all, None, 10).await.unwrap().sessions.len(), 4);
    let damaged = history.session_info(&session("a")).await;
    assert!(matches!(damaged, Err(HistoryError::Corrupt { .. })), "{damaged:?}");
    history.delete(&session("a")).await.unwrap();
    assert_eq!(history.list_sessions(&all, None, 10).await.unwrap().sessions.len(), 3);
    server.stop().await;
    Ok(())
}

/// Sessions that have lost a key or cannot be read are reported at last, and one that has changed
/// since it was listed is passed over.
pub(crate) async fn a_damaged_session_keeps_no_other_from_being_deleted() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    for name in ["lost", "odd", "changed", "b", "c", "d"] {
        write(&history, name).await;
        history.set_label(&session(name), "user", Some("ada")).await.unwrap();
    }
    server.run::<redis::Value>("DEL @{lost}:meta").await;
    server.run::<redis::Value>("HSET @{odd}:meta bytes text").await;
    // Its place in the list is that of a session with the label.
    history.set_label(&session("changed"), "user", None).await.unwrap();
    let used: String = server.run("HGET @{changed}:meta used").await;
    let place = format!("user\nada\n{used:0>15}\nchanged");
    let mut add = redis::cmd("ZADD");
    add.arg(format!("{}listed", server.prefix)).arg(0).arg(place);
    add.query_async::<i64>(&mut server.connection.clone()).await.unwrap();
    let of_ada = SessionFilter::new().with_label("user", "ada");
    for limit in [1, 2] {
        assert_eq!(history.delete_sessions(&of_ada, limit).await.unwrap(), limit);
    }
    for limit in [1, 9] {
        let error = history.delete_sessions(&of_ada, limit).await.unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{error:?}");
        assert!(chain(&error).contains("session `lost`"), "{}", chain(&error));
    }
    history.clear(&session("lost")).await.unwrap();
    history.delete(&session("odd")).await.unwrap();
    assert_eq!(history.delete_sessions(&of_ada, 9).await.unwrap(), 0);
    assert_eq!(history.sessions(None, 9).await.unwrap(), [session("changed")]);
    server.stop().await;
    Ok(())
}

/// The lists of many sessions were evicted. Completing them takes longer than a call may: calls
/// fail, and what they began goes on.
pub(crate) async fn a_list_is_completed_although_its_calls_time_out() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    for number in 0..2_000 {
        let turn = Turn::exchange("hi", "hello");
        history.append(&session(&format!("s{number}")), &turn, Expect::Any).await.unwrap();
    }
    for list in ["listed", "sessions"] {
        server.run::<redis::Value>(&format!("DEL @{list}")).await;
    }
    let hurried = loop {
        let builder = server.builder().operation_timeout(Duration::from_millis(15));
        match builder.connect().await {
            Err(HistoryError::TimedOut { .. }) => {}
            connected => break connected.unwrap(),
        }
    };
    let all = SessionFilter::new();
    let by_use = list_until_in_time(async || hurried.list_sessions(&all, None, 1).await).await;
    assert_eq!(by_use.sessions.len(), 1);
    let by_name = list_until_in_time(async || hurried.sessions(None, 1).await).await;
    assert_eq!(by_name, [session("s0")]);
    let found = history.list_sessions(&all, None, 3_000).await.unwrap().sessions;
    assert_eq!(found.len(), 2_000);
    assert_eq!(history.sessions(None, 3_000).await.unwrap().len(), 2_000);
    for list in ["listed", "sessions"] {
        // Nothing stays of those who completed it, and the mark of a complete list is there.
        let places: i64 = server.run(&format!("ZCARD @{list}")).await;
        assert_eq!(places, 2_001, "{list}");
    }
    server.stop().await;
    Ok(())
}

async fn list_until_in_time<T>(list: impl AsyncFn() -> Result<T, HistoryError>) -> T {
    for _ in 0..2_000 {
        match list().await {
            Err(HistoryError::TimedOut { .. }) => {}
            listed => return listed.unwrap(),
        }
    }
    panic!("the list is not completed");
}

/// One key of a lease is evicted: it is not given to another holder.
pub(crate) async fn a_lease_outlives_the_eviction_of_a_key() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    write(&history, "old").await;
    let long = Duration::from_secs(600);
    for (name, parts) in [("old", &["lease"][..]), ("new", &["lease", "meta"])] {
        for part in parts {
            let id = session(name);
            let lease = history.lease(&id, long).await.unwrap().unwrap();
            server.run::<i64>(&format!("DEL @{{{name}}}:{part}")).await;
            let second = history.lease(&id, long).await;
            assert!(matches!(second, Err(HistoryError::Busy)), "{name} {part}: {second:?}");
            history.release(&lease).await.unwrap();
            let next = history.lease(&id, Duration::ZERO).await.unwrap().unwrap();
            history.release(&next).await.unwrap();
        }
    }
    // A lease of a session that was not begun leaves nothing, and takes nothing with its end.
    assert!(!server.keys().await.iter().any(|key| key.contains("{new}")));
    let id = session("new");
    let lease = history.lease(&id, Duration::from_secs(5)).await.unwrap().unwrap();
    history.append(&id, &Turn::exchange("a", "b"), Expect::Any).await.unwrap();
    assert_eq!(server.run::<i64>("PTTL @{new}:meta").await, -1);
    history.release(&lease).await.unwrap();
    assert_eq!(history.load(&id, Range::All).await.unwrap().messages.len(), 2);
    server.stop().await;
    Ok(())
}

/// All keys are gone between a load and the append that follows, under a lease.
pub(crate) async fn a_server_that_is_emptied_under_a_lease_is_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let (_, version) = write(&history, "s").await;
    let id = session("s");
    let lease = history.lease(&id, Duration::from_secs(600)).await.unwrap().unwrap();
    for key in server.keys().await {
        let mut delete = redis::cmd("DEL");
        delete.arg(format!("{}{key}", server.prefix));
        delete.query_async::<i64>(&mut server.connection.clone()).await.unwrap();
    }
    for expect in [Expect::Exactly(version), Expect::SameEpoch(version)] {
        let late = history.append(&id, &Turn::exchange("late", "no"), expect).await;
        assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    }
    let note = history.put_note(&id, "summary", &Note::new("brief", version)).await;
    assert!(matches!(note, Err(HistoryError::Stale { .. })), "{note:?}");
    assert!(history.load(&id, Range::After(version)).await.unwrap().messages.is_empty());
    history.release(&lease).await.unwrap();
    server.stop().await;
    Ok(())
}

/// A server evicts what it likes. Every session is as it was acknowledged, is reported as damaged,
/// or has lost all that it had at some time.
pub(crate) async fn a_server_that_evicts_shortens_nothing_unnoticed() -> Tested {
    tokio::try_join!(evicts("allkeys-random"), evicts("allkeys-lru"), evicts("allkeys-lfu"))?;
    Ok(())
}

async fn evicts(policy: &'static str) -> Tested {
    let settings = ["--maxmemory", "3500kb", "--maxmemory-policy", policy, "--appendonly", "no"];
    let started = spawn_blocking(move || RedisServer::start(&settings).unwrap()).await.unwrap();
    let server = started.ok_or_else(not_installed)?;
    let history = RedisHistory::builder(server.url()).connections(1).connect().await.unwrap();
    let names: Vec<SessionId> = (0..60).map(|number| session(&format!("s{number}"))).collect();
    let mut told: Vec<Vec<Turn>> = vec![Vec::new(); names.len()];
    for round in 0..16 {
        for (id, told) in names.iter().zip(&mut told) {
            let turn = Turn::exchange(format!("question {round}"), "x".repeat(3_000));
            if history.append(id, &turn, Expect::Any).await.is_ok() {
                told.push(turn);
            }
        }
    }
    let (mut damaged, mut whole, mut listed) = (0, 0, Vec::new());
    for (id, told) in names.iter().zip(&told) {
        match history.turns(id, Range::All).await {
            Ok(found) => {
                whole += usize::from(found.len() == told.len());
                assert!(told.ends_with(&found), "{policy} {id}: found {} turns", found.len());
                if !found.is_empty() {
                    listed.push(id.clone());
                }
            }
            Err(HistoryError::Corrupt { .. }) => {
                damaged += 1;
                listed.push(id.clone());
            }
            Err(error) => panic!("{policy}: {error}"),
        }
    }
    assert!(damaged > 0 && whole < names.len(), "{policy}: nothing was evicted");
    let found = history.sessions(None, 1_000).await.unwrap();
    assert!(found.iter().all(|id| listed.contains(id)), "{policy}");
    for id in listed.iter().filter(|id| !found.contains(id)) {
        // The server evicted the rest of it meanwhile.
        assert_eq!(history.turns(id, Range::All).await.unwrap(), [], "{policy}: {id}");
    }
    Ok(())
}

/// Every text that the server keeps is replaced by ones that are none of the kind.
pub(crate) async fn errors_quote_nothing_that_is_stored() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let mut faults = 0;
    for (number, text) in MALFORMED_MESSAGES.iter().enumerate() {
        let id = session(&format!("s{number}"));
        let key = |part: &str| format!("{}{{s{number}}}:{part}", server.prefix);
        let commands = [
            ["LSET", &key("turns"), "0"],
            ["HSET", &key("notes"), "summary"],
            ["HSET", &key("ids"), "x"],
            ["HSET", &key("meta"), "messages"],
        ];
        for command in &commands {
            history.clear(&id).await.unwrap();
            write(&history, id.as_str()).await;
            let mut damage = redis::cmd(command[0]);
            damage.arg(command[1]).arg(command[2]).arg(text);
            damage.query_async::<redis::Value>(&mut server.connection.clone()).await.unwrap();
            let next = Turn::exchange("a", "b");
            let outcomes = [
                history.turns(&id, Range::All).await.map(drop),
                history.load(&id, Range::All).await.map(drop),
                history.first(&id, 5).await.map(drop),
                history.note(&id, "summary").await.map(drop),
                history.append(&id, &next, Expect::Any).await.map(drop),
            ];
            for error in outcomes.into_iter().filter_map(Result::err) {
                faults += 1;
                let told = chain(&error) + &format!("{error:?}");
                assert!(!told.contains(MALFORMED_SECRET), "{command:?} {text}: {told}");
            }
        }
    }
    assert!(faults > 80, "{faults} errors");
    server.stop().await;
    Ok(())
}
