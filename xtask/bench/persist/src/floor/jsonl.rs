//! A hand-written store in files of lines: a file a session, a line a turn, with its number, its id
//! and a checksum.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use conversant_core::{BoxError, TurnId};

use super::{Message, NewTurn, checksum, decode};

/// The bytes that are read from the end at once.
const BLOCK: u64 = 16 * 1024;

/// The file of a session.
pub(crate) struct Lines {
    file: File,
    session: String,
}

impl Lines {
    pub(crate) fn open(folder: &Path, session: &str) -> Result<Self, BoxError> {
        let path = folder.join(session).with_extension("jsonl");
        let file = File::options().create(true).append(true).read(true).open(path)?;
        Ok(Self { file, session: session.to_owned() })
    }

    fn line(&self, number: u64, turn: &NewTurn) -> String {
        let sum = checksum(&self.session, number, turn.id, turn.body.as_bytes());
        format!("{number}\t{}\t{sum}\t{}\n", turn.id, turn.body)
    }

    /// Appends a turn, durably.
    pub(crate) fn append(&self, number: u64, turn: &NewTurn) -> Result<(), BoxError> {
        self.file.lock()?;
        (&self.file).write_all(self.line(number, turn).as_bytes())?;
        self.file.sync_data()?;
        Ok(self.file.unlock()?)
    }

    /// Writes many turns.
    pub(crate) fn fill(&mut self, turns: usize) -> Result<(), BoxError> {
        let mut lines = String::new();
        for number in 0..turns {
            lines.push_str(&self.line(number as u64, &NewTurn::of(number)?));
        }
        Ok(self.file.write_all(lines.as_bytes())?)
    }

    /// Loads the last turns, from the end of the file.
    pub(crate) fn load(&mut self, limit: usize) -> Result<Vec<Message>, BoxError> {
        self.file.lock_shared()?;
        let mut start = self.file.seek(SeekFrom::End(0))?;
        let mut tail = Vec::new();
        while start > 0 && tail.iter().filter(|&&byte| byte == b'\n').count() <= limit {
            let from = start.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(start - from)?];
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut block)?;
            block.extend_from_slice(&tail);
            (tail, start) = (block, from);
        }
        self.file.unlock()?;
        let text = std::str::from_utf8(&tail).or_else(|_| {
            let first = tail.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            std::str::from_utf8(tail.get(first..).unwrap_or_default())
        })?;
        let lines: Vec<&str> = text.lines().rev().take(limit).collect();
        let mut messages = Vec::with_capacity(limit * 2);
        for line in lines.into_iter().rev() {
            let mut fields = line.splitn(4, '\t');
            let mut field = || fields.next().ok_or("a short line");
            let (number, id, sum, body) = (field()?.parse()?, field()?, field()?, field()?);
            let id: TurnId = id.parse()?;
            if checksum(&self.session, number, id, body.as_bytes()) != sum.parse::<u32>()? {
                return Err("a damaged line".into());
            }
            decode(body.as_bytes(), &mut messages)?;
        }
        Ok(messages)
    }
}
