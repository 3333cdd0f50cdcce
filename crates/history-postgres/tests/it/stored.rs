//! The contents of the tables: sessions whose time is up, damage, sizes, and long conversations.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, SessionId, Turn, Version,
};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use serde_json::{Value as Json, json};

use crate::server::{Server, chain};

pub(crate) async fn a_session_ends_with_its_time() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url);
    let history = builder.time_to_live(Duration::from_secs(3600)).connect().await.unwrap();
    let [over, kept] = ["over", "kept"].map(|name| SessionId::new(name).unwrap());
    let mut seen = Vec::new();
    for session in [&over, &kept] {
        let turn = Turn::exchange("hi", "hello");
        seen.push(history.append(session, &turn, Expect::Any).await.unwrap());
        history
            .put_note(session, "summary", &Note::new("brief", *seen.last().unwrap()))
            .await
            .unwrap();
    }
    let end = "UPDATE conversant_sessions SET expires = clock_timestamp() WHERE id = 'over'";
    server.client.batch_execute(end).await.unwrap();

    // It can't be seen, although it is there.
    let gone = history.load(&over, Range::All).await.unwrap();
    assert!(gone.messages.is_empty());
    assert!(gone.version.epoch > seen[0].epoch);
    assert_eq!(history.note(&over, "summary").await.unwrap(), None);
    assert!(history.sessions(None, 10).await.unwrap().iter().eq([&kept]));
    let late =
        history.append(&over, &Turn::exchange("late", "no"), Expect::SameEpoch(seen[0])).await;
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    // A caller that saw the session empty may go on.
    let turn = Turn::exchange("hi again", "hello again");
    let version = history.append(&over, &turn, Expect::Exactly(gone.version)).await.unwrap();
    assert_eq!((version.epoch, version.messages), (gone.version.epoch, 2));

    server.client.batch_execute(end).await.unwrap();
    assert_eq!(history.sweep(10).await.unwrap(), 1);
    assert_eq!(history.sweep(10).await.unwrap(), 0);
    assert_eq!(server.number("SELECT count(*) FROM conversant_sessions").await, 1);
    assert_eq!(server.number("SELECT count(*) FROM conversant_turns").await, 1);
    let late =
        history.append(&over, &Turn::exchange("late", "no"), Expect::SameEpoch(version)).await;
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
    assert_eq!(history.load(&kept, Range::All).await.unwrap().messages.len(), 2);
    server.stop().await;
    Ok(())
}

pub(crate) async fn damage_is_told_and_nothing_is_changed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let damages = [
        ("DELETE FROM conversant_turns WHERE first = 0", Range::All),
        ("DELETE FROM conversant_turns WHERE first = 2", Range::All),
        ("DELETE FROM conversant_turns WHERE first = 4", Range::All),
        ("DELETE FROM conversant_turns", Range::LastTurns(1)),
        ("UPDATE conversant_turns SET first = 3 WHERE first = 2", Range::All),
        ("UPDATE conversant_turns SET messages[2] = 'not JSON' WHERE first = 2", Range::All),
        (
            "UPDATE conversant_turns SET messages[1] = '{\"type\":\"pickle\",\"data\":{}}'",
            Range::LastTurns(1),
        ),
        ("UPDATE conversant_turns SET messages = messages[1:1]", Range::LastTurns(1)),
        ("UPDATE conversant_sessions SET messages = 8", Range::LastMessages(1)),
        ("UPDATE conversant_sessions SET messages = -8", Range::LastMessages(0)),
    ];
    let mut told = String::new();
    for (number, (damage, range)) in damages.into_iter().enumerate() {
        let session = SessionId::new(format!("session {number}")).unwrap();
        for id in 1..=3 {
            let turn =
                Turn::exchange("hi", "hello").with_id(conversant_core::TurnId::from_u128(id));
            history.append(&session, &turn, Expect::Any).await.unwrap();
        }
        server.client.batch_execute(damage).await.unwrap();
        let error = history.load(&session, range).await.unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{damage}: {error:?}");
        told.push_str(&format!("{damage}\n    {}\n", chain(&error)));
        server.client.batch_execute("DELETE FROM conversant_sessions").await.unwrap();
    }
    insta::assert_snapshot!(told, @r#"
    DELETE FROM conversant_turns WHERE first = 0
        cannot use the history: message 0 is missing
    DELETE FROM conversant_turns WHERE first = 2
        cannot use the history: turn 00000000-0000-0000-0000-000000000003 begins at message 4 instead of 2
    DELETE FROM conversant_turns WHERE first = 4
        cannot use the history: the session has 4 messages instead of 6
    DELETE FROM conversant_turns
        cannot use the history: message 5 is missing
    UPDATE conversant_turns SET first = 3 WHERE first = 2
        cannot use the history: turn 00000000-0000-0000-0000-000000000002 begins at message 3 instead of 2
    UPDATE conversant_turns SET messages[2] = 'not JSON' WHERE first = 2
        cannot use the history: cannot decode message 3, of turn 00000000-0000-0000-0000-000000000002: expected ident at line 1 column 2
    UPDATE conversant_turns SET messages[1] = '{"type":"pickle","data":{}}'
        cannot use the history: cannot decode message 4, of turn 00000000-0000-0000-0000-000000000003: unknown type `pickle` of a stored message
    UPDATE conversant_turns SET messages = messages[1:1]
        cannot use the history: the session has 5 messages instead of 6
    UPDATE conversant_sessions SET messages = 8
        cannot use the history: the session has 6 messages instead of 8
    UPDATE conversant_sessions SET messages = -8
        cannot use the history: found a count of -8
    "#);
    server.stop().await;
    Ok(())
}

