//! Request bodies that reuse what was encoded before.
//!
//! A message is encoded once. The runs of a conversation ([`Chunk`]) remember their bytes: blocks
//! of about 64 KiB, which later requests share without a copy, and a tail that still grows. A body
//! is a list of [`Bytes`], and a retry sends the same list again.

use std::{
    mem,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use conversant_core::{Chunk, Message, Messages, json_text::push_text};

use super::open_calls::OpenCalls;

/// A form that messages are written in.
pub(crate) trait Encode {
    /// Returns a number that is the same for forms that write the same.
    fn fingerprint(&self) -> u64;
    /// Writes a message: one JSON value or several, with commas between them. `calls` are those of
    /// the messages before it, and this one may add some.
    fn write(&self, out: &mut Vec<u8>, message: &Message, calls: &mut OpenCalls);
    /// Adds the calls of a message that is not written now.
    fn add_calls(&self, _message: &Message, _calls: &mut OpenCalls) {}
}

/// The size from which a tail becomes a block.
const BLOCK: usize = 64 * 1024;
/// Smaller blocks are copied into the body, which costs less than a separate piece.
const SMALL: usize = 16 * 1024;
/// The room for the JSON around a message's text.
const OVERHEAD_BYTES: usize = 64;

/// A request body under construction.
#[derive(Debug, Default)]
pub(crate) struct BodyWriter {
    /// The bytes that are not shared.
    own: Vec<u8>,
    /// The pieces before the one that is being written.
    pieces: Vec<Piece>,
    /// The start of that piece in `own`.
    start: usize,
}

/// A piece of a body.
#[derive(Debug)]
enum Piece {
    Own(Range<usize>),
    Shared(Bytes),
}

impl BodyWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { own: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
    }

    /// Appends a value as JSON.
    pub(crate) fn push_json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        // Writing values with string keys to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.own, value);
    }

    /// Appends a text as a JSON string.
    pub(crate) fn push_text(&mut self, text: &str) {
        push_text(&mut self.own, text);
    }

    /// Appends messages as a JSON array. Call [`make_room`](Self::make_room) first.
    pub(crate) fn push_messages(&mut self, messages: &Messages, style: &impl Encode) {
        self.own.push(b'[');
        let (mut first, mut calls) = (true, OpenCalls::default());
        for chunk in messages.chunks() {
            if chunk.range().is_empty() {
                continue;
            }
            if !mem::take(&mut first) {
                self.own.push(b',');
            }
            match single(&chunk) {
                Some(message) => style.write(&mut self.own, message, &mut calls),
                None => {
                    let memo = chunk.memo::<Memo>(calls.fingerprint(style.fingerprint()));
                    let mut encoded = memo.lock();
                    if encoded.ends.len() < chunk.range().end {
                        // It was evicted since `make_room`, by other encodings of the same run.
                        encoded.catch_up(&chunk, style, &calls);
                    }
                    encoded.copy_to(self, chunk.range());
                    calls.extend(&encoded.calls);
                }
            }
        }
        self.own.push(b']');
    }

    /// Encodes new messages and reserves room for all of them and `more` bytes, so that no bytes
    /// move while the body is written.
    pub(crate) fn make_room(&mut self, messages: &Messages, style: &impl Encode, more: usize) {
        let (mut bytes, mut blocks) = (more, 0);
        let mut calls = OpenCalls::default();
        for chunk in messages.chunks().filter(|chunk| !chunk.range().is_empty()) {
            let Some(message) = single(&chunk) else {
                let memo = chunk.memo::<Memo>(calls.fingerprint(style.fingerprint()));
                let mut encoded = memo.lock();
                encoded.catch_up(&chunk, style, &calls);
                calls.extend(&encoded.calls);
                let (own, shared) = encoded.extent(chunk.range());
                (bytes, blocks) = (bytes + own + 1, blocks + shared);
                continue;
            };
            style.add_calls(message, &mut calls);
            bytes += estimate(message);
        }
        self.own.reserve(bytes);
        if blocks > 0 {
            self.pieces.reserve_exact(blocks * 2 + 1);
        }
    }

    fn share(&mut self, bytes: Bytes) {
        self.end_own();
        self.pieces.push(Piece::Shared(bytes));
    }

    fn end_own(&mut self) {
        if self.start < self.own.len() {
            self.pieces.push(Piece::Own(self.start..self.own.len()));
            self.start = self.own.len();
        }
    }

    /// Returns the body's pieces, in order; none is empty.
    pub(crate) fn finish(mut self) -> Arc<[Bytes]> {
        if self.pieces.is_empty() {
            let own = Some(Bytes::from(self.own)).filter(|own| !own.is_empty());
            return own.into_iter().collect();
        }
        self.end_own();
        let own = Bytes::from(self.own);
        let pieces = self.pieces.into_iter().map(|piece| match piece {
            Piece::Own(range) => own.slice(range),
            Piece::Shared(bytes) => bytes,
        });
        pieces.collect()
    }
}

