//! Encrypted connections, and certificates that only their own root certifies.

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_harness::Tested;
use conversant_history_postgres::PostgresHistory;
use conversant_testkit::{StartTls, TlsProxy};

use crate::server::{Server, chain};

pub(crate) async fn connections_are_encrypted_and_certificates_checked() -> Tested {
    let server = Server::start().await?;
    let (user, other) = server.url.split_once('@').unwrap();
    let (address, options) = other.split_once('/').unwrap();
    let proxy = TlsProxy::start(address, Some(StartTls::POSTGRES)).await.unwrap();
    let url = format!("{user}@localhost:{}/{options}", proxy.port());
    for mode in ["", "&sslmode=prefer", "&sslmode=require"] {
        let url = format!("{url}{mode}");
        let error = PostgresHistory::connect(&url).await.unwrap_err();
        assert!(chain(&error).contains("certificate"), "{}", chain(&error));
        assert_eq!(proxy.accepted(), 0);
    }
    for mode in ["", "&sslmode=require"] {
        let url = format!("{url}{mode}");
        let builder = PostgresHistory::builder(url).root_certificates(proxy.root_certificate());
        let history = builder.connect().await.unwrap();
        let session = SessionId::new("secret").unwrap();
        history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
        assert!(!history.load(&session, Range::All).await.unwrap().messages.is_empty());
    }
    assert!(proxy.accepted() >= 2);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_server_without_tls_is_refused_where_it_is_required() -> Tested {
    let server = Server::start().await?;
    let error =
        PostgresHistory::connect(format!("{}&sslmode=require", server.url)).await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot use the connection to PostgreSQL: error performing TLS handshake: server does not support TLS"
    );
    PostgresHistory::connect(format!("{}&sslmode=disable", server.url)).await.unwrap();
    let builder = PostgresHistory::builder(&server.url).root_certificates("no certificate");
    let error = builder.connect().await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot read the root certificates"
    );
    server.stop().await;
    Ok(())
}