pub(crate) async fn what_could_not_be_read_again_is_not_taken() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url);
    let history = builder.max_message_bytes(100_000).connect().await.unwrap();
    let session = SessionId::new("refused").unwrap();
    let nested = |depth: usize| (0..depth).fold(json!("deep"), |inner, _| Json::Array(vec![inner]));
    let refused = [
        Message::human("x".repeat(100_000)),
        Message::new(conversant_core::Role::Tool, "no id"),
        Message::human("deep").with_extra("deep", nested(119)),
    ];
    let mut told = String::new();
    for message in refused {
        let turn = Turn::new(vec![Message::human("first"), message]);
        let error = history.append(&session, &turn, Expect::Any).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    insta::assert_snapshot!(told, @r#"
    cannot store a message of 100137 bytes: the limit is 100000 bytes
    cannot use a tool or function message without the id or name of what it answers: the history does not support it
    cannot use values nested more than 120 levels deep: the history does not support it
    "#);
    let deepest = Turn::new(vec![Message::human("deep").with_extra("deep", nested(118))]);
    history.append(&session, &deepest, Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), [deepest]);
    // A note has a limit of its own.
    let covers = history.load(&session, Range::LastMessages(0)).await.unwrap().version;
    let note = |bytes| Note::new("x".repeat(bytes), covers);
    history.put_note(&session, "large", &note(200_000)).await.unwrap();
    let error = history.put_note(&session, "large", &note(16 << 20)).await.unwrap_err();
    assert!(matches!(error, HistoryError::TooLarge { limit: Note::MAX_BYTES, .. }), "{error}");
    // A note's name is in an index.
    let note = Note::new("known", Version::default());
    let letters = |count: usize| -> String {
        (0..count).map(|at| char::from(b'a' + u8::try_from(at * at % 26).unwrap())).collect()
    };
    let long = history.put_note(&session, &letters(2001), &note).await.unwrap_err();
    assert!(matches!(long, HistoryError::Unsupported { .. }), "{long:?}");
    assert!(!long.is_retryable(), "{long:?}");
    history.put_note(&session, &letters(2000), &note).await.unwrap();
    assert_eq!(history.note(&session, &letters(2000)).await.unwrap(), Some(note));
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_session_is_read_at_its_start() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("start").unwrap();
    assert_eq!(history.first(&session, 3).await.unwrap().unwrap().len(), 0);
    for number in 0..3 {
        let turn = Turn::exchange(format!("question {number}"), format!("answer {number}"));
        history.append(&session, &turn, Expect::Any).await.unwrap();
    }
    for (range, turns) in [
        (Range::All, &[0, 2, 4][..]),
        (Range::LastTurns(2), &[0, 2]),
        (Range::LastMessages(3), &[1]),
        (Range::LastMessages(0), &[]),
        (Range::LastBytes(u64::MAX), &[0, 2, 4]),
    ] {
        // A window that holds its turns needs to know where they begin.
        let found = history.load(&session, range).await.unwrap();
        assert_eq!(found.turns.as_deref(), Some(turns), "{range:?}");
    }
    let all = history.load(&session, Range::All).await.unwrap().messages;
    for count in [0, 1, 2, 3, 6, 7, usize::MAX] {
        let first = history.first(&session, count).await.unwrap().unwrap();
        assert_eq!(first, all.slice(..count), "{count}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_long_session_is_read_at_its_end() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("long").unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    let fill = "INSERT INTO conversant_turns (session, first, count, id, bytes, incomplete, messages) \
        SELECT t.session, 2 * n, 2, gen_random_uuid(), t.bytes, false, t.messages \
        FROM conversant_turns t, generate_series(1, 9999) n; \
        UPDATE conversant_sessions SET messages = 20000; ANALYZE";
    server.client.batch_execute(fill).await.unwrap();
    let version = history.load(&session, Range::LastTurns(0)).await.unwrap().version;
    // The tip of an earlier version is not known here.
    let earlier = |count| Version::new(version.epoch, version.messages - count);
    let (before, long_before) = (earlier(20), earlier(401));
    let other_epoch = Version::new(9, 0);
    let stored = Message::human("hi").to_stored().to_string().len() as u64;
    for (range, expected) in [
        (Range::LastTurns(10), 20),
        (Range::LastMessages(19), 19),
        (Range::LastBytes(20 * stored), 17),
        (Range::After(before), 20),
        (Range::After(long_before), 401),
        (Range::After(other_epoch), 20_000),
    ] {
        let found = history.load(&session, range).await.unwrap();
        assert_eq!((found.messages.len(), found.version), (expected, version), "{range:?}");
    }
    server.stop().await;
    Ok(())
}
