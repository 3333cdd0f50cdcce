//! A plain client over a TCP socket, so that the servers are judged by what they really send.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// No read waits longer than this, so that a fault of ours is a failed test and not a hung one.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client(BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The chunks of a chunked body; of any other, the whole body as one.
    pub(crate) chunks: Vec<String>,
}

impl Client {
    pub(crate) fn new(base_url: &str) -> Self {
        let address = base_url.trim_start_matches("http://").trim_end_matches("/v1");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Received {
        self.send("POST", path, "", &body.to_string());
        self.receive()
    }

    /// Sends a request with `headers`, each ended by CRLF.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    pub(crate) fn receive(&mut self) -> Received {
        let (status, headers) = self.receive_head();
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, v)| v);
        let mut chunks = Vec::new();
        if let Some(length) = header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).unwrap();
            chunks.push(String::from_utf8(body).unwrap());
        } else if header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            while let Some(chunk) = self.receive_chunk() {
                chunks.push(chunk);
            }
        }
        Received { status, headers, chunks }
    }

    pub(crate) fn receive_head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                return (status, headers);
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    pub(crate) fn receive_chunk(&mut self) -> Option<String> {
        let length = usize::from_str_radix(&self.line(), 16).unwrap();
        let mut chunk = vec![0; length];
        self.0.read_exact(&mut chunk).unwrap();
        assert_eq!(self.line(), "", "a chunk ends with CRLF");
        (length > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        self.chunks.concat()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }
}
