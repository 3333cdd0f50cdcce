//! The alphabet in which byte-level tokens are written: a printable character for each byte.

use std::{collections::HashMap, sync::LazyLock};

/// Printable bytes stand for themselves; the others are the characters from 256 on, in order.
static BYTES: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let mut others = (256_u32..).filter_map(char::from_u32);
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..);
    let character = |byte: u8| match is_printable(byte) {
        true => Some(char::from(byte)),
        false => others.next(),
    };
    let characters: Vec<Option<char>> = (0..=u8::MAX).map(character).collect();
    characters.into_iter().zip(0..=u8::MAX).filter_map(|(c, byte)| Some((c?, byte))).collect()
});

/// Returns the bytes of a token; a token outside of the alphabet is its own text.
pub(super) fn decode(token: &str) -> Box<[u8]> {
    let bytes: Option<Box<[u8]>> = token.chars().map(|c| BYTES.get(&c).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_bytes() {
        for (token, bytes) in [
            ("Hello", "Hello".as_bytes()),
            ("Ġthe", b" the"),
            ("Ċ", b"\n"),
            ("ÃŁ", "ß".as_bytes()),
            ("ðŁ", &[0xF0, 0x9F]),
            ("", b""),
            ("日", "日".as_bytes()),
        ] {
            assert_eq!(&*decode(token), bytes, "{token}");
        }
    }
}
