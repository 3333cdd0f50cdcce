//! A running service, and a client that needs no more than a socket.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use conversant_core::{ChatHistory, Prices};
use conversant_history_sqlite::SqliteHistory;
use conversant_models::OpenAiChat;
use conversant_testkit::OpenAiServer;
use serde_json::Value as Json;
use service::{
    Service, connections_for_calls,
    listener::{ConnectionLimits, serve},
    routes::router,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// A service that listens on the loopback interface.
pub(crate) struct Running {
    address: SocketAddr,
    service: Service,
    shutdown: Arc<Notify>,
    server: JoinHandle<()>,
    folder: TempDir,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<String>,
}

impl Response {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Running {
    pub(crate) async fn start(model: &OpenAiServer) -> Self {
        Self::with_limit(model, Duration::from_secs(30)).await
    }

    pub(crate) async fn with_limit(model: &OpenAiServer, limit: Duration) -> Self {
        Self::with_limits(model, limit, connections_for_calls(limit)).await
    }

    pub(crate) async fn with_limits(
        model: &OpenAiServer,
        limit: Duration,
        connections: ConnectionLimits,
    ) -> Self {
        Self::over(tempfile::tempdir().unwrap(), model, limit, connections).await
    }

    /// Ends the service and starts it again over the same store.
    pub(crate) async fn restarted(self, model: &OpenAiServer) -> Self {
        self.shut_down();
        self.server.await.unwrap();
        let limit = Duration::from_secs(30);
        self.service.close(Instant::now() + limit).await;
        Self::over(self.folder, model, limit, connections_for_calls(limit)).await
    }

    async fn over(
        folder: TempDir,
        model: &OpenAiServer,
        limit: Duration,
        connections: ConnectionLimits,
    ) -> Self {
        let history = Arc::new(SqliteHistory::open(folder.path().join("c.db")).unwrap());
        Self::over_history(history, folder, model, limit, connections).await
    }

    /// Starts the service over a history.
    pub(crate) async fn with_history(
        model: &OpenAiServer,
        history: impl ChatHistory + 'static,
    ) -> Self {
        let (folder, limit) = (tempfile::tempdir().unwrap(), Duration::from_secs(30));
        let connections = connections_for_calls(limit);
        Self::over_history(Arc::new(history), folder, model, limit, connections).await
    }

    pub(crate) async fn over_history(
        history: Arc<dyn ChatHistory>,
        folder: TempDir,
        model: &OpenAiServer,
        limit: Duration,
        connections: ConnectionLimits,
    ) -> Self {
        let model = OpenAiChat::builder("m").base_url(model.base_url()).max_retries(0).build();
        let service =
            Service::new(model.unwrap(), Prices::per_million(1.0, 10.0), history, limit).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Arc::new(Notify::new());
        let notified = Arc::clone(&shutdown);
        let app = router(service.clone());
        let server = tokio::spawn(async move {
            serve(listener, app, connections, async move { notified.notified().await }).await;
        });
        Self { address, service, shutdown, server, folder }
    }

    pub(crate) fn shut_down(&self) {
        self.shutdown.notify_one();
    }

    /// Waits for the end of the server, and returns the number of calls that were given up.
    pub(crate) async fn ended(self) -> usize {
        self.ended_within(Duration::from_secs(60)).await
    }

    /// Waits for the end of the server, and of the calls within a time.
    pub(crate) async fn ended_within(self, time: Duration) -> usize {
        self.server.await.unwrap();
        self.service.close(Instant::now() + time).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Json) -> Response {
        self.send("POST", path, &body.to_string()).await
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let mut socket = self.request(method, path, body).await;
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let is_chunked = head.contains("transfer-encoding: chunked");
        let body = if is_chunked { dechunked(body) } else { body.to_owned() };
        let retry_after = head.lines().find_map(|line| line.strip_prefix("retry-after: "));
        Response { status, body, retry_after: retry_after.map(str::to_owned) }
    }

    /// Sends a request, reads until a text has come, and returns the connection, which is no longer
    /// read.
    pub(crate) async fn stall_after(&self, path: &str, body: Json, text: &str) -> TcpStream {
        let mut socket = self.request("POST", path, &body.to_string()).await;
        let mut received = String::new();
        while !received.contains(text) {
            let mut buffer = [0; 1024];
            let count = socket.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the answer ended: {received}");
            received.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        socket
    }

    /// Sends the start of a request.
    pub(crate) async fn send_part(&self, part: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(part.as_bytes()).await.unwrap();
        socket
    }

    /// Sends a request, and reads nothing of its response.
    pub(crate) async fn post_unread(&self, path: &str, body: Json) -> TcpStream {
        self.request("POST", path, &body.to_string()).await
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    }
}

/// Ends a connection as a client that leaves does, and waits until the service has noticed it.
pub(crate) async fn leave(mut client: TcpStream) {
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "the client was answered");
}

/// Returns the content of a chunked body.
fn dechunked(mut body: &str) -> String {
    let mut content = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        content.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
        if size == 0 {
            break;
        }
    }
    content
}
