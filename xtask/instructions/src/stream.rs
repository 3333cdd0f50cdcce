//! Decoding the events of a stream, with and without the fast path.

use std::{fmt::Write as _, hint::black_box};

use conversant_core::BoxError;
use conversant_models::wire::StreamDecoder;

use crate::counted::{counted, say};

/// The number of events of a stream.
const EVENTS: usize = 1_000;

pub(crate) fn count() -> Result<(), BoxError> {
    // The events of most servers differ in their text only.
    count_events("event of a stream", |_| 1_700_000_000)?;
    // A number that changes with each event prevents the fast path.
    count_events("event, parsed as JSON", |index| 1_700_000_000 + index)
}

fn count_events(work: &str, created: impl Fn(usize) -> usize) -> Result<(), BoxError> {
    let mut events = Vec::new();
    for index in 0..EVENTS {
        let mut event = String::new();
        write!(
            event,
            r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":{},"model":"m","choices":[{{"index":0,"delta":{{"content":" word"}},"finish_reason":null}}]}}"#,
            created(index)
        )?;
        event.push_str("\n\n");
        events.push(event.into());
    }
    let mut deltas = 0;
    let mut decoder = StreamDecoder::new();
    counted(&mut || {
        for event in std::mem::take(&mut events) {
            decoder.feed(event);
            while let Ok(Some(delta)) = decoder.next_delta() {
                drop(black_box(delta));
                deltas += 1;
            }
        }
    });
    if deltas != EVENTS {
        return Err(format!("{work}: {deltas} deltas of {EVENTS} events").into());
    }
    say(work, 0, EVENTS);
    Ok(())
}
