//! The cores of the two processes.
//!
//! A client and a server that take turns cost twice as much on two cores, each of which sleeps
//! while the other works. The scheduler's choice changes from second to second, which favours one
//! of two systems at random. So both share one core, except where they work at the same time.

use crate::{serve::Server, work::Work};

/// The cores of the processes.
#[cfg(target_os = "linux")]
pub(crate) struct Place {
    all: nix::sched::CpuSet,
    one: nix::sched::CpuSet,
}

#[cfg(target_os = "linux")]
impl Place {
    pub(crate) fn find() -> Option<Self> {
        use nix::{
            sched::{CpuSet, sched_getaffinity},
            unistd::Pid,
        };
        let all = sched_getaffinity(Pid::from_raw(0)).ok()?;
        // The first one has the interrupts.
        let last = (0..CpuSet::count()).rev().find(|core| all.is_set(*core).unwrap_or_default())?;
        let mut one = CpuSet::new();
        one.set(last).ok()?;
        Some(Self { all, one })
    }

    /// Puts this process, as far as it is one thread, and the server where a work is done.
    pub(crate) fn put(&self, server: &Server, work: Work) {
        use nix::{sched::sched_setaffinity, unistd::Pid};
        let cores = if work.is_alternating() { &self.one } else { &self.all };
        for process in [0, server.id()] {
            // Where it is forbidden, the measuring has more noise.
            let _ = sched_setaffinity(Pid::from_raw(process.cast_signed()), cores);
        }
    }
}

/// Nothing: where there is no telling what runs where, the measuring has more noise.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Place;

#[cfg(not(target_os = "linux"))]
impl Place {
    pub(crate) fn find() -> Option<Self> {
        None
    }

    pub(crate) fn put(&self, _: &Server, _: Work) {}
}
