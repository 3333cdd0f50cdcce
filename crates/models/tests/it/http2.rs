//! HTTP/2: a connection that many calls share.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use conversant_core::ChatModel;
use hyper::{Response, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::{
    connecting::certificates,
    faults::{builder, question},
};

/// The numbers of connections and requests.
#[derive(Default)]
struct Served {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// Serves HTTP/2 over TLS; returns its port. Its first connection answers one request, and is
/// silent from then on. The others answer all.
async fn serve(config: &ServerConfig, served: &Arc<Served>) -> u16 {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = Arc::clone(served);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_first = served.connections.fetch_add(1, Ordering::Relaxed) == 0;
            let (acceptor, served) = (acceptor.clone(), Arc::clone(&served));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = service_fn(|_| {
                    let is_answered = served.requests.fetch_add(1, Ordering::Relaxed) == 0;
                    async move {
                        if is_first && !is_answered {
                            std::future::pending::<()>().await;
                        }
                        let body = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;
                        Ok::<_, Infallible>(Response::new(body.to_owned()))
                    }
                });
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_connection_that_does_not_answer_is_given_up() {
    let (own, served) = (certificates("localhost", false), Arc::default());
    let port = serve(&own.server, &served).await;
    let model = builder(&format!("https://localhost:{port}/v1")).root_certificates(own.pem);
    let model = model.header_timeout(Duration::from_millis(1500)).max_retries(1).build().unwrap();
    for _ in 0..3 {
        assert_eq!(model.generate(&question()).await.unwrap().text(), "Hello!");
    }
    assert_eq!(served.connections.load(Ordering::Relaxed), 2);
    assert_eq!(served.requests.load(Ordering::Relaxed), 4, "one of them is not answered");
}
