//! Characters that a gateway cut in two, with each half as an escape: the halves are joined, and
//! one that stays alone is U+FFFD. No answer is lost by it.

use conversant_core::{Delta, ModelError, Reply};
use conversant_models::wire::{
    ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_completion_response,
    decode_responses_response,
};

/// Texts of JSON in pieces, and the text that they are together.
const TABLE: &[(&[&str], &str)] = &[
    (&[r"Hi \ud83d", r"\ude00!"], "Hi 😀!"),
    (&[r"\uD83D", r"\uDE00\ud83d", r"\ude01"], "😀😁"),
    (&[r"a\ud83d", "b"], "a\u{fffd}b"),
    (&[r"a\ud83d", r"b\ude00"], "a\u{fffd}b\u{fffd}"),
    (&[r"a\ud83d", "", r"\ude00"], "a\u{fffd}\u{fffd}"),
    (&["a", r"\ude00b"], "a\u{fffd}b"),
    (&["a", r"b\ud83d"], "ab\u{fffd}"),
    (&[r"\ud800"], "\u{fffd}"),
    (&[r"\udc00\ud800"], "\u{fffd}\u{fffd}"),
    (&[r"\ud83dx\ud83d\ude00 \\ud83d"], "\u{fffd}x😀 \\ud83d"),
    (&[r"\ud83d\ud83d", r"\ude00"], "\u{fffd}😀"),
];

