//! A loopback server that sends the bytes of a case and records its requests.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value as Json, json};

/// A response.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Response {
    #[serde(default = "ok")]
    status: u16,
    content_type: Option<String>,
    /// The whole body, sent with its length.
    body: Option<String>,
    /// Waits, in milliseconds, and the chunks after them.
    #[serde(default)]
    pieces: Vec<(u64, String)>,
    #[serde(default)]
    end: End,
}

const fn ok() -> u16 {
    200
}

/// The end of a response.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum End {
    #[default]
    Close,
    /// The connection drops before the body's end.
    Cut,
}

/// A server that answers each request with the next of its responses.
pub(super) struct RawServer {
    port: u16,
    requests: Arc<Mutex<Vec<Json>>>,
    stopped: Arc<AtomicBool>,
}

impl RawServer {
    pub(super) fn start(responses: Vec<Response>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (recorded, stop) = (Arc::clone(&requests), Arc::clone(&stopped));
        thread::Builder::new().name("case server".to_owned()).spawn(move || {
            let mut responses = responses.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // A client that goes away is the case's business.
                let _ = serve(&stream, &recorded, || responses.next());
            }
        })?;
        Ok(Self { port, requests, stopped })
    }

    /// Returns the server's URL with a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the requests so far, each with its `path` and `body`.
    pub(super) fn requests(&self) -> Vec<Json> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(
    stream: &TcpStream,
    requests: &Mutex<Vec<Json>>,
    next: impl FnOnce() -> Option<Response>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    if path.is_empty() {
        return Ok(());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Json = serde_json::from_slice(&body).unwrap_or_default();
    let request = json!({"path": path, "body": body});
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    match next() {
        Some(response) => respond(stream, &response),
        None => stream.shutdown(Shutdown::Both),
    }
}

fn respond(mut stream: &TcpStream, response: &Response) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Case\r\nconnection: close\r\n", response.status);
    if let Some(content_type) = &response.content_type {
        head += &format!("content-type: {content_type}\r\n");
    }
    let is_cut = response.end == End::Cut;
    if let Some(body) = &response.body {
        let length = body.len() + usize::from(is_cut);
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())?;
        return stream.shutdown(Shutdown::Write);
    }
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes())?;
    for (wait, piece) in &response.pieces {
        thread::sleep(Duration::from_millis(*wait));
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())?;
    }
    if !is_cut {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.shutdown(Shutdown::Write)
}
