//! A running service, and a client that needs no more than a socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use conversant_core::Prices;
use conversant_history_sqlite::SqliteHistory;
use conversant_models::OpenAiChat;
use conversant_testkit::OpenAiServer;
use serde_json::Value as Json;
use service::{Service, routes::router};
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
        Self::over(tempfile::tempdir().unwrap(), model, limit).await
    }

    /// Ends the service and starts it again over the same store.
    pub(crate) async fn restarted(self, model: &OpenAiServer) -> Self {
        self.shut_down();
        self.server.await.unwrap();
        Self::over(self.folder, model, Duration::from_secs(30)).await
    }

    async fn over(folder: TempDir, model: &OpenAiServer, limit: Duration) -> Self {
        let history = Arc::new(SqliteHistory::open(folder.path().join("c.db")).unwrap());
        let model = OpenAiChat::builder("m").base_url(model.base_url()).max_retries(0).build();
        let service =
            Service::new(model.unwrap(), Prices::per_million(1.0, 10.0), history, limit).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Arc::new(Notify::new());
        let notified = Arc::clone(&shutdown);
        let app = router(service.clone());
        let server = tokio::spawn(async move {
            let end = async move { notified.notified().await };
            axum::serve(listener, app).with_graceful_shutdown(end).await.unwrap();
        });
        Self { address, service, shutdown, server, folder }
    }

    pub(crate) fn shut_down(&self) {
        self.shutdown.notify_one();
    }

    /// Waits for the end of the server, and returns the number of calls that were given up.
    pub(crate) async fn ended(self) -> usize {
        self.server.await.unwrap();
        self.service.conversations.close(Duration::from_secs(5)).await
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
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { dechunked(body) } else { body.to_owned() };
        Response { status, body }
    }

    /// Sends a request, reads until a text has come, and closes the connection.
    pub(crate) async fn leave_after(&self, path: &str, body: Json, text: &str) {
        let mut socket = self.request("POST", path, &body.to_string()).await;
        let mut received = String::new();
        while !received.contains(text) {
            let mut buffer = [0; 1024];
            let count = socket.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the answer ended: {received}");
            received.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
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
