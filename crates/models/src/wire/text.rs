//! Text as JSON, eight bytes at a time: most of what is ever encoded is text, and a history as one prompt is nothing else.

/// Appends a text as a JSON string, as serde_json writes it.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + text.len() / 16 + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((clean, escaped)) = special(rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(clean);
        let Some((&byte, after)) = escaped.split_first() else { break };
        push_escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Returns whether a text stands in a JSON string as it is.
pub(super) fn is_plain(text: &str) -> bool {
    special(text.as_bytes()).is_none()
}

/// Returns where the first byte is that can't stand in a JSON string.
#[inline]
pub(super) fn special(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    at.map(|at| words.len() * 8 + at)
}

/// Sets the highest bit of the first byte that can't stand in a JSON string, perhaps those of later ones, and no other.
const fn special_bytes(word: u64) -> u64 {
    /// The lowest bit of each byte.
    const ONES: u64 = u64::MAX / 255;
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    let (quotes, backslashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    (below(word, 0x20) | below(quotes, 1) | below(backslashes, 1)) & (ONES << 7)
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests;
