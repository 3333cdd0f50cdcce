//! Lists and removal of documents, where the store has them.

use std::cmp::Ordering;

use conversant_core::{Collection, Document, Variables, VectorStore, VectorStoreError};

use super::{
    steps::{collection, documents, filled, finds},
    topics::{EmbeddingFault, TopicEmbeddings},
};
use crate::suite::check::{Checked, Stop, ensure};

/// Skips a check of an operation that the store does not have.
pub(super) fn supported<R>(result: Result<R, VectorStoreError>, what: &str) -> Result<R, Stop> {
    match result {
        Err(VectorStoreError::Unsupported { .. }) => Err(Stop::Skipped(what.to_owned())),
        result => Ok(result?),
    }
}

/// Lists all documents, in pages.
async fn listed<S: VectorStore>(
    store: &S,
    collection: &Collection,
    page: usize,
) -> Result<Vec<Document>, Stop> {
    let mut all: Vec<Document> = Vec::new();
    loop {
        let after = all.last().map(|document| document.id.clone());
        let found = store.list(collection, after.as_deref(), page).await;
        let found = supported(found, "no list of documents")?;
        ensure!(found.len() <= page, "a page of {page} documents has {}", found.len());
        let is_later = |document: &Document| match &after {
            Some(after) => document.id.cmp(after) == Ordering::Greater,
            None => true,
        };
        ensure!(found.iter().all(is_later), "the page after {after:?} has an earlier id");
        if found.is_empty() {
            return Ok(all);
        }
        all.extend(found);
    }
}

pub(super) async fn documents_are_listed_by_id<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    ensure!(listed(&store, &own, 3).await?.is_empty(), "a new collection has documents");
    // In byte order: upper case before lower case, and letters with accents last.
    let mut ids = ["b", "a", "B", "10", "9", "\u{e9}", "a b", "aa"];
    let metadata = Variables::from([("kind", "listed")]);
    let document = |id: &str| Document::new(id, "pizza").with_metadata(metadata.clone());
    store.add(&own, &ids.map(document)).await?;
    ids.sort_unstable();
    for page in [1, 3, 8, usize::MAX] {
        let found = listed(&store, &own, page).await?;
        ensure!(found == ids.map(document), "in pages of {page}, the list is {found:?}");
    }
    let found = store.list(&own, None, 0).await?;
    ensure!(found.is_empty(), "a page of no documents has {}", found.len());
    // A document is corrected by its id.
    store.add(&own, &[Document::new("a", "rain")]).await?;
    let found = listed(&store, &own, 9).await?;
    let corrected = found.iter().find(|document| document.id == "a");
    let is_corrected = corrected.is_some_and(|document| document.text == "rain");
    ensure!(is_corrected && found.len() == 8, "after a correction, the list is {found:?}");
    Ok(())
}

pub(super) async fn removed_documents_are_gone<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    let other = collection();
    store.add(&other, &documents()).await?;
    // Ids that begin as those that are removed, or are equal but for case and spaces.
    let similar = ["10", "12", "1 ", " 1", "01", "Unknown"];
    store.add(&own, &similar.map(|id| Document::new(id, "nothing"))).await?;
    let removed = store.remove(&own, &["1", "unknown", "2"]).await;
    let removed = supported(removed, "no removal of documents")?;
    ensure!(removed == 2, "removing 2 documents returned {removed}");
    finds(&store, &own, "pizza", 1, &["3"]).await?;
    let left = store.search(&own, "pizza", 99).await?.len();
    ensure!(left == 8, "removing 2 of 10 documents left {left}");
    let removed = store.remove(&own, &similar).await?;
    ensure!(removed == 6, "removing 6 documents returned {removed}");
    finds(&store, &own, "pizza", 9, &["3", "4"]).await?;
    let found = store.search(&other, "pizza", 9).await?.len();
    ensure!(found == 4, "removing documents left {found} of 4 in another collection");
    let again = store.remove(&own, &["1", "2"]).await?;
    ensure!(again == 0, "removing documents again returned {again}");
    store.remove(&own, &[]).await?;
    store.add(&own, &[Document::new("1", "pizza")]).await?;
    finds(&store, &own, "pizza", 1, &["1"]).await
}

pub(super) async fn removing_all_empties_a_collection<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, topics, own) = filled(make).await?;
    let removed = store.remove(&own, &["1", "2", "3", "4"]).await;
    supported(removed, "no removal of documents")?;
    // The next vectors may have another length.
    topics.fail_next(EmbeddingFault::Longer);
    let found = store.search(&own, "pizza", 1).await?;
    ensure!(found.is_empty(), "a collection without documents has {found:?}");
    topics.fail_next(EmbeddingFault::Longer);
    store.add(&own, &[Document::new("1", "rain")]).await?;
    match store.search(&own, "rain", 1).await {
        Err(VectorStoreError::Dimension { expected: 4, found: 3 }) => Ok(()),
        other => Err(Stop::Failed(format!("a vector of 3 numbers among ones of 4: {other:?}"))),
    }
}
