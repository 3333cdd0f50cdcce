//! Answers of a great many values are refused early, so that their memory stays bounded.

use bytes::Bytes;
use conversant_core::ModelError;
use conversant_models::wire::{
    ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_responses_response,
};

/// The size of a body, in bytes. A call reads up to eight times that.
const SIZE: usize = 4 << 20;

fn many(item: &str) -> String {
    vec![item; SIZE / (item.len() + 1)].join(",")
}

#[test]
fn lists_without_end_are_errors() {
    let parts = many(r#"{"type":"text","text":""}"#);
    let calls = many(r#"{"function":{"name":"f"}}"#);
    let choices = many(r#"{"message":{"content":""}}"#);
    let details = many(r#"{"type":"reasoning.text"}"#);
    let numbers = many("1");
    let list = "a list has more than 1024 items";
    let field = "a field holds more than 262144 values";
    // The column is where reading stopped.
    let bodies = [
        (format!(r#"{{"choices":[{{"message":{{"content":[{parts}]}}}}]}}"#), list, 26685),
        (format!(r#"{{"choices":[{{"message":{{"content":[{}]}}}}]}}"#, many("\"\"")), list, 3110),
        (format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}}}}]}}"#), list, 26688),
        (format!(r#"{{"choices":[{choices}]}}"#), list, 27687),
        (
            format!(r#"{{"choices":[{{"message":{{"reasoning_details":[{details}]}}}}]}}"#),
            field,
            3_407_917,
        ),
        (
            format!(r#"{{"choices":[{{"message":{{"extra_content":{{"a":[{numbers}]}}}}}}]}}"#),
            field,
            524_332,
        ),
        (format!(r#"{{"error":[{numbers}]}}"#), field, 524_298),
    ];
    for (body, fault, column) in bodies {
        let error = decode_chat_response(body.as_bytes()).unwrap_err();
        assert!(matches!(error, ModelError::Decode(_)), "{error:?}");
        let place = format!("line 1, column {column}");
        let expected = format!("cannot decode the model's answer: {fault} ({place})");
        assert_eq!(error.to_string(), expected);
    }
    let items = many(r#"{"type":"message"}"#);
    let body = format!(r#"{{"status":"completed","output":[{items}]}}"#);
    let error = decode_responses_response(body.as_bytes()).unwrap_err();
    assert!(matches!(error, ModelError::Decode(_)), "{error:?}");
}

/// The number of values counts over all fields of an answer.
#[test]
fn fields_of_many_values_are_errors_together() {
    let values = "[],".repeat(90_000) + "1";
    let fields = ["annotations", "audio", "extra_content"];
    let kept: String =
        fields.iter().map(|name| format!(r#""{name}":{{"a":[{values}]}},"#)).collect();
    let call = format!(r#"{{"id":"c","extra_content":[{values}],"function":{{"name":"f"}}}}"#);
    let item = format!(r#"{{"type":"x","a":[{values}]}}"#);
    let chat = |message: &str| {
        let body = format!(r#"{{"choices":[{{"message":{{{message}}}}}]}}"#);
        decode_chat_response(body.as_bytes())
    };
    let output = |items: &str| {
        let body = format!(r#"{{"object":"response","status":"completed","output":[{items}]}}"#);
        let mut decoder = ResponsesStreamDecoder::new();
        let event = format!(r#"{{"type":"response.completed","response":{body}}}"#);
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        let streamed = decoder.next_delta().and_then(|_| decoder.finish());
        [decode_responses_response(body.as_bytes()), streamed]
    };
    let one = format!(r#""audio":[{values}],"content":"x""#);
    assert_eq!(chat(&one).unwrap().text(), "x");
    let refused = [
        chat(&format!(r#"{kept}"content":"x""#)),
        chat(&format!(r#""tool_calls":[{call},{call},{call}]"#)),
    ];
    for refused in refused.into_iter().chain(output(&format!("{item},{item},{item}"))) {
        let error = refused.unwrap_err();
        assert!(matches!(error, ModelError::Decode(_)), "{error:?}");
        assert!(error.to_string().contains(" more than 262144 values"), "{error}");
    }
    for taken in output(&item) {
        assert!(taken.is_ok(), "{taken:?}");
    }
    let lists = r#"{"id":1},"#.repeat(1023) + r#"{"id":1}"#;
    let choices = format!(r#"{{"message":{{"tool_calls":[{lists}]}}}},"#).repeat(300);
    let body = format!(r#"{{"choices":[{}]}}"#, choices.trim_end_matches(','));
    let error = decode_chat_response(body.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("its fields hold more than 262144 values"), "{error}");
}

/// Arguments of a great many values are not read. Those of the other calls are.
#[test]
fn arguments_of_many_values_are_invalid() {
    let values = |count: usize| format!(r#"{{\"a\":[{}1]}}"#, "[],".repeat(count));
    let long = format!(r#"{{\"a\":\"{}\"}}"#, "[,".repeat(300_000));
    let arguments = [values(300_000), values(10), long, values(200_000), values(200_000)];
    let functions = arguments.iter().enumerate();
    let calls = functions.clone().map(|(index, arguments)| {
        let function = format!(r#"{{"name":"f","arguments":"{arguments}"}}"#);
        format!(r#"{{"index":{index},"id":"c{index}","function":{function}}}"#)
    });
    let calls = calls.collect::<Vec<_>>().join(",");
    let items = functions.map(|(index, arguments)| {
        format!(
            r#"{{"type":"function_call","call_id":"c{index}","name":"f","arguments":"{arguments}"}}"#
        )
    });
    let items = items.collect::<Vec<_>>().join(",");
    let message = format!(r#"{{"tool_calls":[{calls}]}}"#);
    let chat = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"tool_calls"}}]}}"#);
    let event = format!(r#"{{"choices":[{{"delta":{message},"finish_reason":"tool_calls"}}]}}"#);
    let mut decoder = StreamDecoder::new();
    feed(&mut decoder, [event, "[DONE]".to_owned()]);
    let output = format!(r#"{{"status":"completed","output":[{items}]}}"#);
    for reply in [
        decode_chat_response(chat.as_bytes()),
        decoder.finish(),
        decode_responses_response(output.as_bytes()),
    ] {
        let message = reply.unwrap().message;
        let ids: Vec<_> = message.tool_calls().iter().map(|call| call.id.as_deref()).collect();
        assert_eq!(ids, [Some("c1"), Some("c2"), Some("c3")]);
        let [first, last] = message.invalid_tool_calls() else { panic!("{message:?}") };
        assert_eq!((first.id.as_deref(), last.id.as_deref()), (Some("c0"), Some("c4")));
        for call in [first, last] {
            let error = call.error.as_deref().unwrap();
            assert_eq!(error, "the arguments of the answer hold more than 262144 values");
        }
    }
}

#[test]
fn a_field_that_nobody_needs_may_be_as_large_as_it_likes() {
    let logprobs = many(r#"{"token":"a","logprob":-0.5}"#);
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":"hi"}},"logprobs":{{"content":[{logprobs}]}}}}]}}"#
    );
    assert_eq!(decode_chat_response(body.as_bytes()).unwrap().text(), "hi");
}

#[test]
fn streams_without_end_are_errors() {
    let endless = [
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"@","function":{"name":"f"}}]}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_details":[{"type":"t","id":"@"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"x@"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":"@"}}]}"#,
    ];
    for event in endless {
        let mut decoder = StreamDecoder::with_limits(1, 64 << 10);
        let error = (0..1_000_000).find_map(|number: u32| {
            let event = event.replace('@', &number.to_string());
            decoder.feed(Bytes::from(format!("data: {event}\n\n")));
            std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
        });
        assert!(error.is_some(), "{event}");
    }
    let mut decoder = ResponsesStreamDecoder::with_limit(64 << 10);
    let error = (0..1_000_000).find_map(|number: u32| {
        let event = format!(
            r#"{{"type":"response.output_item.added","output_index":{number},"item":{{"type":"x"}}}}"#
        );
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
    });
    assert!(error.is_some());
}

#[test]
fn the_limit_counts_the_bytes_of_pieces() {
    let piece = "x".repeat(600);
    let deltas = [
        ("text", format!(r#"{{"content":"{piece}"}}"#)),
        ("reasoning", format!(r#"{{"reasoning_content":"{piece}"}}"#)),
        ("refusal", format!(r#"{{"refusal":"{piece}"}}"#)),
        (
            "arguments",
            format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{piece}"}}}}]}}"#),
        ),
    ];
    for (name, delta) in deltas {
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        let mut decoder = StreamDecoder::with_limits(1, 1000);
        let mut read = || {
            decoder.feed(Bytes::from(event.clone()));
            std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
        };
        assert!(read().is_none(), "{name}");
        assert!(matches!(read(), Some(ModelError::BodyTooLarge { .. })), "{name}");
    }
}

/// Returns how many of the events are taken before the answer is too large.
macro_rules! taken {
    ($decoder:expr, $events:expr) => {{
        let mut decoder = $decoder;
        let mut fails = |event: String| {
            decoder.feed(Bytes::from(format!("data: {event}\n\n")));
            std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
        };
        let error = (0..64).find_map(|number| Some((number, fails($events(number))?)));
        let (number, error) = error.unwrap();
        assert!(matches!(error, ModelError::BodyTooLarge { .. }), "{error:?}");
        number
    }};
}

/// All that is kept of a stream counts, in any place.
#[test]
fn the_limit_counts_the_bytes_of_what_is_kept() {
    let blob = "x".repeat(8 << 10);
    let deltas = [
        r#"{"tool_calls":[{"index":~,"id":"~@","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","reasoning":"@","function":{"name":"f"}}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"c","extra_content":{"~":"@"}}]}"#,
        r#"{"reasoning_details":[{"type":"t","data":"@"}]}"#,
        r#"{"extra_content":{"~":"@"}}"#,
        r#"{"content":[{"type":"image_url","image_url":{"url":"@"}}]}"#,
    ];
    for delta in deltas {
        let event = |number: usize| {
            let delta = delta.replace('~', &number.to_string()).replace('@', &blob);
            format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)
        };
        let taken = taken!(StreamDecoder::with_limits(1, 64 << 10), event);
        assert!((6..8).contains(&taken), "{delta}: {taken}");
    }
    // Many small values take more memory than they have bytes.
    let values = "0,".repeat(1 << 10) + "0";
    let event = |_| format!(r#"{{"choices":[{{"delta":{{"annotations":[{values}]}}}}]}}"#);
    assert!(taken!(StreamDecoder::with_limits(1, 64 << 10), event) < 2);

    let events = [
        r#"{"type":"response.output_item.done","output_index":~,"item":{"type":"x","a":"@"}}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"x","~":"@"}}"#,
        r#"{"type":"response.output_item.done","output_index":~,
            "item":{"type":"reasoning","summary":[],"encrypted_content":"@"}}"#,
        r#"{"type":"response.output_item.added","output_index":~,"item":{"type":"x","id":"~@"}}"#,
        r#"{"type":"response.output_text.delta","output_index":~,"item_id":"~@","delta":""}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"@"}"#,
    ];
    for event in events {
        let event = event.replace('\n', "");
        let event = |number: usize| event.replace('~', &number.to_string()).replace('@', &blob);
        let taken = taken!(ResponsesStreamDecoder::with_limit(64 << 10), event);
        // An id is kept twice.
        assert!((3..9).contains(&taken), "{}: {taken}", &event(0)[..80]);
    }
    // A text counts once, although the item has it again when it is done.
    let mut decoder = ResponsesStreamDecoder::with_limit(20 << 10);
    let text =
        format!(r#"{{"type":"message","content":[{{"type":"output_text","text":"{blob}"}}]}}"#);
    for event in [
        format!(r#"{{"type":"response.output_text.delta","output_index":0,"delta":"{blob}"}}"#),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{text}}}"#),
        format!(r#"{{"type":"response.output_item.done","output_index":1,"item":{text}}}"#),
        format!(r#"{{"type":"response.completed","response":{{"output":[{text},{text}]}}}}"#),
    ] {
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        while decoder.next_delta().unwrap().is_some() {}
    }
    assert_eq!(decoder.finish().unwrap().text().len(), 16 << 10);
}

/// Feeds events to a decoder of a stream.
fn feed(decoder: &mut StreamDecoder, events: impl IntoIterator<Item = String>) {
    for event in events {
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        while decoder.next_delta().unwrap().is_some() {}
    }
}

/// The pieces before are not looked at again for each piece: that would take minutes here.
#[test]
fn arguments_in_many_pieces_are_read_once() {
    let piece = |arguments: &str| {
        let arguments = serde_json::to_string(arguments).unwrap();
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"function":{{"arguments":{arguments}}}}}]}}}}]}}"#
        )
    };
    let first = r#"{"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"f"}}]}}]}"#;
    let long = format!(r#"{{"a":["{}"#, "x".repeat(1 << 20));
    for (close, more, count) in [("\"", ",{}", 2_001), ("\"", " ", 1), ("", "{}", 1)] {
        let mut decoder = StreamDecoder::new();
        let events = [first.to_owned(), piece(&long), piece(close)].into_iter();
        let end = if close.is_empty() { "\"]}" } else { "]}" };
        let end = [piece(end), "[DONE]".to_owned()];
        feed(&mut decoder, events.chain((0..2_000).map(|_| piece(more))).chain(end));
        let reply = decoder.finish().unwrap();
        let [call] = reply.message.tool_calls() else { panic!("{more:?}") };
        let list = call.args.get("a").and_then(|list| list.as_array()).unwrap();
        assert_eq!(list.len(), count, "{more:?}");
    }
    // No piece can mend these.
    let mut decoder = StreamDecoder::new();
    let events = [first.to_owned(), piece(&(long + "\"x]}"))].into_iter();
    let end = ["[DONE]".to_owned()];
    feed(&mut decoder, events.chain((0..2_000).map(|_| piece("{}"))).chain(end));
    assert_eq!(decoder.finish().unwrap().message.invalid_tool_calls().len(), 1);
}

/// Whether a stream is whole is asked after each chunk. In quadratic time, this test would take
/// hours.
#[test]
fn a_long_line_in_small_chunks_is_not_looked_at_again() {
    for (piece, end) in [("aaaaaaaa", "\"}}]}\n\ndata: [DONE]"), ("data: \n", "data: [DONE]\n\n")] {
        let mut decoder = StreamDecoder::new();
        feed(&mut decoder, [r#"{"choices":[{"delta":{"content":"Hi"}}]}"#.to_owned()]);
        if piece == "aaaaaaaa" {
            decoder.feed("data: {\"choices\":[{\"delta\":{\"content\":\"".into());
        }
        for _ in 0..400_000 {
            while decoder.next_delta().unwrap().is_some() {}
            decoder.feed(Bytes::from_static(piece.as_bytes()));
            assert!(!decoder.is_whole());
        }
        while decoder.next_delta().unwrap().is_some() {}
        decoder.feed(end.into());
        while decoder.next_delta().unwrap().is_some() {}
        assert!(decoder.finish().is_ok(), "{piece}");
    }
}

#[test]
fn events_of_two_lines_are_taken_in_a_time_that_grows_with_them() {
    let text = "x".repeat(4_000);
    let mut decoder = StreamDecoder::new();
    let event = |text: &str| format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
    let long = (0..1_000).map(|_| event(&text));
    let two = format!("{0}\ndata: {0}", event("a"));
    feed(&mut decoder, long.chain((0..1_000).flat_map(|_| [two.clone(), event("b")])));
    feed(&mut decoder, ["[DONE]".to_owned()]);
    let reply = decoder.finish().unwrap();
    assert_eq!(reply.text().trim_start_matches('x'), "aab".repeat(1_000));

    let mut decoder = ResponsesStreamDecoder::new();
    let mut feed = |event: &str| {
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        while decoder.next_delta().unwrap().is_some() {}
    };
    let event = |text: &str| format!(r#"{{"type":"response.output_text.delta","delta":"{text}"}}"#);
    (0..1_000).for_each(|_| feed(&event(&text)));
    let two = format!("{0}\ndata: {0}", event("a"));
    for _ in 0..1_000 {
        feed(&two);
        feed(&event("b"));
    }
    feed(r#"{"type":"response.completed","response":{}}"#);
    let reply = decoder.finish().unwrap();
    assert_eq!(reply.text().trim_start_matches('x'), "aab".repeat(1_000));
}

/// A line that cannot be read leaves no trace of those before it.
#[test]
fn events_of_several_lines_are_taken_whole_or_not_at_all() {
    let event = |text: &str| format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
    for before in [event("a"), format!("{}\ndata: {}", event("a"), event("b"))] {
        let mut decoder = StreamDecoder::new();
        feed(&mut decoder, [before]);
        decoder.feed(Bytes::from(format!("data: {}\ndata: {{\"choices\n\n", event("c"))));
        assert!(matches!(decoder.next_delta(), Err(ModelError::Decode(_))));
        feed(&mut decoder, [event("d"), "[DONE]".to_owned()]);
        assert!(!decoder.finish().unwrap().text().contains('c'));
    }
}

#[test]
fn a_name_that_is_written_without_end_is_read_once() {
    let event = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let mut decoder = StreamDecoder::new();
    feed(&mut decoder, ["data: ".repeat(500_000) + event, "[DONE]".to_owned()]);
    assert_eq!(decoder.finish().unwrap().text(), "a");
}

#[test]
fn messages_after_a_part_are_compared_with_nothing_else() {
    let first =
        r#"{"choices":[{"message":{"content":[{"type":"image_url","image_url":{"url":"u"}}]}}]}"#;
    let event = |number: usize| {
        let text = "x".repeat(4_000);
        format!(r#"{{"choices":[{{"message":{{"content":"{number}{text}"}}}}]}}"#)
    };
    let mut decoder = StreamDecoder::new();
    feed(&mut decoder, std::iter::once(first.to_owned()).chain((0..2_000).map(event)));
    feed(&mut decoder, ["[DONE]".to_owned()]);
    assert!(decoder.finish().unwrap().text().len() > 2_000 * 4_000);
}

/// A part that did not come is not kept, wherever a server says that another is.
#[test]
fn parts_that_did_not_come_are_not_kept() {
    let mut decoder = ResponsesStreamDecoder::new();
    for item in 0..1024 {
        let (kind, index) = match item {
            1023 => ("output_text", "content_index"),
            _ => ("reasoning_summary_text", "summary_index"),
        };
        let event = format!(
            r#"{{"type":"response.{kind}.delta","output_index":{item},"{index}":9999,"delta":"x"}}"#
        );
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        while decoder.next_delta().unwrap().is_some() {}
    }
    decoder.feed("data: {\"type\":\"response.completed\",\"response\":{}}\n\n".into());
    while decoder.next_delta().unwrap().is_some() {}
    let reply = decoder.finish().unwrap();
    assert_eq!(reply.text(), "x");
    let size = serde_json::to_string(&reply.message).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes");
}
