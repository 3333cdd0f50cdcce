//! Server-sent events: from bytes, cut anywhere, to events. No I/O, and linear in what comes.
//!
//! It follows WHATWG's specification with these exceptions:
//!
//! - Invalid UTF-8 is an error, not U+FFFD, since a corrupted answer must not be kept.
//! - Lines and events have a maximum size.
//! - A line that begins with `{` or `[` has no field name, and is an event of its own: some servers
//!   send lines of JSON (NDJSON), and some write the error that ends a stream so.
//! - A field `error` is an event of type `error`, as older servers of llama.cpp send it.
//!
//! `id` and `retry` are ignored: they are for reconnecting, and a request is not sent twice.

use std::mem;

use bytes::{Buf, Bytes};
use conversant_core::{DecodeError, ModelError};
use memchr::memchr2;
use serde::de::IgnoredAny;

/// The default limit of a line and of an event: 4 MiB.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;
/// The size of data that is short: 256 bytes.
const MAX_SHORT: usize = 256;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A decoder of server-sent events.
///
/// It takes chunks and returns events. It decodes events lazily, copies a byte at most twice, and
/// holds at most one chunk, one line and one event.
///
/// # Examples
///
/// ```
/// use conversant_models::wire::SseDecoder;
///
/// let mut decoder = SseDecoder::new();
/// decoder.feed("data: hel".into());
/// assert!(decoder.next_event()?.is_none());
/// decoder.feed("lo\r\n\r\ndata: world\n\n".into());
/// assert_eq!(decoder.next_event()?.map(|event| event.data), Some("hello"));
/// assert_eq!(decoder.next_event()?.map(|event| event.data), Some("world"));
/// assert!(decoder.next_event()?.is_none());
/// # Ok::<(), conversant_models::wire::SseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SseDecoder {
    line_limit: usize,
    event_limit: usize,
    /// The first bytes, as long as they may be a byte order mark.
    start: Option<Vec<u8>>,
    chunk: Bytes,
    /// The start of an unfinished line.
    line: Vec<u8>,
    /// Whether the last line ended with a carriage return, so that a line feed belongs to it.
    after_return: bool,
    event: String,
    data: String,
    has_data: bool,
    /// Whether the event is JSON without a field name, which goes on over several lines.
    in_json: bool,
    /// Whether the event was returned, so that the next line starts a new one.
    is_out: bool,
    /// Whether anything but comments and empty lines was received since the last check.
    progress: bool,
    /// The number of bytes before the current line.
    offset: usize,
}

/// An event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SseEvent<'d> {
    /// The event's type; empty is `message`.
    pub event: &'d str,
    /// The data, lines joined by line feeds.
    pub data: &'d str,
}

/// An error that makes the rest of a stream unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SseError {
    /// A line is not UTF-8.
    Utf8 {
        /// The position, in bytes from the start of the stream.
        offset: usize,
    },
    /// A line or an event is too large.
    TooLarge {
        /// Which of the two.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl std::fmt::Display for SseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Utf8 { offset } => {
                write!(f, "cannot decode the stream: it is not UTF-8 from byte {offset} on")
            }
            Self::TooLarge { what, limit } => {
                write!(f, "cannot read {what}: it is larger than {limit} bytes")
            }
        }
    }
}

impl std::error::Error for SseError {}

impl From<SseError> for ModelError {
    fn from(error: SseError) -> Self {
        match error {
            SseError::TooLarge { what, limit } => {
                let limit = u64::try_from(limit).unwrap_or(u64::MAX);
                Self::BodyTooLarge { what, limit, hint: None }
            }
            SseError::Utf8 { offset } => {
                DecodeError::new(format!("the stream is not UTF-8 from byte {offset} on")).into()
            }
        }
    }
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl SseDecoder {
    /// Creates a decoder with limits of 4 MiB.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limits(MAX_EVENT_BYTES, MAX_EVENT_BYTES)
    }

    /// Creates a decoder with limits for a line and for the data of an event, in bytes.
    #[must_use]
    pub const fn with_limits(line: usize, event: usize) -> Self {
        Self {
            line_limit: line,
            event_limit: event,
            start: Some(Vec::new()),
            chunk: Bytes::new(),
            line: Vec::new(),
            after_return: false,
            event: String::new(),
            data: String::new(),
            has_data: false,
            in_json: false,
            is_out: false,
            progress: false,
            offset: 0,
        }
    }

    /// Takes more bytes. Read all events first: the rest of an earlier chunk is copied.
    pub fn feed(&mut self, chunk: Bytes) {
        let Some(mut start) = self.start.take() else {
            if self.chunk.is_empty() {
                self.chunk = chunk;
            } else {
                self.chunk = [&*self.chunk, &*chunk].concat().into();
            }
            return;
        };
        if start.is_empty() && !BOM.starts_with(chunk.get(..3).unwrap_or(&chunk)) {
            self.chunk = chunk;
            return;
        }
        start.extend_from_slice(&chunk);
        if start.len() < BOM.len() && BOM.starts_with(&start) {
            self.start = Some(start);
            return;
        }
        let mut chunk = Bytes::from(start);
        if chunk.starts_with(BOM) {
            self.offset = BOM.len();
            chunk = chunk.slice(BOM.len()..);
        }
        self.chunk = chunk;
    }

