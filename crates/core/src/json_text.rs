//! Writes text as JSON strings, 8 to 32 bytes at a time.
//!
//! Nearly all of a request is text. Counted by callgrind in a call with 2 messages, the text costs
//! 3,500 of 72,700 instructions here.

/// The number of bytes of a long text that are checked together.
const BLOCK: usize = 32;
/// The number of bytes that are checked first, word by word.
const BEGINNING: usize = 64;

/// A buffer that JSON strings are appended to.
pub trait JsonBuffer {
    /// Makes room for bytes.
    fn reserve(&mut self, bytes: usize);
    /// Appends a text.
    fn push_text(&mut self, text: &str);
    /// Appends an ASCII character.
    fn push_ascii(&mut self, byte: u8);
}

impl JsonBuffer for Vec<u8> {
    #[inline]
    fn reserve(&mut self, bytes: usize) {
        Self::reserve(self, bytes);
    }

    #[inline]
    fn push_text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn push_ascii(&mut self, byte: u8) {
        self.push(byte);
    }
}

impl JsonBuffer for String {
    #[inline]
    fn reserve(&mut self, bytes: usize) {
        Self::reserve(self, bytes);
    }

    #[inline]
    fn push_text(&mut self, text: &str) {
        self.push_str(text);
    }

    #[inline]
    fn push_ascii(&mut self, byte: u8) {
        self.push(char::from(byte));
    }
}

/// Appends a text as a JSON string, as serde_json writes it.
pub fn push_text(out: &mut impl JsonBuffer, text: &str) {
    out.reserve(text.len() + text.len() / 16 + 2);
    out.push_ascii(b'"');
    let mut rest = text;
    while let Some((clean, escaped)) =
        special(rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
    {
        let (Some(&byte), Some(after)) = (escaped.as_bytes().first(), escaped.get(1..)) else {
            break;
        };
        out.push_text(clean);
        push_escape(out, byte);
        rest = after;
    }
    out.push_text(rest);
    out.push_ascii(b'"');
}

/// Returns whether a text needs no escapes in a JSON string.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    special(text.as_bytes()).is_none()
}

/// Returns the position of the first byte that needs an escape.
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    // Most strings, and most text between two line breaks or quotes, end in it. Longer ones are
    // worth a call.
    let words = bytes.len().min(BEGINNING) / 8 * 8;
    let beginning = bytes.get(..words).unwrap_or_default();
    special_in_words(beginning).or_else(|| special_after(bytes, words))
}

#[inline(never)]
fn special_after(bytes: &[u8], start: usize) -> Option<usize> {
    let (blocks, _) = bytes.get(start..)?.as_chunks();
    let start = start + blocks.iter().take_while(|block| is_clean(block)).count() * BLOCK;
    let rest = bytes.get(start..)?;
    let words = rest.len() / 8 * 8;
    let at = special_in_words(rest).or_else(|| {
        let at = rest.get(words..)?.iter().position(|&byte| is_special(byte));
        Some(words + at?)
    });
    Some(start + at?)
}

/// Checks words of eight bytes, without the rest after the last word.
#[inline]
fn special_in_words(bytes: &[u8]) -> Option<usize> {
    for (index, word) in bytes.as_chunks().0.iter().enumerate() {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// Returns whether no byte of a block needs an escape. Without branches, it compiles to a few
/// vector instructions.
fn is_clean(block: &[u8; BLOCK]) -> bool {
    !block.iter().fold(false, |found, &byte| found | is_special(byte))
}

const fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Sets the highest bit of the first byte that needs an escape, perhaps those of later ones, and no
/// other bit.
const fn special_bytes(word: u64) -> u64 {
    /// The lowest bit of each byte.
    const ONES: u64 = u64::MAX / 255;
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    let (quotes, backslashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    (below(word, 0x20) | below(quotes, 1) | below(backslashes, 1)) & (ONES << 7)
}

fn push_escape(out: &mut impl JsonBuffer, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
            out.push_text("\\u00");
            out.push_ascii(digit(byte >> 4));
            out.push_ascii(digit(byte & 0xf));
            return;
        }
    };
    out.push_ascii(b'\\');
    out.push_ascii(short);
}

#[cfg(test)]
mod tests;
