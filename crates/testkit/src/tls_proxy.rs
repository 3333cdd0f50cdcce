//! A proxy that speaks TLS to its clients.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// A proxy in front of a server without TLS. Its certificate is for `localhost`, and only its own
/// root certifies it: a client that does not trust the root must refuse it.
///
/// It ends when it is dropped, with its connections.
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::TlsProxy;
///
/// # async fn run() -> std::io::Result<()> {
/// let proxy = TlsProxy::start("127.0.0.1:6379", None).await?;
/// println!("rediss://localhost:{}/ with {}", proxy.port(), proxy.root_certificate());
/// assert_eq!(proxy.accepted(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TlsProxy {
    port: u16,
    root: String,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// The request of a client for TLS, and the answer that it may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two sides of one exchange")]
pub struct StartTls {
    /// The client's request.
    pub request: &'static [u8],
    /// The server's answer.
    pub answer: &'static [u8],
}

impl StartTls {
    /// Those of PostgreSQL.
    pub const POSTGRES: Self = Self { request: &[0, 0, 0, 8, 4, 210, 22, 47], answer: b"S" };
}

impl TlsProxy {
    /// Starts a proxy to `server`, as `host:port`, on a port of the loopback interface. Clients
    /// begin with TLS, or with `start_tls`. It runs on the current Tokio runtime.
    ///
    /// # Errors
    /// The system's error, or that of creating the certificate.
    pub async fn start(server: &str, start_tls: Option<StartTls>) -> io::Result<Self> {
        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let parameters =
            rcgen::CertificateParams::new(["localhost".to_owned()]).map_err(io::Error::other)?;
        let certificate = parameters.self_signed(&key).map_err(io::Error::other)?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, accepted) = (listener.local_addr()?.port(), Arc::<AtomicUsize>::default());
        let (server, counter) = (server.to_owned(), Arc::clone(&accepted));
        let task = tokio::spawn(async move {
            // Dropped with this task, it ends theirs.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server, counter) =
                    (acceptor.clone(), server.clone(), Arc::clone(&counter));
                connections.spawn(async move {
                    // A client that refuses the certificate ends the connection.
                    let _ = relay(client, &server, start_tls, &acceptor, &counter).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, root: certificate.pem(), accepted, task })
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the root of the certificate, in PEM.
    #[must_use]
    pub fn root_certificate(&self) -> &str {
        &self.root
    }

    /// Returns the number of clients that have accepted the certificate.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(
    mut client: TcpStream,
    server: &str,
    start_tls: Option<StartTls>,
    acceptor: &TlsAcceptor,
    accepted: &AtomicUsize,
) -> io::Result<()> {
    // Small packets are not held back.
    let _ = client.set_nodelay(true);
    if let Some(StartTls { request, answer }) = start_tls {
        let mut found = vec![0; request.len()];
        client.read_exact(&mut found).await?;
        if found != request {
            return Err(io::Error::other("the client does not ask for TLS"));
        }
        client.write_all(answer).await?;
    }
    let mut client = acceptor.accept(client).await?;
    accepted.fetch_add(1, Ordering::SeqCst);
    let mut server = TcpStream::connect(server).await?;
    let _ = server.set_nodelay(true);
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
