//! The prose of a file: its comments, or the text of a Markdown file.

use super::tree::File;

/// A line of prose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'f> {
    pub(crate) number: usize,
    /// The whole line.
    pub(crate) raw: &'f str,
    /// The line without its comment marker.
    pub(crate) text: &'f str,
    /// The marker: `///`, `//!`, `//`, or nothing in Markdown.
    pub(crate) marker: &'static str,
}

/// Returns the lines of prose, without code blocks.
pub(crate) fn lines(file: &File) -> Vec<Line<'_>> {
    let is_markdown = file.path.ends_with(".md");
    let mut in_code = false;
    let mut found = Vec::new();
    for (number, raw) in file.lines() {
        let Some((marker, text)) = (if is_markdown { Some(("", raw)) } else { comment(raw) })
        else {
            in_code = false;
            continue;
        };
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            found.push(Line { number, raw, text, marker });
        }
    }
    found
}

/// Splits a comment that has its line to itself.
fn comment(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim_start();
    ["///", "//!", "//"]
        .into_iter()
        .find_map(|marker| line.strip_prefix(marker).map(|text| (marker, text)))
}

/// Returns whether a file holds prose that the rules apply to.
pub(crate) fn is_prose(file: &File) -> bool {
    let path = file.path.as_str();
    path.ends_with(".rs") || path.ends_with(".md")
}
