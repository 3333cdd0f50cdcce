//! Running the tool calls of one answer.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use conversant_core::{
    CallOptions, Content, Event, EventEmitter, InvalidToolCall, Message, ModelError, TimeoutPhase,
    ToolCall, Withheld, drop_payload, nearest, nearest_hint, shortened,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};

use crate::{
    approval::{Approval, ApproveCalls},
    result_limit::{limited, limited_text},
    time_limit::{Stopped, within},
    tool_set::ToolSet,
};

/// Tools, and the limits under which their calls run.
pub(crate) struct ToolRunner {
    pub(crate) tools: ToolSet,
    pub(crate) approval: Option<Arc<dyn ApproveCalls>>,
    /// The number of calls of one answer that are run.
    pub(crate) max_calls: usize,
    pub(crate) max_parallel_calls: usize,
    /// The size up to which the model receives a result whole.
    pub(crate) max_result_bytes: usize,
    pub(crate) timeout: Option<Duration>,
    /// The time limits of single tools, by their names.
    pub(crate) timeouts: HashMap<String, Duration>,
}

/// Calls of an answer.
pub(crate) struct Calls<'a> {
    pub(crate) valid: Vec<&'a ToolCall>,
    /// Calls whose arguments are not valid JSON.
    pub(crate) invalid: Vec<&'a InvalidToolCall>,
}

impl Calls<'_> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.valid.is_empty() && self.invalid.is_empty()
    }
}

impl ToolRunner {
    /// Runs calls of an answer and returns their results in the order of the calls.
    pub(crate) async fn run(
        &self,
        Calls { valid, invalid }: Calls<'_>,
        parallel: bool,
        options: &CallOptions,
    ) -> Result<Vec<Message>, ModelError> {
        let limit = if parallel { self.max_parallel_calls } else { 1 };
        let (calls, excess) =
            valid.split_at_checked(self.max_calls).unwrap_or((valid.as_slice(), &[]));
        let run = |(index, call)| async move { (index, self.result(call, &options.events).await) };
        let calls: Vec<BoxFuture<'_, (usize, Message)>> =
            calls.iter().copied().enumerate().map(|call| run(call).boxed()).collect();
        // In the order of their ends, so that a slow call keeps one place only.
        let results = stream::iter(calls).buffer_unordered(limit).collect::<Vec<_>>();
        let mut results = match options.deadline {
            None => results.await,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                within(left, results).await.map_err(|stopped| call_stopped(stopped, left))?
            }
        };
        results.sort_unstable_by_key(|(index, _)| *index);
        let mut results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
        results.extend(excess.iter().map(|call| self.too_many(call)));
        results.extend(invalid.into_iter().map(not_json));
        Ok(results)
    }

    async fn result(&self, call: &ToolCall, events: &EventEmitter) -> Message {
        let is_known = self.tools.get(&call.name).is_some();
        let mut running = RunningCall::start(events, call, is_known);
        let max = self.max_result_bytes;
        let result = self.call(call).await.map_err(|reason| limited_text(reason, max));
        let result = result.and_then(|content| limited(content, max)).map_err(Withheld::from);
        running.end(result.as_ref());
        let id = call.id.clone().unwrap_or_default();
        let message = match result {
            Ok(content) => Message::tool(content, id),
            Err(reason) => Message::tool_error(reason.as_str(), id),
        };
        message.with_name(call.name.as_str())
    }

    /// Returns the result of a call that is not run.
    fn too_many(&self, call: &ToolCall) -> Message {
        let reason = format!(
            "the answer has too many calls, and the limit is {}; call the tool again in the next \
             answer",
            self.max_calls
        );
        let id = call.id.clone().unwrap_or_default();
        Message::tool_error(reason, id).with_name(call.name.as_str())
    }

    /// Runs one call. The error is a text for the model.
    async fn call(&self, call: &ToolCall) -> Result<Content, String> {
        let Some(tool) = self.tools.get(&call.name) else {
            let names = self.tools.definitions().map(|tool| tool.name.as_str());
            let hint = nearest_hint(nearest(&call.name, names));
            return Err(format!(
                "unknown tool `{}`{hint}; the tools are {}",
                shortened(&call.name),
                self.tools.names()
            ));
        };
        if !call.args.is_object() {
            return Err("the arguments are not a JSON object".to_owned());
        }
        if let Some(approval) = &self.approval {
            let approve = AssertUnwindSafe(async { approval.approve(call).await }).catch_unwind();
            match approve.await {
                Ok(Approval::Approved) => {}
                Ok(Approval::Denied { reason }) => {
                    return Err(format!("the call was denied: {reason}"));
                }
                Err(payload) => {
                    drop_payload(payload);
                    return Err("the call was denied: the approval failed".to_owned());
                }
            }
        }
        // A tool that panics fails its call and nothing else; its future is not polled again. The
        // block also catches a panic before there is a future.
        let run = AssertUnwindSafe(async { tool.call(call).await }).catch_unwind();
        let limit = self.timeouts.get(&call.name).copied().or(self.timeout);
        let result = match limit {
            None => run.await,
            Some(limit) => {
                within(limit, run).await.map_err(|stopped| tool_stopped(stopped, limit))?
            }
        };
        match result {
            Ok(result) => result.map_err(|error| error.reason().as_str().to_owned()),
            Err(payload) => {
                drop_payload(payload);
                Err("the tool failed".to_owned())
            }
        }
    }
}

