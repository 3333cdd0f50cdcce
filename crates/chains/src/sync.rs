//! The synchronisation of the queue. `xtask/loom` replaces it by loom's.

pub(crate) use std::{
    sync::{Mutex, MutexGuard},
    thread::ThreadId,
};

/// Returns the current thread.
pub(crate) fn current_thread() -> ThreadId {
    std::thread::current().id()
}
