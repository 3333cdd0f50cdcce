//! The suite of vector stores.

mod documents;
mod dropped;
mod listed;
mod steps;
mod topics;

use conversant_core::{
    Collection, Document, GroupId, SessionId, TurnId, UserId, VectorStore, VectorStoreError,
};

use self::steps::{collection, documents, filled, finds};
pub use self::topics::{EmbeddingFault, TopicEmbeddings};
use super::{
    check::{CANARY, Checked, MAX_POLLS, Stop, ensure, run, withholds},
    report::{Running, SuiteError, SuiteReport},
};
use crate::{join_all::join_all, poll_then_drop};

/// Checks that a store fulfils the contract of [`VectorStore`].
///
/// `make` is called once for each check. It must return a store with these embeddings. It may
/// return another handle to the same store each time, since every check uses collections of its
/// own.
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// ```
/// # use std::{collections::BTreeMap, sync::Mutex};
/// # use conversant_core::*;
/// use conversant_testkit::{block_on, suite};
/// # type Entries = Vec<(Document, Vec<f32>)>;
/// # struct MyStore { model: suite::TopicEmbeddings, all: Mutex<Vec<(Collection, Entries)>> }
/// # impl MyStore {
/// #     fn open(model: suite::TopicEmbeddings) -> Self { Self { model, all: Mutex::default() } }
/// #     fn with<R>(&self, collection: &Collection, run: impl FnOnce(&mut Entries) -> R) -> R {
/// #         let mut all = self.all.lock().unwrap();
/// #         let known = all.iter().position(|(name, _)| name == collection);
/// #         let index = known.unwrap_or_else(|| { all.push((collection.clone(), vec![])); all.len() - 1 });
/// #         run(&mut all[index].1)
/// #     }
/// # }
/// # fn fits(entries: &Entries, found: usize) -> Result<(), VectorStoreError> {
/// #     match entries.first().map(|(_, vector)| vector.len()) {
/// #         Some(expected) if expected != found => Err(VectorStoreError::Dimension { expected, found }),
/// #         _ => Ok(()),
/// #     }
/// # }
/// # #[async_trait]
/// # impl VectorStore for MyStore {
/// #     async fn add(&self, collection: &Collection, new: &[Document]) -> Result<(), VectorStoreError> {
/// #         if new.is_empty() { return Ok(()); }
/// #         let texts: Vec<_> = new.iter().map(|new| new.text.clone()).collect();
/// #         let vectors = unit_vectors(&self.model, &texts).await?;
/// #         self.with(collection, |entries| {
/// #             fits(entries, vectors[0].len())?;
/// #             for (new, vector) in new.iter().cloned().zip(vectors) {
/// #                 match entries.iter_mut().find(|(old, _)| old.id == new.id) {
/// #                     Some(old) => *old = (new, vector),
/// #                     None => entries.push((new, vector)),
/// #                 }
/// #             }
/// #             Ok(())
/// #         })
/// #     }
/// #     async fn search(&self, collection: &Collection, text: &str, k: usize) -> Result<Vec<Match>, VectorStoreError> {
/// #         if k == 0 { return Ok(vec![]); }
/// #         let query = unit_vectors(&self.model, &[text.to_owned()]).await?.remove(0);
/// #         self.with(collection, |entries| {
/// #             fits(entries, query.len())?;
/// #             let score = |v: &Vec<f32>| v.iter().zip(&query).map(|(a, b)| a * b).sum();
/// #             let mut found: Vec<_> = entries.iter().map(|(d, v)| Match::new(d.clone(), score(v))).collect();
/// #             found.sort_by(|a, b| b.score.total_cmp(&a.score));
/// #             found.truncate(k);
/// #             Ok(found)
/// #         })
/// #     }
/// #     async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
/// #         self.with(collection, |entries| Ok(entries.clear()))
/// #     }
/// # }
///
/// let report = block_on(suite::vector_store(async |embeddings| MyStore::open(embeddings)))?;
/// assert!(report.passed().any(|check| check == "collections_are_separate"));
/// # Ok::<(), suite::SuiteError>(())
/// ```
pub async fn vector_store<S: VectorStore>(
    make: impl AsyncFn(TopicEmbeddings) -> S,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("vector store");
    run!(running, &make =>
        a_new_collection_is_empty,
        the_nearest_come_first,
        a_search_returns_at_most_k,
        documents::an_id_is_one_document,
        documents::a_document_replaces_all_of_another,
        documents::documents_come_back_as_they_were,
        documents::long_ids_and_texts_come_back_as_they_were,
        documents::many_documents_are_found_and_listed,
        collections_are_separate,
        clearing_empties_a_collection,
        documents_are_added_all_or_none,
        a_query_needs_a_valid_vector,
        a_dropped_add_is_whole_or_not_there,
        dropped::a_dropped_add_replaces_all_or_none,
        dropped::a_dropped_clear_is_whole_or_not_done,
        dropped::a_dropped_removal_is_whole_or_not_done,
        documents_that_are_added_at_once_are_all_there,
        errors_withhold_the_texts,
        listed::documents_are_listed_by_id,
        listed::removed_documents_are_gone,
        listed::removing_all_empties_a_collection,
    );
    running.finish()
}

