//! The works that are measured, and who does them.

use std::fmt;

use conversant_core::BoxError;

use crate::measure::Sample;

/// A work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// One call of a chat chain over a history.
    Call,
    /// One call of a chain with a completion model over a history.
    Completion,
    /// A conversation from its first turn to its last.
    Conversation,
    /// Conversations of 20 turns, all at once on one thread.
    Concurrent,
    /// An answer that comes in pieces.
    Stream,
    /// An answer that comes in pieces with a pause before each: the time until the first is there.
    FirstToken,
    /// Filling in a string prompt.
    FormatString,
    /// Filling in a chat prompt.
    FormatChat,
    /// Counting the tokens of messages.
    Tokens,
}

/// The numbers of messages of the history, for works that have one.
pub const LENGTHS: &[usize] = &[2, 20, 200, 2_000];

impl Work {
    /// All works, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Call,
        Self::Completion,
        Self::Conversation,
        Self::Concurrent,
        Self::Stream,
        Self::FirstToken,
        Self::FormatString,
        Self::FormatChat,
        Self::Tokens,
    ];

    /// Returns the name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Completion => "completion",
            Self::Conversation => "conversation",
            Self::Concurrent => "concurrent",
            Self::Stream => "stream",
            Self::FirstToken => "first_token",
            Self::FormatString => "format_string",
            Self::FormatChat => "format_chat",
            Self::Tokens => "tokens",
        }
    }

    /// Returns the sizes that it is measured at: messages, turns, conversations or chunks.
    #[must_use]
    pub const fn sizes(self) -> &'static [usize] {
        match self {
            Self::Call | Self::Completion | Self::FormatString | Self::FormatChat => LENGTHS,
            Self::Conversation | Self::Stream => &[1_000],
            Self::Concurrent => &[64],
            Self::FirstToken => &[50],
            Self::Tokens => &[2_000],
        }
    }

    /// Returns the units of the size and the time.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Call | Self::Completion => "messages in the history; CPU of one call",
            Self::Conversation => "turns; CPU of the whole conversation",
            Self::Concurrent => "conversations of 20 turns at once; CPU of one call",
            Self::Stream => "chunks; CPU of one chunk",
            Self::FirstToken => "chunks, 2 ms apart; time to the first token, not CPU",
            Self::FormatString | Self::FormatChat => "messages in the history; CPU of one prompt",
            Self::Tokens => "messages; CPU of counting them all",
        }
    }

    /// Returns whether time is what counts. Of all others it is CPU.
    #[must_use]
    pub const fn is_timed(self) -> bool {
        matches!(self, Self::FirstToken)
    }

    /// Returns whether the client and the server work in turns.
    #[must_use]
    pub const fn is_alternating(self) -> bool {
        !matches!(self, Self::Concurrent | Self::FirstToken)
    }

    /// Returns whether the work is so short that its result depends on the caches: it is then done
    /// several times in a row.
    #[must_use]
    pub const fn is_short(self) -> bool {
        matches!(self, Self::Call | Self::Completion | Self::FirstToken)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A client that does works.
pub trait System {
    /// Does a work several times in a row, and returns a sample for each; none if the system cannot
    /// do it. The preparation is before the first time, and not measured.
    fn burst(&mut self, work: Work, n: usize, times: usize) -> Vec<Sample>;
}

/// Makes a system that talks to the server at an address.
pub type Make = fn(&str) -> Result<Box<dyn System>, BoxError>;

/// A system by its name in the output.
pub type Named = (&'static str, Make);
