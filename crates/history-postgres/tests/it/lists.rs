//! Lists of sessions: the search that a database has, and what is left of removed sessions.

use std::time::Duration;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Point, Range, SessionFilter, SessionId,
    TextFault, Turn, TurnId, Version,
};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;

use crate::server::{Server, chain};

fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

async fn found(history: &PostgresHistory, text: &str) -> Vec<String> {
    let filter = SessionFilter::new().with_text(text);
    let page = history.list_sessions(&filter, None, 100).await.unwrap();
    page.sessions.iter().map(|info| info.session.to_string()).collect()
}

/// The first program that asks for a search creates it. All that connect later have it, and turns
/// from before can be added.
pub(crate) async fn a_search_belongs_to_the_database() -> Tested {
    let server = Server::start().await?;
    let before = server.history().await;
    let id = session("before");
    for number in 0..5 {
        let turn = Turn::exchange(format!("Kyoto {number}"), "NUL \0 and \u{c9}cole");
        before.append(&id, &turn, Expect::Any).await.unwrap();
    }
    before.set_title(&id, Some("Trips of Ada")).await.unwrap();
    let filter = SessionFilter::new().with_text("kyoto");
    for outcome in [
        before.list_sessions(&filter, None, 1).await.map(drop),
        before.delete_sessions(&filter, 1).await.map(drop),
        before.index_for_search(1).await.map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, HistoryError::Unsupported { what: "search" }), "{error:?}");
    }

    let searching = PostgresHistory::builder(&server.url).search("simple");
    let history = searching.clone().connect().await.unwrap();
    assert_eq!(found(&history, "trips").await, ["before"]);
    assert!(found(&history, "kyoto").await.is_empty());
    for added in [2, 2, 1, 0] {
        assert_eq!(history.index_for_search(2).await.unwrap(), added);
    }
    for text in ["kyoto", "KYOTO 3", "\u{e9}cole nul", "ada kyoto"] {
        assert_eq!(found(&history, text).await, ["before"], "{text}");
    }
    // A program that does not ask for it indexes what it appends.
    let later = server.history().await;
    let turn = Turn::exchange("Is Nara near Kyoto?", "Yes.");
    later.append(&session("later"), &turn, Expect::Any).await.unwrap();
    assert_eq!(found(&later, "nara").await, ["later"]);
    searching.connect().await.unwrap();

    for (configuration, expected) in [
        ("english", "the index has `simple`; use that one, or leave `search` out"),
        ("klingon", "the index has `simple`; use that one, or leave `search` out"),
    ] {
        let builder = PostgresHistory::builder(&server.url).search(configuration);
        let told = chain(&builder.connect().await.unwrap_err());
        assert!(told.ends_with(expected), "{told}");
    }
    server.stop().await;
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).search("klingon");
    insta::assert_snapshot!(
        chain(&builder.connect().await.unwrap_err()),
        @"cannot reach the history: cannot search with the configuration `klingon`: the database does not have it; use `simple`"
    );
    server.stop().await;
    Ok(())
}

/// A turn that cannot be read is reported once with its session, and keeps no other one out.
pub(crate) async fn a_damaged_turn_keeps_no_other_out_of_the_search() -> Tested {
    for damage in ["ARRAY['not json', '{}']", "ARRAY[NULL, '{}']"] {
        let server = Server::start().await?;
        let before = server.history().await;
        for name in ["a", "b", "c"] {
            let turn = Turn::exchange("Kyoto", "Nara");
            before.append(&session(name), &turn, Expect::Any).await.unwrap();
        }
        let damage = format!(
            "UPDATE conversant_turns SET messages = {damage} \
            WHERE session = (SELECT key FROM conversant_sessions WHERE id = 'a')"
        );
        server.client.batch_execute(&damage).await.unwrap();
        let builder = PostgresHistory::builder(&server.url).search("simple");
        let history = builder.connect().await.unwrap();
        let (mut added, mut told) = (0, Vec::new());
        for _ in 0..4 {
            match history.index_for_search(1).await {
                Ok(turns) => added += turns,
                Err(error) => told.push(chain(&error)),
            }
        }
        assert_eq!(added, 2, "{told:?}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("cannot decode a message of session a"), "{told:?}");
        assert_eq!(history.index_for_search(9).await.unwrap(), 0);
        assert_eq!(found(&history, "kyoto").await, ["c", "b"]);
        server.stop().await;
    }
    Ok(())
}

/// Labels that cannot be stored are those of no session.
pub(crate) async fn odd_labels_select_nothing() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    history.set_label(&session("s"), "user", Some("\\u0000")).await.unwrap();
    for (value, expected) in [("\0", 0), ("\n", 0), ("\\u0000", 1)] {
        let filter = SessionFilter::new().with_label("user", value);
        let page = history.list_sessions(&filter, None, 9).await.unwrap();
        assert_eq!(page.sessions.len(), expected, "{value:?}");
        assert_eq!(history.delete_sessions(&filter, 9).await.unwrap(), expected, "{value:?}");
    }
    server.stop().await;
    Ok(())
}

