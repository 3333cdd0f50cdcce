//! The steps of the checks of vector stores.

use conversant_core::{Collection, Document, SessionId, TurnId, VectorStore};

use super::topics::TopicEmbeddings;
use crate::suite::check::{Checked, Stop, ensure};

pub(super) fn collection() -> Collection {
    Collection::Session(SessionId::from(TurnId::random()))
}

pub(super) fn documents() -> [Document; 4] {
    [("1", "pizza"), ("2", "chess"), ("3", "pizza pizza chess"), ("4", "nothing")]
        .map(|(id, text)| Document::new(id, text))
}

pub(super) async fn filled<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Result<(S, TopicEmbeddings, Collection), Stop> {
    let (topics, own) = (TopicEmbeddings::new(), collection());
    let store = make(topics.clone()).await;
    store.add(&own, &documents()).await?;
    Ok((store, topics, own))
}

/// Checks the ids that a search returns.
pub(super) async fn finds<S: VectorStore>(
    store: &S,
    collection: &Collection,
    text: &str,
    k: usize,
    expected: &[&str],
) -> Checked {
    let found = store.search(collection, text, k).await?;
    let ids: Vec<_> = found.iter().map(|found| found.document.id.as_str()).collect();
    ensure!(ids == expected, "a search for {text:?} found {ids:?} instead of {expected:?}");
    Ok(())
}
