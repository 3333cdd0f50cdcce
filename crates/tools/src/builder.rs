//! Builder of tool loops.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use conversant_core::{ChatModel, Tool, ToolCall};
use futures_util::future::BoxFuture;

use crate::{
    approval::{Approval, ApproveCalls},
    error::ToolSetError,
    tool_loop::ToolLoop,
    tool_runner::ToolRunner,
    tool_set::ToolSet,
};

/// The default of [`ToolLoopBuilder::max_rounds`].
pub(crate) const MAX_ROUNDS: usize = 10;

/// The default of [`ToolLoopBuilder::max_parallel_calls`].
pub(crate) const MAX_PARALLEL_CALLS: usize = 8;

/// The default of [`ToolLoopBuilder::max_calls`].
pub(crate) const MAX_CALLS: usize = 128;

/// The default of [`ToolLoopBuilder::max_result_bytes`]: 1 MiB, which is more than the context of
/// most models.
pub(crate) const MAX_RESULT_BYTES: usize = 1024 * 1024;

/// Builder of a [`ToolLoop`].
///
/// | setting | default |
/// |---|---|
/// | [`max_rounds`](Self::max_rounds) | 10 calls of the model that may call tools |
/// | [`max_calls`](Self::max_calls) | 128 calls of one answer |
/// | [`max_parallel_calls`](Self::max_parallel_calls) | 8 tools at once |
/// | [`max_result_bytes`](Self::max_result_bytes) | 1 MiB for the result of each call |
/// | [`tool_timeout`](Self::tool_timeout) | none: the deadline of the call applies |
/// | [`tool_with_timeout`](Self::tool_with_timeout) | the loop's `tool_timeout` |
/// | [`approve_calls`](Self::approve_calls) | every call is approved |
///
/// # Examples
///
/// See [`ToolLoop`].
#[must_use]
pub struct ToolLoopBuilder {
    model: Arc<dyn ChatModel>,
    tools: Vec<Arc<dyn Tool>>,
    approval: Option<Arc<dyn ApproveCalls>>,
    max_rounds: usize,
    max_calls: usize,
    max_parallel_calls: usize,
    max_result_bytes: usize,
    tool_timeout: Option<Duration>,
    /// The time limits of single tools, by their names.
    timeouts: HashMap<String, Duration>,
}

impl ToolLoop {
    /// Returns a builder of a loop around a model.
    pub fn builder(model: impl ChatModel + 'static) -> ToolLoopBuilder {
        ToolLoopBuilder::new(Arc::new(model))
    }
}

impl ToolLoopBuilder {
    fn new(model: Arc<dyn ChatModel>) -> Self {
        Self {
            model,
            tools: Vec::new(),
            approval: None,
            max_rounds: MAX_ROUNDS,
            max_calls: MAX_CALLS,
            max_parallel_calls: MAX_PARALLEL_CALLS,
            max_result_bytes: MAX_RESULT_BYTES,
            tool_timeout: None,
            timeouts: HashMap::new(),
        }
    }

    /// Adds a tool.
    pub fn tool(mut self, tool: impl Tool + 'static) -> Self {
        self.tools.push(Arc::new(tool));
        self
    }

    /// Adds a tool with a time limit of its own, in place of the loop's
    /// [`tool_timeout`](Self::tool_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use conversant_core::Tool;
    /// use conversant_tools::ToolLoopBuilder;
    ///
    /// fn add_search(builder: ToolLoopBuilder, search: impl Tool + 'static) -> ToolLoopBuilder {
    ///     let builder = builder.tool_timeout(Duration::from_secs(5));
    ///     builder.tool_with_timeout(search, Duration::from_secs(60))
    /// }
    /// ```
    pub fn tool_with_timeout(mut self, tool: impl Tool + 'static, limit: Duration) -> Self {
        self.timeouts.insert(tool.definition().name.clone(), limit);
        self.tool(tool)
    }

    /// Adds tools.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Sets the number of rounds in which the model may call tools. If it calls tools after that,
    /// the call fails with a [`ModelError::Custom`](conversant_core::ModelError::Custom) whose
    /// source is [`RoundLimit`](crate::RoundLimit), after the calls and results of all rounds
    /// ([`ModelError::exchange`](conversant_core::ModelError::exchange)). `0` counts as one.
    pub fn max_rounds(mut self, rounds: usize) -> Self {
        self.max_rounds = rounds.max(1);
        self
    }

    /// Sets the number of calls of one answer that are run. The result of each further call is an
    /// error, and the model may repeat the call in the next round. An answer can have any number of
    /// calls, and all results are kept with the turn. `0` counts as one.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls.max(1);
        self
    }

    /// Sets the number of tools that run at once, where the model calls several in one answer. `0`
    /// counts as one.
    pub fn max_parallel_calls(mut self, calls: usize) -> Self {
        self.max_parallel_calls = calls.max(1);
        self
    }

    /// Sets the size of a result, in bytes, that the model receives whole. Of a longer text, the
    /// model receives the start, with a note of the sizes. A longer result with other parts, such
    /// as an image, is an error that the model receives.
    ///
    /// The turn has what the model received, so the limit also bounds what a history stores.
    pub fn max_result_bytes(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// Sets the time limit of each tool call, for tools without their own. A call that exceeds it
    /// is dropped, and the model receives that the tool timed out.
    pub fn tool_timeout(mut self, limit: Duration) -> Self {
        self.tool_timeout = Some(limit);
        self
    }

    /// Sets the reviewer that approves or denies each call before it runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ToolCall;
    /// use conversant_tools::{Approval, ToolLoopBuilder};
    ///
    /// fn ask_before_deleting(builder: ToolLoopBuilder) -> ToolLoopBuilder {
    ///     builder.approve_calls(|call: &ToolCall| {
    ///         let is_safe = call.name != "delete";
    ///         Box::pin(async move {
    ///             if is_safe { Approval::Approved } else { Approval::denied("not allowed") }
    ///         })
    ///     })
    /// }
    /// # let _ = ask_before_deleting;
    /// ```
    pub fn approve_calls<A>(mut self, reviewer: A) -> Self
    where
        A: for<'c> Fn(&'c ToolCall) -> BoxFuture<'c, Approval> + Send + Sync + 'static,
    {
        self.approval = Some(Arc::new(reviewer));
        self
    }

    /// Sets a reviewer that is a type of its own.
    pub fn reviewer(mut self, reviewer: impl ApproveCalls + 'static) -> Self {
        self.approval = Some(Arc::new(reviewer));
        self
    }

    /// Checks the tools and builds the loop.
    ///
    /// # Errors
    /// [`ToolSetError`] if there are no tools, or a tool's name or schema cannot be used.
    pub fn build(self) -> Result<ToolLoop, ToolSetError> {
        let tools = ToolSet::new(self.tools)?;
        let runner = ToolRunner {
            tools,
            approval: self.approval,
            max_calls: self.max_calls,
            max_parallel_calls: self.max_parallel_calls,
            max_result_bytes: self.max_result_bytes,
            timeout: self.tool_timeout,
            timeouts: self.timeouts,
        };
        Ok(ToolLoop::new(self.model, runner, self.max_rounds))
    }
}

impl fmt::Debug for ToolLoopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolLoopBuilder")
            .field("tools", &self.tools.len())
            .field("max_rounds", &self.max_rounds)
            .finish_non_exhaustive()
    }
}
