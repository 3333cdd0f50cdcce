//! The synchronisation and the clock of the queue. `xtask/loom` replaces it by loom's.

pub(crate) use std::{
    sync::{Mutex, MutexGuard},
    thread::ThreadId,
};

pub(crate) use conversant_core::clock::Instant;

/// Returns the current thread.
pub(crate) fn current_thread() -> ThreadId {
    std::thread::current().id()
}
