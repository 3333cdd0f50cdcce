//! Loom's synchronisation, under the names that the checked files use.

pub(crate) use std::time::Instant;

pub(crate) use loom::{
    sync::{Mutex, MutexGuard},
    thread::ThreadId,
};

/// Returns the current thread.
pub(crate) fn current_thread() -> ThreadId {
    loom::thread::current().id()
}

/// A cell that is written once. Loom has none, so it is made of a lock; a value that was written is
/// never freed, for a reference to it to stay valid.
#[derive(Debug)]
pub(crate) struct OnceLock<T: 'static>(Mutex<Option<&'static T>>);

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn get(&self) -> Option<&T> {
        *self.0.lock().unwrap()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let mut held = self.0.lock().unwrap();
        if held.is_some() {
            return Err(value);
        }
        *held = Some(Box::leak(Box::new(value)));
        Ok(())
    }

    pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        let mut held = self.0.lock().unwrap();
        held.get_or_insert_with(|| Box::leak(Box::new(value())))
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        Self(Mutex::new(Some(Box::leak(Box::new(value)))))
    }
}
