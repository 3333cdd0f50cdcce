//! The steps of a fault's script, and constructors of well-formed ones.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::wire;

/// One action of a [`FaultServer`](super::FaultServer) on a connection.
///
/// # Examples
///
/// A server that hangs in the middle of a stream:
///
/// ```
/// use conversant_testkit::{Fault, Step};
///
/// let fault = Fault::new(
///     "hang_mid_answer",
///     [Step::WaitForRequest, Step::stream_head(), Step::delta("he"), Step::Hang],
/// );
/// assert_eq!(fault.scripts().len(), 1);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Reads a whole request: its head, and the body that the head declares.
    WaitForRequest,
    /// Reads a request's head without its body.
    WaitForHead,
    /// Sends these bytes.
    Send(Bytes),
    /// Sends this text with its placeholders filled in:
    ///
    /// - `{self}`, `{bystander}`: host and port
    /// - `{port}`, `{bystander_port}`
    /// - `{key}`: the request's bearer token
    /// - `{date+N}`: the HTTP date `N` seconds from now
    SendFilled(String),
    /// Sends these bytes in separate packets of `chunk` bytes, with a pause of `every` between
    /// them.
    SendSlowly {
        /// The bytes.
        bytes: Bytes,
        /// The number of bytes of a packet; 0 counts as 1.
        chunk: usize,
        /// The pause between packets.
        every: Duration,
    },
    /// Sends these bytes `times` times, or until the client disconnects, and at most 1 GiB.
    Repeat {
        /// The bytes.
        bytes: Bytes,
        /// The number of repetitions; `None` repeats until the client disconnects.
        times: Option<u64>,
        /// The pause between repetitions; zero sends as fast as the client reads.
        every: Duration,
    },
    /// Does nothing until the client disconnects.
    Hang,
    /// Closes the connection with a reset (RST), so that the client's next read fails.
    Reset,
    /// Closes the connection regularly (FIN).
    Close,
}

impl Step {
    /// Sends a response with its length. A header given here replaces the server's own.
    pub fn response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::Send(wire::response(status, headers, body.as_ref()))
    }

    /// Sends a well-formed chat completion that says `text`.
    #[must_use]
    pub fn ok(text: &str) -> Self {
        Self::json(&wire::completion(text))
    }

    /// Sends a 200 whose body is this JSON.
    #[must_use]
    pub fn json(body: &str) -> Self {
        Self::response(200, &[("content-type", "application/json")], body)
    }

    /// Sends the head of a stream of server-sent events, chunked.
    #[must_use]
    pub fn stream_head() -> Self {
        Self::Send(wire::stream_head())
    }

    /// Sends one chunk of a chunked body.
    pub fn chunk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(wire::chunk(bytes.as_ref()))
    }

    /// Sends one event, as one chunk.
    #[must_use]
    pub fn event(data: &str) -> Self {
        Self::chunk(wire::event(data))
    }

    /// Sends the event of a piece of text.
    #[must_use]
    pub fn delta(text: &str) -> Self {
        Self::event(&wire::delta(text))
    }

    /// Sends the event with the finish reason.
    #[must_use]
    pub fn finish(reason: &str) -> Self {
        Self::event(&wire::finish(reason))
    }

    /// Sends `[DONE]`.
    #[must_use]
    pub fn done() -> Self {
        Self::event("[DONE]")
    }

    /// Ends a chunked body.
    #[must_use]
    pub fn last_chunk() -> Self {
        Self::Send(Bytes::from_static(b"0\r\n\r\n"))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitForRequest => f.write_str("WaitForRequest"),
            Self::WaitForHead => f.write_str("WaitForHead"),
            Self::Send(bytes) => write!(f, "Send({})", Excerpt(bytes)),
            Self::SendFilled(text) => write!(f, "SendFilled({})", Excerpt(text.as_bytes())),
            Self::SendSlowly { bytes, chunk, every } => {
                write!(f, "SendSlowly({}, {chunk} every {every:?})", Excerpt(bytes))
            }
            Self::Repeat { bytes, times, every } => {
                write!(f, "Repeat({}", Excerpt(bytes))?;
                match times {
                    Some(times) => write!(f, ", {times} times")?,
                    None => f.write_str(", for ever")?,
                }
                if !every.is_zero() {
                    write!(f, ", every {every:?}")?;
                }
                f.write_str(")")
            }
            Self::Hang => f.write_str("Hang"),
            Self::Reset => f.write_str("Reset"),
            Self::Close => f.write_str("Close"),
        }
    }
}

/// Shows bytes as a literal. Long ones are shown by both ends and their length.
struct Excerpt<'a>(&'a [u8]);

const SHOWN: usize = 250;

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.get(..SHOWN), self.0.len().checked_sub(40).and_then(|at| self.0.get(at..))) {
            (Some(head), Some(tail)) if self.0.len() > SHOWN + 40 => {
                let (head, tail) = (head.escape_ascii(), tail.escape_ascii());
                write!(f, "\"{head}\" … \"{tail}\", {} bytes", self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}
