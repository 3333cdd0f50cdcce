//! Cancellation of what changes a collection that has documents: it is whole or not done.

use conversant_core::{Document, VectorStore};

use super::{
    listed::supported,
    steps::{collection, documents},
    topics::TopicEmbeddings,
};
use crate::{
    poll_then_drop,
    suite::check::{Checked, MAX_POLLS, ensure},
};

/// More documents than a page of stores that remove in pages.
const MANY: usize = 120;

pub(super) async fn a_dropped_add_replaces_all_or_none<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let later = documents().map(|document| Document::new(document.id, "rain"));
    for polls in 0..MAX_POLLS {
        store.add(&own, &documents()).await?;
        let finished = poll_then_drop(store.add(&own, &later), polls).await.transpose()?.is_some();
        let found = store.search(&own, "pizza", 9).await?;
        let replaced = found.iter().filter(|found| found.document.text == "rain").count();
        let is_whole = found.len() == 4 && (replaced == 4 || (replaced == 0 && !finished));
        ensure!(
            is_whole,
            "dropped after {polls} polls, an add that replaces 4 documents left {}, of which \
             {replaced} are new",
            found.len()
        );
        if finished {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_clear_is_whole_or_not_done<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let mut found = 0;
    for polls in 0..MAX_POLLS {
        if found == 0 {
            store.add(&own, &many()).await?;
        }
        let finished = poll_then_drop(store.clear(&own), polls).await.transpose()?.is_some();
        found = store.search(&own, "pizza", 2 * MANY).await?.len();
        let is_whole = found == 0 || (found == MANY && !finished);
        ensure!(is_whole, "dropped after {polls} polls, a clear left {found} documents of {MANY}");
        if finished {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_removal_is_whole_or_not_done<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let documents = many();
    let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
    let mut found = 0;
    for polls in 0..MAX_POLLS {
        if found == 0 {
            store.add(&own, &documents).await?;
        }
        let removed = poll_then_drop(store.remove(&own, &ids), polls).await;
        let removed = removed.map(|removed| supported(removed, "no removal of documents"));
        let removed = removed.transpose()?;
        found = store.search(&own, "pizza", 2 * MANY).await?.len();
        let is_whole = found == 0 || (found == MANY && removed.is_none());
        ensure!(is_whole, "dropped after {polls} polls, a removal left {found} of {MANY}");
        if removed.is_some() {
            break;
        }
    }
    Ok(())
}

fn many() -> Vec<Document> {
    (0..MANY).map(|number| Document::new(format!("{number}"), "pizza")).collect()
}
