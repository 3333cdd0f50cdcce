//! The settings of a schedule, and the numbers of its tasks.

/// The number of a task of a schedule.
pub(super) type TaskId = u64;

/// The settings of a schedule.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(super) struct Plan {
    pub(super) processes: usize,
    pub(super) leases: bool,
    pub(super) repeats: bool,
    pub(super) restores_answers: bool,
    pub(super) stops: bool,
    pub(super) branches: bool,
    pub(super) partial_views: bool,
}
