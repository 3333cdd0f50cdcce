//! The tool trait: functions that a model may call.

use async_trait::async_trait;

use crate::{
    box_error::BoxError, content::Content, model::ToolDefinition, tool_call::ToolCall,
    withheld::Withheld,
};

/// A function that a model may call.
///
/// Implemented by applications and tool crates; called by a tool loop such as that of
/// `conversant-tools`. A call may be dropped at any await, and several calls may run at once.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, Content, Tool, ToolCall, ToolDefinition, ToolError};
/// use serde_json::json;
///
/// struct Double(ToolDefinition);
///
/// #[async_trait]
/// impl Tool for Double {
///     fn definition(&self) -> &ToolDefinition {
///         &self.0
///     }
///
///     async fn call(&self, call: &ToolCall) -> Result<Content, ToolError> {
///         let number = call.args["number"].as_i64();
///         let number = number.ok_or_else(|| ToolError::arguments("`number` is not an integer"))?;
///         Ok((number * 2).to_string().into())
///     }
/// }
///
/// let schema = json!({"type": "object", "properties": {"number": {"type": "integer"}}});
/// let double = Double(ToolDefinition::new("double", schema));
/// # let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let result = double.call(&ToolCall::new("double", json!({"number": 21}))).await;
/// assert_eq!(result.unwrap(), Content::from("42"));
/// # });
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    note = "implement `Tool` for it, with `#[async_trait]` above the `impl`"
)]
pub trait Tool: Send + Sync {
    /// Returns the tool's name, its description and the JSON Schema of its arguments.
    fn definition(&self) -> &ToolDefinition;

    /// Runs a call and returns its result for the model.
    ///
    /// # Errors
    /// [`ToolError`], whose text goes to the model, so that it can correct the call.
    async fn call(&self, call: &ToolCall) -> Result<Content, ToolError>;
}

macro_rules! forward_tool {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: Tool + ?Sized> Tool for $pointer {
            fn definition(&self) -> &ToolDefinition {
                (**self).definition()
            }
            async fn call(&self, call: &ToolCall) -> Result<Content, ToolError> {
                (**self).call(call).await
            }
        }
    )*};
}
forward_tool!(&T, Box<T>, std::sync::Arc<T>);

/// An error of a tool.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The arguments are invalid.
    #[error("invalid arguments of a tool call")]
    Arguments {
        /// The reason, for the model.
        reason: Withheld,
    },
    /// The tool failed.
    #[error("cannot run the tool")]
    Failed {
        /// The reason, for the model.
        reason: Withheld,
        /// The cause, which the model does not see.
        source: Option<BoxError>,
    },
}

impl ToolError {
    /// Creates the error of invalid arguments. The model receives the reason.
    #[must_use]
    pub fn arguments(reason: impl Into<String>) -> Self {
        Self::Arguments { reason: reason.into().into() }
    }

    /// Creates the error of a failed call. The model receives the reason but not the cause.
    #[must_use]
    pub fn failed(reason: impl Into<String>, source: impl Into<Option<BoxError>>) -> Self {
        Self::Failed { reason: reason.into().into(), source: source.into() }
    }

    /// Returns the reason that the model receives.
    #[must_use]
    pub const fn reason(&self) -> &Withheld {
        match self {
            Self::Arguments { reason } | Self::Failed { reason, .. } => reason,
        }
    }
}

crate::debug_as_report!(ToolError);
