//! Encrypted connections, and certificates that only their own root certifies.

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_redis::RedisHistory;
use conversant_testkit::TlsProxy;

use crate::server::{Server, chain};

pub(crate) async fn connections_are_encrypted_and_certificates_checked() -> Tested {
    let server = Server::start().await?;
    let (_, other) = server.url.split_once("//").unwrap();
    let (address, database) = other.split_once('/').unwrap();
    let proxy = TlsProxy::start(address, None).await.unwrap();
    let url = format!("rediss://localhost:{}/{database}", proxy.port());
    let error = RedisHistory::builder(&url).prefix(&server.prefix).connect().await.unwrap_err();
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    assert_eq!(proxy.accepted(), 0);
    let builder = RedisHistory::builder(&url).prefix(&server.prefix);
    let history = builder.only_root_certificates(proxy.root_certificate()).connect().await.unwrap();
    let session = SessionId::new("secret").unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    assert!(!history.load(&session, Range::All).await.unwrap().messages.is_empty());
    assert_eq!(proxy.accepted(), 4);
    let builder = RedisHistory::builder(&url).only_root_certificates("no certificate");
    let error = builder.connect().await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot read the root certificates"
    );
    server.stop().await;
    Ok(())
}
