//! The limits of the counts.

use std::fmt;

use super::count::{Count, Counts, grouped};

/// The works that are gated, as the program names them.
pub(super) const FORMAT: &str = "format chat";
pub(super) const CALL: &str = "call";
pub(super) const BY_HAND: &str = "call by hand";
/// The most that a call copies: the tail of a conversation, and blocks too small to be shared.
pub(super) const COPY: &str = "copy of 96 KiB";

/// An event of a stream that the fast path reads, and one that is parsed as JSON.
pub(super) const EVENT: &str = "event of a stream";
pub(super) const PARSED_EVENT: &str = "event, parsed as JSON";

/// The works of memories, load and save of one turn.
pub(super) const TURNS: [&str; 3] =
    ["turn of BufferMemory", "turn of WindowMemory", "turn of TokenBufferMemory"];

/// A limit: a work's count at a size is at most another count, times a factor or plus a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    pub(super) work: &'static str,
    pub(super) n: usize,
    other: (&'static str, usize),
    limit: Limit,
}

/// The limit of a count by another.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// A multiple of the other's count.
    Times(f64),
    /// More instructions by a number: the further steps of a long conversation.
    More(u64),
    /// Likewise, and a copy.
    MoreAndCopy(u64),
}

impl Gate {
    /// Returns the gate of a work that grows by at most this limit with the conversation.
    const fn growth(work: &'static str, n: usize, limit: Limit) -> Self {
        Self { work, n, other: (work, 2), limit }
    }

    /// Returns the gate of a work that takes at most a part of another.
    const fn part(work: &'static str, n: usize, other: &'static str, part: f64) -> Self {
        Self { work, n, other: (other, n), limit: Limit::Times(part) }
    }
}

/// The counts are a fifth to a half below their limits. A memory's lists grow by doubling, some of
/// them at these sizes.
pub(super) const GATES: &[Gate] = &[
    Gate::growth(FORMAT, 2_000, Limit::More(300)),
    // A run of 4,096 messages is one step more.
    Gate::growth(FORMAT, 20_000, Limit::More(1_500)),
    Gate::growth(TURNS[0], 2_000, Limit::Times(1.25)),
    Gate::growth(TURNS[0], 20_000, Limit::Times(1.25)),
    Gate::growth(TURNS[1], 2_000, Limit::Times(1.25)),
    Gate::growth(TURNS[1], 20_000, Limit::Times(1.25)),
    Gate::growth(TURNS[2], 2_000, Limit::Times(1.25)),
    Gate::growth(TURNS[2], 20_000, Limit::Times(1.25)),
    // A run of messages and a block of 64 KiB are a step each. A walk over the messages is too
    // much.
    Gate::growth(CALL, 2_000, Limit::MoreAndCopy(15_000)),
    Gate::growth(CALL, 20_000, Limit::MoreAndCopy(90_000)),
    Gate::part(CALL, 2, BY_HAND, 0.8),
    Gate::part(CALL, 20, BY_HAND, 0.5),
    Gate::part(EVENT, 0, PARSED_EVENT, 0.35),
];

impl Gate {
    /// Compares the counts with the limit.
    ///
    /// # Errors
    /// If something was not counted.
    pub(super) fn judge(self, counts: &Counts) -> Result<Judged, String> {
        let find = |work: &str, n: usize| {
            counts.get(work, n).ok_or_else(|| format!("`{work}` was not counted at {n} messages"))
        };
        let found = find(self.work, self.n)?.clone();
        let other = find(self.other.0, self.other.1)?.instructions;
        let limit = match self.limit {
            Limit::Times(times) => (other as f64 * times) as u64,
            Limit::More(more) => other + more,
            Limit::MoreAndCopy(more) => other + more + find(COPY, 0)?.instructions,
        };
        Ok(Judged { gate: self, found, limit })
    }
}

/// A gate with what was counted.
#[derive(Debug)]
pub(super) struct Judged {
    gate: Gate,
    found: Count,
    limit: u64,
}

impl Judged {
    pub(super) const fn holds(&self) -> bool {
        self.found.instructions <= self.limit
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, found, limit } = self;
        let (outcome, sign) = if self.holds() { ("ok    ", "<=") } else { ("FAILED", "> ") };
        let messages = |n: usize| format!("{} messages", grouped(n as u64));
        let counted = match gate.n {
            0 => gate.work.to_owned(),
            n => format!("{}, {}", gate.work, messages(n)),
        };
        let other = match gate.other {
            (work, n) if work == gate.work => format!("at {}", messages(n)),
            (work, _) => work.to_owned(),
        };
        let limited = match gate.limit {
            Limit::Times(times) => format!("{times} x {other}"),
            Limit::More(more) => format!("{other} + {}", grouped(more)),
            Limit::MoreAndCopy(more) => format!("{other} + {} + {COPY}", grouped(more)),
        };
        write!(
            f,
            "{outcome} {counted}: {} {sign} {} ({limited})",
            grouped(found.instructions),
            grouped(*limit),
        )?;
        if self.holds() {
            return Ok(());
        }
        let profile = found.profile;
        write!(
            f,
            "\n       callgrind_annotate --auto=no --inclusive=yes target/instructions/profiles/profile.{profile}"
        )
    }
}
