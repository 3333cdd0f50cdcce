//! The filters on words and lines that minijinja lacks, or reads otherwise than Jinja2.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands a filter its arguments so")]

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, Rest},
};

use unicode_ident::{is_xid_continue, is_xid_start};

use super::{argument::argument, printing::shown};
use crate::{
    MAX_OUTPUT_BYTES, MAX_WIDTH,
    jinja::measure::{measure_argument, measure_text, measure_text_argument},
};

/// `indent(width=4, first=false, blank=false)`; `width` may be a text.
pub(super) fn indent(
    state: &State<'_, '_>,
    value: &Value,
    places: Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width: Option<Value> = argument(&places, 0, &kwargs, "width")?;
    let first = argument(&places, 1, &kwargs, "first")?.unwrap_or(false);
    let blank = argument(&places, 2, &kwargs, "blank")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let margin = match width {
        Some(width) => match width.as_str() {
            Some(text) => {
                measure_argument(state, &width)?;
                text.to_owned()
            }
            None => " ".repeat(limited(usize::try_from(width)?)?),
        },
        None => " ".repeat(4),
    };
    measure_text(state, value)?;
    let text = shown(value)?;
    let lines = lines(&text);
    if margin.len().saturating_mul(lines.len()) > MAX_OUTPUT_BYTES {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    let mut out = String::new();
    for (index, line) in lines.into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if if index == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&margin);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// `truncate(length=255, killwords=false, end='...', leeway=5)`
pub(super) fn truncate(
    state: &State<'_, '_>,
    value: &Value,
    places: Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let length = argument(&places, 0, &kwargs, "length")?.unwrap_or(255_usize);
    let killwords = argument(&places, 1, &kwargs, "killwords")?.unwrap_or(false);
    let end: Option<Value> = argument(&places, 2, &kwargs, "end")?;
    let leeway = argument(&places, 3, &kwargs, "leeway")?.unwrap_or(5_usize);
    kwargs.assert_all_used()?;
    let end = match end {
        Some(end) => {
            measure_text_argument(state, &end)?;
            shown(&end)?
        }
        None => "...".to_owned(),
    };
    let kept = length.checked_sub(end.chars().count());
    let kept = kept.ok_or_else(|| Error::from(ErrorKind::InvalidOperation))?;
    measure_text(state, value)?;
    let text = shown(value)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let cut: String = text.chars().take(kept).collect();
    let cut = match cut.rsplit_once(' ') {
        Some((words, _)) if !killwords => words,
        _ => &cut,
    };
    Ok(format!("{cut}{end}"))
}

/// `center(width=80)`
pub(super) fn center(
    state: &State<'_, '_>,
    value: &Value,
    places: Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width = limited(argument(&places, 0, &kwargs, "width")?.unwrap_or(80))?;
    kwargs.assert_all_used()?;
    measure_text(state, value)?;
    let text = shown(value)?;
    let padding = width.saturating_sub(text.chars().count());
    let left = padding / 2 + (padding & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(padding - left)))
}

/// `wordcount`
pub(super) fn wordcount(state: &State<'_, '_>, value: &Value) -> Result<usize, Error> {
    measure_text(state, value)?;
    let text = shown(value)?;
    Ok(text.split(|c| !is_in_word(c)).filter(|word| !word.is_empty()).count())
}

/// Returns whether a character is one of Python's `\w`: letters, numbers and `_`, and no marks,
/// such as the vowel signs of Hindi, which end a word there.
fn is_in_word(character: char) -> bool {
    // The letters that identifiers have, but not at the start.
    const LETTERS: [char; 4] = ['\u{e33}', '\u{eb3}', '\u{ff9e}', '\u{ff9f}'];
    let is_mark =
        || is_xid_continue(character) && !is_xid_start(character) && !LETTERS.contains(&character);
    character == '_'
        || character.is_numeric()
        || character.is_alphabetic() && (character.is_ascii() || !is_mark())
}

fn limited(width: usize) -> Result<usize, Error> {
    if width > MAX_WIDTH { Err(Error::from(ErrorKind::InvalidOperation)) } else { Ok(width) }
}

/// Splits a text that ends with a line break as Python's `splitlines` does.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let breaks = matches!(
            character,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !breaks {
            continue;
        }
        lines.push(text.get(start..index).unwrap_or_default());
        start = index + character.len_utf8();
        if character == '\r' && characters.next_if(|(_, next)| *next == '\n').is_some() {
            start += 1;
        }
    }
    // The line break that Jinja2 adds belongs to a lone `\r` at the end.
    if start < text.len() || !text.ends_with('\r') {
        lines.push(text.get(start..).unwrap_or_default());
    }
    lines
}
