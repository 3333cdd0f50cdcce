//! Finds a text in another one that quotes it escaped: as JSON, in a URL or in HTML, also twice.

/// Returns whether a text is changed when it is escaped.
pub(super) fn is_escaped(secret: &str) -> bool {
    !secret.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
}

/// Replaces a secret wherever a text has it, escaped in any way or as it is.
pub(super) fn replace(text: &str, secret: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let found = length_at(rest, secret).filter(|length| *length > 0);
        match found {
            Some(_) => out.push_str(by),
            None => out.push(c),
        }
        rest = rest.get(found.unwrap_or(c.len_utf8())..).unwrap_or_default();
    }
    out
}

/// Returns the length of a secret that a text begins with, escaped or not.
fn length_at(text: &str, secret: &str) -> Option<usize> {
    let mut rest = text;
    for wanted in secret.chars() {
        let unescaped = unescape(rest).filter(|(c, _)| *c == wanted);
        rest = match unescaped {
            Some((_, after)) => after,
            None => rest.strip_prefix(wanted)?,
        };
    }
    Some(text.len() - rest.len())
}

/// Returns the character that a text begins with, if it is escaped, and the text after it.
fn unescape(text: &str) -> Option<(char, &str)> {
    match text.as_bytes().first()? {
        b'\\' => of_json(text),
        b'%' => of_url(text.get(1..)?),
        b'&' => of_html(text.get(1..)?),
        b'+' => Some((' ', text.get(1..)?)),
        _ => None,
    }
}

/// `\/`, `\u002f`, `\\u002f`.
fn of_json(text: &str) -> Option<(char, &str)> {
    let after = text.trim_start_matches('\\');
    let of_code = || hex(after.strip_prefix('u')?, 4);
    let of_sign = || {
        let c = after.chars().next().filter(char::is_ascii_punctuation)?;
        Some((c, after.get(c.len_utf8()..)?))
    };
    let is_backslash = text.len() - after.len() > 1;
    of_code().or_else(of_sign).or(is_backslash.then_some(('\\', after)))
}

/// `%2F`, `%252F`, without the first sign.
fn of_url(mut text: &str) -> Option<(char, &str)> {
    while let Some(after) = text.strip_prefix("25")
        && hex(after, 2).is_some()
    {
        text = after;
    }
    hex(text, 2)
}

/// `&#47;`, `&#x2F;`, `&amp;#47;`, `&amp;`, without the first sign.
fn of_html(text: &str) -> Option<(char, &str)> {
    const NAMES: &[(&str, char)] = &[
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("sol", '/'),
        ("plus", '+'),
        ("equals", '='),
        ("amp", '&'),
    ];
    let name_end = text.get(..MAX_ENTITY.min(text.len())).unwrap_or(text).find(';')?;
    let (name, after) = (text.get(..name_end)?, text.get(name_end + 1..)?);
    if name == "amp"
        && let Some(inner) = of_html(after)
    {
        return Some(inner);
    }
    let code = name.strip_prefix('#').and_then(|code| match code.strip_prefix(['x', 'X']) {
        Some(code) => u32::from_str_radix(code, 16).ok(),
        None => code.parse().ok(),
    });
    let named = || NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
    Some((code.and_then(char::from_u32).or_else(named)?, after))
}

/// The length of the longest name of a character that is looked for.
const MAX_ENTITY: usize = 10;

/// Reads a character from its code of a number of hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<(char, &str)> {
    let (code, after) = text.split_at_checked(digits)?;
    let is_hex = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = is_hex.then(|| u32::from_str_radix(code, 16).ok()).flatten()?;
    // In a URL, other characters have several codes.
    let c = char::from_u32(code).filter(|c| digits > 2 || c.is_ascii())?;
    Some((c, after))
}
