//! The files that the rules are about: those that git knows or would add.

use std::{error::Error, fs, path::Path};

use crate::workspace;

/// The files of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: Vec<File>,
}

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path from the workspace's folder, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

impl Tree {
    /// Reads the files of a workspace, except those that are not UTF-8.
    pub(crate) fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut git = workspace::command("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = workspace::output(&mut git)?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file that is deleted and not yet committed is still listed.
            if let Ok(bytes) = fs::read(root.join(path))
                && let Ok(text) = String::from_utf8(bytes)
            {
                files.push(File { path: path.to_owned(), text });
            }
        }
        Ok(Self { files })
    }

    /// Creates a tree of these files.
    #[cfg(test)]
    pub(crate) fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { files: files.into_iter().map(|(path, text)| File { path, text }).collect() }
    }

    /// Iterates over the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Iterates over the Rust files.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }

    /// Returns a file.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }
}

impl File {
    /// Iterates over the lines with their numbers, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Returns the number of the first line that contains a text, or 1.
    pub(crate) fn line_of(&self, text: &str) -> usize {
        self.lines().find(|(_, line)| line.contains(text)).map_or(1, |(number, _)| number)
    }

    /// Returns the number of the line that a byte is in.
    pub(crate) fn line_at(&self, byte: usize) -> usize {
        self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Returns whether the file is a package's source, as opposed to its tests.
    pub(crate) fn is_source(&self) -> bool {
        self.path.ends_with(".rs") && self.path.contains("/src/")
    }

    /// Returns whether the file is the source of a library crate and no test.
    pub(crate) fn is_library(&self) -> bool {
        let is_test = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        self.path.starts_with("crates/") && self.is_source() && !is_test
    }
}
