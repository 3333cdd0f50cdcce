//! JSON as servers write it, read at a fraction of what serde_json takes for it.
//!
//! It reads less than all of JSON, and says nothing of what is wrong: whatever it refuses is for serde_json to read, or to
//! refuse with an error that says where. What it takes, serde_json would have taken for the same.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::text::special;

/// How deep arrays and objects may stand in each other; serde_json allows more.
const DEEPEST: u8 = 32;
/// How many digits a number may have, so that each is one of 64 bits.
const DIGITS: usize = 19;

/// Reads a value.
///
/// # Errors
/// [`NotPlain`], if this is to be read by serde_json.
pub(super) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, NotPlain> {
    let mut reader = Reader { text, rest: text.as_bytes(), depth: 0 };
    reader.peek();
    let value = T::deserialize(&mut reader)?;
    if reader.peek().is_some() { Err(NotPlain) } else { Ok(value) }
}

/// That something is no JSON, or of another kind than the type that was wanted, or just rare.
#[derive(Debug)]
pub(super) struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no plain JSON")
    }
}

impl std::error::Error for NotPlain {}

impl de::Error for NotPlain {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What reads a value wants no space before it.
struct Reader<'de> {
    text: &'de str,
    /// What of it has not been read.
    rest: &'de [u8],
    depth: u8,
}