/// Words of a language are found in their other forms, and those of a text of any size.
pub(crate) async fn words_of_long_texts_are_found() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).search("english").partitions(2);
    let history = builder.connect().await.unwrap();
    let words: String = (0..200_000).map(|number| format!("w{number:x} ")).collect();
    let long = format!("{words} {} cherries", "x".repeat(300_000));
    let turn = Turn::new(vec![Message::human("How?"), Message::ai(long)]);
    history.append(&session("long"), &turn, Expect::Any).await.unwrap();
    for text in ["cherry", "w0", "w186a0", "w30d3f", "how cherries w9c40"] {
        assert_eq!(found(&history, text).await, ["long"], "{text}");
    }
    assert!(found(&history, "w30d40").await.is_empty());
    server.stop().await;
    Ok(())
}

/// Turns and titles are added whose programs did not know of the search, wherever they are.
pub(crate) async fn the_index_is_completed_from_any_place() -> Tested {
    let server = Server::start().await?;
    let before = server.history().await;
    let turn = || Turn::exchange("Kyoto", "Nara");
    for name in ["a", "b", "c"] {
        before.append(&session(name), &turn(), Expect::Any).await.unwrap();
    }
    let builder = PostgresHistory::builder(&server.url).search("simple");
    let history = builder.connect().await.unwrap();
    assert_eq!(history.index_for_search(2).await.unwrap(), 2);
    assert_eq!(found(&history, "kyoto").await, ["b", "a"]);
    // They are stored before the place at which the next call goes on.
    before.append(&session("a"), &Turn::exchange("Kobe", "Nara"), Expect::Any).await.unwrap();
    before.set_title(&session("a"), Some("\u{c9}cole")).await.unwrap();
    before.set_title(&session("b"), Some("Osaka")).await.unwrap();
    for added in [1, 1, 1, 1, 0, 0] {
        assert_eq!(history.index_for_search(1).await.unwrap(), added);
    }
    for (text, expected) in [
        ("kyoto", &["a", "c", "b"][..]),
        ("kobe", &["a"]),
        ("\u{e9}cole", &["a"]),
        ("osaka", &["b"]),
    ] {
        assert_eq!(found(&history, text).await, expected, "{text}");
    }
    // A title that was removed or set by a program that knows the search is as it is.
    before.set_title(&session("b"), None).await.unwrap();
    history.set_title(&session("a"), Some("Himeji")).await.unwrap();
    assert_eq!(history.index_for_search(9).await.unwrap(), 0);
    assert_eq!(found(&history, "himeji").await, ["a"]);
    assert!(found(&history, "osaka").await.is_empty());
    server.stop().await;
    Ok(())
}

