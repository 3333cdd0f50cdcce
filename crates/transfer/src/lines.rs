//! The lines of this crate: a turn and its session on each, with nothing left out.

use std::io::{self, BufRead, Read, Write};

use conversant_core::{ChatHistory, Expect, SessionId, Turn};
use serde::{Deserialize, Serialize};

use crate::{
    conversation::session_id,
    error::{LineFault, TransferError},
    event::{Events, OmissionReason, Omitted, TransferEvent},
};

/// A line: a turn and its session.
#[derive(Serialize, Deserialize)]
struct Line<S, T> {
    session: S,
    turn: T,
}

/// The settings of an import of lines.
pub(crate) struct Settings<'s> {
    pub(crate) prefix: &'s str,
    /// The number of lines that are passed over.
    pub(crate) start: u64,
    /// The greatest size of a line.
    pub(crate) max_bytes: u64,
}

/// Writes the turns of a session.
pub(crate) fn write(mut to: impl Write, session: &SessionId, turns: &[Turn]) -> io::Result<()> {
    for turn in turns {
        serde_json::to_writer(&mut to, &Line { session, turn })?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// Appends the turns of lines to a history.
pub(crate) async fn import<F: FnMut(TransferEvent) + Send>(
    to: &dyn ChatHistory,
    mut from: impl BufRead + Send,
    settings: &Settings<'_>,
    events: &mut Events<F>,
) -> Result<(), TransferError> {
    let mut text = Vec::new();
    let mut last = None;
    for number in 1.. {
        text.clear();
        let limit = settings.max_bytes.saturating_add(1);
        let bytes = (&mut from).take(limit).read_until(b'\n', &mut text)? as u64;
        events.progress.bytes += bytes;
        if bytes == 0 {
            break;
        }
        if bytes == limit && !text.ends_with(b"\n") {
            let fault = LineFault::TooLong;
            return Err(TransferError::Line { line: number, column: text.len(), fault });
        }
        if number <= settings.start || text.trim_ascii().is_empty() {
            events.progress.conversations = number;
            continue;
        }
        let Line { session, turn }: Line<SessionId, Turn> =
            serde_json::from_slice(&text).map_err(|error| invalid(number, &text, &error))?;
        let Ok(session) = session_id(settings.prefix, session.as_str()) else {
            events.omit(Some(&session), Omitted::whole(OmissionReason::InvalidSessionId));
            events.progress.conversations = number;
            continue;
        };
        to.append(&session, &turn, Expect::Any).await?;
        events.progress.turns += 1;
        if last.as_ref() != Some(&session) {
            events.progress.sessions += 1;
            last = Some(session);
        }
        events.progress.conversations = number;
        events.advance();
    }
    Ok(())
}

fn invalid(number: u64, text: &[u8], error: &serde_json::Error) -> TransferError {
    let (fault, column) = match std::str::from_utf8(text) {
        Err(invalid) => (LineFault::Encoding, invalid.valid_up_to() + 1),
        Ok(_) if error.is_data() => (LineFault::Value, error.column()),
        Ok(_) => (LineFault::Syntax, error.column()),
    };
    TransferError::Line { line: number, column, fault }
}
