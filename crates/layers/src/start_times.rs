//! The times at which calls started, over a sliding window.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::queue::Places;

/// The most groups of start times. A limit of more calls combines times that are close, so that
/// any limit takes at most 200 KB.
const MAX_GROUPS: u32 = 4096;

/// The start times of the last window.
pub(crate) struct StartTimes {
    /// The most calls that start in a window. At least one.
    calls: usize,
    window: Duration,
    /// The time in which starts are combined.
    span: Duration,
    groups: VecDeque<Group>,
    /// The number of calls in all groups.
    counted: usize,
}

/// Calls that started at about the same time.
struct Group {
    first: Instant,
    /// The time from which the window of all calls in the group is counted.
    last: Instant,
    calls: usize,
}

impl StartTimes {
    pub(crate) fn new(calls: u32, window: Duration) -> Self {
        let span = if calls > MAX_GROUPS { window / MAX_GROUPS } else { Duration::ZERO };
        let calls = usize::try_from(calls.max(1)).unwrap_or(usize::MAX);
        Self { calls, window, span, groups: VecDeque::new(), counted: 0 }
    }

    /// Forgets the calls whose window is over.
    fn forget(&mut self, now: Instant) {
        while let Some(group) = self.groups.front()
            && now.saturating_duration_since(group.last) >= self.window
        {
            self.counted -= group.calls;
            self.groups.pop_front();
        }
    }

    /// Returns the time until the window of the call with this index is over.
    fn time_to_end(&self, index: usize, now: Instant) -> Duration {
        let mut calls = 0;
        let group = self.groups.iter().find(|group| {
            calls += group.calls;
            calls > index
        });
        group.map_or(Duration::ZERO, |group| {
            self.window.saturating_sub(now.saturating_duration_since(group.last))
        })
    }
}

impl Places for StartTimes {
    const NEEDS_TIMER: bool = true;

    fn take(&mut self, now: Instant) -> bool {
        self.forget(now);
        if self.counted >= self.calls {
            return false;
        }
        self.counted += 1;
        match self.groups.back_mut() {
            Some(group) if now.saturating_duration_since(group.first) <= self.span => {
                group.last = group.last.max(now);
                group.calls += 1;
            }
            _ => self.groups.push_back(Group { first: now, last: now, calls: 1 }),
        }
        true
    }

    fn time_to_turn(&mut self, ahead: usize, now: Instant) -> Option<Duration> {
        self.forget(now);
        // Each further window has room for as many calls.
        let windows = u32::try_from(ahead / self.calls).unwrap_or(u32::MAX);
        let index = (self.counted + ahead % self.calls).checked_sub(self.calls);
        let time = index.map_or(Duration::ZERO, |index| self.time_to_end(index, now));
        Some(time.saturating_add(self.window.saturating_mul(windows)))
    }
}
