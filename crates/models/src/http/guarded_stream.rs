//! A connection that counts informational heads (1xx), which hyper reads without end.

use std::{
    error::Error,
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

use super::config::MAX_INFORMATIONAL;

/// The size of the reads in which heads are watched: 4 KiB. The rest of a response is read without
/// a copy.
const WATCHED: usize = 4096;
/// The length of the start of a head, up to its status.
const START: usize = 12;

/// A connection whose reads fail after too many informational heads before one response.
#[derive(Debug)]
pub(super) struct GuardedStream<S> {
    stream: S,
    /// Whether requests are in the form that a proxy takes.
    is_forwarded: bool,
    heads: Heads,
}

impl<S> GuardedStream<S> {
    pub(super) const fn new(stream: S, is_forwarded: bool) -> Self {
        Self { stream, is_forwarded, heads: Heads { place: Place::Rest, informational: 0 } }
    }
}

/// The heads of a response that were read.
#[derive(Debug)]
struct Heads {
    place: Place,
    informational: u32,
}

/// The place in a response.
#[derive(Debug)]
enum Place {
    /// At the start of a head, with the part of `HTTP/1.1 100` that was read.
    Start { read: [u8; START], length: usize },
    /// In an informational head, after 0 or 1 line ends in a row.
    Informational { line_ends: u8 },
    /// After the status of the response itself.
    Rest,
}

impl Place {
    const START: Self = Self::Start { read: [0; START], length: 0 };
}

impl Heads {
    /// Notes that a request was written, so that a response may follow.
    fn expect(&mut self) {
        if matches!(self.place, Place::Rest) {
            self.place = Place::START;
        }
    }

    /// Watches bytes that were read.
    ///
    /// # Errors
    /// [`TooManyInformational`].
    fn watch(&mut self, bytes: &[u8]) -> Result<(), TooManyInformational> {
        if let (Place::Start { length: 0, .. }, Some(start)) = (&self.place, bytes.first_chunk())
            && !is_informational(start)
        {
            (self.place, self.informational) = (Place::Rest, 0);
            return Ok(());
        }
        for byte in bytes {
            match &mut self.place {
                Place::Start { read, length } => {
                    if let Some(place) = read.get_mut(*length) {
                        *place = *byte;
                        *length += 1;
                    }
                    if *length < read.len() {
                        continue;
                    }
                    if !is_informational(read) {
                        (self.place, self.informational) = (Place::Rest, 0);
                        return Ok(());
                    }
                    self.informational += 1;
                    if self.informational > MAX_INFORMATIONAL {
                        return Err(TooManyInformational);
                    }
                    self.place = Place::Informational { line_ends: 0 };
                }
                Place::Informational { line_ends } => match byte {
                    b'\n' if *line_ends == 1 => self.place = Place::START,
                    b'\n' => *line_ends = 1,
                    b'\r' => {}
                    _ => *line_ends = 0,
                },
                Place::Rest => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Returns whether a head begins as an informational one does: `HTTP/1.1 1`. 101 is a response of
/// its own.
fn is_informational(start: &[u8; START]) -> bool {
    start.starts_with(b"HTTP/1.") && start.get(8..10) == Some(b" 1") && !start.ends_with(b"101")
}

impl<S: Read + Unpin> Read for GuardedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.heads.place, Place::Rest) {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let mut watched = [MaybeUninit::uninit(); WATCHED];
        let room = buffer.remaining().min(WATCHED);
        let mut watched = ReadBuf::uninit(watched.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut this.stream).poll_read(context, watched.unfilled()))?;
        let read = watched.filled();
        this.heads.watch(read).map_err(io::Error::other)?;
        buffer.put_slice(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for GuardedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heads.expect();
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.heads.expect();
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

impl<S: Connection> Connection for GuardedStream<S> {
    fn connected(&self) -> Connected {
        // Without the addresses, which would be copied to each response.
        let connected = Connected::new().proxy(self.is_forwarded);
        match self.stream.connected().is_negotiated_h2() {
            true => connected.negotiated_h2(),
            false => connected,
        }
    }
}

/// Too many informational heads came before a response.
#[derive(Debug)]
pub(super) struct TooManyInformational;

impl fmt::Display for TooManyInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot read the response: more than {MAX_INFORMATIONAL} informational heads (1xx) came before it"
        )
    }
}

impl Error for TooManyInformational {}

#[cfg(test)]
mod tests {
    use super::{Heads, Place};

    /// Feeds responses whole and byte by byte; returns whether they are accepted.
    fn is_accepted(bytes: &[u8]) -> bool {
        let heads = || Heads { place: Place::START, informational: 0 };
        let whole = heads().watch(bytes).is_ok();
        let mut by_bytes = heads();
        assert_eq!(whole, bytes.chunks(1).all(|byte| by_bytes.watch(byte).is_ok()));
        whole
    }

    #[test]
    fn informational_heads_are_counted_before_a_response_only() {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let response = "HTTP/1.1 200 OK\r\n\r\n";
        assert!(is_accepted(response.as_bytes()));
        assert!(is_accepted((hint.repeat(100) + response + &hint.repeat(300)).as_bytes()));
        assert!(!is_accepted(hint.repeat(101).as_bytes()));
        assert!(!is_accepted("HTTP/1.0 100 \n\n".repeat(101).as_bytes()));
        assert!(is_accepted("HTTP/1.1 101 Switching\r\n\r\n".repeat(101).as_bytes()));
        assert!(is_accepted("not HTTP at all".repeat(300).as_bytes()));
    }
}
