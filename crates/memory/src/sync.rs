//! Locking.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Acquires a mutex, poisoned or not: no critical section in this crate leaves its data
/// inconsistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
