//! The limits of a call: its deadline, and the shutdown of its conversation.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use conversant_core::{MemoryError, clock::Instant};
use futures_timer::Delay;

use crate::{
    call_phase::CallPhase,
    error::{ChainError, DEADLINE},
    queue::{Loss, Permit},
    timer::timer_after,
};

/// The limits that a call has. A call without a deadline sets no timer.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    deadline: Option<Instant>,
    /// How long after the deadline a step may end.
    grace: Duration,
    timer: Option<Delay>,
}

/// The limit that a call has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The deadline has passed.
    Deadline,
    /// The conversation is closed, and its running calls are given up.
    Closed,
}

impl Limits {
    pub(crate) const fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, grace: Duration::ZERO, timer: None }
    }

    /// Creates a limit of a time from now. A time beyond the clock's range is unlimited.
    pub(crate) fn after(time: Duration) -> Self {
        Self::new(Instant::now().checked_add(time))
    }

    /// Gives the call, if it has a deadline, at least this time from now.
    pub(crate) fn leave_at_least(&mut self, time: Duration) {
        if let (Some(deadline), Some(least)) = (self.deadline, Instant::now().checked_add(time)) {
            *self = Self::new(Some(deadline.max(least)));
        }
    }

    /// Sets how long after the deadline a step may end.
    pub(crate) fn set_grace(&mut self, grace: Duration) {
        if self.grace != grace {
            self.grace = grace;
            self.timer = None;
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns whether the deadline has passed.
    pub(crate) fn has_passed(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Runs a step until it ends or a limit is reached. The step is polled first, so a step that
    /// does not wait always ends.
    pub(crate) const fn run<'l, F: Future + Unpin>(
        &'l mut self,
        permit: Option<&'l Permit>,
        step: F,
    ) -> Limited<'l, F> {
        Limited { limits: self, permit, step }
    }

    /// Waits until a limit is reached.
    pub(crate) fn poll_exceeded(
        &mut self,
        permit: Option<&Permit>,
        context: &mut Context<'_>,
    ) -> Poll<Exceeded> {
        match permit.map(|permit| permit.poll_lost(context)) {
            Some(Poll::Ready(Loss::Aborted)) => return Poll::Ready(Exceeded::Closed),
            Some(Poll::Ready(Loss::Overtaken)) => return Poll::Ready(Exceeded::Deadline),
            Some(Poll::Pending) | None => {}
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // Beyond the clock's range there is no limit.
        let Some(end) = deadline.checked_add(self.grace) else { return Poll::Pending };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(Exceeded::Deadline);
            }
            let timer = self.timer.get_or_insert_with(|| timer_after(left));
            ready!(Pin::new(timer).poll(context));
            self.timer = None;
        }
    }
}

/// A step of a call, with the call's limits.
pub(crate) struct Limited<'l, F> {
    limits: &'l mut Limits,
    permit: Option<&'l Permit>,
    step: F,
}

impl<F: Future + Unpin> Future for Limited<'_, F> {
    type Output = Result<F::Output, Exceeded>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        {
            let polled = this.permit.map(Permit::mark_polled);
            if let Some(None) = polled {
                return Poll::Ready(Err(Exceeded::Deadline));
            }
            if let Poll::Ready(value) = Pin::new(&mut this.step).poll(context) {
                return Poll::Ready(Ok(value));
            }
        }
        this.limits.poll_exceeded(this.permit, context).map(Err)
    }
}

impl Exceeded {
    pub(crate) const fn during(self, phase: CallPhase) -> ChainError {
        match self {
            Self::Deadline => ChainError::DeadlineExceeded { phase },
            Self::Closed => ChainError::Closed,
        }
    }

    /// Returns the error of a memory's work that a limit interrupted.
    pub(crate) const fn interrupted(self) -> MemoryError {
        let reason = match self {
            Self::Deadline => DEADLINE,
            Self::Closed => "the conversation was closed",
        };
        MemoryError::Interrupted { reason }
    }
}
