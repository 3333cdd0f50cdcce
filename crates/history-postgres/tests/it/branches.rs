//! The costs of branches and forks, and their removal.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Point, Range, SessionId, Turn, TurnId, Version,
};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;

use crate::server::{Server, with_options};

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

fn turn(number: u128) -> Turn {
    Turn::exchange(format!("question {number}"), "answer").with_id(TurnId::from_u128(number))
}

fn after(number: u128) -> Point {
    Point::After(TurnId::from_u128(number))
}

async fn append_at(history: &PostgresHistory, id: &SessionId, point: Point, number: u128) {
    let view = history.at(point).unwrap();
    view.append(id, &turn(number), Expect::Any).await.unwrap();
}

impl Server {
    /// Returns the number of rows of turns and branches.
    async fn rows(&self) -> i64 {
        let rows = "SELECT (SELECT count(*) FROM conversant_turns) \
            + (SELECT count(*) FROM conversant_branches)";
        self.number(rows).await
    }

    /// Returns the number of pages that a call of a function reads: the least of several calls. A
    /// call also reads the catalogue if it is the first in a connection, or if another connection
    /// has changed a table since the call before.
    async fn pages(&self, call: &str) -> u64 {
        const CALLS: usize = 6;
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM {call}");
        let mut least = u64::MAX;
        for _ in 0..CALLS {
            let plan: serde_json::Value = serde_json::from_str(&self.text(&explain).await).unwrap();
            let plan = &plan[0]["Plan"];
            let count = |name: &str| plan[name].as_u64().unwrap();
            least = least.min(count("Shared Hit Blocks") + count("Shared Read Blocks"));
        }
        least
    }

    async fn text(&self, query: &str) -> String {
        let rows = self.client.simple_query(query).await.unwrap();
        let mut text = String::new();
        for row in rows {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = row {
                text.push_str(row.get(0).unwrap());
            }
        }
        text
    }
}

/// Loads, appends and forks near the end of a session read as many pages in a long session as in a
/// short one.
pub(crate) async fn no_cost_grows_with_the_length() -> Tested {
    let mut costs = Vec::new();
    for turns in [100_u128, 10_000] {
        let server = Server::start_alone().await?;
        let history = server.history().await;
        let id = session("s");
        history.append(&id, &turn(1), Expect::Any).await.unwrap();
        let fill = format!(
            "INSERT INTO conversant_turns \
                (session, first, count, id, bytes, incomplete, messages, number) \
            SELECT t.session, 2 * (n - 1), 2, lpad(to_hex(n), 32, '0')::uuid, t.bytes, false, \
                t.messages, n - 1 FROM conversant_turns t, generate_series(2, {turns}) n; \
            UPDATE conversant_sessions SET messages = 2 * {turns}, turns = {turns}; ANALYZE"
        );
        server.client.batch_execute(&fill).await.unwrap();
        // A branch that leaves the first one near its end, and a fork of it.
        append_at(&history, &id, after(turns - 5), turns + 1).await;
        history.fork(&id, after(turns + 1), &session("fork")).await.unwrap();
        let found = history.load(&session("fork"), Range::LastTurns(3)).await.unwrap();
        assert_eq!(found.messages.len(), 6);
        assert_eq!(u128::from(found.version.messages), 2 * (turns - 4));

        let last = TurnId::from_u128(turns - 5);
        let calls = [
            "conversant_read('s', 0::smallint, NULL, 2::smallint, 20, 0, 0, 0)".to_owned(),
            "conversant_read('fork', 0::smallint, NULL, 3::smallint, 20, 0, 0, 0)".to_owned(),
            format!("conversant_read('s', 2::smallint, '{last}', 4::smallint, 900, 0, 0, 0)"),
            "conversant_read_start('fork', 0::smallint, NULL, 4)".to_owned(),
            format!("conversant_alternatives('s', 2::smallint, '{last}')"),
            format!(
                "conversant_set_tip('s', 2::smallint, '{last}', 0::smallint, 0, 0, 0, NULL, \
                9223372036854775807)"
            ),
            format!(
                "conversant_fork('s', 2::smallint, '{last}', 'other', 32, NULL, \
                9223372036854775807)"
            ),
            format!(
                "conversant_write_turn('s', 2::smallint, '{last}', gen_random_uuid(), 1, \
                0::smallint, 0, 0, 0, ARRAY['a','b'], 2, false, NULL, NULL, NULL, NULL, \
                9223372036854775807, NULL, NULL, NULL)"
            ),
        ];
        let mut pages = Vec::new();
        for call in calls {
            pages.push((server.pages(&call).await, call));
        }
        costs.push(pages);
        server.stop().await;
    }
    for (short, long) in costs[0].iter().zip(&costs[1]) {
        // An index of a hundred times as many rows has a level more.
        assert!(long.0 <= short.0 + 20, "{} and {} pages: {}", short.0, long.0, long.1);
    }
    Ok(())
}

