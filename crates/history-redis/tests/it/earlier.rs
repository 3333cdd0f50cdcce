//! Sessions that version 1 of the keys stored: their messages are in a list of their own.

use conversant_harness::Tested;
use std::time::{Duration, UNIX_EPOCH};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Message, Note, Point, Range, SessionFilter,
    SessionId, Turn, TurnId, Version,
};
use redis::aio::ConnectionLike;

use crate::server::Server;

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn turns(count: usize) -> Vec<Turn> {
    (0..count).map(|number| Turn::exchange(format!("q{number}"), format!("a{number}"))).collect()
}

/// Writes a session as version 1 did.
async fn write(server: &Server, turns: &[Turn]) -> Version {
    let mut connection = server.connection.clone();
    let key = |part: &str| format!("{}{{s}}:{part}", server.prefix);
    let mut count = 0;
    for turn in turns {
        let header = format!("{count} {} {} 0 -", turn.messages().len(), turn.id());
        run(&mut connection, &["RPUSH", &key("turns"), &header]).await;
        for message in turn.messages() {
            let json = message.to_stored_json(u64::MAX).unwrap();
            run(&mut connection, &["RPUSH", &key("messages"), &json]).await;
        }
        count += turn.messages().len();
        run(&mut connection, &["HSET", &key("ids"), &turn.id().to_string(), &count.to_string()])
            .await;
    }
    let count = count.to_string();
    let meta = key("meta");
    run(&mut connection, &["HSET", &meta, "epoch", "3", "cleared", "1", "messages", &count]).await;
    run(&mut connection, &["ZADD", &format!("{}sessions", server.prefix), "0", "s"]).await;
    run(&mut connection, &["SET", &format!("{}schema", server.prefix), "1"]).await;
    let tip = turns.last().map_or(0, |turn| turn.id().fingerprint());
    Version::new(3, 2 * turns.len() as u64).with_tip(tip)
}

async fn run(connection: &mut impl ConnectionLike, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.query_async::<redis::Value>(connection).await.unwrap();
}

