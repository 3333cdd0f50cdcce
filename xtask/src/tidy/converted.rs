//! The folders and files that already keep the rules on imports, widths and words.

/// Prefixes of the paths that are checked. Add a crate once it is clean.
const CONVERTED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "README.md",
    "crates/tools/",
    "examples/chat/",
    "examples/service/",
    "crates/chains/tests/",
    "crates/core/",
    "crates/memory/",
    "crates/history-jsonl/",
    "crates/history-sqlite/",
    "crates/layers/",
    "crates/models/src/http",
    "crates/models/src/openai",
    "crates/models/src/tokens",
    "crates/models/src/wire",
    "crates/models/src/lib.rs",
    "crates/models/src/dialect.rs",
    "crates/models/tests/",
    "crates/vector-sqlite/",
    "examples/copy-conversations/",
    "examples/custom-history/",
    "examples/custom-memory/",
    "examples/custom-model/",
    "examples/memory-in-llmchain/",
    "xtask/bench/hello/",
    "xtask/bench/peers/",
    "xtask/bench/src/",
    "xtask/instructions/",
    "xtask/src/bench",
    "xtask/src/instructions",
    "xtask/src/torture",
];

/// Returns whether the rules apply to a path.
pub(crate) fn contains(path: &str) -> bool {
    CONVERTED.iter().any(|prefix| path.starts_with(prefix))
}
