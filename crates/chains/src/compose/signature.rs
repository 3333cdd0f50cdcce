//! The name, the variables and the outputs of a chain made of chains.

use std::borrow::Cow;

use conversant_core::Slot;

/// The name of a chain made of chains, its variables and its outputs.
#[derive(Clone)]
pub(super) struct Signature {
    pub(super) name: Cow<'static, str>,
    pub(super) slots: Vec<Slot>,
    pub(super) outputs: Vec<Cow<'static, str>>,
}

/// Implements the methods of [`Chain`](crate::Chain) that a field `signature` answers.
macro_rules! impl_signature {
    () => {
        fn name(&self) -> &str {
            &self.signature.name
        }

        fn slots(&self) -> &[conversant_core::Slot] {
            &self.signature.slots
        }

        fn outputs(&self) -> &[std::borrow::Cow<'static, str>] {
            &self.signature.outputs
        }
    };
}
pub(super) use impl_signature;
