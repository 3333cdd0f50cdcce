//! A callable chain at a point of its conversation.

use std::sync::Arc;

use conversant_core::{MemoryError, Point};

use crate::{error::ChainError, runner::Runner};

impl Runner {
    /// Returns a runner with this chain, whose memory ends at a point. It shares the queue and the
    /// observers.
    pub(crate) fn at(self: &Arc<Self>, point: Point) -> Result<Self, ChainError> {
        let binding = self.binding.as_ref().and_then(|binding| binding.at(point));
        let unsupported = MemoryError::Unsupported { what: "branches" };
        Ok(Self {
            depth: self.depth,
            chain: Arc::clone(&self.chain),
            inputs: self.inputs.clone(),
            binding: Some(binding.ok_or(ChainError::Load(unsupported))?),
            observation: self.observation.clone(),
            concurrency: self.concurrency,
            prompt_cache_key: self.prompt_cache_key.clone(),
            origin: Some(Arc::clone(self.origin.as_ref().unwrap_or(self))),
        })
    }
}

/// Implements `at` for a callable chain, which is made of a runner.
macro_rules! impl_at {
    ([$($generics:tt)*] $chain:ty, |$this:ident, $runner:ident| $make:expr) => {
        impl $($generics)* $chain {
            /// Returns this chain for a conversation that ends at a point: to answer a question
            /// again, or to ask another one in its place. Calls of both chains run one after the
            /// other.
            ///
            /// The next call sees the conversation up to the point. When its turn is stored, it
            /// follows the point and becomes the tip of the session; the turns that were there stay
            /// as [`alternatives`](conversant_core::ChatHistory::alternatives). A call that fails
            /// leaves the session as it is. Later calls of the returned chain continue after that
            /// turn.
            ///
            /// # Errors
            /// [`ChainError::Load`](crate::ChainError::Load) if there is no memory, or if it cannot
            /// show another point than the tip ([`Memory::at`](conversant_core::Memory::at)): its
            /// history has no branches, or it searches its turns, as `VectorStoreMemory` does, also
            /// in a combined memory. Such a conversation continues at the point after
            /// [`ChatHistory::set_tip`](conversant_core::ChatHistory::set_tip).
            pub fn at(
                &self,
                point: impl Into<conversant_core::Point>,
            ) -> Result<Self, crate::ChainError> {
                let $this = self;
                let $runner = std::sync::Arc::new($this.runner.at(point.into())?);
                Ok($make)
            }
        }
    };
}

pub(crate) use impl_at;
