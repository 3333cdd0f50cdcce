//! Broken and stalled connections, and time limits.

use std::time::Duration;

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_redis::{LangChainRedisHistory, RedisHistory};
use conversant_testkit::suite;

use crate::server::Server;

/// Returns the address in a URL, and the URL with another one.
fn address(url: &str) -> (&str, impl Fn(std::net::SocketAddr) -> String) {
    let (scheme, rest) = url.split_once("//").unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    (address, move |other| format!("{scheme}//{other}/{rest}"))
}

const LIMIT: Duration = Duration::from_millis(1500);

pub(crate) async fn both_histories_are_networked_histories() -> Tested {
    let server = Server::start().await?;
    let url = server.url.clone();
    let (address, through) = address(&url);
    let open = |proxy| {
        let builder = RedisHistory::builder(through(proxy)).prefix(&server.prefix);
        builder.connections(2).operation_timeout(LIMIT).connect()
    };
    let open_langchain = |proxy| {
        let builder = LangChainRedisHistory::builder(through(proxy)).prefix(&server.prefix);
        builder.connections(2).operation_timeout(LIMIT).connect()
    };
    // Both mostly wait.
    let (report, langchain) = tokio::join!(
        suite::networked_history(address, open),
        suite::networked_history(address, open_langchain),
    );
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None);
    langchain.unwrap_or_else(|error| panic!("LangChain: {error}"));
    server.stop().await;
    Ok(())
}

pub(crate) async fn any_duration_is_a_time_limit() -> Tested {
    let server = Server::start().await?;
    let session = SessionId::new("limits").unwrap();
    let builder = |timeout| {
        let builder = server.builder().connect_timeout(timeout).operation_timeout(timeout);
        builder.time_to_live(timeout)
    };
    let history = builder(Duration::MAX).connect().await.unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    assert!(history.lease(&session, Duration::MAX).await.unwrap().is_some());
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 2);
    // It ends at once, with or without an answer.
    let _ = builder(Duration::ZERO).connect().await;
    server.stop().await;
    Ok(())
}
