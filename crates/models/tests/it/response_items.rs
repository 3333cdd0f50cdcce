//! The items of a streamed response, which servers number, name and repeat in their own ways: each
//! is part of the answer, whole and once, and the pieces say what the answer says.

use std::collections::BTreeMap;

use conversant_core::{Delta, ModelError, Reply};
use conversant_models::wire::ResponsesStreamDecoder;
use serde_json::{Value as Json, json};

pub(crate) fn added(index: impl Into<Json>, item: Json) -> Json {
    item_event("added", index.into(), item)
}

pub(crate) fn done(index: impl Into<Json>, item: Json) -> Json {
    item_event("done", index.into(), item)
}

fn item_event(what: &str, index: Json, item: Json) -> Json {
    let mut event = json!({"type": format!("response.output_item.{what}")});
    event["output_index"] = index;
    event["item"] = item;
    event
}

pub(crate) fn text(index: impl Into<Json>, id: &str, delta: &str) -> Json {
    json!({"type": "response.output_text.delta", "output_index": index.into(), "item_id": id,
        "content_index": 0, "delta": delta})
}

pub(crate) fn arguments(index: impl Into<Json>, id: &str, delta: &str) -> Json {
    json!({"type": "response.function_call_arguments.delta", "output_index": index.into(),
        "item_id": id, "delta": delta})
}

fn arguments_done(index: impl Into<Json>, id: &str, arguments: &str) -> Json {
    json!({"type": "response.function_call_arguments.done", "output_index": index.into(),
        "item_id": id, "arguments": arguments})
}

pub(crate) fn completed(output: Json) -> Json {
    let mut event = json!({"type": "response.completed", "response": {"status": "completed"}});
    event["response"]["output"] = output;
    event
}

pub(crate) fn message(id: &str, text: &str) -> Json {
    json!({"type": "message", "id": id, "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn empty_message(id: &str) -> Json {
    json!({"type": "message", "id": id, "role": "assistant", "content": []})
}

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Json {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
        "arguments": arguments})
}

/// An answer, and what its pieces say.
struct Streamed {
    reply: Reply,
    text: String,
    calls: Vec<String>,
}

fn decode(events: &[Json]) -> Result<Streamed, ModelError> {
    let mut decoder = ResponsesStreamDecoder::new();
    let (mut text, mut calls) = (String::new(), BTreeMap::<_, (String, String)>::new());
    for event in events {
        decoder.feed(format!("data: {event}\n\n").into());
        while let Some(delta) = decoder.next_delta()? {
            match delta {
                Delta::Text(piece) => text.push_str(&piece),
                Delta::ToolCall(piece) => {
                    let call = calls.entry(piece.index).or_default();
                    call.0.push_str(piece.name.as_deref().unwrap_or_default());
                    call.1.push_str(&piece.arguments);
                }
                _ => {}
            }
        }
    }
    let calls = calls.into_values().map(|(name, arguments)| shown(&name, &arguments)).collect();
    Ok(Streamed { reply: decoder.finish()?, text, calls })
}

fn shown(name: &str, arguments: &str) -> String {
    let arguments = match serde_json::from_str::<Json>(arguments) {
        Ok(arguments) => arguments.to_string(),
        Err(_) if arguments.is_empty() => "{}".to_owned(),
        Err(_) => arguments.to_owned(),
    };
    format!("{name} {arguments}")
}

/// Asserts that events are an answer with a text and calls, as their pieces say.
#[track_caller]
pub(crate) fn check(events: &[Json], expected: &str, expected_calls: &[&str]) {
    let Streamed { reply, text, calls } = decode(events).unwrap();
    let of_reply = reply.message.tool_calls().iter();
    let of_reply: Vec<_> = of_reply.map(|call| format!("{} {}", call.name, call.args)).collect();
    assert_eq!(reply.message.invalid_tool_calls(), [], "{events:#?}");
    assert_eq!(
        (&*reply.text(), &*of_reply),
        (expected, &to_owned(expected_calls)[..]),
        "{events:#?}"
    );
    assert_eq!(
        (&*text, &*calls),
        (expected, &to_owned(expected_calls)[..]),
        "the pieces: {events:#?}"
    );
    let reason = if expected_calls.is_empty() { "stop" } else { "tool_calls" };
    assert_eq!(reply.finish_reason.unwrap().as_str(), reason);
}

