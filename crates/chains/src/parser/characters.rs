//! Characters as Python's `str` and `re` classify them.

/// Returns whether Python's `str.strip` and `\s` treat a character as whitespace: Unicode's
/// whitespace, and the four separators of ASCII.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Returns the value of a decimal digit of any script, as `\d` and `int` take it.
#[cfg(feature = "parsers")]
pub(super) fn digit(character: char) -> Option<u32> {
    if character.is_ascii() {
        return character.to_digit(10);
    }
    let after = ZEROS.partition_point(|zero| *zero <= character);
    let zero = *ZEROS.get(after.checked_sub(1)?)?;
    let value = u32::from(character) - u32::from(zero);
    (value < 10).then_some(value)
}

/// Returns whether two characters are equal without regard to case, as `re.IGNORECASE` compares
/// them: one by one, so that `ß` is not `ss`.
#[cfg(feature = "parsers")]
pub(super) fn is_same_letter(one: char, other: char) -> bool {
    one == other || fold(one) == fold(other)
}

/// Returns the upper case of a character's lower case, each if it is one character.
#[cfg(feature = "parsers")]
fn fold(character: char) -> char {
    // The lower case of `İ` is `i` and a combining dot, of which Python compares the first.
    let lower = character.to_lowercase().next().unwrap_or(character);
    let mut upper = lower.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => lower,
    }
}

/// The zeros of the scripts. The digits follow in order.
#[rustfmt::skip]
#[cfg(feature = "parsers")]
const ZEROS: &[char] = &[
    '\u{30}', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}',
    '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}',
    '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}',
    '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}',
    '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}',
    '\u{10d30}', '\u{11066}', '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}',
    '\u{114d0}', '\u{11650}', '\u{116c0}', '\u{11730}', '\u{118e0}', '\u{11950}', '\u{11c50}',
    '\u{11d50}', '\u{11da0}', '\u{16a60}', '\u{16ac0}', '\u{16b50}', '\u{1d7ce}', '\u{1d7d8}',
    '\u{1d7e2}', '\u{1d7ec}', '\u{1d7f6}', '\u{1e140}', '\u{1e2f0}', '\u{1e950}', '\u{1fbf0}',
];
