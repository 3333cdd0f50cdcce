//! Connecting: what is refused, and that errors contain no password.

use std::time::Duration;

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_redis::RedisHistory;
use conversant_testkit::servers::RedisServer;
use tokio::task::spawn_blocking;

use crate::server::{Server, chain, not_installed};

pub(crate) async fn faults_are_told_without_the_password() {
    let urls = [
        "redis://user:hunter2@127.0.0.1:1/0",
        "redis://user:hunter2@127.0.0.1:notaport/0",
        "redis://user:hunter2@127.0.0.1/notadatabase",
        "user:hunter2@127.0.0.1",
        "rediss://user:hunter2@127.0.0.1:1/0",
        "",
    ];
    let mut told = String::new();
    let connecting = urls.map(|url| {
        let builder = RedisHistory::builder(url).connect_timeout(Duration::from_secs(5));
        assert!(!format!("{builder:?}").contains("hunter2"));
        (url, tokio::spawn(builder.connect()))
    });
    for (url, connected) in connecting {
        let error = connected.await.unwrap().unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        told.push_str(&format!("{url}\n    {}\n", chain(&error)));
    }
    let braces = RedisHistory::builder("redis://127.0.0.1:1/").prefix("{a}").connect().await;
    told.push_str(&format!("prefix {{a}}\n    {}\n", chain(&braces.unwrap_err())));
    #[cfg(feature = "sentinel")]
    {
        let builder = RedisHistory::sentinel("rediss://m/0", ["rediss://127.0.0.1:1/"]);
        let error = builder.only_root_certificates("some").connect().await.unwrap_err();
        assert!(chain(&error).contains("with sentinels; add the certificates"), "{error:?}");
    }
    insta::assert_snapshot!(told);
}

/// A server that accepts connections and says nothing, such as one that waits for TLS.
pub(crate) async fn a_silent_server_is_told_in_the_time_to_connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let builder = RedisHistory::builder(url).connect_timeout(Duration::from_millis(100));
    let error = builder.connect().await.unwrap_err();
    assert!(chain(&error).contains("it may expect TLS"), "{}", chain(&error));
}

pub(crate) fn a_runtime_is_needed_to_connect() {
    let connecting = RedisHistory::connect("redis://127.0.0.1:1/");
    let error = conversant_testkit::block_on(connecting).unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot create a history in Redis outside a Tokio runtime"
    );
}

pub(crate) async fn rights_and_settings_that_lack_are_told() -> Tested {
    let server = Server::start().await?;
    server.history().await;
    let (scheme, rest) = server.url.split_once("://").unwrap();
    let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    let host = address.split('/').next().unwrap();
    let user = format!("limited-{}", conversant_core::TurnId::random());
    let rights = "on >right allkeys allcommands -eval -evalsha -script";
    server.run::<()>(&format!("ACL SETUSER {user} {rights}")).await;
    let connect = |login: &str, database: &str| {
        let url = format!("{scheme}://{login}{host}/{database}");
        RedisHistory::builder(url).prefix(&server.prefix).connect()
    };
    let limited = connect(&format!("{user}:right@"), "").await.unwrap();
    let session = SessionId::new("s").unwrap();
    let error = limited.note(&session, "summary").await.unwrap_err();
    assert!(matches!(error, HistoryError::Backend { .. }), "{error:?}");
    assert!(chain(&error).contains("the user does not have the right"), "{}", chain(&error));
    let error = connect(&format!("{user}:wrong@"), "").await.unwrap_err();
    assert!(chain(&error).contains("authentication failed"), "{}", chain(&error));
    let error = connect("", "99999").await.unwrap_err();
    assert!(chain(&error).contains("does not have the database"), "{}", chain(&error));
    server.run::<()>(&format!("ACL DELUSER {user}")).await;
    server.stop().await;
    Ok(())
}

/// A replica, and a user without the right to write.
pub(crate) async fn a_server_that_is_read_only_is_told() -> Tested {
    let started = spawn_blocking(|| RedisServer::start(&[]).unwrap()).await.unwrap();
    let server = started.ok_or_else(not_installed)?;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut limit = redis::cmd("ACL");
    limit.arg("SETUSER").arg("reader").arg(&["on", ">right", "allkeys", "allcommands", "-@write"]);
    limit.query_async::<()>(&mut connection).await.unwrap();
    let url = server.url().replacen("://", "://reader:right@", 1);
    let error = RedisHistory::connect(url).await.unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly { .. }), "{error:?}");
    assert!(chain(&error).contains("the user does not have the right"), "{}", chain(&error));

    let history = RedisHistory::connect(server.url()).await.unwrap();
    let mut demote = redis::cmd("REPLICAOF");
    demote.arg("127.0.0.1").arg(1).query_async::<()>(&mut connection).await.unwrap();
    let session = SessionId::new("s").unwrap();
    let outcomes = [
        RedisHistory::connect(server.url()).await.map(drop),
        history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(HistoryError::ReadOnly { .. })), "{outcome:?}");
    }
    assert!(history.load(&session, Range::All).await.unwrap().messages.is_empty());
    Ok(())
}

pub(crate) async fn keys_of_a_later_version_are_refused() -> Tested {
    let server = Server::start().await?;
    server.history().await;
    assert_eq!(server.run::<u64>("GET @schema").await, 2);
    server.run::<()>("SET @schema 99").await;
    let error = server.builder().connect().await.unwrap_err();
    assert!(matches!(error, HistoryError::SchemaTooNew { found: 99, known: 2 }), "{error:?}");
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_history_is_awaited_on_any_executor() -> Tested {
    let server = Server::start().await?;
    let history = server.history().await;
    let elsewhere = std::thread::spawn(move || {
        conversant_testkit::block_on(async {
            let session = SessionId::new("elsewhere").unwrap();
            history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
            history.load(&session, Range::All).await.unwrap().messages.len()
        })
    });
    let found = spawn_blocking(move || elsewhere.join().unwrap()).await.unwrap();
    assert_eq!(found, 2);
    server.stop().await;
    Ok(())
}
