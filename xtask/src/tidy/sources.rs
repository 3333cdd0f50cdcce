//! Rust files have a header, and nothing that hides a failure.

use super::{
    fault::Fault,
    tree::{File, Tree},
};

/// Text that may not occur in any Rust file, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    (concat!("#[", "ignore"), "make the test run always, or say what it `needs` and who runs it"),
    (concat!("should_", "panic"), "test the error that is returned"),
    (concat!("todo", "!("), "write it, or leave it out"),
    (concat!("dbg", "!("), "remove it"),
];

/// The start of an ignored test of what has to be installed. A step of `xtask ci` runs it.
const NEEDS: &str = concat!("#[", "ignore = \"needs ");

/// Text that may not occur in a library's source outside of its tests.
const PANICS: &[&str] = &[
    ".unwrap()",
    ".expect(\"",
    concat!("panic", "!("),
    concat!("unreachable", "!("),
    concat!("unimplemented", "!("),
];

/// By what an item says that it may.
const PERMITS: &[&str] = &["clippy::panic,", "clippy::unreachable,"];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    tree.rust_files().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let path = file.path.as_str();
    let has_header = file.text.starts_with("//!") || path.ends_with("build.rs");
    if !has_header && !path.contains("/tests/ui/") {
        let what = "the file does not say what it is for";
        faults.push(Fault::new(path, 1, what, "begin it with a line `//! …`"));
    }
    if path.ends_with("/mod.rs") {
        let what = "a module is in `mod.rs`";
        faults.push(Fault::new(path, 1, what, "name the file after the module, beside its folder"));
    }
    let mut in_tests = false;
    let mut is_meant = false;
    for (number, line) in file.lines() {
        in_tests |= line.starts_with("#[cfg(test)]");
        if line.trim_start().starts_with("//") {
            continue;
        }
        // An item that says why it may panic is for clippy to judge, which knows where the reason
        // holds.
        is_meant = !line.starts_with('}')
            && (is_meant || PERMITS.iter().any(|permit| line.contains(permit)));
        for (banned, mend) in BANNED {
            if line.contains(banned) && !line.contains(NEEDS) {
                faults.push(Fault::new(path, number, format!("`{banned}` is not allowed"), *mend));
            }
        }
        if file.is_library() && !in_tests && !is_meant {
            for panic in PANICS.iter().filter(|panic| line.contains(**panic)) {
                let what = format!("`{panic}` is a path to a panic in a library");
                faults.push(Fault::new(
                    path,
                    number,
                    what,
                    "return an error, or make the case impossible",
                ));
            }
        }
    }
    faults
}
