//! The conversations, which are the same for every system.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::runtime::{Builder, Runtime};

/// The system message.
pub const SYSTEM: &str =
    "You are a chatbot having a conversation with a human. Answer in short sentences.";
/// The question of a call over a history.
pub const QUESTION: &str = "And what about the third option you mentioned earlier?";
/// The model of the chat endpoint.
pub const MODEL: &str = "gpt-5.4-mini";
/// A model of the chat endpoint that pauses before each chunk of a stream.
pub const PACED_MODEL: &str = "gpt-5.4-mini-paced";
/// The model of the completion endpoint.
pub const COMPLETION_MODEL: &str = "gpt-oss-20b";
/// The sampling temperature of the models.
pub const TEMPERATURE: f64 = 0.7;
/// The key, which the server does not look at.
pub const KEY: &str = "sk-x";
/// The number of turns of each concurrent conversation.
pub const TURNS: usize = 20;
/// The number of bytes of text whose tokens are counted.
const TEXT: usize = 525_000;

/// Returns the text of the message at an index: about 120 bytes of a human at even ones, 400 bytes
/// of an AI at odd ones, with some quotes and line breaks, as real text has.
#[must_use]
pub fn message(index: usize) -> String {
    if index.is_multiple_of(2) {
        return format!(
            "Question {index:06}: could you tell me a little more about the thing we discussed, and why it matters \
             so much to everyone today? ok"
        );
    }
    let mut text = format!("Answer {index:06}: ");
    while text.len() < 400 {
        text.push_str("It depends on \"context\", mostly; the usual trade-offs are cost, speed and quality.\n");
    }
    text.truncate(400);
    text
}

/// Returns whether the message at an index is the human's.
#[must_use]
pub const fn is_human(index: usize) -> bool {
    index.is_multiple_of(2)
}

/// Returns a runtime of one thread, as each system has one.
///
/// # Errors
/// If the operating system has none.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Returns messages of prose and code whose tokens are counted: files of this project, cut to the
/// lengths of a conversation's messages.
///
/// # Errors
/// If the files can't be read.
pub fn prose_and_code(count: usize) -> io::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files)?;
    files.push(root.join("ARCHITECTURE.md"));
    files.push(root.join("README.md"));
    files.sort();
    let mut text = String::new();
    for file in files {
        text.push_str(&fs::read_to_string(file)?);
        if text.len() >= TEXT {
            break;
        }
    }
    let mut characters = text.chars();
    let length = |index| if is_human(index) { 123 } else { 400 };
    Ok((0..count).map(|index| characters.by_ref().take(length(index)).collect()).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