/// Returns the message of a run of one short message. It usually belongs to the prompt, and no
/// later prompt shares it.
fn single<'m>(chunk: &Chunk<'m>) -> Option<&'m Message> {
    let message = if chunk.range() == (0..1) { chunk.run().next() } else { None };
    message.filter(|message| message.content().as_text().is_some_and(|text| text.len() < SMALL))
}

/// Estimates the size of an encoded message.
fn estimate(message: &Message) -> usize {
    let text = message.content().as_text().map_or(0, str::len);
    text + text / 16 + OVERHEAD_BYTES
}

/// The encoding that a run remembers.
#[derive(Debug, Default)]
struct Memo(Mutex<Encoded>);

impl Memo {
    fn lock(&self) -> MutexGuard<'_, Encoded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of a run, encoded, each followed by a comma.
#[derive(Debug, Default)]
struct Encoded {
    blocks: Vec<Bytes>,
    /// The number of bytes in the blocks.
    sealed: usize,
    tail: Vec<u8>,
    /// The position of each message's comma, from the run's first byte.
    ends: Vec<usize>,
    /// The calls of the messages.
    calls: OpenCalls,
}

impl Encoded {
    /// Encodes the messages that are new. `before` are the calls of the messages before the run.
    fn catch_up(&mut self, chunk: &Chunk<'_>, style: &impl Encode, before: &OpenCalls) {
        let known = self.ends.len();
        if known >= chunk.range().end {
            // The run has not grown since the last call, so its tail is shared from now on.
            if self.tail.len() >= SMALL {
                self.seal();
            }
            return;
        }
        let new = || chunk.run_from(known);
        let mut calls = before.clone();
        calls.extend(&self.calls);
        self.ends.reserve(chunk.range().end - known);
        self.tail.reserve(new().map(estimate).sum::<usize>().min(BLOCK));
        for message in new() {
            style.write(&mut self.tail, message, &mut calls);
            self.ends.push(self.sealed + self.tail.len());
            self.tail.push(b',');
            if self.tail.len() >= BLOCK {
                self.seal();
            }
        }
        self.calls = calls.without(before);
    }

    fn seal(&mut self) {
        self.sealed += self.tail.len();
        self.tail.shrink_to_fit();
        self.blocks.push(Bytes::from(mem::take(&mut self.tail)));
    }

    /// Returns the byte range of a range of messages, without the last comma.
    fn bytes_of(&self, range: Range<usize>) -> Range<usize> {
        let comma = |index: Option<usize>| index.and_then(|index| self.ends.get(index)).copied();
        let start = comma(range.start.checked_sub(1)).map_or(0, |comma| comma + 1);
        let end = comma(range.end.checked_sub(1)).unwrap_or(start);
        start..end
    }

    /// Calls a function with each part of a byte range: those in blocks, as shared bytes, and the
    /// one in the tail.
    fn parts<'e>(&'e self, range: Range<usize>, mut part: impl FnMut(Part<'e>)) {
        let mut base = 0;
        let mut within = |length: usize| {
            let from = range.start.saturating_sub(base).min(length);
            let to = range.end.saturating_sub(base).min(length);
            base += length;
            (from < to).then_some(from..to)
        };
        for block in &self.blocks {
            match within(block.len()) {
                Some(range) if range.len() < SMALL => {
                    part(Part::Own(block.get(range).unwrap_or_default()));
                }
                Some(range) => part(Part::Shared(block, range)),
                None => {}
            }
        }
        if let Some(range) = within(self.tail.len()) {
            part(Part::Own(self.tail.get(range).unwrap_or_default()));
        }
    }

    /// Returns the number of bytes of a range that are copied into a body, and of blocks that are
    /// shared.
    fn extent(&self, range: Range<usize>) -> (usize, usize) {
        let (mut bytes, mut blocks) = (0, 0);
        self.parts(self.bytes_of(range), |part| match part {
            Part::Own(own) => bytes += own.len(),
            Part::Shared(..) => blocks += 1,
        });
        (bytes, blocks)
    }

    /// Appends the messages of a range, without the last comma.
    fn copy_to(&self, body: &mut BodyWriter, range: Range<usize>) {
        self.parts(self.bytes_of(range), |part| match part {
            Part::Own(own) => body.push(own),
            Part::Shared(block, range) => body.share(block.slice(range)),
        });
    }
}

/// A part of a run's encoding.
enum Part<'e> {
    /// To be copied.
    Own(&'e [u8]),
    /// To be shared.
    Shared(&'e Bytes, Range<usize>),
}

#[cfg(test)]
mod tests;
