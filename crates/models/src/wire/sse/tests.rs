//! The rules of WHATWG's format, by the cases of its test suite, and what is our own.
#![allow(clippy::unwrap_used)]

use super::{SseDecoder, SseError};

fn decode(chunks: &[&[u8]]) -> Vec<String> {
    let mut decoder = SseDecoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.to_vec().into());
        while let Some(event) = decoder.next_event().unwrap() {
            events.push(format!("{}|{}", event.event, event.data));
        }
    }
    events
}

#[test]
fn the_format_is_whatwgs() {
    for (name, stream, events) in [
        (
            "data",
            "data: msg\ndata: msg\n\n:\n\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
            &["|msg\nmsg", "|", "|end"][..],
        ),
        ("bom", "\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n", &["|1", "|3"]),
        (
            "comments",
            "data:1\r:\0\n:\r\ndata:2\n:xxxx\rdata:3\n:data:fail\r:xx\ndata:4\n\n",
            &["|1\n2\n3\n4"],
        ),
        (
            "before the final empty line",
            "retry:1000\ndata:test1\n\nid:test\ndata:test2",
            &["|test1"],
        ),
        ("field data", "data:\n\ndata\ndata\n\ndata:test\n\n", &["|", "|\n", "|test"]),
        ("field event", "event:test\ndata:x\n\ndata:x\n\n", &["test|x", "|x"]),
        ("empty event", "event: \ndata:data\n\n", &["|data"]),
        ("event without data", "event:lost\n\ndata:x\n\n", &["|x"]),
        (
            "fields",
            "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
            &["|\0\n 2\n1\n3\n\n4"],
        ),
        ("leading space", "data:\ttest\rdata: \ndata:test\n\n", &["|\ttest\n\ntest"]),
        ("newlines", "data:test\r\ndata\ndata:test\r\n\r", &["|test\n\ntest"]),
        ("null character", "data:\0\n\n\n\n", &["|\0"]),
        ("utf-8", "data:ok…\n\n", &["|ok…"]),
        ("id and retry", "id:1\nretry:5\nretry:+5\nid:\0\ndata:x\n\n", &["|x"]),
        ("carriage returns", "data:a\r\rdata:b\r\r", &["|a", "|b"]),
    ] {
        assert_eq!(decode(&[stream.as_bytes()]), events, "{name}");
        let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
        assert_eq!(decode(&bytes), events, "{name}, byte by byte");
    }
}

#[test]
fn an_event_is_told_as_soon_as_it_is_there() {
    let mut decoder = SseDecoder::new();
    decoder.feed("data:a\r\r".into());
    assert_eq!(decoder.next_event().unwrap().unwrap().data, "a");
    decoder.feed("\ndata:b\n\n".into());
    assert_eq!(decoder.next_event().unwrap().unwrap().data, "b");
    assert!(decoder.next_event().unwrap().is_none());
}

#[test]
fn chunks_may_come_before_they_are_asked_for() {
    let mut decoder = SseDecoder::new();
    for chunk in ["data:a\n", "\ndata:b\n\nda", "ta:c\n\n"] {
        decoder.feed(chunk.into());
    }
    for expected in ["a", "b", "c"] {
        assert_eq!(decoder.next_event().unwrap().unwrap().data, expected);
    }
}

#[test]
fn what_is_no_utf8_is_an_error_with_its_place() {
    for (stream, offset) in [
        (&b"data:\xff\n\n"[..], 5),
        (b"\xef\xbb\xbfdata:a\r\n: \xc0\xaf\n", 13),
        (b"data:a\n\ndata:\xed\xa0\x80\n\n", 13),
        (b"data:\xf0\x9f\x98\n\n", 5),
    ] {
        for chunk in [1, 3, 100] {
            let mut decoder = SseDecoder::new();
            let error = stream.chunks(chunk).find_map(|chunk| {
                decoder.feed(chunk.to_vec().into());
                loop {
                    match decoder.next_event() {
                        Ok(Some(_)) => {}
                        Ok(None) => return None,
                        Err(error) => return Some(error),
                    }
                }
            });
            assert_eq!(error, Some(SseError::Utf8 { offset }), "{}", stream.escape_ascii());
        }
    }
}

#[test]
fn lines_and_events_have_their_limits() {
    let mut decoder = SseDecoder::with_limits(10, 8);
    decoder.feed("data:12345\n\n:345678".into());
    assert_eq!(decoder.next_event().unwrap().unwrap().data, "12345");
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.feed("9a".into());
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.feed("bcd".into());
    let error = decoder.next_event().unwrap_err();
    assert_eq!(error.to_string(), "cannot read a line of the stream: it is larger than 10 bytes");

    let mut decoder = SseDecoder::with_limits(10, 8);
    decoder.feed("data:1234\ndata:5678\n\n".into());
    let error = decoder.next_event().unwrap_err();
    assert_eq!(error.to_string(), "cannot read an event of the stream: it is larger than 8 bytes");
}
