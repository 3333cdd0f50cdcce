//! The time limits of tools: without a timer, and in calls that go on in another runtime.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, Message, ModelError, TimeoutPhase, ToolError,
};
use conversant_layers::ConcurrencyLimit;
use conversant_testkit::ScriptedChat;
use conversant_tools::{FnTool, ToolLoop, ToolLoopBuilder};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::support::{calling, saying};

const LIMIT: Duration = Duration::from_secs(5);

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn question(has_deadline: bool) -> ChatRequest {
    let options = CallOptions::new();
    let options = if has_deadline { options.with_timeout(LIMIT) } else { options };
    ChatRequest::new(Message::human("q")).with_options(options)
}

/// Returns a loop whose model calls a tool that never ends, and the number of the tool's runs.
fn tool_loop(limit: Option<Duration>) -> (ToolLoop, ScriptedChat, Arc<AtomicUsize>) {
    let model = ScriptedChat::new([calling(&[("hang", json!({}), "a")]), saying("done")]);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let hang = FnTool::new("hang", "Hangs.", json!({"type": "object"}), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        pending()
    });
    let builder = ToolLoop::builder(model.clone()).tool(hang);
    let builder = limit.into_iter().fold(builder, ToolLoopBuilder::tool_timeout);
    (builder.build().unwrap(), model, runs)
}

/// The last message that the model received: the result of the tool.
fn result(model: &ScriptedChat) -> String {
    model.requests().last().unwrap().messages.slice(2..).to_string()
}

#[test]
fn without_a_timer_a_tool_with_a_time_limit_does_not_run() {
    let shut_down = {
        let runtime = paused();
        runtime.handle().clone()
    };
    let without_timer = Builder::new_current_thread().build().unwrap();
    let _entered = without_timer.enter();
    for is_shut_down in [false, true] {
        let entered = is_shut_down.then(|| shut_down.enter());
        for streams in [false, true] {
            let (tools, model, runs) = tool_loop(None);
            let error = call_once(&tools, &question(true), streams).unwrap_err();
            assert!(matches!(error, ModelError::Config { .. }), "{error}");
            let shown = error.to_string();
            assert!(shown.contains("without a timer; build it with `enable_time`"), "{shown}");
            assert_eq!(model.requests().len(), 1);
            assert_eq!(runs.load(Ordering::Relaxed), usize::from(is_shut_down));

            let (tools, model, runs) = tool_loop(Some(LIMIT));
            call_once(&tools, &question(false), streams).unwrap();
            assert_eq!(result(&model), "Tool: error: the tool cannot run without a timer");
            assert_eq!(runs.load(Ordering::Relaxed), usize::from(is_shut_down));
        }
        drop(entered);
    }
}

/// Makes a call that ends in its first poll.
fn call_once(tools: &ToolLoop, request: &ChatRequest, streams: bool) -> Result<(), ModelError> {
    let call = pin!(async {
        match streams {
            true => tools.stream(request).await?.into_reply().await.map(drop),
            false => tools.generate(request).await.map(drop),
        }
    });
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the call waits"),
    }
}

#[test]
fn a_tool_goes_on_in_another_runtime() {
    for (limit, has_deadline) in [(Some(LIMIT), false), (None, true)] {
        let (tools, model, _) = tool_loop(limit);
        let (first, second) = (paused(), paused());
        let request = question(has_deadline);
        let mut call = tools.generate(&request);
        let poll = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending()));
        assert!(first.block_on(poll));
        drop(first);
        match second.block_on(call) {
            Ok(_) => assert_eq!(result(&model), "Tool: error: the tool timed out after 5 s"),
            Err(error) => {
                let is_deadline =
                    matches!(error, ModelError::Timeout { phase: TimeoutPhase::Total, .. });
                assert!(has_deadline && is_deadline, "{error}");
            }
        }
    }
}

/// A tool that asks the limited model of its own loop waits for the place of the loop.
#[tokio::test(start_paused = true)]
async fn a_tool_that_waits_for_its_own_loop_ends_at_a_deadline() {
    for (outer, inner) in [(true, false), (false, true)] {
        let limited: Arc<Mutex<Option<Arc<dyn ChatModel>>>> = Arc::default();
        let asked = Arc::clone(&limited);
        let ask = FnTool::new("ask", "Asks.", json!({"type": "object"}), move |_| {
            let model = asked.lock().unwrap().clone().unwrap();
            async move {
                let reply = model.generate(&question(inner)).await;
                reply
                    .map(|reply| reply.text().into_owned().into())
                    .map_err(|error| ToolError::failed(error.to_string(), None))
            }
        });
        let model = ScriptedChat::new([calling(&[("ask", json!({}), "a")]), saying("done")]);
        let tools = ToolLoop::builder(model.clone()).tool(ask).build().unwrap();
        let loop_of_one: Arc<dyn ChatModel> = Arc::new(ConcurrencyLimit::new(tools, 1));
        *limited.lock().unwrap() = Some(Arc::clone(&loop_of_one));
        let start = tokio::time::Instant::now();
        let reply = loop_of_one.generate(&question(outer)).await;
        assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
        assert_eq!(reply.is_err(), outer, "{reply:?}");
        if inner {
            let result = result(&model);
            assert!(result.contains("a place among the concurrent calls"), "{result}");
        }
        *limited.lock().unwrap() = None;
    }
}
