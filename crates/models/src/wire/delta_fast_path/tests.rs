//! A stream comes to the same whether its events are alike or not.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::StreamDecoder;

/// Frames of events, `@` standing for a string: servers' own, and such as look alike and say more.
const FRAMES: &[&str] = &[
    r#"{"id":"1","model":"m","choices":[{"index":0,"delta":{"content":@},"finish_reason":null}],"usage":null}"#,
    r#"{"id":"1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":@}}]}"#,
    r#"{"choices":[{"index":0,"text":@,"logprobs":null,"finish_reason":null}]}"#,
    r#"{"choices":[{"text":@}]}"#,
    r#"{"choices":[{"delta":{"content":"no","content":@}}]}"#,
    r#"{"choices":[{"delta":{"content":@,"refusal":""}}]}"#,
    r#"{"choices":[{"delta":{"content":@}}],"usage":{"prompt_tokens":1}}"#,
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z ]{0,12}",
        1 => "[\"\\\\{}:,a\n\u{1f}é🦀]{0,6}",
        1 => Just(r#""}}]}"#.to_owned()),
    ]
}

proptest! {
    #[test]
    fn texts_come_out_as_they_were_put_in(
        events in prop::collection::vec((0..FRAMES.len(), text()), 1..40),
        alike in any::<bool>(),
    ) {
        let mut decoder = StreamDecoder::new();
        let mut expected = String::new();
        for (frame, text) in &events {
            let frame = FRAMES[if alike { 0 } else { *frame }];
            let json = serde_json::to_string(text).unwrap();
            decoder.feed(format!("data: {}\n\n", frame.replace('@', &json)).into());
            while decoder.next_delta().unwrap().is_some() {}
            expected.push_str(text);
        }
        decoder.feed("data: [DONE]\n\n".into());
        while decoder.next_delta().unwrap().is_some() {}
        let reply = decoder.finish().unwrap();
        prop_assert_eq!(reply.text(), expected);
    }
}
