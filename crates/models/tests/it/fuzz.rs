//! Decoding of any bytes ends in an answer or an error, the same however the bytes are cut.
//!
//! For a long run: `PROPTEST_CASES=10000000 cargo test -p conversant-models --release fuzz`.

use bytes::Bytes;
use conversant_conformance::cases;
use conversant_core::{Delta, ModelError};
use conversant_models::wire::{
    ResponsesStreamDecoder, SseDecoder, StreamDecoder, decode_chat_response,
    decode_completion_response,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

/// Pieces of streams that are almost valid.
const PIECES: &[&[u8]] = &[
    b"data: ",
    b"data:",
    b"data",
    b"event: error\n",
    b"event: x\n",
    b": comment\n",
    b"id: 1\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"[DONE]",
    b"[DONE]x",
    b"\xef\xbb\xbf",
    b"\xef\xbb",
    b"\xff",
    "é🙂".as_bytes(),
    b"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"},\"finish_reason\":null}]}",
    b"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}",
    b"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
    b"{\"choices\":[{\"text\":\"t\",\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1}}",
    b"{\"choices\":[],\"usage\":null}",
    b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}",
    b"{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":4294967295}]}}]}",
    b"{\"error\":{\"message\":\"no\",\"code\":500}}",
    b"{\"error\":\"no\"}",
    b"{\"choices\":",
    b"null",
    b"[",
    b"\\ud800",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(PIECES).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..12),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A change of a stream's bytes at a place.
#[derive(Debug, Clone)]
enum Change {
    Insert(&'static [u8]),
    Overwrite(u8),
    Remove(usize),
    Truncate,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        select(PIECES).prop_map(Change::Insert),
        any::<u8>().prop_map(Change::Overwrite),
        (1..40_usize).prop_map(Change::Remove),
        Just(Change::Truncate),
    ]
}

/// The streams of a file of recorded cases, each with a few changes.
fn recorded(file: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let streams: Vec<_> = cases(file)
        .unwrap()
        .iter()
        .filter_map(|case| case.input.get("sse")?.as_str().map(|text| text.as_bytes().to_vec()))
        .collect();
    assert!(!streams.is_empty(), "{file} has no streams");
    (select(streams), vec((any::<Index>(), change()), 0..5)).prop_map(|(mut bytes, changes)| {
        for (at, change) in changes {
            let at = at.index(bytes.len() + 1);
            match change {
                Change::Insert(piece) => drop(bytes.splice(at..at, piece.iter().copied())),
                Change::Overwrite(byte) => {
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                }
                Change::Remove(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
                Change::Truncate => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Cuts bytes at these places.
fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])).collect()
}

fn events(chunks: &[Bytes]) -> Vec<String> {
    let mut decoder = SseDecoder::with_limits(4096, 4096);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.clone());
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    events.push(error.to_string());
                    return events;
                }
            }
        }
    }
    events
}

/// Decodes chunks with a decoder: the pieces, and the answer or the error.
macro_rules! decoded {
    ($decoder:expr, $chunks:expr) => {{
        let mut decoder = $decoder;
        let mut deltas = Vec::new();
        for chunk in $chunks {
            decoder.feed(chunk.clone());
            loop {
                match decoder.next_delta() {
                    Ok(Some(delta)) => deltas.push(delta),
                    Ok(None) => break,
                    Err(error) => return (deltas, error.to_string()),
                }
            }
        }
        let end = match decoder.finish() {
            Ok(reply) => serde_json::to_string(&reply).unwrap(),
            Err(error) => error.to_string(),
        };
        (deltas, end)
    }};
}

fn deltas(chunks: &[Bytes]) -> (Vec<Delta>, String) {
    decoded!(StreamDecoder::with_limits(2, 4096), chunks)
}

fn responses_deltas(chunks: &[Bytes]) -> (Vec<Delta>, String) {
    decoded!(ResponsesStreamDecoder::with_limit(4096), chunks)
}

proptest! {
    #[test]
    fn streams_are_the_same_however_they_are_cut(bytes in stream(), cuts in vec(any::<usize>(), 0..6)) {
        let whole = [Bytes::from(bytes.clone())];
        let parts = cut(&bytes, &cuts);
        prop_assert_eq!(events(&whole), events(&parts));
        let (whole, parts) = (deltas(&whole), deltas(&parts));
        prop_assert_eq!(&whole, &parts);
        let texts = whole.0.iter();
        let pieces_are_not_empty = texts.clone().all(|delta| !matches!(delta, Delta::Text(text) if text.is_empty()));
        prop_assert!(pieces_are_not_empty);
    }

    #[test]
    fn recorded_streams_with_faults_are_the_same_however_they_are_cut(
        bytes in recorded("chat_stream.jsonl"),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let parts = cut(&bytes, &cuts);
        let whole = [Bytes::from(bytes)];
        prop_assert_eq!(deltas(&whole), deltas(&parts));
    }

    #[test]
    fn recorded_responses_with_faults_are_the_same_however_they_are_cut(
        bytes in recorded("responses.jsonl"),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let parts = cut(&bytes, &cuts);
        let whole = [Bytes::from(bytes)];
        prop_assert_eq!(responses_deltas(&whole), responses_deltas(&parts));
    }

    #[test]
    fn bodies_are_answers_or_errors(bytes in prop_oneof![stream(), vec(any::<u8>(), 0..200)]) {
        for decode in [decode_chat_response, decode_completion_response] {
            match decode(&bytes) {
                Ok(_)
                | Err(
                    ModelError::Decode(_)
                    | ModelError::ApiErrorInBody { .. }
                    | ModelError::EmptyAnswer { .. }
                    // Events in place of a body.
                    | ModelError::StreamTruncated { .. }
                    | ModelError::Stream { .. },
                ) => {}
                Err(error) => prop_assert!(false, "{error:?}"),
            }
        }
    }

    #[test]
    fn json_of_any_form_is_an_answer_or_an_error_that_quotes_nothing(json in json()) {
        let body = serde_json::json!({"choices": [{"message": json, "text": json}], "usage": json});
        for decode in [decode_chat_response, decode_completion_response] {
            if let Err(error) = decode(body.to_string().as_bytes()) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("canary"), "{shown}");
            }
        }
    }
}

/// JSON with the names that are looked for and values of any kind.
pub(crate) fn json() -> impl Strategy<Value = serde_json::Value> {
    let name = select(
        &[
            "content",
            "tool_calls",
            "function",
            "arguments",
            "name",
            "id",
            "index",
            "refusal",
            "total_tokens",
            "canary",
        ][..],
    );
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        Just("canary".into()),
        Just("{\"canary\": \"canary\"".into()),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((name.clone(), inner), 0..4).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}
