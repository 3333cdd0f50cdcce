//! The start of a view that moves rarely, so that consecutive prompts share a long prefix.
//!
//! A view of whole turns grows until it exceeds the high-water mark, and then falls to the
//! low-water mark. Its start depends on the conversation and the limit alone: it is computed
//! message by message, and anew after every [`Marks::restart`] messages, independently of all
//! earlier ones. A process that loads the conversation later therefore finds the same start, and
//! reads at most that many messages more than it shows.

use super::sizes::total;

/// The least number of messages after which the start is computed anew.
const MIN_RESTART: u64 = 256;

/// The tokens of the limit for each message between two restarts: 16, a short message. A restart
/// lets the view fall, so there are about eight falls by size for each of them.
const TOKENS_PER_MESSAGE: usize = 16;

/// The sizes, in tokens, between which a view varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) high: usize,
    pub(crate) low: usize,
    /// The number of messages after which the start is computed anew.
    restart: u64,
}

impl Marks {
    /// Creates marks from a limit, the part of it that is available, and the share of that part to
    /// which a view falls.
    pub(crate) fn new(limit: usize, high: usize, low_water: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the product is between 0 and `high`; rounding does not matter"
        )]
        let low = (high as f64 * low_water) as usize;
        let restart = ((limit / TOKENS_PER_MESSAGE) as u64).checked_next_power_of_two();
        let restart = restart.unwrap_or(1 << 63).max(MIN_RESTART);
        Self { high, low: low.min(high), restart }
    }

    /// Creates the marks of a view that slides by a turn.
    pub(crate) const fn sliding(high: usize) -> Self {
        Self { high, low: high, restart: MIN_RESTART }
    }

    /// Returns whether the view slides by a turn, so that its start depends on its end alone.
    const fn slides(self) -> bool {
        self.low >= self.high
    }

    /// Returns the number of messages at which the start in a conversation of this length was last
    /// computed anew.
    pub(crate) const fn last_restart(self, messages: u64) -> u64 {
        if self.slides() { messages } else { messages - messages % self.restart }
    }
}

/// The end of a conversation: the sizes of its messages, and the indices at which a view may begin.
#[derive(Clone, Copy)]
pub(crate) struct SizedSuffix<'s> {
    pub(crate) sizes: &'s [usize],
    pub(crate) boundaries: &'s [usize],
    /// The index, in the conversation, of the first message.
    pub(crate) offset: u64,
}

impl SizedSuffix<'_> {
    /// Returns the start after all messages, given the start before the message `from`.
    pub(crate) fn advance(self, mut start: usize, from: usize, marks: Marks) -> usize {
        let mut size = self.size(start, from);
        for (index, message) in self.sizes.iter().enumerate().skip(from) {
            size = size.saturating_add(*message);
            let end = index + 1;
            let restarts = (self.offset + end as u64).is_multiple_of(marks.restart);
            if size > marks.high || restarts && !marks.slides() {
                start = self.start_within(end, marks.low).unwrap_or(start).max(start);
                size = self.size(start, end);
            }
        }
        start
    }

    /// Returns the first boundary from which on the messages before `end` do not exceed a size, or
    /// else the last boundary.
    pub(crate) fn start_within(self, end: usize, low: usize) -> Option<usize> {
        let (mut size, mut next, mut best) = (0_usize, end, None);
        for &boundary in self.boundaries.iter().rev().filter(|&&boundary| boundary < end) {
            size = size.saturating_add(self.size(boundary, next));
            if best.is_some() && size > low {
                break;
            }
            (best, next) = (Some(boundary), boundary);
        }
        best
    }

    fn size(self, from: usize, to: usize) -> usize {
        total(self.sizes.get(from..to).unwrap_or_default().iter().copied())
    }
}
