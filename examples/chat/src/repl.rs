//! The prompt: line editing, history, and a few commands.

use rustyline::{DefaultEditor, error::ReadlineError};

use crate::{conversation::Conversation, failure::Failure, turn};

const HELP: &str = "\
/help     shows this
/history  shows what has been said
/clear    forgets what has been said
/sessions lists the conversations that are kept; * marks this one
/quit     ends the chat, as Ctrl-D does
Ctrl-C    cancels an answer; the memory keeps what was said before it";

/// Reads lines and answers them, until `/quit` or the end of the input.
pub async fn run(conversation: &Conversation) -> Result<(), Failure> {
    let mut editor = DefaultEditor::new().map_err(Failure::other)?;
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::other(error)),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        // A line that is not remembered costs nothing.
        let _ = editor.add_history_entry(line);
        match line {
            "/quit" => return Ok(()),
            "/help" => println!("{HELP}"),
            "/history" => println!("{}", conversation.messages().await?),
            "/sessions" => print!("{}", conversation.sessions().await?),
            "/clear" => conversation.clear().await?,
            command if command.starts_with('/') => {
                println!("there is no command `{command}`: see /help");
            }
            message => match turn::answer(conversation, message).await {
                Ok(()) => {}
                Err(Failure::Interrupted) => println!("\n(cancelled)"),
                Err(failure) => eprintln!("{failure}"),
            },
        }
    }
}
