//! Writing a conversation to a file.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use conversant_core::{Messages, Role};

use chat::failure::Failure;

/// Writes messages to a new file: as JSON if its name ends with `.json`, or as Markdown. Returns
/// its path, in which a `~` at the beginning is the user's home folder.
pub fn export(messages: &Messages, file: &Path) -> Result<PathBuf, Failure> {
    let text = match file.extension().is_some_and(|extension| extension == "json") {
        true => serde_json::to_string_pretty(messages).map_err(Failure::other)?,
        false => markdown(messages),
    };
    let file = match file.strip_prefix("~") {
        Ok(rest) => etcetera::home_dir().map_err(Failure::other)?.join(rest),
        Err(_) => file.to_owned(),
    };
    let written = File::create_new(&file).and_then(|mut new| new.write_all(text.as_bytes()));
    written.map_err(|error| {
        let name = file.display();
        Failure::Other(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("cannot write `{name}`: the file exists; choose another name")
            }
            _ => format!("cannot write `{name}`: {error}"),
        })
    })?;
    Ok(file)
}

fn markdown(messages: &Messages) -> String {
    let mut text = String::new();
    for message in messages {
        let label = match message.role() {
            Role::Human => "Human",
            Role::Ai => "AI",
            other => other.label(),
        };
        text.push_str(&format!("## {label}\n\n{}\n\n", message.text().trim()));
    }
    text
}
