//! Characters, classes and sets in brackets.

use super::translator::{Flags, Parsed, Translator};

/// A member of a set in brackets.
pub(super) enum Member {
    Character(char),
    Class(String),
}

impl Translator {
    pub(super) fn character(&mut self, character: char, flags: Flags) {
        if !flags.ignore_case {
            self.out.push_str(&literal(character));
        } else if flags.ascii || DOTTED_I.contains(&character) {
            self.write_set(&[(character, character)], "", false, flags);
        } else {
            self.out.push_str(&format!("(?i:{})", literal(character)));
        }
    }

    /// Reads an escape that is valid inside of brackets too.
    pub(super) fn escaped_member(&mut self, escaped: char, flags: Flags) -> Parsed<Member> {
        let character = match escaped {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                return Ok(Member::Class(class(escaped, flags.ascii)));
            }
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' | 'u' | 'U' => {
                let length = match escaped {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits: String = self.regex.iter().skip(self.at).take(length).collect();
                if digits.len() != length || !digits.chars().all(|digit| digit.is_ascii_hexdigit())
                {
                    return Err(self.fault(format!("incomplete escape `\\{escaped}`")));
                }
                self.at += length;
                self.code(&digits, 16, u32::MAX)?
            }
            '0'..='7' => {
                let mut digits = escaped.to_string();
                while let Some(digit) = self.peek().filter(|digit| digit.is_digit(8))
                    && digits.len() < 3
                {
                    digits.push(digit);
                    self.at += 1;
                }
                self.code(&digits, 8, 0o377)?
            }
            'N' => return Err(self.fault("names of characters are not supported; use `\\u`")),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(self.fault(format!("bad escape `\\{letter}`")));
            }
            other => other,
        };
        Ok(Member::Character(character))
    }

    pub(super) fn code(&self, digits: &str, radix: u32, max: u32) -> Parsed<char> {
        let code = u32::from_str_radix(digits, radix).ok().filter(|code| *code <= max);
        code.and_then(char::from_u32).ok_or_else(|| self.fault(format!("no character `{digits}`")))
    }

    /// Reads a set after its opening bracket.
    pub(super) fn set(&mut self, flags: Flags) -> Parsed<()> {
        let is_negated = self.take('^');
        let (mut ranges, mut classes) = (Vec::new(), String::new());
        let mut is_empty = true;
        loop {
            if self.peek() == Some(']') && !is_empty {
                self.at += 1;
                break;
            }
            is_empty = false;
            let low = self.member(flags)?;
            if self.peek() == Some('-') && self.regex.get(self.at + 1) != Some(&']') {
                self.at += 1;
                match (low, self.member(flags)?) {
                    (Member::Character(low), Member::Character(high)) if low <= high => {
                        ranges.push((low, high));
                    }
                    _ => return Err(self.fault("bad character range")),
                }
                continue;
            }
            match low {
                Member::Character(character) => ranges.push((character, character)),
                Member::Class(class) => classes.push_str(&class),
            }
        }
        self.write_set(&ranges, &classes, is_negated, flags);
        Ok(())
    }

    pub(super) fn member(&mut self, flags: Flags) -> Parsed<Member> {
        match self.next() {
            None => Err(self.fault("unterminated character set")),
            Some('\\') => match self.next() {
                Some('b') => Ok(Member::Character('\u{8}')),
                Some(escaped) => self.escaped_member(escaped, flags),
                None => Err(self.fault("a bare backslash at the end")),
            },
            Some(character) => Ok(Member::Character(character)),
        }
    }

    fn write_set(
        &mut self,
        ranges: &[(char, char)],
        classes: &str,
        is_negated: bool,
        flags: Flags,
    ) {
        let mut ranges = ranges.to_vec();
        let is_within = |letter: char, ranges: &[(char, char)]| {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter))
        };
        if flags.ignore_case && flags.ascii {
            let other_case = |letter: &char| {
                let other = if letter.is_ascii_lowercase() {
                    letter.to_ascii_uppercase()
                } else {
                    letter.to_ascii_lowercase()
                };
                is_within(other, &ranges)
            };
            let more: Vec<char> = ('A'..='Z').chain('a'..='z').filter(other_case).collect();
            ranges.extend(more.into_iter().map(|letter| (letter, letter)));
        } else if flags.ignore_case && DOTTED_I.iter().any(|letter| is_within(*letter, &ranges)) {
            ranges.extend(DOTTED_I.map(|letter| (letter, letter)));
        }
        let hat = if is_negated { "^" } else { "" };
        let mut set = format!("[{hat}{classes}");
        for (low, high) in ranges {
            set.push_str(&format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(low), u32::from(high)));
        }
        set.push(']');
        if flags.ignore_case && !flags.ascii {
            set = format!("(?i:{set})");
        }
        self.out.push_str(&set);
    }
}

/// The letters that Python takes for equal without regard to case, and Unicode's simple folding
/// does not.
const DOTTED_I: [char; 4] = ['i', 'I', '\u{130}', '\u{131}'];

/// Returns the members of a class, for use in brackets.
pub(super) fn class(letter: char, is_ascii: bool) -> String {
    let members = match (letter.to_ascii_lowercase(), is_ascii) {
        ('d', false) => r"\p{Nd}",
        ('d', true) => "0-9",
        ('s', false) => r"\s\x1c-\x1f",
        ('s', true) => r" \t\n\r\x0b\x0c",
        (_, false) => r"\p{L}\p{N}_",
        (_, true) => "0-9A-Za-z_",
    };
    if letter.is_ascii_uppercase() { format!("[^{members}]") } else { members.to_owned() }
}

fn literal(character: char) -> String {
    fancy_regex::escape(character.encode_utf8(&mut [0; 4])).into_owned()
}
