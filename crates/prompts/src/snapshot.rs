//! Prompts in a form that people review: what went in above, what came out below.

use std::{error::Error, fmt};

use conversant_core::{Prompt, PromptError, PromptValue, Value, Variables};

/// The text of a prompt with its variables, or of all prompts of a conversation, for one snapshot.
///
/// `Display` is stable: it changes only with a major version.
/// [`docs::snapshots`](crate::docs::snapshots) has recipes.
///
/// # Examples
///
/// ```
/// use conversant_core::vars;
/// use conversant_prompts::{PromptTemplate, Snapshot};
///
/// let prompt = PromptTemplate::from_template("It is {today}. {question}")?;
/// let snapshot = Snapshot::of(&prompt, &vars! { "today" => "2024-05-01", "question" => "Is it May?" })
///     .redact("2024-05-01", "[date]");
/// assert_eq!(
///     snapshot.to_string(),
///     "\
/// variables
///   today: [date]
///   question: Is it May?
///
/// prompt
///   It is [date]. Is it May?",
/// );
/// # Ok::<(), conversant_prompts::TemplateError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Snapshot {
    sections: Vec<(String, String)>,
}

impl Snapshot {
    /// Formats a prompt, and shows the variables and the prompt, or the error with its causes.
    pub fn of(prompt: &dyn Prompt, variables: &Variables) -> Self {
        let values: Vec<_> = variables.iter().map(|(name, value)| entry(name, value)).collect();
        let mut sections = vec![("variables".to_owned(), values.join("\n"))];
        sections.push(match prompt.format(variables) {
            Ok(value) => ("prompt".to_owned(), format!("{value:#}")),
            Err(error) => ("error".to_owned(), chain(&error)),
        });
        Self { sections }
    }

    /// Shows the prompts of several calls, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::PromptValue;
    /// use conversant_prompts::Snapshot;
    ///
    /// let snapshot = Snapshot::calls([PromptValue::from("Hi"), PromptValue::from("Hi\nHello!\nBye")]);
    /// assert_eq!(snapshot.to_string(), "call 1\n  Hi\n\ncall 2\n  Hi\n  Hello!\n  Bye");
    /// ```
    pub fn calls<V: Into<PromptValue>>(values: impl IntoIterator<Item = V>) -> Self {
        let calls = values.into_iter().enumerate();
        let sections = calls
            .map(|(index, value)| (format!("call {}", index + 1), format!("{:#}", value.into())))
            .collect();
        Self { sections }
    }

    /// Replaces every occurrence of a text that changes from run to run. An empty text is left
    /// alone.
    pub fn redact(mut self, text: &str, replacement: &str) -> Self {
        if !text.is_empty() {
            for (_, body) in &mut self.sections {
                *body = body.replace(text, replacement);
            }
        }
        self
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (title, body)) in self.sections.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(title)?;
            for line in body.lines() {
                let indent = if line.is_empty() { "" } else { "  " };
                write!(f, "\n{indent}{line}")?;
            }
        }
        Ok(())
    }
}

/// Shows a variable: a short text behind its name, anything longer below it.
fn entry(name: &str, value: &Value) -> String {
    let text = value.to_text();
    match value {
        Value::Messages(messages) if messages.is_empty() => format!("{name}: no messages"),
        Value::Messages(_) => below(name, &text),
        _ if text.contains('\n') => below(name, &text),
        _ => format!("{name}: {text}"),
    }
}

fn below(name: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    format!("{name}:\n{}", lines.join("\n"))
}

fn chain(error: &PromptError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\ncaused by: {cause:#}"));
        source = cause.source();
    }
    text
}