async fn a_new_collection_is_empty<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    finds(&store, &own, "pizza", 3, &[]).await?;
    store.add(&own, &[]).await?;
    finds(&store, &own, "pizza", 3, &[]).await?;
    store.clear(&own).await?;
    Ok(())
}

async fn the_nearest_come_first<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    let found = store.search(&own, "pizza", 9).await?;
    let scores = [("1", 1.0), ("3", 2.0 / 5.0_f32.sqrt()), ("2", 0.0), ("4", 0.0)];
    ensure!(found.len() == scores.len(), "a search found {} of 4 documents", found.len());
    for (found, (id, score)) in found.iter().zip(scores) {
        let (found, at) = (&found.document.id, found.score);
        // Documents that are equally similar may be in any order.
        let is_in_place = found == id || score == 0.0;
        ensure!(
            is_in_place && (at - score).abs() < 1e-4,
            "{found:?} has the score {at}, where {id:?} with {score} belongs"
        );
    }
    Ok(())
}

async fn a_search_returns_at_most_k<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    for (k, expected) in [(0, 0), (1, 1), (2, 2), (4, 4), (9, 4), (usize::MAX, 4)] {
        let found = store.search(&own, "chess", k).await?.len();
        ensure!(found == expected, "a search for {k} documents found {found} of 4");
    }
    Ok(())
}

/// Endings of names that stores have confused.
const ENDINGS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a/b",
    "a_b",
    "a-b",
    "a:b",
    "2",
    "%",
    "' \u{e9}",
    "' e\u{301}",
    "\u{1f600}",
];

async fn collections_are_separate<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let store = make(TopicEmbeddings::new()).await;
    let run = TurnId::random();
    let mut names: Vec<String> = ENDINGS.iter().map(|end| format!("{run}{end}")).collect();
    names.extend([format!(" {run}"), format!("{run}").to_uppercase()]);
    // Names of the greatest length that differ in their last letter.
    names.extend(["x", "y"].map(|end| format!("{run}{}{end}", "x".repeat(440))));
    let mut all = Vec::new();
    for name in &names {
        all.push(Collection::Session(SessionId::new(name.as_str())?));
        all.push(Collection::User(UserId::new(name.as_str())?));
        all.push(Collection::Group(GroupId::new(name.as_str())?));
        all.push(Collection::shared(name.as_str()));
    }
    for (collection, number) in all.iter().zip(0..) {
        finds(&store, collection, "rain", 9, &[]).await?;
        let id = format!("{number}");
        store.add(collection, &[Document::new(id.as_str(), "rain")]).await?;
        finds(&store, collection, "rain", 9, &[&id]).await?;
    }
    for (collection, number) in all.iter().zip(0..) {
        finds(&store, collection, "rain", 9, &[&format!("{number}")]).await?;
        store.clear(collection).await?;
    }
    Ok(())
}

