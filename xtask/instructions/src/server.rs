//! The server, in another process that is not counted. Its answers are constant.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

/// The argument with which this program is the server.
pub(crate) const ARGUMENT: &str = "serve";
/// The requested model.
pub(crate) const MODEL: &str = "gpt-5.4-mini";
/// The key, which the server does not look at.
pub(crate) const KEY: &str = "sk-x";
const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-5.4-mini","choices":[{"index":0,"message":{"role":"assistant","content":"This is the fixed reply of the mock server, about one hundred bytes long, to keep the parse cost small.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;

/// The server's process, which ends with this.
pub(crate) struct Server {
    child: Child,
    /// The address to configure a client with.
    pub(crate) base_url: String,
}

impl Server {
    /// Starts this program once more, as the server.
    pub(crate) fn start() -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let command = command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        Ok(Self { child, base_url: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, perhaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves on a free port, whose address it writes to standard output, until standard input ends.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}/v1", listener.local_addr()?);
    io::stdout().flush()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client may close its connection.
            thread::spawn(move || answer(stream));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Answers the requests of a connection.
fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let mut replies = stream;
    let length = ANSWER.len();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{ANSWER}"
    );
    while let Some(length) = head(&mut requests)? {
        io::copy(&mut requests.by_ref().take(length), &mut io::sink())?;
        replies.write_all(reply.as_bytes())?;
    }
    Ok(())
}

/// Reads a request's head, and returns how long its body is; `None` at the connection's end.
fn head(requests: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            return Ok(Some(length));
        }
    }
}
