//! Writes text as JSON strings, 16 bytes at a time.
//!
//! Nearly all of a request is text. Counted by callgrind in a call with 2 messages, the text costs
//! 3,300 of 71,400 instructions here.

/// The number of bytes that are checked together.
const BLOCK: usize = 16;

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
    let (blocks, rest) = text.as_bytes().as_chunks();
    let mut written = 0;
    let mut push_special = |at: usize| {
        out.push_text(text.get(written..at).unwrap_or_default());
        push_escape(out, text.as_bytes().get(at).copied().unwrap_or_default());
        written = at + 1;
    };
    for (index, block) in blocks.iter().enumerate() {
        let mut found = special_bytes(block);
        while found != 0 {
            push_special(index * BLOCK + found.trailing_zeros() as usize / 8);
            found &= found - 1;
        }
    }
    for (index, &byte) in rest.iter().enumerate() {
        if is_special(byte) {
            push_special(blocks.len() * BLOCK + index);
        }
    }
    out.push_text(text.get(written..).unwrap_or_default());
    out.push_ascii(b'"');
}

/// Returns whether a text needs no escapes in a JSON string.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let (blocks, rest) = text.as_bytes().as_chunks();
    blocks.iter().all(|block| special_bytes(block) == 0)
        && !rest.iter().any(|&byte| is_special(byte))
}

const fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Returns a number whose bytes have the highest bit, and no other, where a byte of a block needs
/// an escape. Without branches, it compiles to a few vector instructions.
#[inline]
fn special_bytes(block: &[u8; BLOCK]) -> u128 {
    u128::from_le_bytes(block.map(|byte| if is_special(byte) { 0x80 } else { 0 }))
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
