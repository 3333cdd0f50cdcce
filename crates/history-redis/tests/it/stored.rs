//! The contents of the keys: their names, sessions whose time is up, damage, and sizes.

use conversant_harness::Tested;
use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, Role, SessionId, Turn, TurnId, Version,
};
use serde_json::{Value as Json, json};

use crate::server::{Server, chain};

pub(crate) async fn keys_are_named_by_their_session() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("a {b}%\n\u{e9}").unwrap();
    let version =
        history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    history.put_note(&session, "summary", &Note::new("brief", version)).await.unwrap();
    history.lease(&session, Duration::from_secs(600)).await.unwrap();
    insta::assert_snapshot!(server.keys().await.join("\n"), @"
    listed
    schema
    sessions
    {a%20%7Bb%7D%25%0Aé}:ids
    {a%20%7Bb%7D%25%0Aé}:lease
    {a%20%7Bb%7D%25%0Aé}:meta
    {a%20%7Bb%7D%25%0Aé}:notes
    {a%20%7Bb%7D%25%0Aé}:turns
    ");
    assert_eq!(history.sessions(None, 10).await.unwrap(), [session]);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_session_ends_with_its_time() -> Tested {
    let server = Server::start().await?;
    let history = server.builder().time_to_live(Duration::from_secs(3600)).connect().await.unwrap();
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
    for part in ["turns", "ids", "notes"] {
        let left: i64 = server.run(&format!("PTTL @{{over}}:{part}")).await;
        assert!((3_500_000..=3_600_000).contains(&left), "{part} has {left} ms left");
        // Its time is up.
        server.run::<()>(&format!("DEL @{{over}}:{part}")).await;
    }
    let left: i64 = server.run("PTTL @{over}:meta").await;
    assert!(left > 24 * 3_600_000, "the epoch has {left} ms left");
    server.run::<()>("HSET @{over}:meta expires 1000").await;

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
    assert!(history.sessions(None, 10).await.unwrap().iter().eq([&kept, &over]));

    // A history without a time to live keeps what it writes to.
    let for_good = server.history().await;
    for_good.append(&kept, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    for part in ["meta", "turns", "ids", "notes"] {
        assert_eq!(server.run::<i64>(&format!("PTTL @{{kept}}:{part}")).await, -1, "{part}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn damage_is_told_and_nothing_is_changed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let damages = [
        "DEL @{s}:meta",
        "DEL @{s}:ids",
        "DEL @{s}:turns",
        "LPOP @{s}:turns",
        "RPOP @{s}:turns",
        "LSET @{s}:turns 1 nonsense",
        "LSET @{s}:turns 1 4_2_x",
        "LSET @{s}:turns 2 4_2_00000000-0000-0000-0000-000000000003_0_-_notJSON",
        "LSET @{s}:turns 2 4_2_00000000-0000-0000-0000-000000000003_0_-_[]",
        "LSET @{s}:turns 2 4_2_00000000-0000-0000-0000-000000000003_0_-_[{\"type\":\"pickle\",\"data\":{}}]",
        "LSET @{s}:turns 1 4_2_00000000-0000-0000-0000-000000000003_0_-_[]",
        "HSET @{s}:meta messages -1",
        "SET @{s}:turns text",
    ];
    let mut told = String::new();
    let session = SessionId::new("s").unwrap();
    for damage in damages {
        for id in 1..=3 {
            let turn = Turn::exchange("hi", "hello").with_id(TurnId::from_u128(id));
            history.append(&session, &turn, Expect::Any).await.unwrap();
        }
        server.run::<redis::Value>(damage).await;
        let error = history.turns(&session, Range::All).await.unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{damage}: {error:?}");
        told.push_str(&format!("{damage}\n    {}\n", chain(&error)));
        for part in ["meta", "turns", "ids"] {
            server.run::<()>(&format!("DEL @{{s}}:{part}")).await;
        }
    }
    insta::assert_snapshot!(told);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_damaged_session_can_be_cleared() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let session = SessionId::new("s").unwrap();
    for number in 0..2 {
        history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
        server.run::<()>("LPOP @{s}:turns").await;
        let turn = Turn::exchange("hi", "hello");
        let error = history.append(&session, &turn, Expect::Any).await.unwrap_err();
        assert!(matches!(error, HistoryError::Corrupt { .. }), "{error:?}");
        if number == 0 {
            history.clear(&session).await.unwrap();
        } else {
            history.delete(&session).await.unwrap();
        }
        assert!(history.load(&session, Range::All).await.unwrap().messages.is_empty());
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn what_could_not_be_read_again_is_not_taken() -> Tested {
    let server = Server::start().await?;
    let history = server.builder().max_message_bytes(100_000).connect().await.unwrap();
    let session = SessionId::new("refused").unwrap();
    let nested = |depth: usize| (0..depth).fold(json!("deep"), |inner, _| Json::Array(vec![inner]));
    let refused = [
        Message::human("x".repeat(100_000)),
        Message::new(Role::Tool, "no id"),
        Message::human("deep").with_extra("deep", nested(119)),
    ];
    let mut told = String::new();
    for message in refused {
        let turn = Turn::new(vec![Message::human("first"), message]);
        let error = history.append(&session, &turn, Expect::Any).await.unwrap_err();
        told.push_str(&format!("{}\n", chain(&error)));
    }
    insta::assert_snapshot!(told, @"
    cannot store a message of 100137 bytes: the limit is 100000 bytes
    cannot use a tool or function message without the id or name of what it answers: the history does not support it
    cannot use values nested more than 120 levels deep: the history does not support it
    ");
    let deepest = Turn::new(vec![Message::human("deep").with_extra("deep", nested(118))]);
    history.append(&session, &deepest, Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session, Range::All).await.unwrap(), [deepest]);
    // A note has a limit of its own.
    let covers = history.load(&session, Range::LastMessages(0)).await.unwrap().version;
    let note = |bytes| Note::new("x".repeat(bytes), covers);
    history.put_note(&session, "large", &note(200_000)).await.unwrap();
    let error = history.put_note(&session, "large", &note(16 << 20)).await.unwrap_err();
    assert!(matches!(error, HistoryError::TooLarge { limit: Note::MAX_BYTES, .. }), "{error}");
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
    for _ in 0..20 {
        let messages: Vec<_> = (0..1000).map(|_| Message::human("hi")).collect();
        history.append(&session, &Turn::new(messages), Expect::Any).await.unwrap();
    }
    for _ in 0..500 {
        history.append(&session, &Turn::exchange("hi", "hi"), Expect::Any).await.unwrap();
    }
    let version = history.load(&session, Range::LastTurns(0)).await.unwrap().version;
    assert_eq!(version.messages, 21_000);
    // The tip of an earlier version is not known here.
    let before = Version::new(version.epoch, version.messages - 2_000);
    let pair: u64 = [Message::human("hi"), Message::ai("hi")]
        .map(|message| message.to_stored().to_string().len() as u64)
        .iter()
        .sum();
    for (range, messages, turns) in [
        (Range::LastTurns(10), 20, 10),
        (Range::LastTurns(501), 2_000, 501),
        (Range::LastMessages(19), 19, 9),
        (Range::LastBytes(20 * pair), 40, 20),
        (Range::LastBytes(400 * pair), 800, 400),
        (Range::After(before), 2_000, 501),
        (Range::All, 21_000, 520),
    ] {
        let found = history.load(&session, range).await.unwrap();
        assert_eq!((found.messages.len(), found.version), (messages, version), "{range:?}");
        assert_eq!(history.turns(&session, range).await.unwrap().len(), turns, "{range:?}");
    }
    server.stop().await;
    Ok(())
}
