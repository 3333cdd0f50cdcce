//! Puts the bytes of tokens together to text.

/// Decodes bytes that arrive in pieces, which may end inside of a character.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    pending: Vec<u8>,
}

impl TextDecoder {
    /// Returns the characters that are complete. Invalid bytes become U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let error = match std::str::from_utf8(&self.pending) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.pending.clear();
                    return text;
                }
                Err(error) => error,
            };
            let invalid = error.error_len();
            let used = error.valid_up_to() + invalid.unwrap_or(0);
            let taken: Vec<u8> = self.pending.drain(..used).collect();
            text.push_str(&String::from_utf8_lossy(&taken));
            if invalid.is_none() {
                return text;
            }
        }
    }

    /// Returns the rest, at the end of the text.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_give_the_text_of_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..40), size in 1_usize..6) {
            let mut decoder = TextDecoder::default();
            let mut text: String = bytes.chunks(size).map(|piece| decoder.push(piece)).collect();
            text.push_str(&decoder.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
