//! The work of one rendering, and its limit.

use crate::work_limit::WorkLimit;

/// The most work of one rendering: a million passes.
const MAX_WORK: usize = 1_000_000 * PASS;
/// The work of a pass of a section. The unit is about that of looking at one byte.
pub(super) const PASS: usize = 64;
/// The work of a tag, a literal text or a part of a message's content.
pub(super) const NODE: usize = PASS / 4;
/// The work of looking for a part of a name in one value.
pub(super) const LOOKUP: usize = PASS / 8;

/// The work that is left.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Work {
    pub(super) const fn new() -> Self {
        Self(MAX_WORK)
    }

    /// Takes some of it, before it is done.
    pub(super) fn spend(&mut self, work: usize) -> Result<(), WorkLimit> {
        self.0 = self.0.checked_sub(work).ok_or(WorkLimit::Steps)?;
        Ok(())
    }
}
