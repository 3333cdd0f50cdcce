//! Snapshots: each belongs to an existing test, and none waits to be accepted.

use super::{
    fault::Fault,
    tree::{File, Tree},
};

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    tree.files().filter_map(|file| fault_of(tree, file)).collect()
}

fn fault_of(tree: &Tree, file: &File) -> Option<Fault> {
    let path = file.path.as_str();
    if path.ends_with(".snap.new") || path.ends_with(".pending-snap") {
        let what = "the snapshot waits to be accepted";
        return Some(Fault::new(
            path,
            1,
            what,
            "run the test with `INSTA_UPDATE=always`, look at it, or delete it",
        ));
    }
    let name = path.rsplit('/').next()?.strip_suffix(".snap")?;
    let source = file.text.lines().find_map(|line| line.strip_prefix("source: "))?;
    let Some(source) = tree.file(source.trim_matches('"')) else {
        let what = format!("the snapshot's source `{source}` is not there");
        return Some(Fault::new(path, file.line_of("source: "), what, "delete the snapshot"));
    };
    let name = name.rsplit("__").next().unwrap_or(name);
    if occurs(name, &source.text) {
        return None;
    }
    let what = format!("no test of `{}` is named after the snapshot", source.path);
    Some(Fault::new(path, 1, what, "delete the snapshot, or mend its test"))
}

/// Returns whether a source has a snapshot's name. A second snapshot of a test ends with its
/// number. A name that a test puts together has all of its words in the source, or in the names of
/// the data that the source reads.
fn occurs(name: &str, source: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once('-') {
        Some((name, number)) if is_number(number) => name,
        _ => name,
    };
    let stem = name.split('@').next().unwrap_or(name);
    source.contains(stem) || stem.split(['_', '-']).all(|word| source.contains(word))
}
