//! The clock of the crates that run in a browser, where the standard library's panics.

use super::{
    fault::Fault,
    imports::{leaves, use_trees},
    tree::{File, Tree},
};

/// The crates.
const PORTABLE: &[&str] = &["chains", "core", "memory", "prompts", "template"];
/// The file in which the clock is chosen.
const CLOCK: &str = "crates/core/src/clock.rs";
/// The types that have a clock, or a time of it.
const TYPES: &[&str] = &["Instant", "SystemTime", "UNIX_EPOCH"];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let is_portable = |file: &&File| {
        let mut folders = PORTABLE.iter().map(|name| format!("crates/{name}/src/"));
        file.is_library()
            && file.path != CLOCK
            && folders.any(|folder| file.path.starts_with(&folder))
    };
    tree.files().filter(is_portable).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |line, name: &str| {
        let what = format!("`std::time::{name}` panics in a browser");
        faults.push(Fault::new(&file.path, line, what, "use `conversant_core::clock`"));
    };
    for (line, tree) in use_trees(&file.text) {
        for path in leaves(&tree) {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            if let ["std", "time", name] = path.as_slice()
                && TYPES.contains(name)
            {
                fault(line, name);
            }
        }
    }
    for (line, text) in file.lines().filter(|(_, text)| !text.trim_start().starts_with("//")) {
        let inline = TYPES.iter().find(|name| text.contains(&format!("std::time::{name}")));
        if let Some(name) = inline.filter(|_| !text.trim_start().starts_with("use ")) {
            fault(line, name);
        }
    }
    faults
}