pub(crate) async fn a_session_of_version_1_is_read_and_continued() -> Tested {
    let server = Server::start().await?;
    let mut turns = turns(150);
    let version = write(&server, &turns).await;
    let history = server.history().await;
    assert_eq!(server.run::<u64>("GET @schema").await, 2);
    for round in 0..2 {
        let count = turns.len();
        let whole = history.load(&session(), Range::All).await.unwrap();
        assert_eq!(whole.version.messages, 2 * count as u64);
        assert_eq!(history.turns(&session(), Range::All).await.unwrap(), turns, "{round}");
        for (range, from) in [
            (Range::LastTurns(2), count - 2),
            (Range::LastTurns(140), count - 140),
            (Range::LastMessages(6), count - 3),
            (Range::LastMessages(281), count - 140),
            (Range::After(version), 150),
            (Range::After(Version::new(3, 10)), 5),
            (Range::After(Version::new(2, 10)), 0),
        ] {
            let found = history.turns(&session(), range).await.unwrap();
            assert_eq!(found, turns[from..], "{round} {range:?}");
            let slice = history.load(&session(), range).await.unwrap();
            assert!(slice.messages.len() >= 2 * found.len(), "{round} {range:?}");
        }
        let bytes: u64 = turns[count - 1].messages().iter().map(|one| one.stored_json_len()).sum();
        let last = history.load(&session(), Range::LastBytes(bytes)).await.unwrap();
        assert_eq!(last.messages, *turns[count - 1].messages(), "{round}");
        let first = history.first(&session(), 3).await.unwrap().unwrap();
        assert_eq!(first, whole.messages.slice(..3));
        // A turn that is stored is not stored again.
        let again = history.append(&session(), &turns[7], Expect::Any).await.unwrap();
        assert_eq!(again, Version::new(3, 16).with_tip(turns[7].id().fingerprint()));
        if round == 0 {
            let next = Turn::exchange("next", "answer");
            history.append(&session(), &next, Expect::Exactly(version)).await.unwrap();
            turns.push(next);
        }
    }
    assert_eq!(server.run::<u64>("LLEN @{s}:messages").await, 300);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_session_of_version_1_gets_branches() -> Tested {
    let server = Server::start().await?;
    let turns = turns(120);
    let version = write(&server, &turns).await;
    let hour = Duration::from_secs(3600);
    let history = server.builder().time_to_live(hour).connect().await.unwrap();
    let point = Point::After(turns[99].id());
    let view = history.at(point).unwrap();
    assert_eq!(view.turns(&session(), Range::LastTurns(3)).await.unwrap(), turns[97..100]);
    let expected = [Alternative::new(turns[100].id(), turns[119].id()).with_current(true)];
    assert_eq!(history.alternatives(&session(), point).await.unwrap(), expected);
    let note = Note::new("brief", version);
    history.put_note(&session(), "summary", &note).await.unwrap();

    let fork = SessionId::new("fork").unwrap();
    history.fork(&session(), point, &fork).await.unwrap();
    assert_eq!(history.turns(&fork, Range::All).await.unwrap(), turns[..100]);
    assert_eq!(history.turns(&session(), Range::All).await.unwrap(), turns);
    let other = Turn::exchange("other", "answer");
    view.append(&session(), &other, Expect::Any).await.unwrap();
    let again = history.append(&session(), &turns[119], Expect::Any).await.unwrap();
    assert_eq!(again, version);
    let mut path = turns[..100].to_vec();
    path.push(other);
    assert_eq!(history.turns(&session(), Range::All).await.unwrap(), path);
    assert_eq!(history.note(&session(), "summary").await.unwrap(), None);
    history.set_tip(&session(), turns[119].id().into(), Expect::Any).await.unwrap();
    assert_eq!(history.note(&session(), "summary").await.unwrap(), Some(note));
    assert!(!server.keys().await.contains(&"{s}:messages".to_owned()));
    // What expires, expires as a whole.
    for key in server.keys().await.iter().filter(|key| key.starts_with('{')) {
        assert!(server.run::<i64>(&format!("PTTL @{key}")).await > 3_500_000, "{key}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn sessions_of_version_1_are_listed() -> Tested {
    let server = Server::start().await?;
    let made = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let turns = [0, 10].map(|seconds| {
        let id = TurnId::at(made + Duration::from_secs(seconds));
        Turn::exchange("question", "answer").with_id(id)
    });
    write(&server, &turns).await;
    let history = server.history().await;
    let page = history.list_sessions(&SessionFilter::new(), None, 10).await.unwrap();
    let info = history.session_info(&session()).await.unwrap().unwrap();
    assert_eq!(page.sessions, std::slice::from_ref(&info));
    assert_eq!((info.turns, info.created_at), (2, Some(made)));
    assert_eq!(info.last_used_at, made + Duration::from_secs(10));
    let bytes: u64 = turns[0].messages().iter().map(Message::stored_json_len).sum();
    assert!(info.bytes >= 2 * bytes, "{info:?}");
    let filter = SessionFilter::new().with_used_before(made + Duration::from_secs(11));
    assert_eq!(history.delete_sessions(&filter, 5).await.unwrap(), 1);
    assert_eq!(history.session_info(&session()).await.unwrap(), None);
    let left: Vec<_> = server.keys().await.into_iter().filter(|key| key.starts_with('{')).collect();
    assert_eq!(left, [""; 0]);
    server.stop().await;
    Ok(())
}

pub(crate) async fn damage_to_a_session_of_version_1_is_noticed() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    for damage in [
        "DEL @{s}:messages",
        "LPOP @{s}:messages",
        "SET @{s}:messages text",
        "LSET @{s}:messages 3 notJSON",
        "LSET @{s}:turns 0 nonsense",
        "DEL @{s}:ids",
        "DEL @{s}:turns",
    ] {
        write(&server, &turns(3)).await;
        server.run::<redis::Value>(damage).await;
        let found = history.load(&session(), Range::All).await;
        assert!(matches!(found, Err(HistoryError::Corrupt { .. })), "{damage}: {found:?}");
        let branch = history.set_tip(&session(), Point::Start, Expect::Any).await;
        let is_undecoded = damage.contains("notJSON");
        assert!(branch.is_err() || is_undecoded, "{damage}: {branch:?}");
        history.clear(&session()).await.unwrap();
        assert!(history.load(&session(), Range::All).await.unwrap().messages.is_empty());
    }
    server.stop().await;
    Ok(())
}
