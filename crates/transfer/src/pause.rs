//! Pauses of a long transfer, so that other tasks of its thread run.

use std::{future, task::Poll};

/// The number of steps, such as turns, after which a transfer pauses.
const STEPS: u32 = 64;

/// The steps of a transfer since it paused.
#[derive(Default)]
pub(crate) struct Pace(u32);

impl Pace {
    /// Counts a step, and lets other tasks run after some of them.
    pub(crate) async fn step(&mut self) {
        self.0 += 1;
        if self.0 < STEPS {
            return;
        }
        self.0 = 0;
        let mut has_paused = false;
        future::poll_fn(|context| {
            if std::mem::replace(&mut has_paused, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
