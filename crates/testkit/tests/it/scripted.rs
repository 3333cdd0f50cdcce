//! The scripted models.

use std::panic::AssertUnwindSafe;

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, FinishReason, LanguageModel,
    Message, ModelError, Reply, ToolCall,
};
use conversant_testkit::{
    Gate, ScriptedChat, ScriptedCompletion, ScriptedReply, block_on, poll_then_drop,
};

fn ask(text: &str) -> ChatRequest {
    ChatRequest::new(Message::human(text))
}

/// Returns what a stream gives, a line for each item.
fn streamed(line: ScriptedReply) -> String {
    let model = ScriptedChat::new([line]);
    let mut shown = String::new();
    let mut stream = match block_on(model.stream(&ask("hi"))) {
        Ok(stream) => stream,
        Err(error) => return format!("no stream: {error}"),
    };
    while let Some(item) = block_on(stream.next()) {
        shown.push_str(&match item {
            Ok(Delta::Text(text)) => format!("text {text:?}\n"),
            Ok(Delta::Done(reply)) => format!("done {:?}\n", reply.text()),
            Ok(other) => format!("{other:?}\n"),
            Err(error) => format!("error {error}\n"),
        });
    }
    shown
}

#[test]
fn lines_are_streamed_in_their_pieces() {
    let call = || ToolCall::new("weather", serde_json::json!({"city": "Paris"})).with_id("call_1");
    let calling = || Reply::new(Message::ai("Let me see.").with_tool_calls([call()]));
    insta::assert_snapshot!(streamed("Hello!".into()), @r#"
    text "Hello!"
    done "Hello!"
    "#);
    insta::assert_snapshot!(streamed("".into()), @r#"done """#);
    insta::assert_snapshot!(streamed(ScriptedReply::pieces(["Hel", "", "lo"])), @r#"
    text "Hel"
    text "lo"
    done "Hello"
    "#);
    insta::assert_snapshot!(streamed(calling().into()), @r#"
    text "Let me see."
    ToolCall(ToolCallDelta { index: 0, id: Some("call_1"), name: Some("weather"), .. })
    done "Let me see."
    "#);
    insta::assert_snapshot!(streamed(ScriptedReply::pieces(["Hel"]).cut_off()), @r#"
    text "Hel"
    error cannot read the whole answer: the stream was cut off
    "#);
    insta::assert_snapshot!(streamed(ScriptedReply::pieces(["Hel"]).then_error(ModelError::Cancelled)), @r#"
    text "Hel"
    error cannot get an answer: the call was cancelled
    "#);
    insta::assert_snapshot!(streamed(ModelError::Cancelled.into()), @"no stream: cannot get an answer: the call was cancelled");
    insta::assert_snapshot!(streamed(ScriptedReply::text("").cut_off()), @"error cannot read the whole answer: the stream was cut off");
}

#[test]
fn whole_answers_come_in_order_until_the_script_is_used_up() {
    let lines =
        ["one".into(), ScriptedReply::pieces(["t", "wo"]), ScriptedReply::pieces(["th"]).cut_off()];
    let model = ScriptedChat::new(lines);
    let say = || block_on(model.generate(&ask("hi")));
    let first = say().unwrap();
    assert_eq!((&*first.text(), &first.finish_reason), ("one", &Some(FinishReason::Stop)));
    assert_eq!(say().unwrap().text(), "two");
    assert_eq!(say().unwrap_err().partial().unwrap().text.as_str(), "th");
    let used_up = say().unwrap_err();
    assert!(!used_up.is_retryable());
    insta::assert_snapshot!(used_up, @"cannot get an answer: script exhausted after 3 replies");
    model.push("more");
    assert_eq!(say().unwrap().text(), "more");
    assert_eq!((model.requests().len(), model.abandoned()), (5, 0));
}

#[test]
fn a_completion_model_records_the_text() {
    let model = ScriptedCompletion::with_handler(|request| {
        ScriptedReply::text(request.prompt.to_uppercase()).held_by(&open())
    });
    let language_model = LanguageModel::from(model.clone());
    let reply = block_on(language_model.generate("once".into(), Default::default())).unwrap();
    assert_eq!(reply.text(), "ONCE");
    assert_eq!(model.requests(), [CompletionRequest::new("once")]);
    assert!(block_on(CompletionModel::stream(&model, &CompletionRequest::new("a"))).is_ok());
}

fn open() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[test]
fn calls_that_are_given_up_are_counted() {
    let gate = Gate::new();
    let model = ScriptedChat::new([
        ScriptedReply::hang(),
        ScriptedReply::pieces(["a", "b"]).held_after(1, &gate),
        ScriptedReply::text("c"),
    ]);
    let request = ask("hi");
    assert!(block_on(poll_then_drop(model.generate(&request), 1)).is_none());
    assert_eq!(model.abandoned(), 1);
    let mut stream = block_on(model.stream(&request)).unwrap();
    assert_eq!(block_on(stream.next()).unwrap().unwrap(), Delta::Text("a".into()));
    assert!(block_on(poll_then_drop(stream.next(), 1)).is_none());
    assert_eq!(gate.arrivals(), 1);
    drop(stream);
    assert_eq!(model.abandoned(), 2);
    block_on(model.stream(&request)).map(|stream| block_on(stream.into_reply())).unwrap().unwrap();
    assert_eq!((model.abandoned(), block_on(model.received(3)).len()), (2, 3));
}

#[test]
fn a_panic_is_a_panic() {
    let model = ScriptedChat::new([ScriptedReply::panic("out of order"), "fine".into()]);
    let request = ask("hi");
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| block_on(model.generate(&request))));
    assert!(caught.is_err());
    assert_eq!(block_on(model.generate(&request)).unwrap().text(), "fine");
}

#[test]
fn a_future_is_dropped_after_as_many_polls_as_it_may_have() {
    let gate = Gate::new();
    let twice = || async {
        let waker = std::future::poll_fn(|context| std::task::Poll::Ready(context.waker().clone()));
        let waker = waker.await;
        let mut polls = 0;
        std::future::poll_fn(|_| {
            polls += 1;
            waker.wake_by_ref();
            if polls < 3 { std::task::Poll::Pending } else { std::task::Poll::Ready("done") }
        })
        .await
    };
    let outputs: Vec<_> = (0..5).map(|polls| block_on(poll_then_drop(twice(), polls))).collect();
    assert_eq!(outputs, [None, None, None, Some("done"), Some("done")]);
    assert!(block_on(poll_then_drop(gate.pass(), 0)).is_none());
    assert_eq!(gate.arrivals(), 0, "zero polls are none");
}
