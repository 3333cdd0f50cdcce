//! The lines of the prompt: from a terminal with editing and history, or from a script.

use std::path::PathBuf;

use rustyline::{Config, Editor, error::ReadlineError, history::FileHistory};

use chat::failure::Failure;

/// The mark that begins and ends a message of several lines.
const QUOTES: &str = "\"\"\"";

/// The number of lines that are remembered over starts.
const MAX_HISTORY: usize = 1000;

/// The hint after Ctrl-C at the prompt.
const HOW_TO_END: &str = "(Ctrl-D or /quit ends the chat)";

/// A message or a command, as it was entered.
pub struct Entry {
    pub text: String,
    /// Whether it is a message also if it looks like a command: it was quoted, or has several
    /// lines.
    pub is_message: bool,
}

/// Where lines come from.
pub enum Lines {
    /// A terminal. Lines are remembered in the file.
    Terminal { editor: Box<Editor<(), FileHistory>>, file: Option<PathBuf> },
    /// Lines that are known already.
    Script(std::vec::IntoIter<String>),
}

impl Lines {
    /// Reads from the terminal, and remembers lines in a file.
    pub fn terminal(file: Option<PathBuf>) -> Result<Self, Failure> {
        let config = Config::builder().max_history_size(MAX_HISTORY).map_err(Failure::other)?;
        let mut editor = Editor::with_config(config.build()).map_err(Failure::other)?;
        if let Some(file) = &file {
            // The first start has no file.
            let _ = editor.load_history(file);
        }
        Ok(Self::Terminal { editor: Box::new(editor), file })
    }

    /// Takes the lines of a text.
    pub fn script(text: &str) -> Self {
        Self::Script(text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter())
    }

    /// Returns whether a question can be asked.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// Reads a message or a command, after a prompt that may have a draft; `None` at the end.
    pub fn read(&mut self, draft: &str) -> Result<Option<Entry>, Failure> {
        let Some(line) = self.line("> ", draft)? else { return Ok(None) };
        let line = line.trim();
        let Some(first) = line.strip_prefix(QUOTES) else {
            let is_message = line.contains('\n');
            return Ok(Some(Entry { text: line.to_owned(), is_message }));
        };
        let mut text = first.to_owned();
        while !text.ends_with(QUOTES) {
            let Some(line) = self.line(". ", "")? else { break };
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line.trim_end());
        }
        let text = text.strip_suffix(QUOTES).unwrap_or(&text).trim().to_owned();
        Ok(Some(Entry { text, is_message: true }))
    }

    /// Reads one line. Ctrl-C leaves it empty.
    pub fn line(&mut self, prompt: &str, draft: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Script(lines) => Ok(lines.next()),
            Self::Terminal { editor, .. } => {
                match editor.readline_with_initial(prompt, (draft, "")) {
                    Ok(line) => Ok(Some(line)),
                    Err(ReadlineError::Interrupted) => {
                        println!("{HOW_TO_END}");
                        Ok(Some(String::new()))
                    }
                    Err(ReadlineError::Eof) => Ok(None),
                    Err(error) => Err(Failure::other(error)),
                }
            }
        }
    }

    /// Remembers a line. One that is not remembered costs nothing.
    pub fn remember(&mut self, line: &str) {
        if let Self::Terminal { editor, file } = self {
            let _ = editor.add_history_entry(line);
            if let Some(file) = file {
                // Another chat may have added lines.
                let _ = editor.append_history(file);
            }
        }
    }
}
