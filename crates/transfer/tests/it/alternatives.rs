//! The alternatives at the points of a session that is copied.

use conversant_core::{Alternative, ChatHistory, Range};
use conversant_history_jsonl::JsonlHistory;
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Export, Import, copy};

use crate::{
    branches::{NAME, append_at, point},
    support::{export, import, session},
};

/// Returns what follows each of the points, as a page of a chat offers it.
fn offered(history: &dyn ChatHistory, points: u128) -> Vec<Vec<Alternative>> {
    let offer = |number| block_on(history.alternatives(&session(NAME), point(number))).unwrap();
    (0..=points).map(offer).collect()
}

/// The alternatives of a copy show the same turns: what was stored last of each is last again.
#[test]
fn alternatives_of_a_copy_show_the_same_turns() {
    let mut trees = vec![
        // An earlier answer was gone on with after another one was asked for.
        vec![0, 1, 1, 2, 0],
        vec![0, 0, 1, 1, 3, 4, 2, 5],
        vec![0, 1, 2, 1, 3, 2, 4, 1],
    ];
    let mut state = 1_u128;
    for length in (2..20).cycle().take(60) {
        let follows = (0..length).map(|turns| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % (turns + 1)
        });
        trees.push(follows.collect());
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, tree) in trees.iter().enumerate() {
        let from = InMemoryHistory::new();
        for (turn, &follows) in (1..).zip(tree) {
            append_at(&from, follows, turn);
        }
        let turns = tree.len() as u128;
        let expected = offered(&from, turns);
        let files = JsonlHistory::open(folder.path().join(number.to_string())).unwrap();
        let (copied, imported) = (InMemoryHistory::new(), InMemoryHistory::new());
        block_on(copy(&from, &files, |_| {})).unwrap();
        block_on(copy(&files, &copied, |_| {})).unwrap();
        let (lines, _) = export(&Export::lines(), &from);
        import(&Import::lines(), &imported, lines.as_bytes()).0.unwrap();
        for to in [&files as &dyn ChatHistory, &copied, &imported] {
            assert_eq!(offered(to, turns), expected, "{tree:?}");
            let path = block_on(to.load(&session(NAME), Range::All)).unwrap().messages;
            assert_eq!(path, block_on(from.load(&session(NAME), Range::All)).unwrap().messages);
        }
    }
}