/// Appends, loads and moves of the tip read as many pages in a session of many branches as in one
/// of few, and so do alternatives of a point after most of them.
pub(crate) async fn no_cost_grows_with_the_branches() -> Tested {
    let mut costs = Vec::new();
    for branches in [10_u128, 1_000] {
        let server = Server::start_alone().await?;
        let history = server.history().await;
        let id = session("s");
        let mut seen = Version::default();
        for number in 1..=30 {
            seen = history.append(&id, &turn(number), Expect::Any).await.unwrap();
        }
        let branch = format!(
            "SELECT count(conversant_write_turn('s', 2::smallint, \
                lpad(to_hex(n % 20 + 1), 32, '0')::uuid, id, conversant_fingerprint(id), \
                0::smallint, 0, 0, 0, ARRAY['a','b'], 2, false, NULL, NULL, NULL, NULL, \
                9223372036854775807, NULL, NULL, NULL)) FROM ( \
                SELECT n, lpad(to_hex(n + 100), 32, '0')::uuid AS id \
                FROM generate_series(1, {branches}) n OFFSET 0 \
            ) n"
        );
        assert_eq!(u128::try_from(server.number(&branch).await).unwrap(), branches);
        append_at(&history, &id, after(25), 31).await;
        append_at(&history, &id, after(26), 32).await;
        history.set_tip(&id, after(31), Expect::Any).await.unwrap();
        server.client.batch_execute("VACUUM ANALYZE").await.unwrap();
        // After the last turn on the path, one of another branch, and one that is not stored.
        let ([last, point], other) = ([30, 25].map(TurnId::from_u128), TurnId::from_u128(103));
        let append = |turn: String, kind: u8| {
            format!(
                "(SELECT {turn} AS id OFFSET 0) u, conversant_write_turn('s', 0::smallint, NULL, \
                u.id, conversant_fingerprint(u.id), {kind}::smallint, {}, {}, {}, \
                ARRAY['a','b'], 2, false, NULL, NULL, NULL, NULL, 9223372036854775807, NULL, \
                NULL, NULL)",
                seen.epoch,
                seen.messages,
                seen.tip.cast_signed()
            )
        };
        let calls = [
            append("gen_random_uuid()".to_owned(), 0),
            append(format!("'{other}'::uuid"), 0),
            // The tip was moved since its caller loaded the session.
            append("gen_random_uuid()".to_owned(), 1),
            format!("conversant_read('s', 2::smallint, '{other}', 2::smallint, 20, 0, 0, 0)"),
            format!("conversant_alternatives('s', 2::smallint, '{point}')"),
            format!("conversant_alternatives('s', 2::smallint, '{other}')"),
            format!(
                "conversant_set_tip('s', 2::smallint, '{last}', 0::smallint, 0, 0, 0, NULL, \
                9223372036854775807)"
            ),
        ];
        let mut pages = Vec::new();
        for call in calls {
            pages.push((server.pages(&call).await, call));
        }
        costs.push(pages);
        // The server would compile its query, which takes longer than any number of pages here.
        let interpreted = "SELECT count(*) FROM pg_proc WHERE 'jit=off' = ANY (proconfig) \
            AND oid = 'conversant_alternatives'::regproc";
        assert_eq!(server.number(interpreted).await, 1);
        let found = history.alternatives(&id, after(25)).await.unwrap();
        let turns: Vec<_> = found.iter().map(|alternative| alternative.turn).collect();
        assert_eq!(turns, [26, 31].map(TurnId::from_u128));
        server.stop().await;
    }
    for (few, many) in costs[0].iter().zip(&costs[1]) {
        assert!(many.0 <= few.0 + 30, "{} and {} pages: {}", few.0, many.0, many.1);
    }
    Ok(())
}

/// Turns that a fork shares stay until the last fork is removed, in any order of removal, and then
/// nothing is left.
pub(crate) async fn what_nothing_shares_is_removed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let names = ["origin", "fork", "fork of the fork", "second fork"];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 1, 3], [0, 3, 2, 1]];
    for (round, order) in orders.into_iter().enumerate() {
        let ids = names.map(|name| session(&format!("{name} {round}")));
        let [origin, fork, of_fork, second] = &ids;
        for number in 1..=6 {
            history.append(origin, &turn(number), Expect::Any).await.unwrap();
        }
        append_at(&history, origin, after(3), 7).await;
        append_at(&history, origin, after(7), 8).await;
        history.fork(origin, after(7), fork).await.unwrap();
        history.append(fork, &turn(9), Expect::Any).await.unwrap();
        append_at(&history, fork, after(2), 10).await;
        history.fork(fork, after(9), of_fork).await.unwrap();
        history.fork(origin, after(2), second).await.unwrap();
        let expected = [vec![1, 2, 3, 7, 8], vec![1, 2, 10], vec![1, 2, 3, 7, 9], vec![1, 2]];
        for (position, removed) in order.into_iter().enumerate() {
            match round % 2 {
                0 => history.delete(&ids[removed]).await.unwrap(),
                _ => history.clear(&ids[removed]).await.unwrap(),
            }
            assert!(history.turns(&ids[removed], Range::All).await.unwrap().is_empty());
            for &kept in &order[position + 1..] {
                let found = history.turns(&ids[kept], Range::All).await.unwrap();
                let expected = expected[kept].iter().map(|&number| turn(number));
                assert!(found.into_iter().eq(expected), "{round}: {} is changed", ids[kept]);
            }
        }
        assert_eq!(server.rows().await, 0, "after {order:?}");
    }
    server.stop().await;
    Ok(())
}

