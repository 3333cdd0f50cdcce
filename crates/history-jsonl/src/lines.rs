//! Reading lines by their places.

use std::fs::File;

use conversant_core::{HistoryError, Turn};
use serde::de::DeserializeOwned;

use crate::{
    error::{corrupt_line, io_error, unexpected_line},
    file_io, log_record,
    shared_file::SharedFile,
    turn_line,
    turn_tree::{Span, TurnEntry},
};

/// The most bytes of lines that are read at once, unless one line has more.
const MAX_READ: u64 = 256 * 1024;

/// The files of a session: its own, and those whose turns it shares.
pub(crate) struct Lines<'f> {
    own: Option<&'f File>,
    shared: &'f [SharedFile],
    /// The shared file that was read last, with its index.
    opened: Option<(usize, File)>,
}

impl<'f> Lines<'f> {
    pub(crate) fn new(own: Option<&'f File>, shared: &'f [SharedFile]) -> Self {
        Self { own, shared, opened: None }
    }

    /// Reads turns, in the order of a path.
    pub(crate) fn turns(&mut self, entries: &[&TurnEntry]) -> Result<Vec<Turn>, HistoryError> {
        let mut turns = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some(first) = rest.first() {
            // Lines that are near each other are read at once.
            let start = first.span.offset;
            let is_near = |turn: &&&TurnEntry| {
                let end = turn.span.offset + turn.span.bytes as u64;
                turn.span.file == first.span.file
                    && (start..=start + MAX_READ).contains(&end)
                    && turn.span.offset >= start
            };
            let near = rest.iter().take_while(is_near).count().max(1);
            let (block, after) = rest.split_at(near);
            self.read_block(block.iter().map(|turn| turn.span), |line| {
                turns.push(turn_line::turn(line)?);
                Ok(())
            })?;
            rest = after;
        }
        Ok(turns)
    }

    pub(crate) fn read<T: DeserializeOwned>(&mut self, span: Span) -> Result<T, HistoryError> {
        let mut found = None;
        self.read_block([span].into_iter(), |line| {
            found = Some(serde_json::from_slice(line)?);
            Ok(())
        })?;
        found.ok_or_else(|| corrupt_line(span.line, "is missing"))
    }

    /// Reads lines of a file, in the order of the file, by one read of all that is between them.
    fn read_block(
        &mut self,
        spans: impl Iterator<Item = Span> + Clone,
        mut add: impl FnMut(&[u8]) -> serde_json::Result<()>,
    ) -> Result<(), HistoryError> {
        let (Some(first), Some(last)) = (spans.clone().next(), spans.clone().last()) else {
            return Ok(());
        };
        let gone = |span: Span| corrupt_line(span.line, "is missing");
        let file = self.file(first)?;
        let end = last.offset + last.bytes as u64;
        let length = usize::try_from(end - first.offset).map_err(|_| gone(last))?;
        let available = file.metadata().map_err(io_error)?.len().saturating_sub(first.offset);
        let length = length.min(usize::try_from(available).unwrap_or(usize::MAX));
        let block = file_io::read_at(file, first.offset, length).map_err(io_error)?;
        for span in spans {
            let start = usize::try_from(span.offset - first.offset).unwrap_or(usize::MAX);
            let line = block.get(start..start.saturating_add(span.bytes));
            let line = line.ok_or_else(|| gone(span))?;
            if !log_record::is_whole(line) {
                return Err(corrupt_line(span.line, "is damaged"));
            }
            add(line).map_err(|error| unexpected_line(span.line, &error))?;
        }
        Ok(())
    }

    fn file(&mut self, span: Span) -> Result<&File, HistoryError> {
        let gone = || corrupt_line(span.line, "is missing");
        let Some(number) = span.file.checked_sub(1) else { return self.own.ok_or_else(gone) };
        let opened = match self.opened.take().filter(|(opened, _)| *opened == number) {
            Some(opened) => opened,
            None => (number, self.shared.get(number).ok_or_else(gone)?.open()?),
        };
        Ok(&self.opened.insert(opened).1)
    }
}
