//! A router that is a function.

use std::{borrow::Cow, pin::Pin, sync::Arc};

use async_trait::async_trait;
use conversant_core::{BoxError, Slot, Variables};

use super::route::{Route, Router};
use crate::{caught, chain::RunContext, error::ChainError};

type Routed = Result<Route, BoxError>;
type RouteFn = dyn Fn(Variables) -> Pin<Box<dyn Future<Output = Routed> + Send>> + Send + Sync;

/// A router that is a function of variables. Its error is [`ChainError::Custom`], and so is its
/// panic.
///
/// Needs the feature `composition`.
///
/// # Examples
///
/// See [`RouterChain`](crate::RouterChain).
#[derive(Clone)]
pub struct FnRouter {
    slots: Vec<Slot>,
    route: Arc<RouteFn>,
}

impl FnRouter {
    /// Creates a router from a function, with the names of the variables that it uses.
    pub fn new<E: Into<BoxError>>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        route: impl Fn(&Variables) -> Result<Route, E> + Send + Sync + 'static,
    ) -> Self {
        Self::new_async(inputs, move |variables| std::future::ready(into_boxed(route(&variables))))
    }

    /// Creates a router from an async function, with the names of the variables that it uses.
    pub fn new_async<E: Into<BoxError>, F>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        route: impl Fn(Variables) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Route, E>> + Send + 'static,
    {
        let slots = inputs.into_iter().map(Slot::text).collect();
        let route = move |variables| -> Pin<Box<dyn Future<Output = Routed> + Send>> {
            let routed = route(variables);
            Box::pin(async move { into_boxed(routed.await) })
        };
        Self { slots, route: Arc::new(route) }
    }
}

fn into_boxed<E: Into<BoxError>>(routed: Result<Route, E>) -> Routed {
    routed.map_err(Into::into)
}

#[async_trait]
impl Router for FnRouter {
    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    async fn route(&self, variables: &Variables, _: &RunContext) -> Result<Route, ChainError> {
        let routed = caught::wait(|| (self.route)(variables.clone())).await;
        routed.unwrap_or_else(|| Err("the function panicked".into())).map_err(ChainError::Custom)
    }
}

impl std::fmt::Debug for FnRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnRouter").field("slots", &self.slots).finish_non_exhaustive()
    }
}
