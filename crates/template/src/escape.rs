//! Writing text so that a template takes it literally.

/// Returns `text` with each brace doubled, so that a template shows it as it is.
///
/// For text that becomes part of a template's source. A value never needs it.
///
/// # Examples
///
/// ```
/// use conversant_template::{Template, escape};
///
/// let source = format!("Answer like {}, for {{name}}", escape(r#"{"ok": true}"#));
/// let template = Template::parse(source)?;
/// assert_eq!(template.variables(), ["name"]);
/// # Ok::<(), conversant_template::SyntaxError>(())
/// ```
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '{' | '}') {
            escaped.push(character);
        }
        escaped.push(character);
    }
    escaped
}
