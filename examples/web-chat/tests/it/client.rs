//! A client of the service that needs no more than a socket.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request with headers of its own, and reads the response.
pub(crate) async fn send(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    socket.write_all(head.as_bytes()).await.unwrap();
    // A service that refuses a body need not read it.
    let _ = socket.write_all(body).await;
    let mut response = Vec::new();
    let _ = socket.read_to_end(&mut response).await;
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Sends a request as the page does.
pub(crate) async fn request(address: SocketAddr, line: &str, body: Option<Json>) -> Response {
    let host = address.to_string();
    let origin = format!("http://{host}");
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
    ];
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    send(address, line, &headers, body.as_bytes()).await
}

/// Asks, and returns the status.
pub(crate) async fn ask(address: SocketAddr, session: &str, id: &str, message: &str) -> u16 {
    let body = json!({"id": id, "message": message});
    request(address, &format!("POST /api/sessions/{session}/turns"), Some(body)).await.status
}

/// An event of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Json,
    pub(crate) id: String,
}

/// The events of a conversation.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Follows a conversation, from an event on.
    pub(crate) async fn open(address: SocketAddr, session: &str, last: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head =
            format!("GET /api/sessions/{session}/events HTTP/1.1\r\nhost: {address}\r\n{last}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).await.unwrap();
            assert!(!line.is_empty(), "the connection ended in the head");
        }
        Self(lines)
    }

    /// Returns the next event, or `None` at the end of the stream. Those of the list are passed
    /// over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), data: Json::Null, id: String::new() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end_matches(['\r', '\n']).split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.trim().is_empty() && !event.name.is_empty() => {
                    match event.name.as_str() {
                        "list" => event.name.clear(),
                        _ => return Some(event),
                    }
                }
                // Sizes of chunks, and comments.
                _ => {}
            }
        }
    }

    /// Returns the next event with a name, and the text that came before it.
    pub(crate) async fn until(&mut self, name: &str) -> (String, Event) {
        let mut text = String::new();
        loop {
            let event = self.next().await.unwrap();
            if event.name == name {
                return (text, event);
            }
            if event.name == "text" {
                text.push_str(event.data.as_str().unwrap());
            }
        }
    }
}
