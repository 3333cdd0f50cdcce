//! Plays scripts on a connection.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    fill::{Known, fill},
    state::State,
    step::Step,
    translate::to_responses,
};

/// The most bytes that `Repeat` sends.
const MOST: u64 = 1 << 30;

/// The size to which repeated bytes are bundled.
const BUNDLE: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    unread: BytesMut,
    /// The bearer token of the last request.
    key: String,
    /// Whether the last request was for the Responses interface.
    wants_responses: bool,
}

enum End {
    /// The script has ended, and the connection waits for another request.
    Open,
    /// The script has closed the connection.
    Closed,
}

/// The client has closed the connection.
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

pub(super) async fn serve(state: Arc<State>, stream: TcpStream) {
    state.connections.add();
    let mut connection =
        Connection { stream, unread: BytesMut::new(), key: String::new(), wants_responses: false };
    // A client that closes an idle connection does not break off an answer.
    while !connection.unread.is_empty() || connection.read().await.is_ok() {
        let attempt = state.attempts.add();
        match connection.play(&state, state.fault.script(attempt)).await {
            Ok(End::Open) => {}
            Ok(End::Closed) => return,
            Err(Gone) => {
                state.disconnects.add();
                return;
            }
        }
    }
}

impl Connection {
    async fn play(&mut self, state: &State, script: &[Step]) -> Result<End, Gone> {
        for step in script {
            match step {
                Step::WaitForRequest => self.read_request(state, true).await?,
                Step::WaitForHead => self.read_request(state, false).await?,
                Step::Send(bytes) => {
                    let bytes = self.told(bytes);
                    self.stream.write_all(&bytes).await?;
                }
                Step::SendFilled(text) => {
                    let (own, bystander) = (self.stream.local_addr()?, state.bystander.as_str());
                    let text = fill(text, &Known { own, bystander, key: &self.key });
                    self.stream.write_all(text.as_bytes()).await?;
                }
                Step::SendSlowly { bytes, chunk, every } => {
                    for piece in self.told(bytes).chunks((*chunk).max(1)) {
                        self.stream.write_all(piece).await?;
                        self.pause(*every).await?;
                    }
                }
                Step::Repeat { bytes, times, every } => {
                    let bytes = self.told(bytes);
                    self.repeat(&bytes, times.unwrap_or(u64::MAX), *every).await?;
                }
                Step::Hang => loop {
                    self.read().await?;
                },
                Step::Reset => {
                    // With no time to linger, dropping the socket resets the connection.
                    self.stream.set_zero_linger()?;
                    return Ok(End::Closed);
                }
                Step::Close => {
                    self.stream.shutdown().await?;
                    // Closing with bytes unread would reset it, so the client closes first.
                    while self.read().await.is_ok() {}
                    return Ok(End::Closed);
                }
            }
        }
        Ok(End::Open)
    }

    /// Returns the bytes of a script, in the form of the interface that was called.
    fn told(&self, bytes: &Bytes) -> Bytes {
        if self.wants_responses { to_responses(bytes) } else { bytes.clone() }
    }

    async fn repeat(&mut self, bytes: &Bytes, times: u64, every: Duration) -> Result<(), Gone> {
        let size = u64::try_from(bytes.len().max(1)).unwrap_or(u64::MAX);
        let mut left = times.min(MOST / size);
        let most = if every.is_zero() { BUNDLE.div_ceil(bytes.len().max(1)) } else { 1 };
        let bundle = Bytes::from(bytes.repeat(most));
        while left > 0 {
            let now = left.min(u64::try_from(most).unwrap_or(u64::MAX));
            let end = usize::try_from(now * size).unwrap_or(usize::MAX).min(bundle.len());
            self.stream.write_all(&bundle.slice(..end)).await?;
            left -= now;
            self.pause(every).await?;
        }
        Ok(())
    }

    /// Waits, unless the client disconnects first.
    async fn pause(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                read = self.read() => read?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), Gone> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(Gone),
            _ => Ok(()),
        }
    }

    /// Reads a request's head, and its body if `whole`, and records it.
    async fn read_request(&mut self, state: &State, whole: bool) -> Result<(), Gone> {
        let head = self.find(0, b"\r\n\r\n").await?;
        let text =
            String::from_utf8_lossy(self.unread.get(..head).unwrap_or_default()).into_owned();
        let header = |wanted: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let end = if !whole {
            head
        } else if let Some(length) = header("content-length") {
            let end = head.saturating_add(length.parse().unwrap_or(0));
            while self.unread.len() < end {
                self.read().await?;
            }
            end
        } else if header("transfer-encoding").is_some() {
            self.find(head, b"0\r\n\r\n").await?
        } else {
            head
        };
        let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        self.key = bearer.unwrap_or_default().to_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        self.wants_responses = path.ends_with("/responses");
        let request = self.unread.split_to(end.min(self.unread.len())).freeze();
        state.record(request);
        Ok(())
    }

    /// Reads until `wanted` is found after the first `from` bytes, and returns where it ends.
    async fn find(&mut self, from: usize, wanted: &[u8]) -> Result<usize, Gone> {
        loop {
            let rest = self.unread.get(from..).unwrap_or_default();
            if let Some(at) = rest.windows(wanted.len()).position(|window| window == wanted) {
                return Ok(from + at + wanted.len());
            }
            self.read().await?;
        }
    }
}
