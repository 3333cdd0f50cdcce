//! A runner whose chain's type is not known.

use crate::{
    chain::{Chain, Observers},
    memory_binding::MemoryBinding,
};

/// A runner whose chain's type is not known: a stream keeps one alive.
pub(crate) trait AnyRunner: Send + Sync + 'static {
    fn chain(&self) -> &dyn Chain;
    fn binding(&self) -> Option<&MemoryBinding>;
    fn observers(&self) -> Observers;
}
