//! What may grow, and how much.

use std::fmt;

use super::{
    count::{Count, Counts},
    table::grouped,
};

/// The works that are gated, as the program names them.
pub(super) const FORMAT: &str = "format chat";
pub(super) const CALL: &str = "call";
pub(super) const BY_HAND: &str = "call by hand";
/// As much as a call copies at most: the tail of a conversation, and blocks too small to be shared.
pub(super) const COPY: &str = "copy of 96 KiB";

/// The works of memories, load and save of one turn.
pub(super) const TURNS: [&str; 3] =
    ["turn of BufferMemory", "turn of WindowMemory", "turn of TokenBufferMemory"];

/// A limit: a work's count at a size is at most so many times another count, and a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    pub(super) work: &'static str,
    pub(super) n: usize,
    times: f64,
    other: (&'static str, usize),
    copies: bool,
}

impl Gate {
    /// A work does not grow with the conversation.
    const fn growth(work: &'static str, n: usize, times: f64) -> Self {
        Self { work, n, times, other: (work, 2), copies: false }
    }
}

/// What is counted today is 5 percent below its limit, a memory's turn 15 to 25: its lists grow by doubling, some of them just here.
pub(super) const GATES: &[Gate] = &[
    Gate::growth(FORMAT, 2_000, 1.1),
    // A run of 4,096 messages is one step more.
    Gate::growth(FORMAT, 20_000, 1.5),
    Gate::growth(TURNS[0], 2_000, 1.25),
    Gate::growth(TURNS[0], 20_000, 1.25),
    Gate::growth(TURNS[1], 2_000, 1.25),
    Gate::growth(TURNS[1], 20_000, 1.25),
    Gate::growth(TURNS[2], 2_000, 1.25),
    Gate::growth(TURNS[2], 20_000, 1.25),
    // A run of messages, of which there are few, and a block of 64 KiB are a step each. A walk over the messages would not fit.
    Gate { work: CALL, n: 2_000, times: 1.22, other: (CALL, 2), copies: true },
    Gate { work: CALL, n: 20_000, times: 2.2, other: (CALL, 2), copies: true },
    Gate { work: CALL, n: 2, times: 0.78, other: (BY_HAND, 2), copies: false },
    Gate { work: CALL, n: 20, times: 0.48, other: (BY_HAND, 20), copies: false },
];

impl Gate {
    /// Compares.
    ///
    /// # Errors
    /// If something was not counted.
    pub(super) fn judge(self, counts: &Counts) -> Result<Judged, String> {
        let find = |work: &str, n: usize| {
            counts.get(work, n).ok_or_else(|| format!("`{work}` was not counted at {n} messages"))
        };
        let found = find(self.work, self.n)?.clone();
        let other = find(self.other.0, self.other.1)?.instructions;
        let copy = if self.copies { find(COPY, 0)?.instructions } else { 0 };
        Ok(Judged { gate: self, found, limit: (other as f64 * self.times) as u64 + copy })
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
        let other = match gate.other {
            (work, n) if work == gate.work => format!("at {}", messages(n)),
            (work, _) => work.to_owned(),
        };
        let copy = if gate.copies { format!(" + {COPY}") } else { String::new() };
        write!(
            f,
            "{outcome} {}, {}: {} {sign} {} ({} x {other}{copy})",
            gate.work,
            messages(gate.n),
            grouped(found.instructions),
            grouped(*limit),
            gate.times,
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
