//! Files that are the same in two places, since neither can take them from the other.

use super::{fault::Fault, tree::Tree};

const COPIES: &[(&str, &str)] = &[
    // A macro is compiled for the machine that compiles, where core would be compiled again.
    ("crates/core/src/nearest/search.rs", "crates/macros/src/nearest.rs"),
    // Examples are to copy from.
    ("examples/service/src/listener.rs", "examples/web-chat/src/listener.rs"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    COPIES.iter().filter_map(|(first, second)| compare(tree, first, second)).collect()
}

fn compare(tree: &Tree, first: &str, second: &str) -> Option<Fault> {
    let text = |path: &str| tree.file(path).map_or("", |file| file.text.as_str());
    let (first_text, second_text) = (text(first), text(second));
    if first_text == second_text {
        return None;
    }
    let pairs = first_text.lines().zip(second_text.lines());
    let same = pairs.take_while(|(a, b)| a == b).count();
    let what = format!("the file differs from `{first}`");
    Some(Fault::new(second, same + 1, what, "change both"))
}
