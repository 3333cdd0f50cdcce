//! Positions in a template, and their form in error texts.

use std::fmt;

/// The most characters of a long line that an excerpt shows before the marked one.
const BEFORE: usize = 60;
/// The most characters of a long line that an excerpt shows from the marked one on.
const AFTER: usize = 40;

/// A place in a template's source.
///
/// `Display` reads `line 2, column 9`; [`excerpt`](Self::excerpt) shows the line with a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    offset: usize,
    line: usize,
    column: usize,
    excerpt: Excerpt,
}

impl Location {
    /// Finds the place of a byte offset in a template, for parsers of other grammars too. An offset
    /// inside a character or beyond the end counts as the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::Location;
    ///
    /// let location = Location::of("one\ntwo {{x", 8);
    /// assert_eq!(location.to_string(), "line 2, column 5");
    /// ```
    #[must_use]
    pub fn of(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let after = source.get(offset..).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let on_line = before.get(start..).unwrap_or_default();
        let rest = after.split('\n').next().unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let excerpt = Excerpt::new(line, on_line, rest.strip_suffix('\r').unwrap_or(rest));
        Self { offset, line, column: on_line.chars().count() + 1, excerpt }
    }

    /// Returns the offset in bytes from the start of the source.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column, in characters (not bytes), counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the line of the source around this place, with a caret under it.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_template::Template;
    ///
    /// let error = Template::parse("Hello\n東京 {user.name}!").unwrap_err();
    /// assert_eq!(error.location().to_string(), "line 2, column 9");
    /// assert_eq!(
    ///     error.location().excerpt().to_string(),
    ///     "2 | 東京 {user.name}!\n  |           ^",
    /// );
    /// ```
    #[must_use]
    pub fn excerpt(&self) -> &Excerpt {
        &self.excerpt
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One line of a template with a caret under one of its characters.
///
/// `Display` writes two lines without a final newline. A long line is cut around the caret; tabs
/// are kept, wide characters count as two columns, and control characters are shown as a
/// substitute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    line: usize,
    text: String,
    padding: String,
}

impl Excerpt {
    fn new(line: usize, before: &str, after: &str) -> Self {
        let skipped = before.chars().count().saturating_sub(BEFORE);
        let mut text = String::new();
        let mut padding = String::new();
        if skipped > 0 {
            text.push('…');
            padding.push(' ');
        }
        for character in before.chars().skip(skipped) {
            text.push(printable(character));
            match character {
                '\t' => padding.push('\t'),
                wide if is_wide(wide) => padding.push_str("  "),
                narrow if is_combining(narrow) => {}
                _ => padding.push(' '),
            }
        }
        text.extend(after.chars().take(AFTER).map(printable));
        if after.chars().nth(AFTER).is_some() {
            text.push('…');
        }
        Self { line, text, padding }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = number.len();
        writeln!(f, "{number} | {}", self.text)?;
        write!(f, "{:gutter$} | {}^", "", self.padding)
    }
}

/// Replaces characters that would disturb a terminal: control characters and direction overrides.
fn printable(character: char) -> char {
    match character {
        '\t' => '\t',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// Returns whether terminals usually give a character two columns.
fn is_wide(character: char) -> bool {
    matches!(character,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// Returns whether a character combines with the previous one and has no width.
fn is_combining(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{feff}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0100}'..='\u{e01ef}')
}
