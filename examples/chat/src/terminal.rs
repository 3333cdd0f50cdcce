//! The abilities of the terminal, and texts of others that are shown at it.

use std::{borrow::Cow, io::IsTerminal};

/// Returns whether answers are coloured: at a terminal, unless `NO_COLOR` is set.
pub fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Returns a text of a model, a server or a file as it is printed: at a terminal, without control
/// characters.
pub fn shown(text: &str) -> Cow<'_, str> {
    match std::io::stdout().is_terminal() {
        true => without_controls(text),
        false => text.into(),
    }
}

/// Replaces control characters by pictures of them, but for line feeds and tabs. At a terminal they
/// would set the clipboard, hide what was said, or type answers into the prompt. Carriage returns
/// are left out: they are part of line ends.
fn without_controls(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return text.into();
    }
    let characters = text.chars().filter(|c| *c != '\r');
    characters.map(|c| if is_harmful(c) { picture(c) } else { c }).collect::<String>().into()
}

/// Returns the picture of a control character: `␛`, or `�` where there is none.
fn picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        for (text, expected) in [
            ("a\n\tb é 😀", "a\n\tb é 😀"),
            ("a\r\nb\rc", "a\nbc"),
            ("\x1b]52;c;ZXZpbA==\x07", "␛]52;c;ZXZpbA==␇"),
            ("\x1b[2J\u{8}\0\x7f", "␛[2J␈␀␡"),
            ("\u{9b}2J\u{85}", "\u{fffd}2J\u{fffd}"),
        ] {
            assert_eq!(without_controls(text), expected, "{text:?}");
        }
    }
}
