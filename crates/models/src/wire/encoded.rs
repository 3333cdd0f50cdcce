//! Request bodies that reuse what was encoded before.
//!
//! A message is encoded once in its life: the runs that a conversation is made of ([`Chunk`]) remember their bytes, in blocks
//! of about 64 KiB that later requests share without a copy, and a tail that is still growing. So a body is a list of
//! [`Bytes`], and a retry sends the same list again.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use conversant_core::{Chunk, Messages};

use super::Style;

/// The size from which a remembered block is shared instead of copied, and above which the tail becomes a block.
const BLOCK: usize = 64 * 1024;
/// Blocks smaller than this are copied into the body: a copy costs less than a write of its own.
const SMALL: usize = 4 * 1024;

/// A request body under construction.
#[derive(Debug, Default)]
pub(crate) struct BodyWriter {
    pieces: Vec<Bytes>,
    current: Vec<u8>,
}

impl BodyWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { pieces: Vec::new(), current: Vec::with_capacity(bytes) }
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.current.extend_from_slice(bytes);
    }

    /// Appends a value as JSON.
    pub(crate) fn push_json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        // Writing to a vector can't fail, nor can writing what has string keys only.
        let _ = serde_json::to_writer(&mut self.current, value);
    }

    /// Appends messages, as a JSON array.
    pub(crate) fn push_messages(&mut self, messages: &Messages, style: Style) {
        self.current.push(b'[');
        let mut first = true;
        for chunk in messages.chunks() {
            let range = chunk.range();
            if range.is_empty() {
                continue;
            }
            if !mem::take(&mut first) {
                self.current.push(b',');
            }
            if range == (0..1) && chunk.run().next().is_some_and(|m| m.text().len() < SMALL) {
                // A single short message: a prompt's own as a rule, which no later prompt shares.
                chunk.run().for_each(|message| style.write(&mut self.current, message));
            } else {
                self.push_chunk(&chunk, style);
            }
        }
        self.current.push(b']');
    }

    fn push_chunk(&mut self, chunk: &Chunk<'_>, style: Style) {
        let memo = chunk.memo::<Memo>(style.fingerprint());
        let mut encoded = memo.0.lock().unwrap_or_else(PoisonError::into_inner);
        encoded.catch_up(chunk, style);
        encoded.copy_to(self, chunk.range());
    }

    fn share(&mut self, bytes: Bytes) {
        if bytes.len() < SMALL {
            self.current.extend_from_slice(&bytes);
            return;
        }
        if !self.current.is_empty() {
            self.pieces.push(Bytes::from(mem::take(&mut self.current)));
        }
        self.pieces.push(bytes);
    }

    /// Returns the body's pieces, in order; none is empty.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        if !self.current.is_empty() {
            self.pieces.push(Bytes::from(self.current));
        }
        self.pieces
    }
}

/// What a run remembers of its encoding.
#[derive(Debug, Default)]
struct Memo(Mutex<Encoded>);

/// The messages of a run, encoded, each followed by a comma.
#[derive(Debug, Default)]
struct Encoded {
    blocks: Vec<Bytes>,
    /// How many bytes the blocks hold.
    sealed: usize,
    tail: Vec<u8>,
    /// For each message, where its comma is, counted from the run's first byte.
    ends: Vec<usize>,
}

impl Encoded {
    /// Encodes what is new.
    fn catch_up(&mut self, chunk: &Chunk<'_>, style: Style) {
        let known = self.ends.len();
        if known >= chunk.range().end {
            // Nothing has come since the last call: the run may be at its end, so what is left is shared from now on.
            if self.tail.len() >= SMALL {
                self.seal();
            }
            return;
        }
        for message in chunk.run().skip(known) {
            style.write(&mut self.tail, message);
            self.ends.push(self.sealed + self.tail.len());
            self.tail.push(b',');
            if self.tail.len() >= BLOCK {
                self.seal();
            }
        }
    }

    fn seal(&mut self) {
        self.sealed += self.tail.len();
        self.blocks.push(Bytes::from(mem::take(&mut self.tail)));
    }

    /// Appends the messages of a range, without the last comma.
    fn copy_to(&self, body: &mut BodyWriter, range: std::ops::Range<usize>) {
        let before = range.start.checked_sub(1).and_then(|index| self.ends.get(index));
        let start = before.map_or(0, |comma| comma + 1);
        let Some(&end) = range.end.checked_sub(1).and_then(|index| self.ends.get(index)) else {
            return;
        };
        let mut base = 0;
        for block in &self.blocks {
            let from = start.saturating_sub(base).min(block.len());
            let to = end.saturating_sub(base).min(block.len());
            if from < to {
                body.share(block.slice(from..to));
            }
            base += block.len();
        }
        let from = start.saturating_sub(base).min(self.tail.len());
        let to = end.saturating_sub(base).min(self.tail.len());
        body.push(self.tail.get(from..to).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