/// A call whose events are emitted. Dropped before its end, it ends as dropped.
struct RunningCall<'c> {
    events: &'c EventEmitter,
    number: u32,
    call: &'c ToolCall,
    is_known: bool,
    started: Option<Instant>,
}

impl<'c> RunningCall<'c> {
    fn start(events: &'c EventEmitter, call: &'c ToolCall, is_known: bool) -> Self {
        let number = events.next_number();
        events.emit(&Event::tool_started(number, call).with_known_tool(is_known));
        let started = events.is_enabled().then(Instant::now);
        Self { events, number, call, is_known, started }
    }

    fn end(&mut self, result: Result<&Content, &Withheld>) {
        if let Some(started) = self.started.take() {
            let ended = Event::tool_ended(self.number, self.call, result, started.elapsed());
            self.events.emit(&ended.with_known_tool(self.is_known));
        }
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        self.end(Err(&Withheld::from("the call was dropped")));
    }
}

/// Returns the result for a call whose arguments are not JSON.
fn not_json(call: &InvalidToolCall) -> Message {
    let reason = "the arguments are not valid JSON; call the tool again with a JSON object";
    let message = Message::tool_error(reason, call.id.clone().unwrap_or_default());
    match &call.name {
        Some(name) => message.with_name(name.as_str()),
        None => message,
    }
}

/// Returns the error of a call whose deadline stopped its tools, or could not.
fn call_stopped(stopped: Stopped, limit: Duration) -> ModelError {
    match stopped {
        Stopped::TimedOut => ModelError::Timeout { phase: TimeoutPhase::Total, after: limit },
        Stopped::NoRuntime => {
            ModelError::config("cannot use time limits of tools outside of a tokio runtime")
        }
        Stopped::NoTimer => ModelError::config(
            "cannot use time limits of tools in a tokio runtime without a timer; build it with \
             `enable_time` or `enable_all`",
        ),
    }
}

/// Returns the text for the model about a tool that its time limit stopped, or could not.
fn tool_stopped(stopped: Stopped, limit: Duration) -> String {
    match stopped {
        Stopped::TimedOut => format!("the tool timed out after {} s", limit.as_secs_f64()),
        Stopped::NoRuntime => "the tool cannot run without a runtime".to_owned(),
        Stopped::NoTimer => "the tool cannot run without a timer".to_owned(),
    }
}
