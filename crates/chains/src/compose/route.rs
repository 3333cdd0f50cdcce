//! The trait of routers, and a router's choice.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Slot, Variables};

use crate::{chain::RunContext, error::ChainError};

/// A router: it chooses the chain of a call. [`FnRouter`](crate::FnRouter) is a function, and
/// [`LlmRouter`](crate::LlmRouter) asks a model.
///
/// Needs the feature `composition`.
///
/// # Examples
///
/// A router that takes the destinations in turn:
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use conversant_chains::{ChainError, Route, Router, RunContext};
/// use conversant_core::{async_trait, Slot, Variables};
///
/// struct InTurn {
///     destinations: Vec<String>,
///     next: AtomicUsize,
/// }
///
/// #[async_trait]
/// impl Router for InTurn {
///     fn slots(&self) -> &[Slot] {
///         &[]
///     }
///
///     fn destinations(&self) -> &[String] {
///         &self.destinations
///     }
///
///     async fn route(&self, _: &Variables, _: &RunContext) -> Result<Route, ChainError> {
///         let next = self.next.fetch_add(1, Ordering::Relaxed);
///         let destination = self.destinations.get(next % self.destinations.len().max(1));
///         Ok(destination.map_or_else(Route::to_default, Route::to))
///     }
/// }
/// # let _ = InTurn { destinations: Vec::new(), next: AtomicUsize::new(0) };
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a router",
    note = "use `FnRouter` or `LlmRouter`, or implement `Router` for it"
)]
pub trait Router: Send + Sync {
    /// Returns the variables that the router uses.
    fn slots(&self) -> &[Slot];

    /// Returns the destinations that the router may choose, if they are known. The chain checks
    /// them when it is built.
    fn destinations(&self) -> &[String] {
        &[]
    }

    /// Returns whether the router may choose a destination of this name. The chain refuses to be
    /// built with one that is never chosen. By default, that is the empty name, which means the
    /// default chain.
    fn can_choose(&self, name: &str) -> bool {
        !name.is_empty()
    }

    /// Returns the names of the inputs that each route sets.
    fn provides(&self) -> &[Cow<'static, str>] {
        &[]
    }

    /// Chooses the chain.
    ///
    /// # Errors
    /// [`ChainError`], if the router cannot choose.
    async fn route(&self, variables: &Variables, context: &RunContext)
    -> Result<Route, ChainError>;
}

/// Implements [`Router`] for types that dereference to a router.
macro_rules! forward_router {
    ($([$($generics:tt)*] $pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl $($generics)* Router for $pointer {
            fn slots(&self) -> &[Slot] {
                (**self).slots()
            }

            fn destinations(&self) -> &[String] {
                (**self).destinations()
            }

            fn can_choose(&self, name: &str) -> bool {
                (**self).can_choose(name)
            }

            fn provides(&self) -> &[Cow<'static, str>] {
                (**self).provides()
            }

            async fn route(
                &self,
                variables: &Variables,
                context: &RunContext,
            ) -> Result<Route, ChainError> {
                (**self).route(variables, context).await
            }
        }
    )*};
}

forward_router!(
    [<R: Router + ?Sized>] &R,
    [<R: Router + ?Sized>] Box<R>,
    [<R: Router + ?Sized>] Arc<R>
);

/// The choice of a router: a destination, and inputs for it.
///
/// Needs the feature `composition`.
///
/// `Debug` withholds message text.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// The name of the destination, or `None` for the default chain.
    pub destination: Option<String>,
    /// The inputs that replace those of the call, or that are added to them: LangChain's
    /// `next_inputs`.
    pub inputs: Variables,
}

impl Route {
    /// Creates a route to a destination, with the call's inputs.
    #[must_use]
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: Some(destination.into()), inputs: Variables::new() }
    }

    /// Creates a route to the default chain, with the call's inputs.
    #[must_use]
    pub const fn to_default() -> Self {
        Self { destination: None, inputs: Variables::new() }
    }

    /// Sets inputs for the chain.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Variables) -> Self {
        self.inputs = inputs;
        self
    }
}