    /// Returns the next complete event. An event that the end of the stream cuts off is dropped.
    ///
    /// # Errors
    /// [`SseError`], after which the decoder must not be used.
    pub fn next_event(&mut self) -> Result<Option<SseEvent<'_>>, SseError> {
        if mem::take(&mut self.is_out) {
            self.clear();
        }
        // Taken out of the decoder, so that lines are read in place.
        let mut chunk = mem::take(&mut self.chunk);
        let found = self.read_lines(&mut chunk);
        // An empty chunk would still hold the connection's buffer, which would need another one.
        if !chunk.is_empty() {
            self.chunk = chunk;
        }
        self.is_out = found?;
        Ok(self.is_out.then_some(SseEvent { event: &self.event, data: &self.data }))
    }

    /// Returns whether anything but comments and empty lines was received since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        mem::take(&mut self.progress)
    }

    /// Returns the data of the unfinished event, as far as it was received.
    pub(crate) fn pending_data(&self) -> Option<&str> {
        if self.line.is_empty() {
            return (self.has_data && !self.is_out).then_some(self.data.as_str());
        }
        let line = std::str::from_utf8(&self.line).ok()?;
        let data = line.strip_prefix("data:").or_else(|| is_json(line).then_some(line));
        data.filter(|_| !self.has_data || self.is_out)
    }

    /// Returns the data of the unfinished event, if it is short. This takes the same time for any
    /// data, so it may be asked for after each chunk.
    pub(crate) fn short_pending_data(&self) -> Option<&str> {
        let pending = if self.line.is_empty() { self.data.len() } else { self.line.len() };
        if pending > MAX_SHORT { None } else { self.pending_data() }
    }

    /// Ends the last line, if it is JSON without a field name: nothing else is missing of it.
    pub(crate) fn end_json_line(&mut self) {
        if self.line.starts_with(b"{") || self.line.starts_with(b"[") || self.in_json {
            self.feed(Bytes::from_static(b"\n"));
        }
    }

    fn clear(&mut self) {
        self.event.clear();
        self.data.clear();
        self.has_data = false;
        self.in_json = false;
    }

    /// Reads lines up to the end of an event, and returns whether it was reached.
    fn read_lines(&mut self, chunk: &mut Bytes) -> Result<bool, SseError> {
        loop {
            if self.after_return && !chunk.is_empty() {
                self.after_return = false;
                if chunk.first() == Some(&b'\n') {
                    chunk.advance(1);
                    self.offset += 1;
                }
            }
            let end = memchr2(b'\n', b'\r', chunk);
            let length = self.line.len() + end.unwrap_or(chunk.len());
            if length > self.line_limit {
                let limit = self.line_limit;
                return Err(SseError::TooLarge { what: "a line of the stream", limit });
            }
            let Some(end) = end else {
                // Noted before the end of the line: a large event may take longer than the idle
                // timeout.
                self.progress |=
                    !chunk.is_empty() && self.line.first().or_else(|| chunk.first()) != Some(&b':');
                self.line.extend_from_slice(chunk);
                chunk.clear();
                return Ok(false);
            };
            self.after_return = chunk.get(end) == Some(&b'\r');
            let rest = chunk.get(..end).unwrap_or_default();
            let ends_event = if self.line.is_empty() {
                self.take_line(rest)?
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(rest);
                self.take_line(&line)?
            };
            chunk.advance(end + 1);
            if ends_event {
                return Ok(true);
            }
        }
    }

    /// Reads a line, and returns whether it ends an event.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, SseError> {
        let start = self.offset;
        self.offset += line.len() + 1;
        let line = std::str::from_utf8(line)
            .map_err(|error| SseError::Utf8 { offset: start + error.valid_up_to() })?;
        if line.is_empty() {
            if !self.has_data {
                self.clear();
            }
            return Ok(self.has_data);
        }
        if line.starts_with(':') {
            return Ok(false);
        }
        self.progress = true;
        if self.in_json || is_json(line) {
            return self.take_json_line(line);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.push_data(value)?,
            "event" => value.clone_into(&mut self.event),
            "error" => {
                field.clone_into(&mut self.event);
                self.push_data(value)?;
            }
            _ => {}
        }
        Ok(false)
    }

    fn push_data(&mut self, value: &str) -> Result<(), SseError> {
        if mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(value);
        if self.data.len() > self.event_limit {
            let limit = self.event_limit;
            return Err(SseError::TooLarge { what: "an event of the stream", limit });
        }
        Ok(())
    }

    /// Reads a line of JSON without a field name, and returns whether it ends an event.
    ///
    /// After data, it belongs to that event. JSON that is written over several lines ends where a
    /// line begins with a closing bracket.
    fn take_json_line(&mut self, line: &str) -> Result<bool, SseError> {
        let goes_on = self.has_data;
        self.push_data(line)?;
        if !goes_on {
            self.in_json = line.starts_with(['{', '['])
                && serde_json::from_str::<IgnoredAny>(line).is_err_and(|error| error.is_eof());
            return Ok(!self.in_json);
        }
        Ok(self.in_json && line.starts_with(['}', ']']))
    }
}

/// Returns whether a line is JSON, not a field.
fn is_json(line: &str) -> bool {
    line.starts_with(['{', '['])
}

#[cfg(test)]
mod tests;