fn to_owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The last event has less of a message than was streamed.
#[test]
fn a_text_that_came_is_not_replaced_by_less() {
    let without_content = json!({"type": "message", "id": "m1", "role": "assistant"});
    let with_null = json!({"type": "message", "id": "m1", "content": null});
    let reasoning = json!({"type": "reasoning", "id": "r1", "summary": []});
    for output in [
        json!([empty_message("m1")]),
        json!([with_null]),
        json!([without_content]),
        json!([message("m1", "")]),
        json!([message("m1", "he")]),
        json!([message("", "")]),
        json!([message("another", "h")]),
        json!([reasoning]),
        json!([reasoning, empty_message("m1")]),
        json!([reasoning, message("", "hey")]),
        json!([message("m1", "h"), message("m2", "e")]),
        json!([]),
        json!(null),
    ] {
        let added = added(0, empty_message("m1"));
        let pieces = [text(0, "m1", "he"), text(0, "m1", "y")];
        let text_done = json!({"type": "response.output_text.done", "output_index": 0,
            "content_index": 0, "item_id": "m1", "text": "hey"});
        let done = done(0, message("m1", "hey"));
        let end = completed(output);
        let all = [&added, &pieces[0], &pieces[1], &text_done, &done, &end].map(Json::clone);
        check(&all, "hey", &[]);
        check(&[pieces[0].clone(), pieces[1].clone(), end.clone()], "hey", &[]);
        check(&[done, end], "hey", &[]);
    }
}

/// An item that is done says less than its pieces.
#[test]
fn a_text_that_came_in_pieces_is_not_replaced_by_less() {
    let refused = json!({"type": "response.content_part.done", "output_index": 0,
        "content_index": 0, "part": {"type": "output_text", "text": ""}});
    for done in [done(0, message("m1", "")), done(0, empty_message("m1")), refused] {
        let events =
            [added(0, empty_message("m1")), text(0, "m1", "hey"), done, completed(json!([]))];
        check(&events, "hey", &[]);
    }
    // A server trims what it repeats.
    let text_done = json!({"type": "response.output_text.done", "output_index": 0,
        "content_index": 0, "item_id": "m1", "text": "hey"});
    let begin = || [added(0, message("m1", "")), text(0, "m1", "hey "), text_done.clone()];
    for end in [vec![], vec![done(0, message("m1", "hey"))]] {
        let events: Vec<_> = begin().into_iter().chain(end).chain([completed(json!([]))]).collect();
        check(&events, "hey ", &[]);
    }
}

#[test]
fn what_the_end_lacks_stays_in_its_place() {
    let f = || done(0, call("c1", "f", "{\"a\":1}"));
    let hey = || done(1, message("m1", "hey"));
    let g = || done(2, call("c2", "g", "{\"b\":2}"));
    let both = ["f {\"a\":1}", "g {\"b\":2}"];
    for output in [
        json!([message("m1", "hey")]),
        json!([call("c1", "f", "{\"a\":1}")]),
        json!([call("c2", "g", "{\"b\":2}"), message("m1", "hey")]),
        json!([{"type": "web_search_call", "id": "w"}]),
        json!([call("c2", "g", "")]),
        json!([call("", "g", ""), call("", "f", "")]),
        // Made up anew, with the same arguments.
        json!([call("x1", "f", "{\"a\": 1}"), message("x2", "hey"), call("x3", "g", "{\"b\": 2}")]),
        json!([call("x1", "f", "{\"a\":1}"), call("x3", "g", "{\"b\":2}")]),
    ] {
        let Streamed { reply, .. } = decode(&[f(), hey(), g(), completed(output)]).unwrap();
        let mut names: Vec<_> = reply
            .message
            .tool_calls()
            .iter()
            .map(|it| format!("{} {}", it.name, it.args))
            .collect();
        names.sort();
        assert_eq!((&*reply.text(), &*names), ("hey", &to_owned(&both)[..]));
    }
    // Each item follows the one that it followed.
    let events = [f(), hey(), g(), completed(json!([message("m1", "hey")]))];
    check(&events, "hey", &both);
}