async fn documents_that_are_added_at_once_are_all_there<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    const CALLERS: usize = 8;
    let (store, own) = (make(TopicEmbeddings::new()).await, collection());
    let documents: Vec<Document> =
        (0..CALLERS).map(|number| Document::new(format!("{number}"), "pizza")).collect();
    let adds = documents.iter().map(|document| store.add(&own, std::slice::from_ref(document)));
    for added in join_all(adds).await {
        added?;
    }
    let found = store.search(&own, "pizza", 2 * CALLERS).await?.len();
    ensure!(found == CALLERS, "of {CALLERS} documents that were added at once, {found} are there");
    Ok(())
}

async fn errors_withhold_the_texts<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, topics, own) = filled(make).await?;
    let text = format!("rain {CANARY}");
    for fault in FAULTS {
        topics.fail_next(fault);
        if let Err(error) = store.add(&own, &[Document::new(CANARY, text.as_str())]).await {
            withholds(&error)?;
        }
        topics.fail_next(fault);
        if let Err(error) = store.search(&own, &text, 1).await {
            withholds(&error)?;
        }
    }
    Ok(())
}

const FAULTS: [EmbeddingFault; 5] = [
    EmbeddingFault::Fails,
    EmbeddingFault::None,
    EmbeddingFault::NotFinite,
    EmbeddingFault::Longer,
    EmbeddingFault::LastIsLonger,
];

async fn clearing_empties_a_collection<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, topics, own) = filled(make).await?;
    store.clear(&own).await?;
    finds(&store, &own, "pizza", 9, &[]).await?;
    // The next vectors may have another length.
    topics.fail_next(EmbeddingFault::Longer);
    store.add(&own, &[Document::new("1", "rain")]).await?;
    match store.search(&own, "rain", 1).await {
        Err(VectorStoreError::Dimension { expected: 4, found: 3 }) => Ok(()),
        other => Err(Stop::Failed(format!("a vector of 3 numbers among ones of 4: {other:?}"))),
    }
}

async fn documents_are_added_all_or_none<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, topics, own) = filled(make).await?;
    let more = ["1", "5", "6"].map(|id| Document::new(id, "rain"));
    for fault in FAULTS {
        topics.fail_next(fault);
        let added = store.add(&own, &more).await;
        ensure!(added.is_err(), "documents were added, though the model {fault:?}");
        let found = store.search(&own, "pizza", 9).await?.len();
        ensure!(found == 4, "an add that failed ({fault:?}) left {found} documents of 4");
        finds(&store, &own, "pizza", 1, &["1"]).await?;
    }
    Ok(())
}

async fn a_query_needs_a_valid_vector<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, topics, own) = filled(make).await?;
    for fault in [
        EmbeddingFault::Fails,
        EmbeddingFault::None,
        EmbeddingFault::NotFinite,
        EmbeddingFault::Longer,
    ] {
        topics.fail_next(fault);
        let found = store.search(&own, "rain", 1).await;
        ensure!(found.is_err(), "a search succeeded, though the model {fault:?}: {found:?}");
    }
    Ok(())
}

async fn a_dropped_add_is_whole_or_not_there<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let store = make(TopicEmbeddings::new()).await;
    for polls in 0..MAX_POLLS {
        let own = collection();
        let finished =
            poll_then_drop(store.add(&own, &documents()), polls).await.transpose()?.is_some();
        let found = store.search(&own, "pizza", 9).await?.len();
        let is_whole = found == 4 || (found == 0 && !finished);
        ensure!(is_whole, "dropped after {polls} polls, an add left {found} of 4 documents");
        store.add(&own, &documents()).await?;
        let found = store.search(&own, "pizza", 9).await?.len();
        ensure!(found == 4, "an add that was repeated left {found} of 4 documents");
        if finished {
            break;
        }
    }
    Ok(())
}
