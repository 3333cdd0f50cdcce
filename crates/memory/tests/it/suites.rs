//! The conformance suites, run on what this crate has.

use conversant_core::TokenCounter;
use conversant_memory::{
    BufferMemory, InMemoryHistory, StringBufferMemory, TokenBufferMemory, WindowMemory,
};
use conversant_testkit::suite;

/// Counts words.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

#[tokio::test]
async fn the_in_memory_history() {
    let report = suite::history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    let report = suite::branched_history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    let report = suite::listed_history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    suite::versioned_history(InMemoryHistory::new).await.unwrap();
    let history = InMemoryHistory::new();
    suite::reopened_history(|| history.clone()).await.unwrap();
}

#[tokio::test]
async fn memories() {
    suite::memory(BufferMemory::new).await.unwrap();
    suite::memory(|| BufferMemory::new().with_return_messages(true)).await.unwrap();
    suite::memory(StringBufferMemory::new).await.unwrap();
    suite::memory(WindowMemory::new).await.unwrap();
    suite::memory(|| TokenBufferMemory::new(Words)).await.unwrap();
}
