//! A runner whose chain's type is not known.

use crate::{chain::Chain, memory_binding::MemoryBinding, observation::Observation};

/// A runner whose chain's type is not known: a stream keeps one alive.
pub(crate) trait AnyRunner: Send + Sync + 'static {
    fn chain(&self) -> &(dyn Chain + 'static);
    fn binding(&self) -> Option<&MemoryBinding>;
    fn observation(&self) -> &Observation;
}
