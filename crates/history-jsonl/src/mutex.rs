//! Locking mutexes.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. Its data is never left half changed, so a panic of another thread does not
/// matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
