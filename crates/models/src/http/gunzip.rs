//! Unpacks gzip from chunks that are cut anywhere, to pieces of bounded size. No I/O.

use std::{io, mem};

use bytes::{Buf, Bytes};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// The most bytes of a piece: 16 KiB.
const MAX_PIECE: usize = 16 << 10;
/// The bytes of a member's header that each has.
const FIXED: u8 = 10;

/// A decoder of a body that is compressed by gzip.
///
/// There may be several members, with padding between them. Other bytes that follow are ignored.
#[derive(Debug)]
pub(super) struct Gunzip {
    input: Bytes,
    state: State,
}

/// The part of a body that comes next.
#[derive(Debug)]
enum State {
    Header { part: HeaderPart, flags: u8, is_first: bool },
    Data { inflate: Box<Decompress>, sum: Crc },
    Trailer { bytes: Vec<u8>, sum: Crc },
    Padding,
    Ignored,
}

/// The part of a header that comes next.
#[derive(Debug, Clone, Copy)]
enum HeaderPart {
    /// The byte at an index of those that each header has.
    Fixed(u8),
    ExtraLength(Option<u8>),
    Skipped(u16),
    /// A text that ends with a zero byte.
    Text,
    End,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { input: Bytes::new(), state: State::header(true) }
    }

    /// Takes the next chunk, once there are no more pieces.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        self.input = chunk;
    }

    /// Returns the next piece, or `None` if it takes more bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`], if the body is damaged.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Data { inflate, sum } => {
                    let (read, written) = (inflate.total_in(), inflate.total_out());
                    let mut piece = Vec::with_capacity(MAX_PIECE);
                    let status = inflate
                        .decompress_vec(&self.input, &mut piece, FlushDecompress::None)
                        .map_err(|_| damaged("its data cannot be decompressed"))?;
                    let read = usize::try_from(inflate.total_in() - read).unwrap_or(usize::MAX);
                    let stands_still = read == 0 && inflate.total_out() == written;
                    self.input.advance(read.min(self.input.len()));
                    sum.update(&piece);
                    if status == Status::StreamEnd {
                        self.state = State::Trailer { bytes: Vec::new(), sum: mem::take(sum) };
                    } else if stands_still {
                        return match self.input.is_empty() {
                            true => Ok(None),
                            false => Err(damaged("its data cannot be decompressed")),
                        };
                    }
                    if !piece.is_empty() {
                        return Ok(Some(piece.into()));
                    }
                }
                _ if self.input.is_empty() => return Ok(None),
                State::Ignored => self.input.clear(),
                State::Padding => match self.input.first() {
                    Some(0) => self.input.advance(1),
                    _ => self.state = State::header(false),
                },
                State::Header { part, flags, is_first } => {
                    let byte = self.input.get_u8();
                    match part.after(byte, flags) {
                        Some(HeaderPart::End) => self.state = State::data(),
                        Some(next) => *part = next,
                        // Not another member.
                        None if !*is_first && part.is_magic() => self.state = State::Ignored,
                        None => return Err(damaged("its header is invalid")),
                    }
                }
                State::Trailer { bytes, sum } => {
                    bytes.push(self.input.get_u8());
                    if let [a, b, c, d, e, f, g, h] = **bytes {
                        let is_right = u32::from_le_bytes([a, b, c, d]) == sum.sum()
                            && u32::from_le_bytes([e, f, g, h]) == sum.amount();
                        if !is_right {
                            return Err(damaged("its checksum does not match"));
                        }
                        self.state = State::Padding;
                    }
                }
            }
        }
    }

    /// Checks that the body may end here.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`], if it was cut off.
    pub(super) fn check_end(&self) -> io::Result<()> {
        match &self.state {
            State::Padding | State::Ignored => Ok(()),
            State::Header { is_first: false, part, .. } if part.is_magic() => Ok(()),
            _ => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed body is cut off"))
            }
        }
    }
}

impl State {
    const fn header(is_first: bool) -> Self {
        Self::Header { part: HeaderPart::Fixed(0), flags: 0, is_first }
    }

    fn data() -> Self {
        Self::Data { inflate: Box::new(Decompress::new(false)), sum: Crc::new() }
    }
}

impl HeaderPart {
    /// Returns whether it is one of the bytes that show what the body is.
    const fn is_magic(self) -> bool {
        matches!(self, Self::Fixed(0 | 1))
    }

    /// Returns the part after a byte of this one, or `None` if it cannot have the byte. The flags
    /// are those of the parts that follow.
    fn after(self, byte: u8, flags: &mut u8) -> Option<Self> {
        let is_possible = match self {
            Self::Fixed(0) => byte == 0x1f,
            Self::Fixed(1) => byte == 0x8b,
            Self::Fixed(2) => byte == 8,
            Self::Fixed(3) => {
                *flags = byte;
                byte & 0b1110_0000 == 0
            }
            _ => true,
        };
        let next = match self {
            _ if !is_possible => return None,
            Self::Fixed(index) if index + 1 < FIXED => Self::Fixed(index + 1),
            Self::ExtraLength(None) => Self::ExtraLength(Some(byte)),
            Self::ExtraLength(Some(low)) => Self::Skipped(u16::from_le_bytes([low, byte])),
            Self::Skipped(left) => Self::Skipped(left.saturating_sub(1)),
            Self::Text if byte != 0 => Self::Text,
            Self::Fixed(_) | Self::Text | Self::End => Self::optional(flags),
        };
        Some(match next {
            Self::Skipped(0) => Self::optional(flags),
            next => next,
        })
    }

    /// Returns the first of the parts that the flags name, and takes its flag away.
    fn optional(flags: &mut u8) -> Self {
        let parts = [
            (1 << 2, Self::ExtraLength(None)),
            (1 << 3, Self::Text),
            (1 << 4, Self::Text),
            (1 << 1, Self::Skipped(2)),
        ];
        let found = parts.into_iter().find(|(flag, _)| *flags & flag != 0);
        found.map_or(Self::End, |(flag, part)| {
            *flags &= !flag;
            part
        })
    }
}

fn damaged(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, how)
}
