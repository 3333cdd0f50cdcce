//! The parts that all chains made of chains have: calls, a memory, and the settings of a builder.

/// Implements a callable chain over its steps, which are a [`Chain`](crate::Chain). The type has
/// one field, `runner`.
macro_rules! impl_kind {
    ($chain:ident, $builder:ident, $default_name:literal) => {
        crate::call_methods::impl_calls!([] $chain);
        crate::at_point::impl_at!([] $chain, |_this, runner| Self { runner });
        crate::step::impl_chain!([] $chain);

        impl $chain {
            /// Returns the memory, if the chain has one.
            #[must_use]
            pub fn memory(&self) -> Option<&dyn conversant_core::Memory> {
                self.runner.memory()
            }
        }

        impl std::fmt::Debug for $chain {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($chain))
                    .field("name", &crate::Chain::name(self))
                    .field("memory", &self.runner.binding)
                    .finish_non_exhaustive()
            }
        }

        crate::settings::impl_settings!([] $builder);

        impl $builder {
            /// Sets the name that events and transcripts show.
            pub fn name(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> Self {
                self.name = Some(name.into());
                self
            }

            /// Sets the memory. Calls with a memory are turns of one conversation.
            pub fn memory(mut self, memory: impl conversant_core::Memory + 'static) -> Self {
                self.settings.memory = Some(std::sync::Arc::new(memory));
                self
            }

            fn take_name(&mut self) -> std::borrow::Cow<'static, str> {
                self.name.take().unwrap_or(std::borrow::Cow::Borrowed($default_name))
            }
        }

        impl std::fmt::Debug for $builder {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($builder))
                    .field("settings", &self.settings)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(super) use impl_kind;
