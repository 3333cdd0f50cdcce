//! Decodes a streamed answer, from bytes to pieces and the whole answer.

use std::{collections::VecDeque, mem};

use bytes::Bytes;
use conversant_core::{ApiError, Delta, ModelError, PartialReply, Reply};

use super::{
    answer::Answer,
    api_error,
    sse::{SseDecoder, SseEvent},
    surrogates,
};

/// The default limit of an answer, in bytes of text, reasoning and arguments: 32 MiB.
pub(super) const DEFAULT_MAX_ANSWER: usize = 32 * 1024 * 1024;

/// The maximum size of an event, in bytes: 4 MiB.
pub(crate) const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Returns the limit of an event, for a limit of the answer: eight times that, from 64 KiB to 4
/// MiB. JSON may write a byte in six, and there is more in an event than text.
pub(super) fn event_limit(answer: usize) -> usize {
    answer.saturating_mul(8).clamp(64 * 1024, MAX_EVENT_BYTES)
}

/// Returns whether data is the marker that ends a stream, with or without blanks and quotes around
/// it.
pub(super) fn is_done_marker(data: &str) -> bool {
    matches!(data.trim(), "[DONE]" | "\"[DONE]\"")
}

/// Returns whether a word, of an event's type or data, only keeps the connection open.
pub(super) fn is_keep_alive(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "",
        "null",
        "none",
        "undefined",
        "ping",
        "pong",
        "keepalive",
        "heartbeat",
        "processing",
        "openrouterprocessing",
        "waiting",
        "comment",
        "noop",
    ];
    if word.is_empty() || word.len() > 64 {
        return false;
    }
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let is_json = word.starts_with(['{', '[']);
    !is_json && WORDS.contains(&&*letters.to_ascii_lowercase())
}

/// The certainty that an answer has ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Open,
    /// There was a reason, but nothing yet that came without one: some servers write a reason into
    /// every event.
    Likely,
    /// There was a reason, after an event without one, and nothing came after it.
    Certain,
}

/// An answer that is put together from events.
pub trait StreamedAnswer: Clone + Send + Sized + Unpin + 'static {
    /// Whether the marker `[DONE]` makes an answer whole.
    const ENDS_WITH_DONE: bool;

    /// Creates the decoder of an answer with this number of choices, of at most `max_bytes`.
    fn decoder(choices: usize, max_bytes: usize) -> AnswerDecoder<Self>;

    /// Takes an event, and appends the pieces that it brings. Returns whether it ends the stream.
    ///
    /// # Errors
    /// [`ModelError`], if it is an error or can't be read.
    fn take(
        &mut self,
        event: SseEvent<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<bool, ModelError>;

    /// Returns whether nothing follows an event.
    fn is_last(_data: &str) -> bool {
        false
    }

    /// Returns the copy on which events that hold several are tried.
    fn trial(&mut self) -> &mut Trial<Self>;

    /// Returns what is known of the end of the answer.
    fn ending(&self) -> Ending;

    /// Returns the text that has come.
    fn partial(&self) -> PartialReply;

    /// Creates the error of an answer that its server broke off.
    fn stream_error(&self, error: ApiError) -> ModelError {
        ModelError::Stream { error: Box::new(error), partial: self.partial() }
    }

    /// Returns the answer, put together.
    ///
    /// # Errors
    /// [`ModelError`], if there is none.
    fn finish(self, done_marker_seen: bool) -> Result<Answer, ModelError>;

    /// Returns the reply of an answer.
    ///
    /// # Errors
    /// [`ModelError::Refused`], if the answer is a refusal alone.
    fn reply(answer: Answer) -> Result<Reply, ModelError>;
}

/// A copy of an answer, on which an event that holds several is tried before the answer takes it,
/// so that one that cannot be read leaves no trace.
///
/// It is made once, and takes what the answer takes.
#[derive(Debug, Default, Clone)]
pub enum Trial<A> {
    /// There was no such event.
    #[default]
    None,
    /// There was one.
    Copy(Box<A>),
    /// One is being taken.
    Running,
}

/// The result of an event that holds several: whether it ends the stream, and its pieces.
type TakenApart = Result<(bool, VecDeque<Delta>), ModelError>;

