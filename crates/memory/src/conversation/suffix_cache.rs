//! A cache of the end of a conversation that a token budget leaves.

use conversant_core::{Messages, Slice, Version};

use super::{
    delta::Delta,
    turn_boundaries::{boundaries, count_leading_system},
};
use crate::trim::{
    Trim,
    low_water::{Marks, SizedSuffix},
    sizes::{fitting, total},
    token_budget::TokenBudget,
};

/// The end of a conversation, and the system messages at its start.
#[derive(Clone)]
pub(crate) struct CachedSuffix {
    pub(crate) leading: Messages,
    /// The messages after the leading ones, from the start of the view.
    pub(crate) body: Messages,
    version: Version,
    /// Whether the body contains all messages after the leading ones.
    is_whole: bool,
    marks: Marks,
}

/// The result of extending a cached suffix.
pub(crate) enum Extension {
    Extended(CachedSuffix),
    /// The settings or the boundaries have changed, so the suffix has to be loaded again.
    Outdated,
    /// The conversation was cleared or replaced, so the suffix has to be loaded again.
    Replaced,
}

impl CachedSuffix {
    /// Creates the suffix of a conversation that was loaded from its start.
    pub(crate) fn of_whole(slice: &Slice, budget: &TokenBudget) -> Self {
        let leading = match budget.trim {
            Trim::Turns => count_leading_system(&slice.messages),
            Trim::LangChain => 0,
        };
        let leading = slice.messages.slice(..leading);
        let suffix = Self {
            body: slice.messages.slice(leading.len()..),
            version: slice.version,
            is_whole: true,
            marks: marks(budget, &leading),
            leading,
        };
        suffix.advance(budget, 0, 0)
    }

    /// Creates the suffix of a conversation from its end, if enough of it was loaded.
    pub(crate) fn of_end(slice: &Slice, leading: Messages, budget: &TokenBudget) -> Self {
        let overlap = (leading.len() as u64).saturating_sub(slice.start());
        let overlap = usize::try_from(overlap).unwrap_or(usize::MAX);
        let suffix = Self {
            body: slice.messages.slice(overlap..),
            version: slice.version,
            is_whole: false,
            marks: marks(budget, &leading),
            leading,
        };
        let restart = suffix.marks.last_restart(slice.version.messages);
        let from = restart.saturating_sub(suffix.offset());
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(suffix.body.len());
        let (sizes, boundaries) = (budget.sizes(&suffix.body), suffix.boundaries());
        let sized = suffix.sized(&sizes, &boundaries);
        let start = sized.start_within(from, suffix.marks.low).unwrap_or_default();
        suffix.advance(budget, start, from)
    }

    /// Returns the number of messages to load in order to compute the suffix, or `None` if the
    /// slice contains enough of them.
    pub(crate) fn missing(slice: &Slice, budget: &TokenBudget) -> Option<usize> {
        let sizes = budget.sizes(&slice.messages);
        let marks = marks(budget, &Messages::new());
        let restart = marks.last_restart(slice.version.messages);
        let from = usize::try_from(restart.saturating_sub(slice.start())).unwrap_or(usize::MAX);
        let is_enough = slice.start() < restart
            && fitting(sizes.get(..from).unwrap_or_default(), marks.low) > 0
            && (budget.trim == Trim::LangChain
                || boundaries(&slice.messages).first().is_some_and(|&first| first < from));
        let after = usize::try_from(slice.version.messages - restart).unwrap_or(usize::MAX);
        let more = slice.messages.len().saturating_mul(4);
        (!is_enough).then(|| more.max(after.saturating_add(slice.messages.len())))
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// Returns whether messages between the leading ones and the body were dropped.
    pub(crate) const fn is_cut(&self) -> bool {
        !self.is_whole
    }

    /// Extends the suffix with the messages that were loaded after `asked`.
    pub(crate) fn extend(
        mut self,
        asked: Version,
        slice: &Slice,
        budget: &TokenBudget,
    ) -> Extension {
        if self.marks != marks(budget, &self.leading) {
            return Extension::Outdated;
        }
        match Delta::between(self.version, asked, slice) {
            Delta::Append(known) if known == slice.messages.len() => Extension::Extended(self),
            Delta::Append(known) if self.body.is_empty() && self.is_whole => {
                // The new messages may begin with further leading system messages.
                let mut all = self.leading;
                all.append(&slice.messages.slice(known..));
                Extension::Extended(Self::of_whole(&Slice::new(all, slice.version), budget))
            }
            Delta::Append(known) => {
                let from = self.body.len();
                self.body.extend(slice.messages.iter_shared().skip(known).cloned());
                self.version = slice.version;
                if budget.trim == Trim::Turns && self.boundaries().first() != Some(&0) {
                    return Extension::Outdated;
                }
                Extension::Extended(self.advance(budget, 0, from))
            }
            Delta::Restart(_) | Delta::Gap => Extension::Replaced,
        }
    }

    /// Returns the indices at which the view may begin. The start of the conversation is one.
    pub(crate) fn boundaries(&self) -> Vec<usize> {
        let mut boundaries = boundaries(&self.body);
        if self.is_whole && !self.body.is_empty() && boundaries.first() != Some(&0) {
            boundaries.insert(0, 0);
        }
        boundaries
    }

    /// Returns the index, in the conversation, of the first message of the body.
    const fn offset(&self) -> u64 {
        self.version.messages.saturating_sub(self.body.len() as u64)
    }

    const fn sized<'s>(&self, sizes: &'s [usize], boundaries: &'s [usize]) -> SizedSuffix<'s> {
        SizedSuffix { sizes, boundaries, offset: self.offset() }
    }

    /// Moves the start of the view, given its start before the message `from`, and drops the
    /// messages before it.
    fn advance(mut self, budget: &TokenBudget, start: usize, from: usize) -> Self {
        let sizes = budget.sizes(&self.body);
        let start = match budget.trim {
            Trim::LangChain => fitting(&sizes, budget.limit),
            Trim::Turns => {
                let boundaries = self.boundaries();
                self.sized(&sizes, &boundaries).advance(start, from, self.marks)
            }
        };
        if start > 0 {
            self.body = self.body.slice(start..);
            self.is_whole = false;
        }
        self
    }
}

/// Returns the marks of a view after these leading messages. If they exceed the budget, the view is
/// the newest turn, which cannot be shown.
fn marks(budget: &TokenBudget, leading: &Messages) -> Marks {
    budget.marks(total(budget.sizes(leading))).unwrap_or(Marks::sliding(0))
}
