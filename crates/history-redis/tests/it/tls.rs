//! Encrypted connections: a door before the server that speaks TLS, with a certificate that only
//! its own root vouches for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
use conversant_history_redis::RedisHistory;
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, chain};

/// A server that asks for TLS, and the root of its certificate.
struct Door {
    url: String,
    root: String,
    /// How many clients have gone on in TLS.
    entered: Arc<AtomicUsize>,
}

impl Door {
    async fn open(url: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let (_, rest) = url.split_once("//").unwrap();
        let (host, rest) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("rediss://localhost:{port}/{rest}");
        let (host, entered) = (host.to_owned(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&entered);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (acceptor, host, counter) =
                    (acceptor.clone(), host.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    counter.fetch_add(1, Ordering::SeqCst);
                    let mut server = TcpStream::connect(host).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, root: certificate.pem(), entered }
    }
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_checked() {
    let Some(server) = Server::start("encrypted connections").await else { return };
    let door = Door::open(&server.url).await;
    let error =
        RedisHistory::builder(&door.url).prefix(&server.prefix).connect().await.unwrap_err();
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    assert_eq!(door.entered.load(Ordering::SeqCst), 0);
    let builder = RedisHistory::builder(&door.url).prefix(&server.prefix);
    let history = builder.root_certificates(door.root.as_bytes()).connect().await.unwrap();
    let session = SessionId::new("secret").unwrap();
    history.append(&session, &Turn::exchange("hi", "hello"), Expect::Any).await.unwrap();
    assert!(!history.load(&session, Range::All).await.unwrap().messages.is_empty());
    assert_eq!(door.entered.load(Ordering::SeqCst), 4);
    let builder = RedisHistory::builder(&door.url).root_certificates("no certificate");
    let error = builder.connect().await.unwrap_err();
    insta::assert_snapshot!(
        chain(&error),
        @"cannot reach the history: cannot read the root certificates"
    );
    server.stop().await;
}
