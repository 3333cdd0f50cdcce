//! The suite of vector stores.

use std::{
    cmp::Ordering,
    sync::{Arc, Mutex},
};

use conversant_core::{
    Collection, Document, Embeddings, GroupId, ModelError, SessionId, TurnId, UserId, Variables,
    VectorStore, VectorStoreError, async_trait,
};

use super::{
    check::{Checked, MAX_POLLS, ODD_TEXTS, Stop, ensure, run},
    report::{Running, SuiteError, SuiteReport},
};
use crate::poll_then_drop;

/// An embedding model of three topics: how often a text has the words `pizza`, `chess` and `rain`.
/// It can be made to fail once.
///
/// # Examples
///
/// ```
/// use conversant_core::Embeddings;
/// use conversant_testkit::{block_on, suite::{EmbeddingFault, TopicEmbeddings}};
///
/// let topics = TopicEmbeddings::new();
/// let texts = ["pizza and pizza".to_owned()];
/// assert_eq!(block_on(topics.embed(&texts))?, [[2.0, 0.0, 0.0]]);
/// topics.fail_next(EmbeddingFault::Fails);
/// assert!(block_on(topics.embed(&texts)).is_err());
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TopicEmbeddings(Arc<Mutex<Option<EmbeddingFault>>>);

/// A fault of an embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingFault {
    /// The call fails.
    Fails,
    /// It returns no vectors.
    None,
    /// Its vectors have a number that is not finite.
    NotFinite,
    /// Its vectors have 4 numbers instead of 3.
    Longer,
    /// Its last vector has 4 numbers.
    LastIsLonger,
}

impl TopicEmbeddings {
    /// Creates a model.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next call go wrong.
    pub fn fail_next(&self, fault: EmbeddingFault) {
        *self.fault() = Some(fault);
    }

    fn fault(&self) -> std::sync::MutexGuard<'_, Option<EmbeddingFault>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Embeddings for TopicEmbeddings {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let vector = |text: &String| {
            ["pizza", "chess", "rain"].map(|topic| text.matches(topic).count() as f32).to_vec()
        };
        let mut vectors: Vec<_> = texts.iter().map(vector).collect();
        match self.fault().take() {
            Some(EmbeddingFault::Fails) => return Err(ModelError::custom("it fails", true, None)),
            Some(EmbeddingFault::None) => vectors.clear(),
            Some(EmbeddingFault::NotFinite) => vectors.fill(vec![f32::NAN; 3]),
            Some(EmbeddingFault::Longer) => vectors.fill(vec![1.0; 4]),
            Some(EmbeddingFault::LastIsLonger) => {
                if let Some(last) = vectors.last_mut() {
                    last.push(1.0);
                }
            }
            None => {}
        }
        Ok(vectors)
    }
}

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
        an_id_is_one_document,
        documents_come_back_as_they_were,
        collections_are_separate,
        clearing_empties_a_collection,
        documents_are_added_all_or_none,
        a_query_needs_a_valid_vector,
        a_dropped_add_is_whole_or_not_there,
        documents_are_listed_by_id,
        removed_documents_are_gone,
    );
    running.finish()
}

fn collection() -> Collection {
    Collection::Session(SessionId::from(TurnId::random()))
}

fn documents() -> [Document; 4] {
    [("1", "pizza"), ("2", "chess"), ("3", "pizza pizza chess"), ("4", "nothing")]
        .map(|(id, text)| Document::new(id, text))
}

async fn filled<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Result<(S, TopicEmbeddings, Collection), Stop> {
    let (topics, own) = (TopicEmbeddings::new(), collection());
    let store = make(topics.clone()).await;
    store.add(&own, &documents()).await?;
    Ok((store, topics, own))
}

/// Checks the ids that a search returns.
async fn finds<S: VectorStore>(
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

async fn an_id_is_one_document<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    store.add(&own, &[Document::new("1", "rain")]).await?;
    finds(&store, &own, "rain", 1, &["1"]).await?;
    finds(&store, &own, "pizza", 1, &["3"]).await?;
    // Of several documents with one id in one call, the last one stays.
    let twice = [Document::new("5", "pizza"), Document::new("5", "chess chess rain")];
    store.add(&own, &twice).await?;
    let found = store.search(&own, "rain", 9).await?;
    let texts: Vec<_> = found.iter().map(|found| found.document.text.as_str()).collect();
    ensure!(texts.len() == 5 && texts.contains(&"chess chess rain"), "it found {texts:?}");
    Ok(())
}

async fn documents_come_back_as_they_were<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let store = make(TopicEmbeddings::new()).await;
    for text in ODD_TEXTS {
        let own = collection();
        let metadata = Variables::from([("text", *text), ("kind", "odd")]);
        let document = Document::new(format!("id {text}"), *text).with_metadata(metadata);
        store.add(&own, std::slice::from_ref(&document)).await?;
        let found = store.search(&own, "pizza", 2).await?;
        let found: Vec<_> = found.into_iter().map(|found| found.document).collect();
        ensure!(found == [document], "the text {text:?} came back as {found:?}");
    }
    Ok(())
}

async fn collections_are_separate<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let store = make(TopicEmbeddings::new()).await;
    let name = format!("{} ' \u{e9}", TurnId::random());
    let session = SessionId::new(name.as_str())?;
    let all = [
        Collection::Session(session),
        Collection::User(UserId::new(name.as_str())?),
        Collection::Group(GroupId::new(name.as_str())?),
        Collection::shared(name.as_str()),
        Collection::shared(name.to_uppercase()),
        Collection::shared(format!("{name}2")),
    ];
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
    for fault in [
        EmbeddingFault::Fails,
        EmbeddingFault::None,
        EmbeddingFault::NotFinite,
        EmbeddingFault::Longer,
        EmbeddingFault::LastIsLonger,
    ] {
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

/// Skips a check of an operation that the store does not have.
fn supported<R>(result: Result<R, VectorStoreError>, what: &str) -> Result<R, Stop> {
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

async fn documents_are_listed_by_id<S: VectorStore>(
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

async fn removed_documents_are_gone<S: VectorStore>(
    make: &impl AsyncFn(TopicEmbeddings) -> S,
) -> Checked {
    let (store, _, own) = filled(make).await?;
    let other = collection();
    store.add(&other, &documents()).await?;
    let removed = store.remove(&own, &["1", "unknown", "2"]).await;
    let removed = supported(removed, "no removal of documents")?;
    ensure!(removed == 2, "removing 2 documents returned {removed}");
    finds(&store, &own, "pizza", 9, &["3", "4"]).await?;
    let found = store.search(&other, "pizza", 9).await?.len();
    ensure!(found == 4, "removing documents left {found} of 4 in another collection");
    let again = store.remove(&own, &["1", "2"]).await?;
    ensure!(again == 0, "removing documents again returned {again}");
    store.remove(&own, &[]).await?;
    store.add(&own, &[Document::new("1", "pizza")]).await?;
    finds(&store, &own, "pizza", 1, &["1"]).await
}