/// Of a word that the search passes over, as a whole or in part, the others delete nothing.
pub(crate) async fn a_word_that_is_passed_over_deletes_nothing() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).search("english");
    let history = builder.connect().await.unwrap();
    let turn =
        Turn::exchange("A state-of-the-art flat, 5 km from Kyoto", "See http://x.io/a_b now.");
    history.append(&session("s"), &turn, Expect::Any).await.unwrap();
    let words = |text: &str| SessionFilter::new().with_text(text);
    for text in
        ["will kyoto", "kyoto not", "it", "kyoto's", "don't kyoto", "kyoto_will", "a<b>kyoto"]
    {
        let outcome = history.delete_sessions(&words(text), 9).await;
        let is_refused =
            matches!(outcome, Err(HistoryError::InvalidText { fault: TextFault::PassedOver, .. }));
        assert!(is_refused, "{text}: {outcome:?}");
    }
    assert_eq!(found(&history, "will kyoto").await, ["s"]);
    assert!(found(&history, "will").await.is_empty());
    for text in ["art_state", "kyoto-state", "km_5"] {
        assert!(found(&history, text).await.is_empty(), "{text}");
        assert_eq!(history.delete_sessions(&words(text), 9).await.unwrap(), 0, "{text}");
    }
    for text in ["state-of-the-art flats", "5 kyoto", "http://x.io/a_b"] {
        assert_eq!(found(&history, text).await, ["s"], "{text}");
        assert_eq!(history.delete_sessions(&words(text), 9).await.unwrap(), 1, "{text}");
        history.append(&session("s"), &turn, Expect::Any).await.unwrap();
    }
    server.stop().await;
    Ok(())
}

/// Nothing of a removed session is left in any table.
pub(crate) async fn removed_sessions_are_gone_from_the_index() -> Tested {
    let server = Server::start().await?;
    let history = PostgresHistory::builder(&server.url).search("simple").connect().await.unwrap();
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let id = session(name);
        let turn = Turn::exchange("Kyoto", "Nara").with_id(TurnId::from_u128(number as u128));
        history.append(&id, &turn, Expect::Any).await.unwrap();
        history.set_label(&id, "user", Some("ada")).await.unwrap();
        history.lease(&id, Duration::from_secs(60)).await.unwrap();
    }
    history.clear(&session("a")).await.unwrap();
    history.delete(&session("b")).await.unwrap();
    assert_eq!(found(&history, "kyoto").await, ["d", "c"]);
    assert_eq!(server.number("SELECT count(*) FROM conversant_search").await, 2);
    let of_ada = SessionFilter::new().with_label("user", "ada");
    assert_eq!(history.delete_sessions(&of_ada, 2).await.unwrap(), 2);
    assert_eq!(history.delete_sessions(&of_ada, 2).await.unwrap(), 1);
    for table in ["sessions", "turns", "search", "branches", "notes"] {
        let rows = server.number(&format!("SELECT count(*) FROM conversant_{table}")).await;
        assert_eq!(rows, 0, "{table}");
    }
    // The lease of a session that was deleted before its time is gone too, with the others.
    assert_eq!(server.number("SELECT count(*) FROM conversant_leases").await, 0);
    server.stop().await;
    Ok(())
}

/// The lifetime of a session without turns begins with its last note.
pub(crate) async fn facts_that_change_outlive_their_first_lifetime() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    let history = PostgresHistory::builder(&server.url).time_to_live(hour).connect().await.unwrap();
    let id = session("facts");
    let note = |text: &str| Note::new(text, Version::default());
    let is_renewed = "SELECT count(*) FROM conversant_sessions \
        WHERE expires > clock_timestamp() + interval '50 minutes'";
    let age = "UPDATE conversant_sessions SET expires = clock_timestamp() + interval '1 minute'";
    history.put_note(&id, "entities", &note("first")).await.unwrap();
    assert_eq!(server.number(is_renewed).await, 1);
    server.client.batch_execute(age).await.unwrap();
    history.put_note(&id, "entities", &note("second")).await.unwrap();
    assert_eq!(server.number(is_renewed).await, 1);
    server.client.batch_execute(age).await.unwrap();
    let read = note("second");
    assert!(history.replace_note(&id, "entities", Some(&read), &note("third")).await.unwrap());
    assert_eq!(server.number(is_renewed).await, 1);
    let end = "UPDATE conversant_sessions SET expires = clock_timestamp()";
    server.client.batch_execute(end).await.unwrap();
    assert_eq!(history.note(&id, "entities").await.unwrap(), None);
    // That of a session with turns begins with its last turn.
    let turn = Turn::exchange("Hi", "Hello!");
    let version = history.append(&id, &turn, Expect::Any).await.unwrap();
    server.client.batch_execute(age).await.unwrap();
    history.put_note(&id, "summary", &Note::new("brief", version)).await.unwrap();
    assert_eq!(server.number(is_renewed).await, 0);
    server.stop().await;
    Ok(())
}

