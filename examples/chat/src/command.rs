//! The commands of the prompt.

use std::path::PathBuf;

use conversant_core::SessionId;

use crate::arguments::session;

/// The help text.
pub const HELP: &str = "\
/help              shows this
/history           shows what has been said
/sessions          lists the conversations that are kept; * marks this one
/new [NAME]        begins another conversation
/session NAME      goes on with another conversation
/title TEXT        gives the conversation a title
/undo              takes back the last turn
/retry             asks the last question again
/edit              takes back the last turn and lets you change its question
/system [TEXT]     sets the system message, or shows it
/model [NAME]      changes the model, or shows it
/models            lists the models of the server, or those that can be downloaded
/usage             shows the tokens that were used since the start
/export FILE       writes the conversation to a file: Markdown, or JSON if it ends with .json
/clear             deletes what has been said in this conversation, after asking; the lines of the
                   prompt are kept next to the conversations (--help says where)
/quit              ends the chat, as Ctrl-D does
\"\"\"                begins and ends a message of several lines, or of a command's words
Ctrl-C             cancels an answer; the memory keeps what was said before it";

/// A line of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A message to the model.
    Message(String),
    /// A command.
    Command(Command),
    /// A line that cannot be understood, with the reason.
    Wrong(String),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Help,
    History,
    Sessions,
    New(Option<SessionId>),
    Session(SessionId),
    Title(String),
    Undo,
    Retry,
    Edit,
    System(Option<String>),
    Model(Option<String>),
    Models,
    Usage,
    Export(PathBuf),
    Clear,
    Quit,
}

/// Reads a line.
pub fn read(line: &str) -> Line {
    if !line.starts_with('/') {
        return Line::Message(line.to_owned());
    }
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    let text = || argument.map(str::to_owned);
    let wrong = |usage: &str| Line::Wrong(format!("usage: {usage}"));
    let command = match name {
        "/help" => Command::Help,
        "/history" => Command::History,
        "/sessions" => Command::Sessions,
        "/new" => match argument.map(session).transpose() {
            Ok(name) => Command::New(name),
            Err(error) => return Line::Wrong(error),
        },
        "/session" => match argument.map(session) {
            Some(Ok(name)) => Command::Session(name),
            Some(Err(error)) => return Line::Wrong(error),
            None => return wrong("/session NAME"),
        },
        "/title" => match text() {
            Some(title) => Command::Title(title),
            None => return wrong("/title TEXT"),
        },
        "/undo" => Command::Undo,
        "/retry" => Command::Retry,
        "/edit" => Command::Edit,
        "/system" => Command::System(text()),
        "/model" => Command::Model(text()),
        "/models" => Command::Models,
        "/usage" => Command::Usage,
        "/export" => match argument {
            Some(file) => Command::Export(PathBuf::from(file)),
            None => return wrong("/export FILE"),
        },
        "/clear" => Command::Clear,
        "/quit" | "/exit" | "/bye" => Command::Quit,
        _ => {
            return Line::Wrong(format!(
                "cannot find the command `{name}`; /help lists them, and \"\"\" begins a message"
            ));
        }
    };
    Line::Command(command)
}

/// Returns the command with which a text begins, which may be a script and no question.
pub fn first_command(text: &str) -> Option<&str> {
    let first = text.trim_start().lines().next()?.trim_end();
    matches!(read(first), Line::Command(_)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_with_a_command_may_be_a_script() {
        for (text, expected) in [
            ("What is 1 + 1?", None),
            ("Hi\n/history\n", None),
            ("\n /session ada \nHi", Some("/session ada")),
            ("/usr/bin/env\nis a path", None),
            ("  /quit", Some("/quit")),
            ("/title", None),
            ("", None),
        ] {
            assert_eq!(first_command(text), expected, "{text:?}");
        }
    }
}