/// A tool runs with the arguments that the model wrote.
#[test]
fn arguments_that_came_are_not_replaced_by_less() {
    let whole = "{\"a\":1}";
    for less in ["", " ", "{}", "null", "{\"a\":", "{\"a\":1", "[]", "{ \"a\" : 1 }"] {
        for id in ["c1", ""] {
            let f = done(0, call("c1", "f", whole));
            let end = completed(json!([call(id, "f", less)]));
            check(&[f.clone(), end], "", &["f {\"a\":1}"]);
        }
        let begin = [added(0, call("c1", "f", "")), arguments(0, "fc_c1", whole)];
        for end in [arguments_done(0, "fc_c1", less), done(0, call("c1", "f", less))] {
            let events = [begin[0].clone(), begin[1].clone(), end, completed(json!([]))];
            check(&events, "", &["f {\"a\":1}"]);
        }
    }
    // An empty object stands for them before they come.
    for end in [json!([]), json!([call("c1", "f", whole)])] {
        let events = [
            added(0, call("c1", "f", "{}")),
            arguments(0, "fc_c1", "{\"a\":"),
            arguments(0, "fc_c1", "1}"),
            completed(end),
        ];
        assert_eq!(decode(&events).unwrap().reply.message.tool_calls()[0].args, json!({"a": 1}));
    }
    let nameless = json!({"type": "function_call", "call_id": "", "name": "", "arguments": ""});
    let f = done(0, call("c1", "f", whole));
    let streamed = decode(&[f, completed(json!([nameless]))]).unwrap();
    assert_eq!(streamed.reply.message.tool_calls()[0].id.as_deref(), Some("c1"));
}

/// It is not known which of them the model wrote.
#[test]
fn a_call_whose_arguments_came_twice_and_differ_is_invalid() {
    let other = "{\"a\":2}";
    let begin = [added(0, call("c1", "f", "")), arguments(0, "fc_c1", "{\"a\":1}")];
    let end = completed(json!([call("c1", "f", "{\"a\":1}")]));
    for events in [
        vec![done(0, call("c1", "f", other)), end.clone()],
        vec![done(0, call("c1", "f", other)), completed(json!([]))],
        vec![arguments_done(0, "fc_c1", other), end.clone()],
        vec![completed(json!([call("c1", "f", other)]))],
        vec![completed(json!([call("made anew", "f", other)]))],
    ] {
        let events: Vec<_> = begin.iter().cloned().chain(events).collect();
        let Streamed { reply, .. } = decode(&events).unwrap();
        assert_eq!(reply.message.tool_calls(), [], "{events:#?}");
        let [call] = reply.message.invalid_tool_calls() else { panic!("{reply:?}") };
        assert_eq!((call.name.as_deref(), call.args.as_deref()), (Some("f"), Some("{\"a\":1}")));
        assert_eq!(call.error.as_deref(), Some("the server sent other arguments at the end"));
    }
    // What was not JSON is mended.
    for broken in ["{a:1}", "{}", "{\"a\":1}}"] {
        let begin = [added(0, call("c1", "f", "")), arguments(0, "fc_c1", broken)];
        let events = [begin[0].clone(), begin[1].clone(), end.clone()];
        let Streamed { reply, .. } = decode(&events).unwrap();
        assert_eq!(reply.message.tool_calls()[0].args, json!({"a": 1}));
    }
}

