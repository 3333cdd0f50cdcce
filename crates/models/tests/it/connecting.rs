//! Faults of making a connection, before any answer: rows 1 to 4 and 82 of the fault matrix.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use conversant_core::{ChatModel, ModelError};
use conversant_models::{OpenAiBuilder, OpenAiChat};
use conversant_testkit::{Fault, FaultServer, Step};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::faults::{builder, question};

async fn fail(builder: OpenAiBuilder<OpenAiChat>) -> ModelError {
    let error = builder.build().unwrap().generate(&question()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary"), "{shown}");
    error
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = fail(builder(&base_url)).await;
    assert!(matches!(error, ModelError::Connect { .. }) && error.is_retryable(), "{error:?}");
}

/// A resolver that fails for every name.
struct Nowhere(Arc<AtomicUsize>);

impl reqwest::dns::Resolve for Nowhere {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err("no such name".into()) })
    }
}

fn tls(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(tls(RootCertStore::empty()))
}

#[tokio::test]
async fn the_name_is_unknown() {
    let asked = Arc::new(AtomicUsize::new(0));
    let resolver = Arc::new(Nowhere(Arc::clone(&asked)));
    let client = client().dns_resolver(resolver).no_proxy().build().unwrap();
    let error = fail(builder("https://nowhere.invalid/v1").http_client(client)).await;
    assert!(matches!(error, ModelError::Dns { .. }), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_connection_hangs() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // No connection is accepted, so that the system leaves them waiting once its queue is full.
    let mut waiting: Vec<_> = (0..64).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
    // All have asked for a connection when the first has one.
    let _first = waiting.remove(0).await.unwrap().unwrap();
    let limit = Duration::from_millis(50);
    let error = fail(builder(&format!("http://{address}/v1")).connect_timeout(limit)).await;
    let text = error.to_string();
    assert_eq!(
        text,
        "cannot get an answer: the model's server took longer than 0.05 s to accept a connection"
    );
}

pub(crate) struct Certificates {
    roots: RootCertStore,
    pub(crate) pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// A certificate for a name, and the roots that trust it.
pub(crate) fn certificates(name: &str, expired: bool) -> Certificates {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    if expired {
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = parameters.self_signed(&key).unwrap();
    let pem = certificate.pem();
    let certificate: CertificateDer<'static> = certificate.into();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Certificates { roots, pem, server: Arc::new(server) }
}

/// Serves one answer per connection over TLS; returns its port and the number of its connections.
async fn serve(config: Arc<ServerConfig>) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let body = r#"{"choices":[{"message":{"content":"secret"}}]}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + body).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, connections)
}

#[tokio::test]
async fn the_certificate_is_not_to_be_trusted() {
    let trusting = |roots: RootCertStore| {
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls(roots));
        client.no_proxy().build().unwrap()
    };
    let good = certificates("localhost", false);
    let (port, connections) = serve(Arc::clone(&good.server)).await;
    let base_url = format!("https://localhost:{port}/v1");
    let model = builder(&base_url).http_client(trusting(good.roots)).build().unwrap();
    assert_eq!(model.generate(&question()).await.unwrap().text(), "secret");
    assert_eq!(connections.load(Ordering::Relaxed), 1);

    let expired = certificates("localhost", true);
    let other = certificates("elsewhere.example", false);
    for (case, certificates) in [("expired", expired), ("another name", other)] {
        let (port, connections) = serve(certificates.server).await;
        let base_url = format!("https://localhost:{port}/v1");
        let error = fail(builder(&base_url).http_client(trusting(certificates.roots))).await;
        assert!(matches!(error, ModelError::Tls { .. }), "{case}: {error:?}");
        assert_eq!(connections.load(Ordering::Relaxed), 1, "{case}");
    }
    // The built-in client, which trusts the system's authorities and those that are set.
    let own = certificates("localhost", false);
    let (port, _) = serve(own.server).await;
    let builder_of_own =
        builder(&format!("https://localhost:{port}/v1")).root_certificates(own.pem);
    let reply = builder_of_own.build().unwrap().generate(&question()).await.unwrap();
    assert_eq!(reply.text(), "secret");
    let unknown = certificates("localhost", false);
    let (port, connections) = serve(unknown.server).await;
    let error = fail(builder(&format!("https://localhost:{port}/v1"))).await;
    assert!(matches!(error, ModelError::Tls { .. } | ModelError::Config { .. }), "{error:?}");
    assert!(connections.load(Ordering::Relaxed) <= 1);
}

#[tokio::test]
async fn the_server_speaks_no_tls() {
    let refuse = Step::Send(Bytes::from_static(b"HTTP/1.1 400 No\r\n\r\n"));
    let server = FaultServer::start(&Fault::new("plain", [refuse, Step::Close])).unwrap();
    let base_url = server.base_url().replace("http://", "https://");
    let error = fail(builder(&base_url).http_client(client().no_proxy().build().unwrap())).await;
    assert!(matches!(error, ModelError::Tls { .. }), "{error:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_proxy_refuses() {
    for answer in ["407 Proxy Authentication Required", "403 Forbidden"] {
        let refuse = Step::Send(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").into());
        let fault = Fault::new("proxy", [Step::WaitForHead, refuse, Step::Close]);
        let server = FaultServer::start(&fault).unwrap();
        let proxy = reqwest::Proxy::https(server.base_url().replace("/v1", "")).unwrap();
        let client = client().proxy(proxy).build().unwrap();
        let error = fail(builder("https://api.example/v1").http_client(client)).await;
        assert!(matches!(error, ModelError::Connect { .. }), "{error:?}");
        assert_eq!(server.attempts(), 1);
        let sent = server.requests().concat();
        assert!(!String::from_utf8_lossy(&sent).contains("canary"));
    }
}

/// The variable with the address to call, in the process that the test below starts.
#[cfg(target_os = "linux")]
const CALL: &str = "CONVERSANT_TEST_CALL";

/// The built-in client reads the environment, so each case is a process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn our_own_client_trusts_whom_the_system_trusts_and_heeds_its_proxy() {
    if let Ok(base_url) = std::env::var(CALL) {
        let said = match builder(&base_url).build() {
            Ok(model) => model.generate(&question()).await,
            Err(error) => Err(error),
        };
        match said {
            Ok(reply) => println!("said: {}", reply.text()),
            Err(error) => println!("failed: {error}"),
        }
        return;
    }
    let certificates = certificates("localhost", false);
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), certificates.pem).unwrap();
    let (port, connections) = serve(certificates.server).await;
    let refuse = Step::Send(Bytes::from_static(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"));
    let fault = Fault::new("proxy", [Step::WaitForHead, refuse, Step::Close]);
    let proxy = FaultServer::start(&fault).unwrap();
    let proxy_url = proxy.base_url().replace("/v1", "");
    let mut lines = Vec::new();
    for (case, variables) in [
        ("no proxy", &[][..]),
        ("a proxy", &[("HTTPS_PROXY", proxy_url.as_str())]),
        ("a proxy, but not for it", &[("HTTPS_PROXY", &proxy_url), ("NO_PROXY", "localhost")]),
        ("a proxy for all", &[("ALL_PROXY", &proxy_url)]),
        ("a scheme that is unknown", &[("HTTPS_PROXY", "ftp://127.0.0.1:1")]),
        ("no address", &[("https_proxy", "http://[not-an-address")]),
        ("no scheme", &[("ALL_PROXY", "://")]),
        ("no port", &[("HTTPS_PROXY", "http://127.0.0.1:99999"), ("ALL_PROXY", &proxy_url)]),
        ("no address, but not for it", &[("HTTPS_PROXY", "://"), ("no_proxy", "localhost")]),
    ] {
        let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
        process.args(["--exact", "--nocapture"]);
        process.arg("connecting::our_own_client_trusts_whom_the_system_trusts_and_heeds_its_proxy");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            process.env_remove(name);
        }
        process.envs(variables.iter().copied()).env("SSL_CERT_FILE", roots.path());
        process.env(CALL, format!("https://localhost:{port}/v1"));
        let output = String::from_utf8(process.output().await.unwrap().stdout).unwrap();
        let line = output.lines().find(|line| line.starts_with("said") || line.starts_with("fail"));
        let (served, refused) = (connections.load(Ordering::Relaxed), proxy.attempts());
        let line = line.unwrap().replace(&port.to_string(), "PORT");
        lines.push(format!("{case}: {line} ({served} served, {refused} refused)"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}
