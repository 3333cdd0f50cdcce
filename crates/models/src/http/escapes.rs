//! Finds a text in another one that quotes it escaped: as JSON, in a URL or in HTML, also twice.

/// Returns whether a text is changed when it is escaped.
pub(super) fn is_escaped(secret: &str) -> bool {
    !secret.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
}

/// Replaces a secret wherever a text has it, escaped in any way or as it is. At the end of the
/// text, `begun` characters of it are enough: the text may be cut off.
pub(super) fn replace(text: &str, secret: &str, begun: usize, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let first = secret.chars().next();
    let may_begin = |c: char| Some(c) == first || matches!(c, '\\' | '%' | '&' | '+');
    let mut rest = text;
    while let Some((before, from)) = rest.find(may_begin).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(before);
        let found = length_at(from, secret, begun).filter(|length| *length > 0);
        let (taken, after) = match found {
            Some(length) => (by, from.get(length..).unwrap_or_default()),
            None => {
                let length = from.chars().next().map_or(0, char::len_utf8);
                from.split_at_checked(length).unwrap_or_default()
            }
        };
        out.push_str(taken);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Returns the length of a secret that a text begins with, escaped or not. The secret may be cut
/// off by the end of the text after `begun` characters, in the middle of an escape too.
fn length_at(text: &str, secret: &str, begun: usize) -> Option<usize> {
    let mut rest = text;
    for (index, wanted) in secret.chars().enumerate() {
        let unescaped = unescape(rest).filter(|(c, _)| *c == wanted);
        rest = match unescaped.map(|(_, after)| after).or_else(|| rest.strip_prefix(wanted)) {
            Some(after) => after,
            None if index >= begun && is_cut_off(rest) => return Some(text.len()),
            None => return None,
        };
    }
    Some(text.len() - rest.len())
}

/// Returns whether a text ends before the character that it begins with.
fn is_cut_off(text: &str) -> bool {
    text.is_empty() || (text.len() < MAX_ESCAPE && text.starts_with(['\\', '%', '&']))
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
    let backslashes = text.bytes().take(MAX_BACKSLASHES).take_while(|byte| *byte == b'\\').count();
    let after = text.get(backslashes..)?;
    let of_code = || hex(after.strip_prefix('u')?, 4);
    let of_sign = || {
        let c = after.chars().next().filter(char::is_ascii_punctuation)?;
        Some((c, after.get(c.len_utf8()..)?))
    };
    of_code().or_else(of_sign).or((backslashes > 1).then_some(('\\', after)))
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
fn of_html(mut text: &str) -> Option<(char, &str)> {
    for _ in 1..MAX_LEVELS {
        match text.strip_prefix("amp;").filter(|inner| entity(inner).is_some()) {
            Some(inner) => text = inner,
            None => break,
        }
    }
    entity(text)
}

/// `#47;`, `#x2F;`, `amp;`.
fn entity(text: &str) -> Option<(char, &str)> {
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
    let name_end = text.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let (name, after) = (text.get(..name_end)?, text.get(name_end + 1..)?);
    let code = name.strip_prefix('#').and_then(|code| match code.strip_prefix(['x', 'X']) {
        Some(code) => u32::from_str_radix(code, 16).ok(),
        None => code.parse().ok(),
    });
    let named = || NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
    Some((code.and_then(char::from_u32).or_else(named)?, after))
}

/// How often a text may be escaped. Without a limit, a long run of escapes would be read again for
/// each of its characters.
const MAX_LEVELS: u32 = 3;
/// The backslashes before an escaped backslash, or as one, that is escaped so often.
const MAX_BACKSLASHES: usize = 1 << MAX_LEVELS;
/// The length of the longest name of a character that is looked for.
const MAX_ENTITY: usize = 10;
/// The length below which an escape may be cut off: eight backslashes and a code.
const MAX_ESCAPE: usize = MAX_BACKSLASHES + 5;

/// Reads a character from its code of a number of hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<(char, &str)> {
    let (code, after) = text.split_at_checked(digits)?;
    let is_hex = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = is_hex.then(|| u32::from_str_radix(code, 16).ok()).flatten()?;
    // In a URL, other characters have several codes.
    let c = char::from_u32(code).filter(|c| digits > 2 || c.is_ascii())?;
    Some((c, after))
}
