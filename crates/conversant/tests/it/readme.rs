//! Each Rust block of the README is a program or a test of this package, word for word, and the
//! `cargo add` lines above it name all that it uses.

use std::collections::BTreeSet;

const README: &str = include_str!("../../../../README.md");

/// Compiles the files, and lists them in the order of the README.
macro_rules! files {
    ($($name:ident $file:literal),*) => {
        $(
            #[allow(clippy::print_stdout, dead_code)]
            #[path = $file]
            mod $name;
        )*

        const FILES: &[&str] = &[$(include_str!($file)),*];
    };
}

files!(
    chain "readme/chain.rs",
    local "readme/local.rs",
    tools "readme/tools.rs",
    meter "readme/meter.rs",
    prompts "readme/prompts.rs",
    checked_prompt "readme/checked_prompt.rs"
);

/// Returns the blocks of a language, each with the text before it.
fn blocks(language: &str) -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = README;
    let fence = format!("```{language}\n");
    while let Some(start) = rest.find(&fence) {
        let block = &rest[start + fence.len()..];
        let end = block.find("```\n").unwrap();
        blocks.push((&README[..README.len() - rest.len() + start], &block[..end]));
        rest = &block[end + 4..];
    }
    blocks
}

#[test]
fn the_blocks_are_what_is_compiled() {
    let blocks: Vec<_> = blocks("rust").into_iter().map(|(_, block)| block).collect();
    assert_eq!(blocks, FILES);
}

#[test]
fn the_commands_above_a_block_add_what_it_uses() {
    for (before, block) in blocks("rust") {
        let added: BTreeSet<&str> = before
            .lines()
            .filter_map(|line| line.strip_prefix("cargo add "))
            .flat_map(|line| line.split(' '))
            .filter(|word| !word.starts_with("--"))
            .collect();
        // Crates are the lower-case first parts of paths; `std` needs no command.
        let is_separator = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        let used: BTreeSet<&str> = block
            .split(is_separator)
            .filter_map(|word| word.split_once("::"))
            .map(|(name, _)| name)
            .filter(|name| name.chars().all(|c| c.is_lowercase() || c == '_'))
            .filter(|name| !["std", "weights", "insta::"].contains(name) && !name.is_empty())
            .collect();
        assert!(used.contains("conversant"), "{block}");
        for name in used {
            assert!(added.contains(name), "no `cargo add {name}` above:\n{block}");
        }
    }
}

#[test]
fn no_block_has_hidden_lines() {
    for (_, block) in blocks("rust") {
        assert!(!block.lines().any(|line| line == "#" || line.starts_with("# ")), "{block}");
    }
}