/// Gateways that make responses of the chat interface leave the index at zero.
#[test]
fn items_of_one_index_are_several() {
    let f = || call("c1", "f", "{\"a\":1}");
    let g = || call("c2", "g", "{\"b\":2}");
    let begun = |id: &str, name: &str| call(id, name, "");
    let both = ["f {\"a\":1}", "g {\"b\":2}"];
    let in_turn = [
        added(0, begun("c1", "f")),
        arguments(0, "fc_c1", "{\"a\":"),
        arguments(0, "fc_c1", "1}"),
        arguments_done(0, "fc_c1", "{\"a\":1}"),
        done(0, f()),
        added(0, begun("c2", "g")),
        arguments(0, "fc_c2", "{\"b\":2}"),
        arguments_done(0, "fc_c2", "{\"b\":2}"),
        done(0, g()),
    ];
    let at_once = [
        added(0, begun("c1", "f")),
        added(0, begun("c2", "g")),
        arguments(0, "fc_c2", "{\"b\":"),
        arguments(0, "fc_c1", "{\"a\":1}"),
        arguments(0, "fc_c2", "2}"),
        done(0, f()),
        done(0, g()),
    ];
    let done_alone = [done(0, f()), done(0, g())];
    for events in [&in_turn[..], &at_once, &done_alone] {
        for output in [json!([]), json!([f(), g()]), json!([g()]), json!([f()])] {
            let mut events = events.to_vec();
            events.push(completed(output));
            check(&events, "", &both);
        }
    }
    // Without the ids of items, or with the same id for all of them.
    for id in [None, Some("chatcmpl-1")] {
        let with_id = |mut event: Json| {
            let id = id.map_or(Json::Null, Json::from);
            if let Some(item) = event.get_mut("item") {
                item["id"] = id;
            } else {
                event["item_id"] = id;
            }
            event
        };
        for events in [&in_turn[..], &done_alone] {
            for output in [json!([]), json!([f(), g()])] {
                let mut events: Vec<_> = events.iter().cloned().map(with_id).collect();
                events.push(completed(output));
                check(&events, "", &both);
            }
        }
    }
}

#[test]
fn messages_of_one_index_are_several() {
    let x = [added(0, empty_message("m1")), text(0, "m1", "x"), done(0, message("m1", "x"))];
    let y = [added(0, empty_message("m2")), text(0, "m2", "y"), done(0, message("m2", "y"))];
    let f = done(0, call("c1", "f", "{}"));
    for output in [json!([]), json!([message("m1", "x"), message("m2", "y")])] {
        let mut events = [&x[..], &y].concat();
        events.push(completed(output.clone()));
        check(&events, "xy", &[]);
        check(&[x[2].clone(), y[2].clone(), completed(output.clone())], "xy", &[]);
        let mut events = [&x[..2], std::slice::from_ref(&f), &y].concat();
        events.push(completed(json!([])));
        check(&events, "xy", &["f {}"]);
    }
    // Pieces without the id of their item.
    let mut piece = text(0, "m1", "y");
    piece["item_id"] = Json::Null;
    let events =
        [x[0].clone(), x[1].clone(), added(0, call("c1", "f", "")), piece, completed(json!([]))];
    check(&events, "xy", &["f {}"]);
}