/// A session whose time is over can be deleted.
pub(crate) async fn a_session_that_ended_is_deleted() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresHistory::builder(&server.url).time_to_live(Duration::from_secs(3600));
    let history = builder.connect().await.unwrap();
    for is_branched in [false, true] {
        let (id, turn) = (session("s"), Turn::exchange("Hi", "Hello!"));
        let seen = history.append(&id, &turn, Expect::Any).await.unwrap();
        history.set_title(&id, Some("A trip")).await.unwrap();
        if is_branched {
            history.fork(&id, turn.id().into(), &session("fork")).await.unwrap();
            history.set_tip(&id, Point::Start, Expect::Any).await.unwrap();
        }
        let end = "UPDATE conversant_sessions SET expires = clock_timestamp() WHERE id = 's'";
        server.client.batch_execute(end).await.unwrap();
        history.delete(&id).await.unwrap();
        let left = "SELECT count(*) FROM conversant_sessions WHERE id = 's'";
        assert_eq!(server.number(left).await, 0);
        let late = Turn::exchange("late", "answer");
        let late = history.append(&id, &late, Expect::SameEpoch(seen)).await;
        assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
        history.delete(&session("fork")).await.unwrap();
        assert_eq!(server.number("SELECT count(*) FROM conversant_turns").await, 0);
    }
    server.stop().await;
    Ok(())
}

/// A session whose time is over is not listed, nor are its labels and title when it begins again.
pub(crate) async fn a_session_that_ended_begins_without_labels() -> Tested {
    let server = Server::start().await?;
    let hour = Duration::from_secs(3600);
    let history = PostgresHistory::builder(&server.url).time_to_live(hour).connect().await.unwrap();
    let id = session("s");
    history.set_title(&id, Some("A trip")).await.unwrap();
    history.set_label(&id, "user", Some("ada")).await.unwrap();
    assert_eq!(server.number("SELECT count(expires) FROM conversant_sessions").await, 1);
    let end = "UPDATE conversant_sessions SET expires = clock_timestamp()";
    server.client.batch_execute(end).await.unwrap();
    assert_eq!(history.session_info(&id).await.unwrap(), None);
    let all = SessionFilter::new().with_label("user", "ada");
    assert!(history.list_sessions(&all, None, 9).await.unwrap().sessions.is_empty());
    assert_eq!(history.delete_sessions(&all, 9).await.unwrap(), 0);
    history.append(&id, &Turn::exchange("Hi", "Hello!"), Expect::Any).await.unwrap();
    let info = history.session_info(&id).await.unwrap().unwrap();
    assert!(info.title.is_none() && info.labels.is_empty(), "{info:?}");
    assert_eq!(info.turns, 1);
    server.stop().await;
    Ok(())
}

/// Sessions are deleted by filter while others write to them: each is kept with its new turn, or
/// deleted before it.
pub(crate) async fn a_session_in_use_is_not_deleted_as_an_old_one() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let filter = SessionFilter::new().with_used_before(old + Duration::from_secs(1));
    let ids: Vec<_> = (0..20).map(|number| session(&format!("s {number}"))).collect();
    for id in &ids {
        let turn = Turn::exchange("old", "turn").with_id(TurnId::at(old));
        history.append(id, &turn, Expect::Any).await.unwrap();
    }
    let writers: Vec<_> = ids
        .iter()
        .map(|id| {
            let (history, id) = (history.clone(), id.clone());
            tokio::spawn(async move {
                let turn = Turn::exchange("new", "turn");
                history.append(&id, &turn, Expect::Any).await.unwrap();
            })
        })
        .collect();
    while history.delete_sessions(&filter, 3).await.unwrap() > 0 {}
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(history.delete_sessions(&filter, 99).await.unwrap(), 0);
    for id in &ids {
        let turns = history.turns(id, Range::All).await.unwrap();
        assert_eq!(turns.last().unwrap().messages().to_string(), "Human: new\nAI: turn");
    }
    server.stop().await;
    Ok(())
}
