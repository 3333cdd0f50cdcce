//! The violations that a phase finds.

/// Counts violations, and prints the first ones.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) violations: u64,
}

impl Findings {
    /// Reports a violation.
    pub(super) fn violation(&mut self, what: &str) {
        self.violations += 1;
        // The first ones are enough to find the cause.
        if self.violations <= 20 {
            println!("  VIOLATION: {what}");
        }
    }

    /// Reports a violation unless a condition holds.
    pub(super) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violation(&what());
        }
    }
}
