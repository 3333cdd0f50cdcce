//! The lines of this crate: a turn and its session on each, with nothing left out of the session.

mod line;
mod session_lines;

use std::io::{self, BufRead, Read, Write};

use conversant_core::{ChatHistory, SessionId, Turn};

use self::{
    line::{Line, Place},
    session_lines::{Passed, SessionLines},
};
use crate::{
    conversation::session_id,
    error::{LineFault, TransferError},
    event::{Events, OmissionReason, Omitted, TransferEvent},
    facts::SessionFacts,
    pause::Pace,
    session_tree::{Names, SessionTree},
};

/// The settings of an import of lines.
pub(crate) struct Settings<'s> {
    pub(crate) prefix: &'s str,
    /// The number of lines that are passed over.
    pub(crate) start: u64,
    /// The greatest size of a line.
    pub(crate) max_bytes: u64,
}

/// Writes a session.
pub(crate) fn write(
    mut to: impl Write,
    session: &SessionId,
    tree: &SessionTree,
    names: &Names,
    facts: &SessionFacts,
) -> io::Result<()> {
    let has_branches = tree.has_branches();
    let turns = tree.turns.iter().map(|placed| Line {
        turn: Some(&placed.turn),
        follows: has_branches.then_some(Place(placed.follows)),
        current: placed.is_current,
        ..Line::new(session)
    });
    let tip = has_branches.then(|| Line { tip: Some(Place(tree.tip)), ..Line::new(session) });
    let names = (!names.is_empty()).then(|| Line {
        title: names.title.clone(),
        labels: names.labels.clone(),
        ..Line::new(session)
    });
    let facts = (!facts.is_empty()).then(|| Line {
        facts: facts.facts.clone(),
        described: facts.described,
        ..Line::new(session)
    });
    for line in turns.chain(tip).chain(names).chain(facts) {
        serde_json::to_writer(&mut to, &line)?;
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
    let mut last: Option<SessionLines<'_>> = None;
    let (mut passed, mut pace) = (Passed::default(), Pace::default());
    for number in 1.. {
        pace.step().await;
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
            passed.pass(&text);
            events.progress.conversations = number;
            continue;
        }
        let mut line: Line<SessionId, Turn> =
            serde_json::from_slice(&text).map_err(|error| invalid(number, &text, &error))?;
        if !line.is_valid() {
            let (fault, column) = (LineFault::Value, text.trim_ascii_end().len());
            return Err(TransferError::Line { line: number, column, fault });
        }
        let Ok(session) = session_id(settings.prefix, line.session.as_str()) else {
            events.omit(Some(&line.session), Omitted::whole(OmissionReason::InvalidSessionId));
            events.progress.conversations = number;
            continue;
        };
        let passed = passed.take(&line.session);
        line.session = session;
        let mut lines = match last.take() {
            Some(last) if *last.session() == line.session => last,
            _ => SessionLines::new(to, line.session.clone(), passed),
        };
        let stored = lines.store(line, events).await;
        stored.map_err(|error| error.in_session(lines.session()))?;
        last = Some(lines);
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
