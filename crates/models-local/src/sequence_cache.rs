//! Sequences of earlier calls, so that the next turn of a conversation reads only what is new.

use crate::llama::{Sequence, SequenceShape};

/// Sequences of earlier calls, the least recently used first, within a limit of memory.
pub(crate) struct SequenceCache {
    shape: SequenceShape,
    sequences: Vec<Sequence>,
    max_bytes: usize,
}

fn common_prefix(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

impl SequenceCache {
    pub(crate) const fn new(shape: SequenceShape, max_bytes: usize) -> Self {
        Self { shape, sequences: Vec::new(), max_bytes }
    }

    /// Returns a sequence that begins as `tokens` do and has no other tokens.
    ///
    /// A sequence of which at least half can be used is taken: it is this conversation, one turn
    /// earlier. Of another one, which shares a system message or the like, the beginning is copied.
    pub(crate) fn take(&mut self, tokens: &[u32]) -> Sequence {
        let shared = self.sequences.iter().map(|known| common_prefix(known.tokens(), tokens));
        let Some((index, shared)) =
            shared.enumerate().filter(|(_, shared)| *shared > 0).max_by_key(|(_, shared)| *shared)
        else {
            return Sequence::new(self.shape);
        };
        match self.sequences.get(index) {
            Some(other) if 2 * shared < other.tokens().len() => {
                let copy = other.prefix(shared);
                let used = self.sequences.remove(index);
                self.sequences.push(used);
                copy
            }
            _ => {
                let mut sequence = self.sequences.remove(index);
                sequence.truncate(shared);
                sequence
            }
        }
    }

    /// Keeps a sequence, in place of the least recently used ones if the memory is short.
    pub(crate) fn put(&mut self, sequence: Sequence) {
        self.sequences.push(sequence);
        let mut bytes: usize = self.sequences.iter().map(Sequence::bytes).sum();
        let excess = self.sequences.iter().take_while(|sequence| {
            let is_over = bytes > self.max_bytes;
            bytes = bytes.saturating_sub(sequence.bytes());
            is_over
        });
        let excess = excess.count();
        self.sequences.drain(..excess);
    }
}
