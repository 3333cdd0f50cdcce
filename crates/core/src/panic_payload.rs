//! The value that a caught panic carries.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Drops the payload of a panic that was caught. The drop of a payload may panic, as that of any
/// value: what it panics with is leaked, since its drop may panic again.
#[doc(hidden)]
pub fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(next);
    }
}
