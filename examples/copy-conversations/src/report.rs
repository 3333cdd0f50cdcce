//! The display of a copy: its progress, the omissions, and their counts at its end.

use std::{collections::BTreeMap, time::Duration};

use conversant_transfer::{OmissionReason, TransferEvent, TransferProgress};
use indicatif::{ProgressBar, ProgressStyle};

/// The display of a copy.
pub struct Display {
    bar: ProgressBar,
    omitted: BTreeMap<String, u64>,
    reached: u64,
}

impl Display {
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner().with_style(style("{spinner} {elapsed} {msg}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, omitted: BTreeMap::new(), reached: 0 }
    }

    /// Shows how much of a file of this size is read.
    pub fn expect(&self, bytes: u64) {
        self.bar.set_style(style("{elapsed} {bar:30} {bytes}/{total_bytes} {msg}"));
        self.bar.set_length(bytes);
    }

    /// Shows a line.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("copy-conversations: {line}"));
    }

    pub fn show(&mut self, event: TransferEvent) {
        match event {
            TransferEvent::Progress(progress) => {
                self.reached = progress.conversations;
                self.advance(progress);
            }
            TransferEvent::Omitted(omission) => {
                self.bar.suspend(|| eprintln!("left out: {omission}"));
                *self.omitted.entry(kind(omission.reason)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn advance(&self, progress: TransferProgress) {
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} turns, {} sessions", progress.turns, progress.sessions));
    }

    /// Returns the number of conversations that are done.
    pub const fn reached(&self) -> u64 {
        self.reached
    }

    /// Shows what was left out.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        for (reason, count) in &self.omitted {
            eprintln!("left out: {count} × {reason}");
        }
    }
}

/// Returns the text of a reason without its numbers.
fn kind(reason: OmissionReason) -> String {
    match reason {
        OmissionReason::InvalidJson { .. } => "invalid JSON".to_owned(),
        OmissionReason::TooLarge { .. } => "a conversation that is too large".to_owned(),
        OmissionReason::Diverged { .. } => "other turns in the session".to_owned(),
        OmissionReason::Branch { .. } => "a branch that is not the current one".to_owned(),
        other => other.to_string(),
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner())
}