/// As gateways send them.
#[test]
fn items_are_found_among_others() {
    let f = |id: &str, arguments: &str| call(id, "f", arguments);
    let part = |text: &str| {
        json!({"type": "message", "id": "m1", "role": "assistant",
        "content": [{"type": "output_text", "text": text}]})
    };
    let text_done = json!({"type": "response.output_text.done", "output_index": 0,
        "content_index": 0, "item_id": "m1", "text": ""});
    check(&[added(0, part("")), text(0, "m1", "hey"), text_done, completed(json!([]))], "hey", &[]);
    // A text and two calls, which are counted anew.
    let events = [
        added(0, part("")),
        text(0, "m1", "x"),
        added(0, f("c0", "")),
        arguments(0, "fc_c0", "{\"a\":1}"),
        added(1, f("c1", "")),
        arguments(1, "fc_c1", "{\"a\":2}"),
        done(0, part("x")),
        done(0, f("c0", "{\"a\":1}")),
        done(1, f("c1", "{\"a\":2}")),
    ];
    let all = json!([part("x"), f("c0", "{\"a\":1}"), f("c1", "{\"a\":2}")]);
    for output in [json!([]), all] {
        let mut events = events.to_vec();
        events.push(completed(output));
        check(&events, "x", &["f {\"a\":1}", "f {\"a\":2}"]);
    }
    // Neither indexes nor ids, and the end in another order.
    let bare = |mut item: Json| {
        item.as_object_mut().unwrap().remove("id");
        item
    };
    let events = [
        added(0, bare(part(""))),
        text(0, "", "Hi"),
        added(1, bare(f("c1", ""))),
        arguments(1, "", "{\"a\":1}"),
        completed(json!([bare(f("c1", "{\"a\":1}")), bare(part("Hi"))])),
    ];
    check(&events, "Hi", &["f {\"a\":1}"]);
    // Reasoning that was begun before, and goes on at the same index.
    let reasoning = json!({"type": "reasoning", "id": "r1", "summary": []});
    let thought = |index: Json| {
        json!({"type": "response.reasoning_text.delta", "delta": "Hm.",
        "output_index": index, "item_id": "r1", "content_index": 0})
    };
    for index in [json!(0), Json::Null] {
        let events = [
            added(index.clone(), reasoning.clone()),
            thought(index.clone()),
            added(index.clone(), part("")),
            text(index.clone(), "m1", "Hi"),
            done(index.clone(), reasoning.clone()),
            done(index, part("Hi")),
            completed(json!([])),
        ];
        check(&events, "Hi", &[]);
        assert_eq!(decode(&events).unwrap().reply.reasoning().as_deref(), Some("Hm."));
    }
}

/// The items of different indexes with one id.
#[test]
fn items_of_one_id_are_several() {
    let events = [
        added(0, empty_message("x")),
        text(0, "x", "a"),
        added(1, empty_message("x")),
        text(1, "x", "b"),
        done(0, message("x", "a")),
        done(1, message("x", "b")),
    ];
    for output in [json!([]), json!([message("x", "a"), message("x", "b")])] {
        let mut events = events.to_vec();
        events.push(completed(output));
        check(&events, "ab", &[]);
    }
}

/// The end may have more items than were streamed, or have divided them otherwise.
#[test]
fn a_text_that_came_is_not_repeated() {
    let m = |text: &str| message("", text);
    let reasoning = json!({"type": "reasoning", "summary": []});
    let streamed = [text(0, "", "he"), text(1, "", "llo")];
    for output in [
        json!([m("hello")]),
        json!([reasoning, m("hello")]),
        json!([m("he"), m("llo")]),
        json!([reasoning, m("he"), m("llo")]),
        json!([m("h"), m("e"), m("llo")]),
    ] {
        let events = [streamed[0].clone(), streamed[1].clone(), completed(output.clone())];
        check(&events, "hello", &[]);
        check(&[text(0, "", "hello"), completed(output.clone())], "hello", &[]);
        check(&[done(0, m("hel")), completed(output)], "hello", &[]);
    }
}

#[test]
fn reasoning_that_came_is_not_replaced_by_less() {
    let reasoned = json!({"type": "reasoning", "id": "r1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "Sun?"}]});
    let less = json!({"type": "reasoning", "id": "r1", "summary": [], "encrypted_content": ""});
    let f = || call("c1", "f", "{}");
    for output in [json!([less, f()]), json!([f()]), json!([]), json!([reasoned, f()])] {
        let events = [done(0, reasoned.clone()), done(1, f()), completed(output)];
        let Streamed { reply, .. } = decode(&events).unwrap();
        assert_eq!(reply.reasoning().as_deref(), Some("Sun?"));
        assert!(serde_json::to_string(&reply.message).unwrap().contains("gAAA"));
    }
}

#[test]
fn a_refusal_that_came_is_not_replaced_by_less() {
    let refused = json!({"type": "message", "id": "m1", "role": "assistant",
        "content": [{"type": "refusal", "refusal": "I can't."}]});
    for output in [json!([empty_message("m1")]), json!([{"type": "reasoning"}]), json!([])] {
        let result = decode(&[done(0, refused.clone()), completed(output)]);
        let Err(ModelError::Refused { text }) = result.map(|it| it.reply) else { panic!() };
        assert_eq!(text.as_str(), "I can't.");
    }
}
