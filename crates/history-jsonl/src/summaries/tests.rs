//! Which files a list reads as a whole.

use std::fs;

use conversant_core::{ChatHistory, Expect, SessionId, Turn};
use conversant_testkit::block_on;

use super::*;
use crate::JsonlHistory;

/// Returns how many of the files are known. The turns of all files are damaged, and their begins
/// and ends are not: a file that is read as a whole is an error.
fn known(summaries: &Summaries, files: &[PathBuf]) -> usize {
    summaries.begin_list();
    let is_known = |path: &&PathBuf| summaries.of(path, &File::open(path).unwrap()).is_ok();
    files.iter().filter(is_known).count()
}

#[test]
fn files_that_do_not_fit_take_no_place_of_those_that_the_next_list_needs() {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let store = |name: &str| {
        let session = SessionId::new(name).unwrap();
        let turn = Turn::exchange("question", "x".repeat(4_000));
        block_on(history.append(&session, &turn, Expect::Any)).unwrap();
        history.path(&session)
    };
    let files: Vec<PathBuf> = ["a", "b", "c", "d"].into_iter().map(store).collect();
    let gone = SessionId::new("gone").unwrap();
    block_on(history.append(&gone, &Turn::exchange("a", "b"), Expect::Any)).unwrap();
    block_on(history.delete(&gone)).unwrap();
    let tombstone = history.path(&gone);
    block_on(history.close());

    let summaries = Summaries::with_capacity(NonZeroUsize::new(3).unwrap());
    summaries.begin_list();
    // A session that was deleted takes no place.
    for path in [&tombstone].into_iter().chain(&files) {
        let summary = summaries.of(path, &File::open(path).unwrap()).unwrap();
        assert_eq!(summary.session.is_none(), path == &tombstone);
    }
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text.replacen("xxxx", "xyxx", 1)).unwrap();
    }
    for _ in 0..=UNUSED_LISTS {
        assert_eq!(known(&summaries, &files), 3);
    }
    // What lists no longer use makes room.
    let other = store_elsewhere();
    for _ in 0..=UNUSED_LISTS {
        summaries.begin_list();
    }
    let path = other.1;
    summaries.of(&path, &File::open(&path).unwrap()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("xxxx", "xyxx", 1)).unwrap();
    assert_eq!(known(&summaries, &[path]), 1);
    assert_eq!(known(&summaries, &files), 2);
}

fn store_elsewhere() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let history = JsonlHistory::open(folder.path()).unwrap();
    let session = SessionId::new("other").unwrap();
    let turn = Turn::exchange("question", "x".repeat(4_000));
    block_on(history.append(&session, &turn, Expect::Any)).unwrap();
    block_on(history.close());
    let path = history.path(&session);
    (folder, path)
}