/// Reads data that is not JSON as several events, or without a second `data:`: some servers
/// separate events by one line end only, and some gateways write the field's name twice.
///
/// Returns whether it ends the stream, with its pieces, or `None` if it cannot be read so.
pub(super) fn take_apart<A: StreamedAnswer>(answer: &mut A, data: &str) -> Option<TakenApart> {
    let again = data.trim().strip_prefix("data:");
    if again.is_none() && !data.contains('\n') {
        return None;
    }
    let lines = again.unwrap_or(data);
    // Words that keep the connection open change nothing, so they need no copy.
    if matches!(answer.trial(), Trial::Running) || is_keep_alive(data.trim()) {
        return take_lines(answer, lines);
    }
    let mut copy = match mem::replace(answer.trial(), Trial::Running) {
        Trial::Copy(copy) => copy,
        Trial::None | Trial::Running => Box::new(answer.clone()),
    };
    let tried = take_lines(&mut *copy, lines);
    if matches!(tried, Some(Ok(_))) {
        let taken = take_lines(answer, lines);
        *answer.trial() = Trial::Copy(copy);
        return taken;
    }
    *answer.trial() = Trial::None;
    tried
}

fn take_lines<A: StreamedAnswer>(answer: &mut A, lines: &str) -> Option<TakenApart> {
    let mut pieces = VecDeque::new();
    for line in lines.lines() {
        match answer.take(SseEvent { event: "", data: with_one_name(line) }, &mut pieces) {
            Ok(false) => {}
            Ok(true) => return Some(Ok((true, pieces))),
            Err(ModelError::Decode(_)) => return None,
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok((false, pieces)))
}

/// Returns a line with the field's name before it once, if it has it more often.
fn with_one_name(mut line: &str) -> &str {
    while let Some(rest) = line.trim().strip_prefix("data:")
        && rest.trim_start().starts_with("data:")
    {
        line = rest;
    }
    line
}

/// An event that ends with half of a character. The other half may come with the next event.
#[derive(Debug, Clone)]
struct OpenEvent {
    event: String,
    data: String,
}

/// Takes an event. Halves of characters are joined or replaced, and an event that ends with the
/// first half of one waits for the next.
fn take_event<A: StreamedAnswer>(
    answer: &mut A,
    open: &mut Option<Box<OpenEvent>>,
    event: SseEvent<'_>,
    pieces: &mut VecDeque<Delta>,
) -> Result<bool, ModelError> {
    let error = match answer.take(event, pieces) {
        Err(ModelError::Decode(error)) => error,
        taken => return taken,
    };
    let Some(mended) = surrogates::mended(event.data) else {
        return Err(ModelError::Decode(error));
    };
    if mended.is_open && !A::is_last(&mended.text) {
        let SseEvent { event, data } = event;
        *open = Some(Box::new(OpenEvent { event: event.to_owned(), data: data.to_owned() }));
        return Ok(false);
    }
    answer.take(SseEvent { data: &mended.text, ..event }, pieces)
}

/// Takes an event after one that ended with half of a character.
fn take_after_open<A: StreamedAnswer>(
    answer: &mut A,
    open: &mut Option<Box<OpenEvent>>,
    event: SseEvent<'_>,
    pieces: &mut VecDeque<Delta>,
) -> Result<bool, ModelError> {
    let is_between = is_keep_alive(event.event) || is_keep_alive(event.data.trim());
    let Some(before) = open.take_if(|_| !is_between) else { return answer.take(event, pieces) };
    let (data, next) = surrogates::joined(&before.data, event.data);
    match answer.take(SseEvent { event: &before.event, data: &data }, pieces)? {
        true => Ok(true),
        false => take_event(answer, open, SseEvent { data: &next, ..event }, pieces),
    }
}

/// Decodes a streamed answer: [`StreamDecoder`](super::StreamDecoder) and
/// [`ResponsesStreamDecoder`](super::ResponsesStreamDecoder).
#[derive(Debug, Clone)]
pub struct AnswerDecoder<A> {
    sse: SseDecoder,
    answer: A,
    pieces: VecDeque<Delta>,
    open: Option<Box<OpenEvent>>,
    has_events: bool,
    is_done: bool,
}

impl<A: StreamedAnswer> AnswerDecoder<A> {
    /// Creates a decoder with a limit for an event, in bytes.
    pub(super) fn of(answer: A, max_event: usize) -> Self {
        Self {
            sse: SseDecoder::with_limits(max_event, max_event),
            answer,
            pieces: VecDeque::new(),
            open: None,
            has_events: false,
            is_done: false,
        }
    }

    /// Takes more bytes. Bytes after the end are ignored.
    pub fn feed(&mut self, chunk: Bytes) {
        if !self.is_done {
            self.sse.feed(chunk);
        }
    }

    /// Returns the next piece, or `None` if more bytes are needed. It is never [`Delta::Done`].
    ///
    /// # Errors
    /// [`ModelError`], if the stream reports an error, or can't be decoded.
    pub fn next_delta(&mut self) -> Result<Option<Delta>, ModelError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if !self.read_event()? {
                return Ok(None);
            }
        }
    }

    /// Reads one event, and returns whether there was one.
    pub(crate) fn read_event(&mut self) -> Result<bool, ModelError> {
        if self.is_done {
            return Ok(false);
        }
        let Some(event) = self.sse.next_event()? else { return Ok(false) };
        self.has_events |= !event.data.is_empty();
        let Self { answer, open, pieces, .. } = self;
        self.is_done = match open {
            None => take_event(answer, open, event, pieces),
            Some(_) => take_after_open(answer, open, event, pieces),
        }?;
        Ok(true)
    }

    /// Notes that nothing more comes. A last line of JSON counts without its line end; an event
    /// that is cut off counts only if it is an error.
    ///
    /// # Errors
    /// [`ModelError::Stream`], if the stream ended with an error.
    pub fn end_input(&mut self) -> Result<(), ModelError> {
        self.sse.end_json_line();
        while self.read_event()? {}
        if let Some(open) = self.open.take() {
            let (data, _) = surrogates::joined(&open.data, "");
            let event = SseEvent { event: &open.event, data: &data };
            self.is_done = self.answer.take(event, &mut self.pieces)?;
        }
        if self.is_whole() {
            return Ok(());
        }
        let pending = self.sse.pending_data().filter(|data| data.trim_start().starts_with('{'));
        match pending.and_then(|data| api_error::instead_of_piece(data.as_bytes())) {
            None => Ok(()),
            Some(error) => Err(self.answer.stream_error(error)),
        }
    }

    /// Returns whether the stream has announced its end. Nothing after that counts.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether the answer is whole: whether the stream may end here, by the
    /// [rules](crate::wire#rules).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_done_marker() || self.answer.ending() != Ending::Open
    }

    /// Returns whether the answer is whole even if the connection then fails.
    pub(crate) fn is_certain(&self) -> bool {
        self.has_done_marker() || self.answer.ending() == Ending::Certain
    }

    /// Returns whether `[DONE]` has come, as an event or as the last, unended line.
    fn has_done_marker(&self) -> bool {
        let is_marker = || self.sse.short_pending_data().is_some_and(is_done_marker);
        A::ENDS_WITH_DONE && (self.is_done || is_marker())
    }

    /// Returns the answer, at the end of the stream.
    ///
    /// # Errors
    /// - [`ModelError::StreamTruncated`], if the stream was cut off.
    /// - [`ModelError::Stream`], if it ended with an error.
    /// - [`ModelError::EmptyAnswer`], if it had no choices.
    /// - [`ModelError::Refused`], if the model of the Responses interface refused, and neither
    ///   wrote text nor called a tool.
    pub fn finish(mut self) -> Result<Reply, ModelError> {
        self.end_input()?;
        self.into_answer().and_then(A::reply)
    }

    pub(crate) fn into_answer(self) -> Result<Answer, ModelError> {
        if !self.is_whole() {
            return Err(ModelError::truncated(self.answer.partial()));
        }
        let done_marker_seen = self.has_done_marker();
        self.answer.finish(done_marker_seen)
    }

    /// Returns whether an event was received.
    pub(crate) const fn has_events(&self) -> bool {
        self.has_events
    }

    /// Returns whether a piece was received, or the end. Most servers send an event with the role
    /// alone before they do anything.
    pub(crate) fn has_begun(&self) -> bool {
        !self.pieces.is_empty() || self.is_done || self.answer.ending() != Ending::Open
    }

    /// Returns whether anything but comments was received since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        self.sse.take_progress()
    }

    pub(crate) fn partial(&self) -> PartialReply {
        self.answer.partial()
    }
}
