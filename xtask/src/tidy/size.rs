//! How long files may be.

use super::{fault::Fault, tree::Tree};

/// The most lines of a Rust file.
const FILE: usize = 500;

/// The most lines of files that are the measure of something: a crate's table of contents, and what
/// a stranger has to write.
const MEASURES: &[(&str, usize)] = &[
    ("examples/custom-memory/src/lib.rs", 50),
    ("examples/custom-history/src/lib.rs", 60),
    ("examples/custom-model/src/lib.rs", 80),
];

/// The most lines of a crate's `lib.rs`, which is a table of contents.
const CONTENTS: usize = 140;

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.rust_files() {
        let measure = MEASURES.iter().find(|(path, _)| *path == file.path);
        let (most, mend) = match measure {
            Some(&(_, most)) => (most, "mend the seam that takes so many lines"),
            None if file.is_library() && file.path.ends_with("/src/lib.rs") => {
                (CONTENTS, "leave the docs and the table of contents, and move the rest to modules")
            }
            None => (FILE, "split it by what it does"),
        };
        let lines = file.lines().count();
        if lines > most {
            let what = format!("the file has {lines} lines, {most} at most");
            faults.push(Fault::new(&file.path, most + 1, what, mend));
        }
    }
    faults
}
