//! The values of a JSON list, or of lines of JSON, one at a time from a stream.
//!
//! This finds where a value begins and ends, and leaves its content to serde_json. So a value that
//! is invalid or too large is passed over, and the ones after it are read.

use std::io::{self, BufRead, Chain, Cursor, Read};

use crate::error::FileFault;

/// A reader of values.
pub(crate) struct JsonValues<R> {
    /// The first bytes of the stream, and the rest.
    from: Chain<Cursor<Vec<u8>>, R>,
    /// The place of the next byte.
    offset: u64,
    form: Form,
    /// The greatest size of a value.
    max_bytes: u64,
    value: Vec<u8>,
}

/// The form in which the values follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing was read yet.
    Unknown,
    /// The elements of a list.
    List {
        /// Whether an element was read.
        has_elements: bool,
    },
    /// A value on each line.
    Lines,
    /// Values of several lines each.
    Values,
    End,
}

/// A value of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed<'v> {
    /// The text of a value, which may be invalid JSON.
    Value {
        /// The place of its first byte.
        offset: u64,
        text: &'v [u8],
    },
    /// A value that was passed over.
    TooLarge { bytes: u64 },
}

/// A fault of the stream.
#[derive(Debug)]
pub(crate) enum FrameError {
    Io(io::Error),
    Fault { offset: u64, fault: FileFault },
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The state within a value.
#[derive(Default)]
struct Nesting {
    open: u64,
    in_text: bool,
    escaped: bool,
}

/// The end of a value.
enum End {
    /// This byte is its last.
    With,
    /// This byte does not belong to it.
    Before,
}

impl Nesting {
    /// Takes the next byte of a value whose first byte is `is_first`.
    fn take(&mut self, byte: u8, is_first: bool) -> Option<End> {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_text = false;
                    return (self.open == 0).then_some(End::With);
                }
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' if self.open > 0 || is_first => self.in_text = true,
            b'{' | b'[' => self.open += 1,
            b'}' | b']' if self.open > 0 => {
                self.open -= 1;
                return (self.open == 0).then_some(End::With);
            }
            // After a number or a word.
            b',' | b'}' | b']' if self.open == 0 => return Some(End::Before),
            byte if self.open == 0 && byte.is_ascii_whitespace() => return Some(End::Before),
            _ => {}
        }
        None
    }
}