fn lines(events: impl IntoIterator<Item = String>) -> String {
    events.into_iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// The events of the chat endpoint, with pieces of the text at a place.
fn chat_events(pieces: &[&str], place: impl Fn(&str) -> String, end: &str) -> String {
    let event = |piece: &&str| format!(r#"{{"choices":[{{"index":0,{}}}]}}"#, place(piece));
    lines(pieces.iter().map(event).chain([end.to_owned()]))
}

fn read(sse: &str) -> (String, Result<Reply, ModelError>) {
    let mut decoder = StreamDecoder::new();
    decoder.feed(sse.to_owned().into());
    let mut said = String::new();
    while let Some(delta) = decoder.next_delta().unwrap() {
        if let Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) = delta {
            said.push_str(&text);
        }
    }
    (said, decoder.finish())
}

#[test]
fn in_streams_of_the_chat_and_the_completion_endpoint() {
    let content = |piece: &str| format!(r#""delta":{{"content":"{piece}"}}"#);
    let text = |piece: &str| format!(r#""text":"{piece}""#);
    for (pieces, expected) in TABLE {
        for sse in [chat_events(pieces, content, "[DONE]"), chat_events(pieces, text, "[DONE]")] {
            let (said, reply) = read(&sse);
            assert_eq!((said.as_str(), &*reply.unwrap().text()), (*expected, *expected), "{sse}");
        }
        // The same as several lines of one event, and in a body where a whole answer was asked for.
        if !pieces.contains(&"") {
            let sse = chat_events(pieces, content, "[DONE]").replace("\n\n", "\n") + "\n";
            assert_eq!(read(&sse).1.unwrap().text(), *expected, "{sse}");
        }
        let sse = chat_events(pieces, content, "[DONE]");
        assert_eq!(decode_chat_response(sse.as_bytes()).unwrap().text(), *expected);
    }
}

#[test]
fn in_other_fields_of_a_stream() {
    let both = |piece: &str| {
        format!(r#""delta":{{"reasoning":"{piece}","reasoning_content":"{piece}","content":""}}"#)
    };
    let refusal = |piece: &str| format!(r#""delta":{{"refusal":"{piece}"}}"#);
    let pieces = &[r"Hm \ud83d", r"\ude00"];
    assert_eq!(read(&chat_events(pieces, both, "[DONE]")).0, "Hm 😀");
    assert_eq!(read(&chat_events(pieces, refusal, "[DONE]")).0, "Hm 😀");
    let call = |piece: &str| {
        format!(
            r#""delta":{{"tool_calls":[{{"index":0,"id":"c","function":{{"name":"f","arguments":"{piece}"}}}}]}}"#
        )
    };
    let pieces = &[r#"{\"a\": \"\ud83d"#, r#"\ude00\"}"#];
    let reply = read(&chat_events(pieces, call, "[DONE]")).1.unwrap();
    assert_eq!(reply.message.tool_calls()[0].args["a"], "😀");
}

/// Events that keep the connection open come between two pieces, and the last event may be the
/// half.
#[test]
fn at_the_end_of_a_stream_and_around_a_pause() {
    let half = r#"{"choices":[{"delta":{"content":"Hi \ud83d"}}]}"#;
    let other = r#"{"choices":[{"delta":{"content":"\ude00"}}]}"#;
    let pause = ["ping", ": comment"];
    let sse = lines([half, pause[0], other, "[DONE]"].map(str::to_owned));
    assert_eq!(read(&sse).1.unwrap().text(), "Hi 😀");
    let sse = format!("data: {half}\n\n{}\n\ndata: {other}\n\ndata: [DONE]\n\n", pause[1]);
    assert_eq!(read(&sse).1.unwrap().text(), "Hi 😀");
    let last = r#"{"choices":[{"delta":{"content":"you \ud83d"},"finish_reason":"length"}]}"#;
    let first = r#"{"choices":[{"delta":{"content":"Hi "}}]}"#;
    let (_, reply) = read(&lines([first, last].map(str::to_owned)));
    let reply = reply.unwrap();
    assert_eq!(reply.text(), "Hi you \u{fffd}");
    assert_eq!(reply.finish_reason.unwrap().as_str(), "length");
    // A stream that was cut off keeps it as well.
    let error = read(&lines([half.to_owned()])).1.unwrap_err();
    assert_eq!(error.partial().unwrap().text.as_str(), "Hi \u{fffd}");
    // Errors are reported as such.
    let error = r#"{"error":{"message":"no \ud83d","code":429}}"#;
    let mut decoder = StreamDecoder::new();
    decoder.feed(lines([error.to_owned()]).into());
    let error = decoder.next_delta().unwrap_err();
    assert_eq!(error.api_error().unwrap().message.as_str(), "no \u{fffd}");
}

#[test]
fn in_whole_answers() {
    for (pieces, expected) in TABLE.iter().filter(|(pieces, _)| pieces.len() == 1) {
        let text = pieces.concat();
        let body = format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#);
        assert_eq!(decode_chat_response(body.as_bytes()).unwrap().text(), *expected);
        let body = format!(r#"{{"choices":[{{"text":"{text}"}}]}}"#);
        assert_eq!(decode_completion_response(body.as_bytes()).unwrap().text(), *expected);
        let body = response(&[&text]);
        assert_eq!(decode_responses_response(body.as_bytes()).unwrap().text(), *expected);
    }
    // Parts of one text.
    let body = response(&[r"Hi \ud83d", r"\ude00"]);
    assert_eq!(decode_responses_response(body.as_bytes()).unwrap().text(), "Hi 😀");
}

fn response(parts: &[&str]) -> String {
    let part = |text: &&str| format!(r#"{{"type":"output_text","text":"{text}"}}"#);
    let parts: Vec<_> = parts.iter().map(part).collect();
    format!(
        r#"{{"status":"completed","output":[{{"type":"message","role":"assistant","content":[{}]}}]}}"#,
        parts.join(",")
    )
}

#[test]
fn in_streams_of_the_responses_interface() {
    let delta =
        |piece: &&str| format!(r#"{{"type":"response.output_text.delta","delta":"{piece}"}}"#);
    for (pieces, expected) in TABLE {
        let text = pieces.concat();
        let done = format!(r#"{{"type":"response.output_text.done","text":"{text}"}}"#);
        let whole = response(&[&text]);
        let bare = r#"{"status":"completed"}"#;
        for (done, response) in [(None, bare), (Some(done), bare), (None, whole.as_str())] {
            // The whole text may say more than its pieces did, or begin with what ends one.
            let is_told_again = done.is_some() || response != bare;
            if is_told_again && (pieces.contains(&"") || text.starts_with(r"\udc00")) {
                continue;
            }
            let end = format!(r#"{{"type":"response.completed","response":{response}}}"#);
            let events = pieces.iter().map(delta).chain(done).chain([end]);
            let mut decoder = ResponsesStreamDecoder::new();
            decoder.feed(lines(events).into());
            let mut said = String::new();
            while let Some(delta) = decoder.next_delta().unwrap() {
                if let Delta::Text(text) = delta {
                    said.push_str(&text);
                }
            }
            // Nothing follows the last event, so that it does not wait.
            assert!(decoder.is_done(), "{pieces:?}");
            let reply = decoder.finish().unwrap();
            assert_eq!((said.as_str(), &*reply.text()), (*expected, *expected), "{pieces:?}");
        }
    }
}
