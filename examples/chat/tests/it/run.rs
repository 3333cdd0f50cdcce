//! Runs the chat in an environment of its own.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;

/// The user's folders, one for each run.
static FOLDERS: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The result of a run.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The chat with these arguments and none of the caller's settings.
pub fn chat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in
        ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"]
    {
        command.env_remove(name);
    }
    // Nothing is read from the user's folders, written to them, or downloaded.
    let folder = FOLDERS.path().join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    command.env("XDG_DATA_HOME", folder.join("data")).env("XDG_CACHE_HOME", folder.join("cache"));
    command.env("HF_ENDPOINT", "http://127.0.0.1:1");
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Ran {
    chat(arguments).output().unwrap().into()
}

/// Runs it to its end, with these lines at its prompt.
pub fn type_in(arguments: &[&str], lines: &str) -> Ran {
    let mut child = chat(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}
