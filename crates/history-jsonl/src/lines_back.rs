//! Reading the lines of a file from the last to the first.

use std::{
    fs::File,
    io::{self, ErrorKind},
};

use crate::page_cache::Source;

/// The bytes that are read first. Each later read is twice as long as the one before.
const FIRST_BYTES: u64 = 16 * 1024;

/// The last read from the page cache: 112 KiB with the reads before it, which are decoded in a
/// fraction of a millisecond. More is read by a thread of the store.
const LAST_CACHED_BYTES: u64 = 4 * FIRST_BYTES;

/// The lines of a part of a file, newest first.
pub(crate) struct LinesBack<'f> {
    source: Source,
    file: &'f File,
    /// The offset at which the first line begins.
    first: u64,
    /// The offset of the text that was read.
    start: u64,
    text: Vec<u8>,
    /// The number of bytes of the text whose lines were not returned.
    left: usize,
    next_read: u64,
}

impl<'f> LinesBack<'f> {
    /// Returns the lines between two offsets.
    pub(crate) const fn new(source: Source, file: &'f File, first: u64, end: u64) -> Self {
        let text = Vec::new();
        Self { source, file, first, start: end, text, left: 0, next_read: FIRST_BYTES }
    }

    /// Returns whether the last line has its line break, or there are no lines.
    pub(crate) fn ends_whole(&mut self) -> io::Result<bool> {
        if self.start <= self.first {
            return Ok(self.start == self.first);
        }
        self.read_more()?;
        Ok(self.text.ends_with(b"\n"))
    }

    /// Returns the line before, with its line break.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let before = self.text.get(..self.left.saturating_sub(1)).unwrap_or_default();
            let line_start = match memchr::memrchr(b'\n', before) {
                Some(line_break) => Some(line_break + 1),
                None if self.start <= self.first => (self.left > 0).then_some(0),
                None => {
                    self.read_more()?;
                    continue;
                }
            };
            let Some(line_start) = line_start else { return Ok(None) };
            let end = std::mem::replace(&mut self.left, line_start);
            return Ok(self.text.get(line_start..end));
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        if self.source == Source::PageCache && self.next_read > LAST_CACHED_BYTES {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = self.next_read.min(self.start.saturating_sub(self.first));
        self.start -= bytes;
        self.next_read *= 2;
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut text = self.source.read_at(self.file, self.start, length)?;
        text.extend_from_slice(self.text.get(..self.left).unwrap_or_default());
        self.left = text.len();
        self.text = text;
        Ok(())
    }
}
