//! Streamed answers: the recorded ones, every way to cut them, and over HTTP.

use bytes::Bytes;
use conversant_conformance::{Case, cases};
use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, Message, ModelError, Reply,
};
use conversant_models::{
    OpenAi, OpenAiChat,
    wire::{SseDecoder, StreamDecoder},
};
use conversant_testkit::{Gate, OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

fn corpus() -> Vec<Case> {
    cases("chat_stream.jsonl").unwrap()
}

/// Decodes a stream that comes in these chunks.
fn decode(chunks: &[&[u8]]) -> (Vec<Delta>, Result<Reply, ModelError>) {
    let mut decoder = StreamDecoder::new();
    let mut deltas = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next_delta() {
                Ok(Some(delta)) => deltas.push(delta),
                Ok(None) => break,
                Err(error) => return (deltas, Err(error)),
            }
        }
    }
    (deltas, decoder.finish())
}

fn texts(deltas: &[Delta]) -> Vec<&str> {
    deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// The stream with its lines ended otherwise.
fn with_ends(sse: &str, end: &str) -> String {
    sse.replace("\r\n", "\n").replace('\n', end)
}

/// Reads the events of a stream that comes in these chunks.
fn events(chunks: &[Bytes]) -> Vec<(String, String)> {
    let mut decoder = SseDecoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.clone());
        while let Some(event) = decoder.next_event().unwrap() {
            events.push((event.event.to_owned(), event.data.to_owned()));
        }
    }
    events
}

#[test]
fn every_cut_gives_the_same_events() {
    for case in corpus() {
        let sse = case.input["sse"].as_str().unwrap();
        let whole = events(&[Bytes::copy_from_slice(sse.as_bytes())]);
        for (number, end) in ["\n", "\r\n", "\r"].into_iter().enumerate() {
            let sse = Bytes::from(with_ends(sse, end));
            // Each third byte, and all around an end of a line.
            let near_end = |at: usize| sse[at.saturating_sub(2)..at].contains(&end.as_bytes()[0]);
            for at in (0..sse.len()).filter(|at| at % 3 == number || near_end(*at)) {
                let cut = events(&[sse.slice(..at), sse.slice(at..)]);
                assert!(cut == whole, "{} at {at}", case.id);
            }
        }
    }
}

/// Short streams, one for each thing that a cut could come between.
const SHORT: [&str; 7] = [
    "\u{feff}: c\n\nevent: message\ndata: {\"choices\":[{\"delta\":{\"content\":\"é🙂\"}}]}\n\ndata:[DONE]\n\n",
    "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"two lines\"}}]}\n\ndata: [DONE]\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\nid: 1\nretry: 5\n\ndata: [DONE]\n\n",
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n: keep\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
    "data\ndata:\n\nx: y\ndata: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\ndata: [DONE]\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"c\"}}]}\n\nevent: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n",
];

#[test]
fn every_two_cuts_give_the_same_events() {
    for stream in SHORT {
        let whole = events(&[Bytes::from(stream)]);
        for end in ["\n", "\r\n", "\r"] {
            let sse = Bytes::from(with_ends(stream, end));
            for from in 0..sse.len() {
                for to in from..sse.len() {
                    let cut = events(&[sse.slice(..from), sse.slice(from..to), sse.slice(to..)]);
                    assert!(cut == whole, "{stream:?} at {from} and {to}");
                }
            }
        }
    }
}

