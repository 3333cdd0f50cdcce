//! Approval of tool calls by the application.

use conversant_core::{ToolCall, async_trait};
use futures_util::future::BoxFuture;

/// A decision on a tool call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Approval {
    /// The tool runs.
    Approved,
    /// The tool does not run. The model receives the reason.
    Denied {
        /// The reason, for the model.
        reason: String,
    },
}

impl Approval {
    /// Creates a denial. The model receives the reason.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::Denied { reason: reason.into() }
    }
}

/// A reviewer of tool calls, asked before each call runs.
///
/// A call is denied if the reviewer panics.
///
/// Async closures over a [`ToolCall`] that return a boxed future implement it. The deadline of the
/// model's call includes the time that a decision takes.
///
/// # Examples
///
/// ```
/// use std::collections::HashSet;
/// use conversant_core::{async_trait, ToolCall};
/// use conversant_tools::{Approval, ApproveCalls};
///
/// struct Allowed(HashSet<String>);
///
/// #[async_trait]
/// impl ApproveCalls for Allowed {
///     async fn approve(&self, call: &ToolCall) -> Approval {
///         if self.0.contains(&call.name) {
///             Approval::Approved
///         } else {
///             Approval::denied("the user does not allow this tool")
///         }
///     }
/// }
/// # let _ = Allowed(HashSet::new());
/// ```
#[async_trait]
pub trait ApproveCalls: Send + Sync {
    /// Decides on a call.
    async fn approve(&self, call: &ToolCall) -> Approval;
}

#[async_trait]
impl<F> ApproveCalls for F
where
    F: for<'c> Fn(&'c ToolCall) -> BoxFuture<'c, Approval> + Send + Sync,
{
    async fn approve(&self, call: &ToolCall) -> Approval {
        self(call).await
    }
}