impl<'de> Reader<'de> {
    /// Returns the first byte of what comes next.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.rest {
            [byte, ..] if *byte > b' ' => Some(*byte),
            _ => self.skip_space(),
        }
    }

    #[inline(never)]
    fn skip_space(&mut self) -> Option<u8> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let at = self.rest.iter().position(|byte| !is_space(byte)).unwrap_or(self.rest.len());
        self.rest = self.rest.get(at..).unwrap_or_default();
        self.rest.first().copied()
    }

    /// Takes a byte that must come next.
    #[inline]
    fn take(&mut self, expected: u8) -> Result<(), NotPlain> {
        match self.rest {
            [byte, rest @ ..] if *byte == expected => self.rest = rest,
            _ => self.take_after_space(expected)?,
        }
        Ok(())
    }

    #[inline(never)]
    fn take_after_space(&mut self, expected: u8) -> Result<(), NotPlain> {
        if self.skip_space() != Some(expected) {
            return Err(NotPlain);
        }
        self.advance();
        Ok(())
    }

    #[inline]
    fn advance(&mut self) {
        if let [_, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), NotPlain> {
        self.rest = self.rest.strip_prefix(literal).ok_or(NotPlain)?;
        Ok(())
    }

    /// Takes a string without escapes, and returns what is between its quotes.
    #[inline]
    fn clean(&mut self) -> Option<&'de [u8]> {
        let [b'"', rest @ ..] = self.rest else { return None };
        let (text, [b'"', rest @ ..]) = rest.split_at_checked(special(rest)?)? else { return None };
        self.rest = rest;
        Some(text)
    }

    /// Has serde_json read a string.
    #[cold]
    fn escaped<T: Deserialize<'de>>(&mut self) -> Result<T, NotPlain> {
        let [b'"', rest @ ..] = self.rest else { return Err(NotPlain) };
        let mut rest = rest;
        rest = loop {
            match special(rest).and_then(|at| rest.get(at..)) {
                Some([b'\\', _, after @ ..]) => rest = after,
                Some([b'"', after @ ..]) => break after,
                _ => return Err(NotPlain),
            }
        };
        let start = self.offset();
        self.rest = rest;
        let quoted = self.text.get(start..self.offset()).ok_or(NotPlain)?;
        serde_json::from_str(quoted).map_err(|_| NotPlain)
    }

    /// Returns where in the text what has not been read begins.
    fn offset(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    #[inline]
    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotPlain> {
        let Some(text) = self.clean() else { return visitor.visit_string(self.escaped()?) };
        let end = self.offset() - 1;
        visitor.visit_borrowed_str(self.text.get(end - text.len()..end).ok_or(NotPlain)?)
    }

    #[inline]
    fn skip_string(&mut self) -> Result<(), NotPlain> {
        match self.clean() {
            Some(_) => Ok(()),
            None => self.escaped::<IgnoredAny>().map(|_| ()),
        }
    }

    /// Reads digits, and returns how many they are and what they say where they are few enough.
    #[inline]
    fn digits(&mut self) -> Result<(usize, u64), NotPlain> {
        let (before, mut number) = (self.rest.len(), 0_u64);
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.rest = rest;
        }
        match before - self.rest.len() {
            0 => Err(NotPlain),
            digits => Ok((digits, number)),
        }
    }

    /// Reads a number's part before the point.
    #[inline]
    fn integer(&mut self) -> Result<(usize, u64), NotPlain> {
        let starts_with_zero = self.rest.first() == Some(&b'0');
        let (digits, number) = self.digits()?;
        if starts_with_zero && digits > 1 { Err(NotPlain) } else { Ok((digits, number)) }
    }

    #[inline]
    fn number(&mut self) -> Result<u64, NotPlain> {
        let (digits, number) = self.integer()?;
        if digits > DIGITS || matches!(self.rest, [b'.' | b'e' | b'E', ..]) {
            return Err(NotPlain);
        }
        Ok(number)
    }

    fn skip_number(&mut self) -> Result<(), NotPlain> {
        self.rest = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        self.integer()?;
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        if let [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a value that nobody wants.
    fn skip(&mut self) -> Result<(), NotPlain> {
        match self.rest.first() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => self.items(b'}', |items| {
                while items.next()? {
                    items.reader.skip_string()?;
                    items.reader.take(b':')?;
                    items.reader.peek();
                    items.reader.skip()?;
                }
                Ok(())
            }),
            Some(b'[') => self.items(b']', |items| {
                while items.next()? {
                    items.reader.skip()?;
                }
                Ok(())
            }),
            Some(b'n') => self.literal(b"null"),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            _ => self.skip_number(),
        }
    }

    /// Reads an array or an object whose first byte comes next.
    #[inline]
    fn items<T>(
        &mut self,
        end: u8,
        read: impl FnOnce(&mut Items<'_, 'de>) -> Result<T, NotPlain>,
    ) -> Result<T, NotPlain> {
        if self.depth == DEEPEST {
            return Err(NotPlain);
        }
        self.advance();
        self.depth += 1;
        let mut items = Items { reader: self, end, state: State::Start };
        let value = read(&mut items)?;
        let is_over = items.state == State::Over;
        self.depth -= 1;
        if is_over { Ok(value) } else { Err(NotPlain) }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = NotPlain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.rest.first() {
            Some(b'"') => self.string(visitor),
            Some(b'{') => self.items(b'}', |items| visitor.visit_map(items)),
            Some(b'[') => self.items(b']', |items| visitor.visit_seq(items)),
            Some(b'n') => {
                self.literal(b"null")?;
                visitor.visit_unit()
            }
            Some(b't') => {
                self.literal(b"true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.literal(b"false")?;
                visitor.visit_bool(false)
            }
            _ => visitor.visit_u64(self.number()?),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        if self.rest.first() != Some(&b'n') {
            return visitor.visit_some(self);
        }
        self.literal(b"null")?;
        visitor.visit_none()
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.skip()?;
        visitor.visit_unit()
    }

    // What is wanted as a rule, for which not all else has to be tried.

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        self.string(visitor)
    }

    /// Reads a key.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.clean() {
            Some(name) => visitor.visit_borrowed_bytes(name),
            None => visitor.visit_string(self.escaped()?),
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.rest.first() {
            Some(b'{') => self.items(b'}', |items| visitor.visit_map(items)),
            _ => Err(NotPlain),
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match self.rest.first() {
            Some(b'[') => self.items(b']', |items| visitor.visit_seq(items)),
            _ => Err(NotPlain),
        }
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_u64(self.number()?)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char string bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct struct enum
    }
}

/// The items of an array or the fields of an object.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    end: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Within,
    Over,
}

impl Items<'_, '_> {
    /// Goes on to the next one, if there is one.
    #[inline]
    fn next(&mut self) -> Result<bool, NotPlain> {
        if self.reader.peek() == Some(self.end) {
            self.reader.advance();
            self.state = State::Over;
            return Ok(false);
        }
        if self.state == State::Within {
            self.reader.take(b',')?;
            self.reader.peek();
        }
        self.state = State::Within;
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = NotPlain;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NotPlain> {
        if self.next()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = NotPlain;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotPlain> {
        if !self.next()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotPlain> {
        self.reader.take(b':')?;
        self.reader.peek();
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests;