/// A session and its forks are removed at the same time, over several connections and at levels at
/// which one transaction does not see the other: no turn is left, and none is lost before.
pub(crate) async fn removals_at_the_same_time_leave_nothing() -> Tested {
    tokio::try_join!(
        removals_at("read\\ committed"),
        removals_at("repeatable\\ read"),
        removals_at("serializable")
    )?;
    Ok(())
}

async fn removals_at(level: &str) -> Tested {
    let server = Server::start().await?;
    let url = with_options(&server.url, &format!("-cdefault_transaction_isolation={level}"));
    let history = PostgresHistory::builder(url).max_connections(8).connect().await.unwrap();
    for round in 0..10 {
        let origin = session(&format!("origin {round}"));
        for number in 1..=3 {
            history.append(&origin, &turn(number), Expect::Any).await.unwrap();
        }
        let forks: Vec<SessionId> =
            (0..4).map(|number| session(&format!("fork {round} {number}"))).collect();
        for (source, fork) in std::iter::once(&origin).chain(&forks).zip(&forks) {
            history.fork(source, after(2), fork).await.unwrap();
        }
        let late = session(&format!("late {round}"));
        let removals = [&origin, &forks[0], &forks[1], &forks[2]].map(|id| {
            let (history, id) = (history.clone(), id.clone());
            tokio::spawn(async move { history.delete(&id).await })
        });
        // The turns may be there for it or not, but not half of them.
        let forked = history.fork(&forks[1], after(2), &late).await;
        assert!(matches!(forked, Ok(_) | Err(HistoryError::UnknownTurn { .. })), "{forked:?}");
        for removal in removals {
            removal.await.unwrap().unwrap();
        }
        for (id, is_there) in [(&forks[3], true), (&late, forked.is_ok())] {
            let found = history.turns(id, Range::All).await.unwrap();
            let expected = if is_there { vec![turn(1), turn(2)] } else { Vec::new() };
            assert_eq!(found, expected, "{level}: {id}");
            history.delete(id).await.unwrap();
        }
        assert_eq!(server.rows().await, 0, "{level}: round {round}");
    }
    server.stop().await;
    Ok(())
}

/// A session whose time is up leaves its forks what they share.
pub(crate) async fn a_fork_outlives_a_session_whose_time_is_up() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    let history = PostgresHistory::builder(&server.url).time_to_live(hour).connect().await.unwrap();
    let (origin, fork) = (session("origin"), session("fork"));
    for number in 1..=3 {
        history.append(&origin, &turn(number), Expect::Any).await.unwrap();
    }
    history.fork(&origin, after(2), &fork).await.unwrap();
    let end = "UPDATE conversant_sessions SET expires = clock_timestamp() WHERE id = 'origin'";
    server.client.batch_execute(end).await.unwrap();
    let unknown = history.fork(&origin, after(2), &session("late")).await;
    assert!(matches!(unknown, Err(HistoryError::UnknownTurn { .. })), "{unknown:?}");
    assert_eq!(history.sweep(10).await.unwrap(), 1);
    assert_eq!(history.turns(&fork, Range::All).await.unwrap(), [turn(1), turn(2)]);
    assert_eq!(server.number("SELECT count(*) FROM conversant_turns").await, 2);
    history.delete(&fork).await.unwrap();
    assert_eq!(server.rows().await, 0);
    server.stop().await;
    Ok(())
}

/// A session that was undone to its start is listed, and another fork into it is refused.
pub(crate) async fn an_undone_session_is_not_an_empty_one() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let id = session("s");
    history.append(&id, &turn(1), Expect::Any).await.unwrap();
    history.set_tip(&id, Point::Start, Expect::Any).await.unwrap();
    assert_eq!(history.sessions(None, 9).await.unwrap(), std::slice::from_ref(&id));
    let other = session("other");
    history.append(&other, &turn(2), Expect::Any).await.unwrap();
    let occupied = history.fork(&other, after(2), &id).await;
    assert!(matches!(occupied, Err(HistoryError::Stale { .. })), "{occupied:?}");
    // A fork at the start shares nothing.
    let empty = history.fork(&other, Point::Start, &session("empty")).await.unwrap();
    assert_eq!(empty, Version::new(empty.epoch, 0));
    assert_eq!(history.sessions(None, 9).await.unwrap(), [other, id.clone()]);
    history.set_tip(&id, after(1), Expect::Any).await.unwrap();
    assert_eq!(history.turns(&id, Range::All).await.unwrap(), [turn(1)]);
    server.stop().await;
    Ok(())
}