#[test]
fn every_two_cuts_give_the_same_pieces() {
    let data = [r#"{"choices":[{"delta":{"content":"é🙂"}}]}"#, "[DONE]"];
    let sse = format!("\u{feff}: c\n\nevent: message\ndata: {}\n\ndata:{}\n\n", data[0], data[1]);
    for end in ["\n", "\r\n", "\r"] {
        let sse = with_ends(&sse, end);
        let sse = sse.as_bytes();
        let (deltas, reply) = decode(&[sse]);
        let reply = reply.unwrap();
        assert_eq!(texts(&deltas), ["é🙂"]);
        for from in 0..sse.len() {
            for to in from..sse.len() {
                let (cut, whole) = decode(&[&sse[..from], &sse[from..to], &sse[to..]]);
                assert!(cut == deltas && whole.unwrap() == reply, "{from} {to}");
            }
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_is_no_answer_until_it_is_whole() {
    for case in corpus() {
        let sse = case.input["sse"].as_str().unwrap().as_bytes();
        let whole = decode(&[sse]).1.unwrap();
        let mut was_whole = false;
        let mut decoder = StreamDecoder::new();
        for (at, byte) in sse.iter().enumerate() {
            match decoder.clone().finish() {
                Ok(reply) => {
                    was_whole = true;
                    assert_eq!(reply.message, whole.message, "{} at {at}", case.id);
                    assert!(reply.finish_reason.is_some() || reply.done_marker_seen);
                }
                Err(ModelError::StreamTruncated { .. }) => assert!(!was_whole, "at {at}"),
                Err(error) => panic!("{} at {at}: {error:?}", case.id),
            }
            decoder.feed(Bytes::copy_from_slice(&[*byte]));
            while decoder.next_delta().unwrap().is_some() {}
        }
    }
}

/// Copied again with each of its 65,536 pieces, the event would be 2 TiB to copy.
#[test]
fn a_large_event_in_small_pieces_takes_linear_time() {
    let mut decoder = SseDecoder::with_limits(usize::MAX, usize::MAX);
    let piece = Bytes::from(vec![b'a'; 1024]);
    let start = std::time::Instant::now();
    decoder.feed("data: ".into());
    for _ in 0..64 * 1024 {
        assert!(decoder.next_event().unwrap().is_none());
        decoder.feed(piece.clone());
    }
    assert!(decoder.next_event().unwrap().is_none());
    decoder.feed("\n\n".into());
    assert_eq!(decoder.next_event().unwrap().unwrap().data.len(), 64 << 20);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn tool_calls_are_put_together_however_they_come() {
    let stream = |calls: &[Json]| {
        let mut sse = String::new();
        for call in calls {
            let delta = json!({"choices": [{"delta": {"tool_calls": call}}]});
            sse.push_str(&format!("data: {delta}\n\n"));
        }
        sse.push_str("data: [DONE]\n\n");
        let reply = decode(&[sse.as_bytes()]).1.unwrap();
        let calls = reply.message.tool_calls().iter();
        calls.map(|c| format!("{:?} {} {}", c.id, c.name, c.args)).collect::<Vec<_>>().join("\n")
    };
    let openai = stream(&[
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
        json!([{"index": 0, "function": {"arguments": "{\"x\""}}, {"index": 1, "id": "b", "function": {"name": "g"}}]),
        json!([{"index": 0, "function": {"arguments": ": 1}"}}]),
    ]);
    insta::assert_snapshot!(openai, @r#"
    Some("a") f {"x":1}
    Some("b") g {}
    "#);
    let whole_without_index = stream(&[
        json!([{"id": "a", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]),
        json!([{"id": "b", "function": {"name": "f", "arguments": {"x": 2}}}]),
    ]);
    insta::assert_snapshot!(whole_without_index, @r#"
    Some("a") f {"x":1}
    Some("b") f {"x":2}
    "#);
    let all_at_index_0 = stream(&[
        json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
        json!([{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
    ]);
    insta::assert_snapshot!(all_at_index_0, @r#"
    Some("a") f {}
    Some("b") g {}
    "#);
    let repeated = stream(&[
        json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\": "}}]),
        json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "1}"}}]),
    ]);
    insta::assert_snapshot!(repeated, @r#"Some("a") f {"x":1}"#);
    // A line end after the arguments is not another call.
    for blank in ["\n", " ", "\r\n"] {
        let followed = stream(&[
            json!([{"id": "a", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]),
            json!([{"function": {"arguments": blank}}]),
            json!([{"id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            json!([{"function": {"arguments": blank}}]),
        ]);
        assert_eq!(followed, "Some(\"a\") f {\"x\":1}\nSome(\"b\") g {}");
    }
    // The name comes after the arguments.
    for index in [json!(0), Json::Null] {
        let unnamed = json!([{"index": index, "id": "a", "function": {"arguments": "{\"x\": 1}"}}]);
        for id in [json!("a"), Json::Null] {
            let name = json!([{"index": index, "id": id, "function": {"name": "f"}}]);
            assert_eq!(stream(&[unnamed.clone(), name]), "Some(\"a\") f {\"x\":1}");
        }
    }
}

#[test]
fn events_that_report_what_a_server_does_are_no_errors() {
    let stream = |event: &Json| {
        let text = |text: &str| json!({"choices": [{"delta": {"content": text}}]});
        let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
        let events = [text("Hel"), event.clone(), text("lo"), end];
        let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        decode(&[sse.as_bytes()]).1
    };
    for event in [
        json!({"type": "status", "message": "Searching the web"}),
        json!({"type": "tool_progress", "description": "Reading page 3", "status": "running"}),
        json!({"event": "status", "message": "Thinking", "code": 200}),
        json!({"type": "warning", "message": "The model is deprecated", "code": null}),
        json!({"status": "processing", "message": "In the queue"}),
        json!({"code": 0, "message": "success"}),
        json!({"object": "trace", "title": "Routed to another region"}),
    ] {
        assert_eq!(stream(&event).unwrap().text(), "Hello", "{event}");
    }
    for event in [
        json!({"message": "Something happened"}),
        json!({"detail": "Something happened"}),
        json!({"type": "status", "error": "lost"}),
        json!({"type": "status", "message": "lost", "code": 500}),
        json!({"type": "status", "message": "lost", "status": 503}),
        json!({"type": "status", "message": "lost", "status": "failed"}),
        json!({"type": "message", "message": "lost", "success": false}),
        json!({"type": "invalid_request_error", "message": "no"}),
        json!({"type": "rate_limit_exceeded", "message": "slow"}),
        json!({"type": "OverloadedException", "message": "later"}),
        json!({"code": "Arrearage", "message": "pay"}),
        json!({"code": 20012, "message": "no model"}),
        json!({"status": "error", "message": "lost"}),
        json!({"object": "status", "detail": "lost"}),
    ] {
        assert!(matches!(stream(&event), Err(ModelError::Stream { .. })), "{event}");
    }
}

/// Of a message after deltas, what had not come counts.
#[test]
fn a_message_after_deltas_may_have_more() {
    for (message, text, reasoning) in [
        (json!({"content": "Hello world"}), "Hello world", "Hm"),
        (json!({"content": "Hello"}), "Hello", "Hm"),
        (json!({"content": "Hell"}), "Hello", "Hm"),
        (json!({"content": "Another"}), "Hello", "Hm"),
        (json!({"content": null}), "Hello", "Hm"),
        (json!({"content": "Hello!", "reasoning_content": "Hm, yes"}), "Hello!", "Hm, yes"),
        (json!({"content": "Hello", "reasoning_content": "No"}), "Hello", "Hm"),
    ] {
        let deltas = [
            json!({"choices": [{"delta": {"reasoning_content": "Hm"}}]}),
            json!({"choices": [{"delta": {"content": "Hel"}}]}),
            json!({"choices": [{"delta": {"content": "lo"}}]}),
        ];
        let last = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        let events = deltas.iter().chain([&last, &last]);
        let sse: String = events.map(|event| format!("data: {event}\n\n")).collect();
        let (deltas, reply) = decode(&[sse.as_bytes()]);
        let reply = reply.unwrap();
        assert_eq!((&*reply.text(), reply.reasoning().as_deref()), (text, Some(reasoning)));
        assert_eq!(texts(&deltas).concat(), text);
    }
}

#[test]
fn a_message_after_deltas_may_have_more_calls() {
    let call = |id: Json, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let f = |arguments: &str| call(json!("a"), "f", arguments);
    let g = |arguments: &str| call(json!("b"), "g", arguments);
    let (f1, g2) = ("{\"x\": 1}", "{\"y\": 2}");
    let both = "Some(\"a\") f {\"x\":1}\nSome(\"b\") g {\"y\":2}";
    let one = "Some(\"a\") f {\"x\":1}";
    for (pieces, message, expected) in [
        // None of them had come, or one of two, or a part of one.
        (vec![], vec![f(f1), g(g2)], both),
        (vec![f(f1)], vec![f(f1), g(g2)], both),
        (vec![f("{\"x\"")], vec![f(f1), g(g2)], both),
        (vec![f("")], vec![f(f1)], one),
        (vec![f("")], vec![call(Json::Null, "f", f1)], one),
        (vec![f(f1)], vec![call(json!("made anew"), "f", f1), g(g2)], both),
        // All of them had come.
        (vec![f(f1), g(g2)], vec![f(f1), g(g2)], both),
        (vec![f(f1), g(g2)], vec![f(f1)], both),
        (vec![f(f1), g(g2)], vec![], both),
        // What came is not replaced.
        (vec![f(f1)], vec![f("")], one),
        (vec![f(f1)], vec![f("{}")], one),
    ] {
        for has_index in [true, false] {
            let mut events = vec![json!({"choices": [{"delta": {"content": "Hm."}}]})];
            for (index, mut piece) in pieces.iter().cloned().enumerate() {
                if has_index {
                    piece["index"] = index.into();
                }
                events.push(json!({"choices": [{"delta": {"tool_calls": [piece]}}]}));
            }
            let message = json!({"content": "Hm.", "tool_calls": message});
            let last = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
            events.extend([last.clone(), last]);
            let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            let reply = decode(&[sse.as_bytes()]).1.unwrap();
            let calls = reply.message.tool_calls().iter();
            let calls: Vec<_> =
                calls.map(|c| format!("{:?} {} {}", c.id, c.name, c.args)).collect();
            assert_eq!(calls.join("\n"), expected, "{sse}");
            assert_eq!(reply.message.invalid_tool_calls(), [], "{sse}");
        }
    }
}

#[tokio::test]
async fn the_first_piece_leaves_before_the_second_is_sent() {
    let gate = Gate::new();
    let answer = ServerAnswer::pieces(["Hel", "lo"]).held_after(2, &gate);
    let server = OpenAiServer::start([answer]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let mut stream = model.stream(&ChatRequest::new(Message::human("hi"))).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("Hel".into()));
    gate.open();
    let reply = stream.into_reply().await.unwrap();
    assert_eq!(reply.text(), "Hello");
    assert_eq!(server.requests()[0].json()["stream"], true);
}

#[tokio::test]
async fn a_completion_is_streamed() {
    let server = OpenAiServer::start([ServerAnswer::pieces(["a", "b", "c"])]).unwrap();
    let model = OpenAi::builder("m").base_url(server.base_url()).build().unwrap();
    let mut stream = model.stream(&CompletionRequest::new("x")).await.unwrap();
    let mut deltas = Vec::new();
    while let Some(delta) = stream.next().await {
        deltas.push(delta.unwrap());
    }
    assert_eq!(texts(&deltas), ["a", "b", "c"]);
    assert!(matches!(deltas.last(), Some(Delta::Done(reply)) if reply.text() == "abc"));
}

#[tokio::test]
async fn several_choices_are_told_apart() {
    let server = OpenAiServer::start([ServerAnswer::choices(["one two", "three"])]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).n(2).build().unwrap();
    let reply = model.stream(&ChatRequest::new(Message::human("hi"))).await.unwrap();
    let reply = reply.into_reply().await.unwrap();
    assert_eq!((reply.text().as_ref(), reply.alternatives.len()), ("one two", 1));
    assert_eq!(reply.alternatives[0].message.text(), "three");
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_its_connection() {
    let gate = Gate::new();
    let answer = ServerAnswer::pieces(["Hel", "lo"]).held_after(2, &gate);
    let server = OpenAiServer::builder().reply(answer).reply("next").start().unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let request = ChatRequest::new(Message::human("hi"));
    let mut stream = model.stream(&request).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    server.disconnected(1).await;
    assert_eq!(model.generate(&request).await.unwrap().text(), "next");
}

#[tokio::test]
async fn a_stream_that_was_read_to_its_end_keeps_its_connection() {
    let server = OpenAiServer::start(["one", "two", "three"]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    for _ in 0..3 {
        let stream = model.stream(&ChatRequest::new(Message::human("hi"))).await.unwrap();
        stream.into_reply().await.unwrap();
    }
    assert_eq!((server.connections(), server.disconnects()), (1, 0));
}

/// Errors in a stream may come again or not, as those with a status do.
#[tokio::test]
async fn an_error_in_a_stream_is_retryable_by_its_kind() {
    for (code, retryable) in [
        ("invalid_api_key", false),
        ("insufficient_quota", false),
        ("insufficient_balance", false),
        ("exceeded_current_quota_error", false),
        ("billing_hard_limit_reached", false),
        ("402", false),
        ("model_not_found", false),
        ("context_length_exceeded", false),
        ("content_policy_violation", false),
        ("400", false),
        ("429", true),
        ("rate_limit_exceeded", true),
        ("server_error", true),
        ("overloaded_error", true),
        ("of another kind", true),
    ] {
        let error = serde_json::json!({"error": {"message": "no", "code": code}}).to_string();
        for before in [None, Some(r#"{"choices":[{"delta":{"content":"a"}}]}"#)] {
            let mut decoder = StreamDecoder::new();
            for event in before.into_iter().chain([&*error]) {
                decoder.feed(format!("data: {event}\n\n").into());
            }
            let mut pieces = std::iter::from_fn(|| decoder.next_delta().transpose());
            let failed = pieces.find_map(Result::err).unwrap();
            assert!(matches!(failed, ModelError::Stream { .. }), "{failed:?}");
            assert_eq!(failed.is_retryable(), retryable, "{code}");
        }
    }
}
