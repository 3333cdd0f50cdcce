//! Rounds of a loop: the results that the model receives, and how the loop ends.

use std::{
    error::Error as _,
    future::pending,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use conversant_core::{
    ApiError, CallOptions, ChatModel, ChatRequest, Content, InvalidToolCall, Message, Messages,
    ModelError, Part, Reply, StatusKind, TimeoutPhase, ToolCall, ToolChoice, ToolError,
};
use conversant_testkit::{ScriptedChat, ScriptedReply};
use conversant_tools::{Approval, ApproveCalls, FnTool, RoundLimit, ToolLoop, ToolLoopBuilder};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::support::{calling, definition, saying, tools};

fn builder(model: &ScriptedChat) -> ToolLoopBuilder {
    tools().into_iter().fold(ToolLoop::builder(model.clone()), ToolLoopBuilder::tool)
}

fn question() -> ChatRequest {
    ChatRequest::new(Message::human("q"))
}

/// The results that the model receives for its calls, in the calls' order.
#[tokio::test(start_paused = true)]
async fn each_call_has_a_result() {
    let invalid: InvalidToolCall =
        serde_json::from_value(json!({"name": "double", "args": "{\"x\":", "id": "i"})).unwrap();
    let half = Message::ai("")
        .with_tool_calls([ToolCall::new("double", json!({"x": 1})).with_id("a")])
        .with_invalid_tool_calls([invalid]);
    let table = [
        ("one", calling(&[("double", json!({"x": 21}), "a")])),
        ("two, in order", calling(&[("fail", json!({}), "a"), ("double", json!({"x": 2}), "b")])),
        ("an unknown tool", calling(&[("duoble", json!({}), "a")])),
        ("arguments that are not an object", calling(&[("double", json!([1]), "a")])),
        ("refused arguments", calling(&[("strict", json!({"x": -1}), "a")])),
        ("a panic", calling(&[("panic", json!({}), "a"), ("double", json!({"x": 1}), "b")])),
        ("a tool that hangs", calling(&[("hang", json!({}), "a")])),
        ("a denied call", calling(&[("double", json!({"x": 13}), "a")])),
        ("arguments that are not JSON", Reply::new(half)),
    ];
    let mut shown = String::new();
    for (name, reply) in table {
        let model = ScriptedChat::new([reply, saying("done")]);
        let tools = builder(&model).tool_timeout(Duration::from_secs(5)).approve_calls(
            |call: &ToolCall| {
                let is_unlucky = call.args["x"] == 13;
                Box::pin(async move {
                    if is_unlucky { Approval::denied("ask again") } else { Approval::Approved }
                })
            },
        );
        let reply = tools.build().unwrap().generate(&question()).await.unwrap();
        assert_eq!(reply.text(), "done");
        let [_, second] = model.requests().try_into().unwrap();
        assert_eq!(second.messages.len(), reply.intermediate.len() + 1);
        shown += &format!("{name}\n");
        for result in second.messages.iter().skip(2) {
            shown += &format!("  {}: {}\n", result.tool_call_id().unwrap(), result.text());
        }
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_reply_has_the_exchange_and_the_usage_of_all_rounds() {
    let model = ScriptedChat::new([
        calling(&[("double", json!({"x": 1}), "a")]),
        calling(&[("double", json!({"x": 2}), "b")]),
        saying("4"),
    ]);
    let reply = builder(&model).build().unwrap().generate(&question()).await.unwrap();
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (40, 7, 47));
    let roles: Vec<_> = reply.intermediate.iter().map(|message| message.role().label()).collect();
    assert_eq!(roles, ["AI", "Tool", "AI", "Tool"]);
    let options = &model.requests()[0].options;
    assert_eq!(options.tools.len(), 5);
}

#[tokio::test]
async fn calls_without_ids_get_ids_that_their_results_repeat() {
    let model = ScriptedChat::new([
        calling(&[("double", json!({"x": 1}), ""), ("double", json!({"x": 2}), "")]),
        saying("done"),
    ]);
    let reply = builder(&model).build().unwrap().generate(&question()).await.unwrap();
    let messages: Vec<_> = reply.intermediate.iter().collect();
    let ids: Vec<_> = messages[0].tool_calls().iter().map(|call| call.id.as_deref()).collect();
    assert!(ids[0].is_some() && ids[0] != ids[1]);
    assert_eq!(ids, [messages[1].tool_call_id(), messages[2].tool_call_id()]);
}

#[tokio::test]
async fn the_number_of_rounds_is_limited() {
    let again = || calling(&[("double", json!({"x": 1}), "a")]);
    let model = ScriptedChat::new([again(), again(), again()]);
    let tools = builder(&model).max_rounds(2).build().unwrap();
    let error = tools.generate(&question()).await.unwrap_err();
    insta::assert_snapshot!(
        format!("{error:?}"),
        @"cannot go on after 2 rounds of tool calls: cannot get an answer: a limit of the tool loop was reached: cannot end the tool loop: the model still calls tools after 2 rounds; raise `max_rounds`"
    );
    assert_eq!(error.exchange().unwrap().len(), 4);
    let limit = error.without_exchange().source().unwrap().downcast_ref::<RoundLimit>().unwrap();
    assert_eq!((limit.rounds, limit.messages.len()), (2, 5));
}

/// An error of a later round has what was paid for, and is otherwise the error of the model.
#[tokio::test]
async fn an_error_of_a_later_round_has_the_rounds_before_it() {
    let overloaded = || {
        let error = ApiError::new(StatusKind::Overloaded).into();
        ModelError::Status { status: 503, error }
    };
    let round = |id| ScriptedReply::from(calling(&[("double", json!({"x": 1}), id)]));
    let failing = |rounds: usize, error: ScriptedReply| {
        ScriptedChat::new(["a", "b"].into_iter().take(rounds).map(round).chain([error]))
    };
    for (rounds, is_streamed) in [(0, false), (0, true), (2, false), (2, true)] {
        let model = failing(rounds, overloaded().into());
        let tools = builder(&model).build().unwrap();
        let result = match is_streamed {
            false => tools.generate(&question()).await,
            true => match tools.stream(&question()).await {
                Ok(stream) => stream.into_reply().await,
                Err(error) => Err(error),
            },
        };
        let error = result.unwrap_err();
        assert_eq!(error.exchange().map(|exchange| exchange.len()), (rounds > 0).then_some(4));
        assert_eq!((error.class(), error.http_status(), error.is_retryable()), ("503", 503, true));
        assert!(matches!(error.without_exchange(), ModelError::Status { status: 503, .. }));
        // The exchange goes on, and no tool runs again.
        if let Some(exchange) = error.exchange() {
            model.push(saying("4"));
            let mut more = question();
            more.messages.append(exchange);
            let reply = tools.generate(&more).await.unwrap();
            assert_eq!((reply.text().as_ref(), reply.intermediate.len()), ("4", 0));
        }
    }
    let cut_off = ScriptedReply::pieces(["It", " is"]).cut_off();
    let tools = builder(&failing(1, cut_off)).build().unwrap();
    let error = tools.stream(&question()).await.unwrap().into_reply().await.unwrap_err();
    insta::assert_snapshot!(
        format!("{error:?}"),
        @"cannot go on after 1 rounds of tool calls: cannot read the whole answer: the stream was cut off"
    );
    assert_eq!(error.exchange().unwrap().len(), 2);
    assert_eq!(error.partial().unwrap().text.as_str(), "It is");
}

/// A loop around a loop keeps the rounds of both, in their order, and one error has them.
#[tokio::test]
async fn the_rounds_of_a_loop_in_a_loop_are_kept() {
    let rounds = || {
        let calls = [("double", "a"), ("quadruple", "b"), ("double", "c")];
        calls.map(|(name, id)| ScriptedReply::from(calling(&[(name, json!({"x": 1}), id)])))
    };
    let cancelled = || ScriptedReply::from(ModelError::Cancelled);
    for is_streamed in [false, true] {
        let script = rounds().into_iter().chain([saying("4").into()]);
        let model = ScriptedChat::new(script.chain(rounds()).chain([cancelled()]));
        let quadruple =
            FnTool::with_definition(definition("quadruple"), |_| async { Ok("4".into()) });
        let inner = builder(&model).build().unwrap();
        let outer = ToolLoop::builder(inner).tool(quadruple).build().unwrap();
        let call = async || match is_streamed {
            false => outer.generate(&question()).await,
            true => outer.stream(&question()).await?.into_reply().await,
        };
        let reply = call().await.unwrap();
        let ids = |messages: &Messages| {
            let ids = messages.iter().filter_map(|message| message.tool_call_id());
            ids.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ids(&reply.intermediate), ["a", "b", "c"]);
        assert_eq!(model.requests().last().unwrap().messages.len(), 7);

        let error = call().await.unwrap_err();
        assert_eq!(ids(error.exchange().unwrap()), ["a", "b", "c"]);
        assert!(matches!(
            error,
            ModelError::AfterTools { rounds: 3, source, .. }
                if matches!(*source, ModelError::Cancelled)
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_a_later_round_has_the_rounds_before_it() {
    let model = ScriptedChat::new([
        calling(&[("double", json!({"x": 1}), "a")]),
        calling(&[("hang", json!({}), "b")]),
    ]);
    let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_secs(3600));
    let tools = builder(&model).build().unwrap();
    let error = tools.generate(&question().with_options(options)).await.unwrap_err();
    assert_eq!(error.exchange().unwrap().len(), 2);
    assert_eq!((error.class(), error.http_status()), ("timeout", 504));
}

#[tokio::test(start_paused = true)]
async fn a_tool_can_have_its_own_time_limit() {
    let model = ScriptedChat::new([
        calling(&[("hang", json!({}), "a"), ("wait", json!({}), "b")]),
        saying("done"),
    ]);
    let wait = FnTool::new("wait", "Waits.", json!({"type": "object"}), |_| pending());
    let tools = builder(&model)
        .tool_timeout(Duration::from_secs(5))
        .tool_with_timeout(wait, Duration::from_secs(60));
    tools.build().unwrap().generate(&question()).await.unwrap();
    let results = model.requests()[1].messages.slice(2..).to_string();
    assert_eq!(
        results,
        "Tool: error: the tool timed out after 5 s\nTool: error: the tool timed out after 60 s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_tool() {
    let model = ScriptedChat::new([calling(&[("hang", json!({}), "a")])]);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let options = CallOptions::new().with_deadline(deadline);
    let tools = builder(&model).build().unwrap();
    let error = tools.generate(&question().with_options(options)).await.unwrap_err();
    assert!(matches!(error, ModelError::Timeout { phase: TimeoutPhase::Total, .. }), "{error}");
}

#[test]
fn without_a_runtime_a_deadline_is_an_error() {
    let model = ScriptedChat::new([calling(&[("double", json!({"x": 1}), "a")])]);
    let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_secs(60));
    let tools = builder(&model).build().unwrap();
    let call = question().with_options(options);
    let error = conversant_testkit::block_on(tools.generate(&call)).unwrap_err();
    assert!(matches!(error, ModelError::Config { .. }), "{error}");
}

#[tokio::test]
async fn a_call_of_the_callers_own_tool_is_returned() {
    let model = ScriptedChat::new([calling(&[("mine", json!({}), "a")])]);
    let options = CallOptions::new().with_tools([definition("mine")]);
    let tools = builder(&model).build().unwrap();
    let reply = tools.generate(&question().with_options(options)).await.unwrap();
    assert_eq!(reply.message.tool_calls()[0].name, "mine");
}

#[tokio::test]
async fn a_forced_call_is_forced_once() {
    let model = ScriptedChat::new([calling(&[("double", json!({"x": 1}), "a")]), saying("2")]);
    let options = CallOptions::new().with_tool_choice(ToolChoice::Required);
    let tools = builder(&model).build().unwrap();
    tools.generate(&question().with_options(options)).await.unwrap();
    let choices: Vec<_> =
        model.requests().into_iter().map(|request| request.options.tool_choice).collect();
    assert_eq!(choices, [Some(ToolChoice::Required), Some(ToolChoice::Auto)]);
}

/// A reviewer that panics.
struct Broken;

#[conversant_core::async_trait]
impl ApproveCalls for Broken {
    async fn approve(&self, _: &ToolCall) -> Approval {
        panic!("a bug in a reviewer")
    }
}

/// A tool and a reviewer that panic before they return a future.
struct Abrupt(conversant_core::ToolDefinition);

impl conversant_core::Tool for Abrupt {
    fn definition(&self) -> &conversant_core::ToolDefinition {
        &self.0
    }

    fn call<'s, 'c, 'f>(&'s self, _: &'c ToolCall) -> BoxFuture<'f, Result<Content, ToolError>>
    where
        's: 'f,
        'c: 'f,
    {
        panic!("a bug in a tool")
    }
}

#[tokio::test]
async fn panics_of_reviewers_and_tools_are_results() {
    let call = || calling(&[("abrupt", json!({}), "a"), ("double", json!({"x": 1}), "b")]);
    type Row = (&'static str, fn(ToolLoopBuilder) -> ToolLoopBuilder, [&'static str; 2]);
    let table: [Row; 3] = [
        ("a tool", |builder| builder, ["error: the tool failed", "2"]),
        (
            "a reviewer",
            |builder| builder.reviewer(Broken),
            ["error: the call was denied: the approval failed"; 2],
        ),
        (
            "a reviewer, before there is a future",
            |builder| builder.approve_calls(|_: &ToolCall| panic!("a bug in a reviewer")),
            ["error: the call was denied: the approval failed"; 2],
        ),
    ];
    for (name, configure, expected) in table {
        let model = ScriptedChat::new([call(), saying("done")]);
        let tools = configure(builder(&model).tool(Abrupt(definition("abrupt"))));
        let reply = tools.build().unwrap().generate(&question()).await.unwrap();
        assert_eq!(reply.text(), "done");
        let results = reply.intermediate.iter().skip(1).map(|result| result.text().into_owned());
        assert_eq!(results.collect::<Vec<_>>(), expected, "{name}");
        let failed = reply.intermediate.iter().skip(1).map(|result| result.is_tool_error());
        let is_error = expected.map(|text| text.starts_with("error"));
        assert_eq!(failed.collect::<Vec<_>>(), is_error, "{name}");
    }
}

/// The payload of a panic, whose drop panics with another one.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        std::panic::panic_any(Self);
    }
}

#[tokio::test]
async fn panics_whose_payloads_panic_are_results() {
    let model = ScriptedChat::new([
        calling(&[("twice", json!({}), "a")]),
        calling(&[("double", json!({"x": 1}), "b")]),
        saying("done"),
    ]);
    let twice = FnTool::new("twice", "Panics.", json!({"type": "object"}), |_| async {
        std::panic::panic_any(Twice)
    });
    let tools = builder(&model).tool(twice).approve_calls(|call: &ToolCall| {
        let is_double = call.name == "double";
        Box::pin(async move {
            if is_double { std::panic::panic_any(Twice) } else { Approval::Approved }
        })
    });
    let reply = tools.build().unwrap().generate(&question()).await.unwrap();
    let results = reply.intermediate.iter().filter(|message| message.tool_call_id().is_some());
    let results: Vec<_> = results.map(|result| result.text().into_owned()).collect();
    let denied = "error: the call was denied: the approval failed";
    assert_eq!(results, ["error: the tool failed", denied]);
}

/// A result that is too large is cut off at a character, and the model receives the sizes.
#[tokio::test]
async fn results_have_a_size_limit() {
    const MAX: usize = 20;
    let image = |data: &str| vec![Part::text("see"), Part::image_url(data)];
    let table: [(&str, Result<Content, &str>, bool); 8] = [
        ("as long as the limit", Ok("x".repeat(MAX).into()), true),
        ("one more", Ok("x".repeat(MAX + 1).into()), false),
        ("of letters of two bytes", Ok("é".repeat(MAX).into()), false),
        ("100 MB", Ok("x".repeat(100_000_000).into()), false),
        ("no parts", Ok(Vec::<Part>::new().into()), true),
        ("an image", Ok(image(&"x".repeat(MAX)).into()), false),
        ("an error", Err("no network"), false),
        ("a long error", Err("no network, and it will be out of order for weeks"), false),
    ];
    let mut shown = String::new();
    for (name, result, is_whole) in table {
        let model = ScriptedChat::new([calling(&[("big", json!({}), "a")]), saying("done")]);
        let big = FnTool::new("big", "Is big.", json!({"type": "object"}), {
            let result = result.clone();
            move |_| {
                let result = result.clone();
                std::future::ready(result.map_err(|reason| ToolError::failed(reason, None)))
            }
        });
        let tools = ToolLoop::builder(model).tool(big).max_result_bytes(MAX).build().unwrap();
        let reply = tools.generate(&question()).await.unwrap();
        let received = reply.intermediate.last().unwrap();
        assert_eq!(Ok(received.content()) == result.as_ref(), is_whole, "{name}");
        shown += &format!("{name}: {}\n", received.text());
    }
    insta::assert_snapshot!(shown);
}

/// A tool that runs is dropped with its call, at the call's deadline and at its own time limit.
#[tokio::test(start_paused = true)]
async fn tools_that_run_are_dropped() {
    let hour = || CallOptions::new().with_deadline(Instant::now() + Duration::from_secs(3600));
    let minute = Duration::from_secs(60);
    for (name, options, limit, drops) in [
        ("the call is dropped", CallOptions::new(), None, true),
        ("the deadline passes", hour(), None, false),
        ("the time limit passes", CallOptions::new(), Some(minute), false),
        ("the time limit passes before the deadline", hour(), Some(minute), false),
    ] {
        let running = Arc::new(());
        let guard = Arc::clone(&running);
        let guarded = FnTool::new("guarded", "Waits.", json!({"type": "object"}), move |_| {
            let guard = Arc::clone(&guard);
            async move {
                let _guard = guard;
                pending().await
            }
        });
        let calls = calling(&[("guarded", json!({}), "a"), ("guarded", json!({}), "b")]);
        let builder = ToolLoop::builder(ScriptedChat::new([calls, saying("done")])).tool(guarded);
        let builder = limit.into_iter().fold(builder, ToolLoopBuilder::tool_timeout);
        let tools = builder.build().unwrap();
        let request = question().with_options(options);
        let mut call = tools.generate(&request);
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(Arc::strong_count(&running), 4, "{name}: both tools run");
        if !drops {
            assert_eq!(call.await.is_ok(), limit.is_some(), "{name}");
        } else {
            drop(call);
        }
        assert_eq!(Arc::strong_count(&running), 2, "{name}: no tool runs");
    }
}

/// An answer may have any number of calls: those beyond the limit are not run.
#[tokio::test]
async fn the_calls_of_an_answer_are_limited() {
    let calls: Vec<_> = (0..200)
        .map(|number| ToolCall::new("double", json!({"x": number})).with_id(format!("c{number}")))
        .collect();
    for (limit, expected) in [(None, 128), (Some(3), 3), (Some(0), 1)] {
        let answer = Reply::new(Message::ai("").with_tool_calls(calls.clone()));
        let model = ScriptedChat::new([answer, saying("done")]);
        let tools = limit.into_iter().fold(builder(&model), ToolLoopBuilder::max_calls);
        let reply = tools.build().unwrap().generate(&question()).await.unwrap();
        let results: Vec<_> = reply.intermediate.iter().skip(1).collect();
        // Each call has a result, so that the turn is whole.
        let ids: Vec<_> = results.iter().filter_map(|result| result.tool_call_id()).collect();
        assert_eq!(ids, calls.iter().filter_map(|call| call.id.as_deref()).collect::<Vec<_>>());
        let refused = format!(
            "error: the answer has too many calls, and the limit is {expected}; call the tool again \
             in the next answer"
        );
        assert_eq!(results.iter().filter(|result| result.text() != refused).count(), expected);
        assert_eq!(results[expected].text(), refused);
    }
}

#[tokio::test]
async fn a_name_is_sent_once() {
    let model = ScriptedChat::new([saying("done")]);
    let mut question = question();
    question.options.tools = vec![definition("double"), definition("own")];
    builder(&model).build().unwrap().generate(&question).await.unwrap();
    let sent = model.requests();
    let count = |name: &str| sent[0].options.tools.iter().filter(|tool| tool.name == name).count();
    assert_eq!((count("double"), count("own")), (1, 1));
}