/// Returns what is buffered, and nothing at the end of the stream. A read that a signal has
/// interrupted is repeated.
fn buffer(from: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match from.fill_buf() {
            Ok([]) => return Ok(&[]),
            Ok(_) => return from.fill_buf(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl<R: BufRead> JsonValues<R> {
    pub(crate) fn new(from: R, max_bytes: u64) -> Self {
        Self {
            from: Cursor::default().chain(from),
            offset: 0,
            form: Form::Unknown,
            max_bytes,
            value: Vec::new(),
        }
    }

    /// Returns the number of bytes that were read.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the greatest size of a value.
    pub(crate) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Returns whether the stream is a list, as far as it was read.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.form, Form::List { .. })
    }

    /// Reads the next value.
    pub(crate) fn next(&mut self) -> Result<Option<Framed<'_>>, FrameError> {
        if self.form == Form::Unknown {
            self.begin()?;
        }
        let Some(byte) = self.skip_space()? else {
            return match self.form {
                Form::List { .. } => Err(self.fault(FileFault::EndsEarly)),
                _ => Ok(None),
            };
        };
        match (self.form, byte) {
            (Form::End, _) => return Err(self.fault(FileFault::Trailing)),
            (Form::List { .. }, b']') => {
                self.consume(1);
                self.form = Form::End;
                return match self.skip_space()? {
                    Some(_) => Err(self.fault(FileFault::Trailing)),
                    None => Ok(None),
                };
            }
            (Form::List { has_elements: true }, b',') => {
                self.consume(1);
                match self.skip_space()? {
                    None => return Err(self.fault(FileFault::EndsEarly)),
                    Some(b',' | b']' | b'}') => return Err(self.fault(FileFault::Separator)),
                    Some(_) => {}
                }
            }
            (Form::List { has_elements: true }, _)
            | (Form::List { has_elements: false }, b',' | b'}') => {
                return Err(self.fault(FileFault::Separator));
            }
            // No value begins with them, and nothing would be read.
            (Form::Values, b',' | b']' | b'}') => return Err(self.fault(FileFault::Between)),
            (Form::List { .. } | Form::Lines | Form::Values | Form::Unknown, _) => {}
        }
        let offset = self.offset;
        let bytes = match self.form {
            Form::List { .. } => {
                let bytes = self.read_value()?;
                self.form = Form::List { has_elements: true };
                bytes
            }
            Form::Lines => self.read_line()?,
            Form::Unknown => self.read_first()?,
            _ => self.read_value()?,
        };
        if bytes > self.max_bytes {
            return Ok(Some(Framed::TooLarge { bytes }));
        }
        Ok(Some(Framed::Value { offset, text: self.value.trim_ascii_end() }))
    }

    /// Finds out whether the values are a list. If they are not, the first value decides.
    fn begin(&mut self) -> Result<(), FrameError> {
        let (head, rest) = self.from.get_mut();
        let mut bytes = Vec::new();
        rest.take(4).read_to_end(&mut bytes)?;
        let is_archive = bytes.starts_with(b"PK\x03\x04");
        let has_mark = bytes.starts_with("\u{feff}".as_bytes());
        *head = Cursor::new(bytes);
        if is_archive {
            return Err(self.fault(FileFault::Archive));
        }
        if has_mark {
            self.consume(3);
        }
        if self.skip_space()? == Some(b'[') {
            self.consume(1);
            self.form = Form::List { has_elements: false };
        }
        Ok(())
    }

    /// Reads the first value. One that ends on its line is the first of many lines.
    fn read_first(&mut self) -> Result<u64, FrameError> {
        let mut nesting = Nesting::default();
        let mut is_first = true;
        let mut form = Form::Unknown;
        let read = self.read_until(|byte| {
            let ends_line = byte == b'\n';
            if form == Form::Lines {
                return ends_line.then_some(End::With);
            }
            let end = nesting.take(byte, is_first);
            is_first = false;
            match form {
                Form::Unknown if end.is_some() => {
                    form = Form::Lines;
                    ends_line.then_some(End::With)
                }
                Form::Unknown if ends_line => {
                    form = Form::Values;
                    None
                }
                _ => end,
            }
        });
        self.form = if form == Form::Values { form } else { Form::Lines };
        Ok(read?.0)
    }

    /// Returns the next byte that is not white space, without consuming it.
    fn skip_space(&mut self) -> Result<Option<u8>, FrameError> {
        loop {
            let buffer = buffer(&mut self.from)?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = buffer.get(space).copied();
            self.consume(space);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Reads a value up to its end, and returns its size.
    fn read_value(&mut self) -> Result<u64, FrameError> {
        let mut nesting = Nesting::default();
        let mut is_first = true;
        self.read_until(|byte| {
            let end = nesting.take(byte, is_first);
            is_first = false;
            end
        })
        .and_then(|(bytes, ended)| {
            // A list that ends within a value is cut off; a single value may end with the file.
            if !ended && matches!(self.form, Form::List { .. }) {
                return Err(self.fault(FileFault::EndsEarly));
            }
            Ok(bytes)
        })
    }

    fn read_line(&mut self) -> Result<u64, FrameError> {
        Ok(self.read_until(|byte| (byte == b'\n').then_some(End::With))?.0)
    }

    /// Reads up to an end into `self.value`, and returns the number of bytes and whether the end
    /// was found. What exceeds the greatest size is counted and not kept.
    fn read_until(
        &mut self,
        mut end: impl FnMut(u8) -> Option<End>,
    ) -> Result<(u64, bool), FrameError> {
        self.value.clear();
        // A large value leaves its room to those after it, an unusual one does not.
        self.value.shrink_to(1 << 20);
        let mut bytes = 0;
        loop {
            let buffer = buffer(&mut self.from)?;
            if buffer.is_empty() {
                return Ok((bytes, false));
            }
            let found = buffer.iter().enumerate().find_map(|(index, &byte)| {
                end(byte).map(|end| index + usize::from(matches!(end, End::With)))
            });
            let taken = found.unwrap_or(buffer.len());
            bytes += taken as u64;
            if bytes <= self.max_bytes {
                self.value.extend_from_slice(buffer.get(..taken).unwrap_or_default());
            }
            self.consume(taken);
            if found.is_some() {
                return Ok((bytes, true));
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.from.consume(bytes);
        self.offset += bytes as u64;
    }

    const fn fault(&self, fault: FileFault) -> FrameError {
        FrameError::Fault { offset: self.offset, fault }
    }
}
