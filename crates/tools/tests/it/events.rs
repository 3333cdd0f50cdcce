//! Events of a tool loop.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use conversant_core::{
    CallId, CallInfo, CallOptions, ChatModel, ChatRequest, Event, EventEmitter, Message, Observer,
};
use conversant_testkit::ScriptedChat;
use conversant_tools::{ToolLoop, ToolLoopBuilder};
use serde_json::json;

use crate::support::{calling, saying, tools};

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        let line = match event {
            Event::ModelStarted { number, request, .. } => {
                format!("{number} model started, {} tools", request.options().tools.len())
            }
            Event::ModelEnded { number, result: Ok(reply), .. } => {
                let usage = reply.usage.map(|usage| usage.total_tokens);
                format!("{number} model ended, {usage:?} tokens")
            }
            Event::ModelEnded { number, result: Err(error), .. } => {
                format!("{number} model failed: {}", error.class())
            }
            Event::ToolStarted { number, call, .. } => format!("{number} {} started", call.name),
            Event::ToolEnded { number, result, .. } => match result {
                Ok(content) => format!("{number} ended: {}", content.text()),
                Err(reason) => format!("{number} failed: {}", reason.as_str()),
            },
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

fn observed() -> (Arc<Log>, EventEmitter, ChatRequest) {
    let log = Arc::new(Log::default());
    let observers = Arc::new([Arc::clone(&log) as Arc<dyn Observer>]);
    let events = EventEmitter::new(CallInfo::new(CallId::from_u64(7)), observers);
    let options = CallOptions::new().with_events(events.clone());
    (log, events, ChatRequest::new(Message::human("q")).with_options(options))
}

fn tool_loop(model: &ScriptedChat) -> ToolLoop {
    let builder = tools().into_iter().fold(ToolLoop::builder(model.clone()), ToolLoopBuilder::tool);
    builder.build().unwrap()
}

#[tokio::test]
async fn each_request_and_each_tool_call_starts_and_ends() {
    let replies = || {
        [
            calling(&[("double", json!({"x": 4}), "a"), ("fail", json!({}), "b")]),
            calling(&[("duoble", json!({}), "c")]),
            saying("done"),
        ]
    };
    let (log, events, request) = observed();
    tool_loop(&ScriptedChat::new(replies())).generate(&request).await.unwrap();
    let whole = std::mem::take(&mut *log.0.lock().unwrap()).join("\n");
    insta::assert_snapshot!(whole);
    let progress = events.progress();
    assert_eq!((progress.tool_calls, progress.usage.unwrap().total_tokens), (3, 47));

    let (log, events, request) = observed();
    let stream = tool_loop(&ScriptedChat::new(replies())).stream(&request).await.unwrap();
    stream.into_reply().await.unwrap();
    assert_eq!(log.0.lock().unwrap().join("\n"), whole, "a stream has the same events");
    assert_eq!(events.progress().usage, progress.usage);
}

#[tokio::test]
async fn a_tool_call_that_is_dropped_ends() {
    let (log, _, request) = observed();
    let tools = tool_loop(&ScriptedChat::new([calling(&[("hang", json!({}), "a")])]));
    {
        let mut call = pin!(tools.generate(&request));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let lines = log.0.lock().unwrap().clone();
    assert_eq!(lines[2..], ["1 hang started", "1 failed: the call was dropped"]);
}
