//! The suite of vector stores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use conversant_core::{
    Collection, Document, Embeddings as _, Match, SessionId, UserId, Value, Variables, VectorStore,
    VectorStoreError, async_trait, unit_vectors,
};
use conversant_testkit::{
    block_on,
    suite::{self, TopicEmbeddings},
};

use super::{each_check_finds_its_flaw, wait};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    GreetsNewCollections,
    SortsById,
    ReturnsAll,
    AddsAgain,
    LosesMetadata,
    IgnoresKinds,
    KeepsTheLength,
    RemovalKeepsTheLength,
    AddsOneByOne,
    SearchesWithoutVector,
    AddsInHalves,
    DeletesFirst,
    ClearsInHalves,
    RemovesInHalves,
    ListsUnsorted,
    RemovesEverywhere,
    RemovesByPrefix,
    IgnoresCase,
    CutsNames,
    TrimsNames,
    MergesMetadata,
    HasFloatsAlone,
    HasTextsAlone,
    CutsIds,
    CutsTexts,
    FindsFifty,
    WritesBack,
    QuotesTexts,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::GreetsNewCollections, "a_new_collection_is_empty"),
    (Flaw::SortsById, "the_nearest_come_first"),
    (Flaw::ReturnsAll, "a_search_returns_at_most_k"),
    (Flaw::AddsAgain, "an_id_is_one_document"),
    (Flaw::LosesMetadata, "documents_come_back_as_they_were"),
    (Flaw::IgnoresKinds, "collections_are_separate"),
    (Flaw::KeepsTheLength, "clearing_empties_a_collection"),
    (Flaw::RemovalKeepsTheLength, "removing_all_empties_a_collection"),
    (Flaw::AddsOneByOne, "documents_are_added_all_or_none"),
    (Flaw::SearchesWithoutVector, "a_query_needs_a_valid_vector"),
    (Flaw::AddsInHalves, "a_dropped_add_is_whole_or_not_there"),
    (Flaw::DeletesFirst, "a_dropped_add_replaces_all_or_none"),
    (Flaw::ClearsInHalves, "a_dropped_clear_is_whole_or_not_done"),
    (Flaw::RemovesInHalves, "a_dropped_removal_is_whole_or_not_done"),
    (Flaw::ListsUnsorted, "documents_are_listed_by_id"),
    (Flaw::RemovesEverywhere, "removed_documents_are_gone"),
    (Flaw::RemovesByPrefix, "removed_documents_are_gone"),
    (Flaw::IgnoresCase, "collections_are_separate"),
    (Flaw::CutsNames, "collections_are_separate"),
    (Flaw::TrimsNames, "collections_are_separate"),
    (Flaw::MergesMetadata, "a_document_replaces_all_of_another"),
    (Flaw::HasFloatsAlone, "documents_come_back_as_they_were"),
    (Flaw::HasTextsAlone, "documents_come_back_as_they_were"),
    (Flaw::CutsIds, "long_ids_and_texts_come_back_as_they_were"),
    (Flaw::CutsTexts, "long_ids_and_texts_come_back_as_they_were"),
    (Flaw::FindsFifty, "many_documents_are_found_and_listed"),
    (Flaw::WritesBack, "documents_that_are_added_at_once_are_all_there"),
    (Flaw::QuotesTexts, "errors_withhold_the_texts"),
];

#[test]
fn each_check_of_the_vector_store_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| {
        let shared = Shared::default();
        let make = async |embeddings| Store { embeddings, flaw, shared: Arc::clone(&shared) };
        block_on(suite::vector_store(make))
    });
}

#[derive(Default)]
struct Rows {
    length: Option<usize>,
    documents: Vec<(Document, Vec<f32>)>,
}

type Shared = Arc<Mutex<HashMap<Collection, Rows>>>;

/// A store, perhaps with a flaw.
struct Store {
    embeddings: TopicEmbeddings,
    flaw: Option<Flaw>,
    shared: Shared,
}

impl Store {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn with<R>(&self, collection: &Collection, run: impl FnOnce(&mut Rows) -> R) -> R {
        let key = match collection {
            Collection::User(user) if self.has(Flaw::IgnoresKinds) => {
                Collection::shared(user.as_str())
            }
            Collection::Session(id) if self.has(Flaw::IgnoresCase) => {
                SessionId::new(id.as_str().to_lowercase()).unwrap().into()
            }
            Collection::Session(id) if self.has(Flaw::CutsNames) => {
                SessionId::new(id.as_str().chars().take(200).collect::<String>()).unwrap().into()
            }
            Collection::User(id) if self.has(Flaw::TrimsNames) => {
                UserId::new(id.as_str().trim()).unwrap().into()
            }
            collection => collection.clone(),
        };
        run(self.shared.lock().unwrap().entry(key).or_default())
    }

    fn insert(&self, collection: &Collection, new: &[Document], vectors: &[Vec<f32>]) {
        self.with(collection, |rows| {
            for (document, vector) in new.iter().zip(vectors) {
                rows.length = Some(vector.len());
                let old = rows.documents.iter().find(|(known, _)| known.id == document.id);
                let document = self.kept(document, old.map(|(old, _)| old));
                let known = rows.documents.iter_mut().find(|(known, _)| known.id == document.id);
                match known.filter(|_| !self.has(Flaw::AddsAgain)) {
                    Some(known) => *known = (document, vector.clone()),
                    None => rows.documents.push((document, vector.clone())),
                }
            }
        });
    }

    /// Returns what is kept of a document that takes the place of another one.
    fn kept(&self, document: &Document, old: Option<&Document>) -> Document {
        let mut document = document.clone();
        let metadata = |change: &dyn Fn(&Value) -> Value| {
            let all = document.metadata.iter();
            all.map(|(name, value)| (name.to_owned(), change(value))).collect::<Variables>()
        };
        match self.flaw {
            Some(Flaw::LosesMetadata) => document.metadata = Variables::new(),
            Some(Flaw::HasFloatsAlone) => {
                document.metadata = metadata(&|value| match value {
                    Value::Integer(integer) => Value::from(*integer as f64),
                    value => value.clone(),
                });
            }
            Some(Flaw::HasTextsAlone) => {
                document.metadata = metadata(&|value| Value::from(value.to_text().into_owned()));
            }
            Some(Flaw::MergesMetadata) => {
                for (name, value) in old.into_iter().flat_map(|old| old.metadata.iter()) {
                    if !document.metadata.contains(name) {
                        document.metadata.insert(name.to_owned(), value.clone());
                    }
                }
            }
            Some(Flaw::CutsIds) => document.id.truncate(document.id.len().min(255)),
            Some(Flaw::CutsTexts) => document.text.truncate(document.text.len().min(8192)),
            _ => {}
        }
        document
    }

    fn check(&self, collection: &Collection, found: usize) -> Result<(), VectorStoreError> {
        match self.with(collection, |rows| rows.length) {
            Some(expected) if expected != found => {
                Err(VectorStoreError::Dimension { expected, found })
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl VectorStore for Store {
    async fn add(
        &self,
        collection: &Collection,
        documents: &[Document],
    ) -> Result<(), VectorStoreError> {
        if documents.is_empty() {
            if self.has(Flaw::GreetsNewCollections) {
                self.insert(collection, &[Document::new("hello", "hello")], &[vec![0.0; 3]]);
            }
            return Ok(());
        }
        let texts: Vec<_> = documents.iter().map(|document| document.text.clone()).collect();
        if self.has(Flaw::AddsOneByOne) {
            let vectors = self.embeddings.embed(&texts).await?;
            for (document, vector) in documents.iter().zip(&vectors) {
                self.check(collection, vector.len())?;
                let (document, vector) =
                    (std::slice::from_ref(document), std::slice::from_ref(vector));
                self.insert(collection, document, vector);
            }
            return Ok(());
        }
        let vectors = match unit_vectors(&self.embeddings, &texts).await {
            Err(_) if self.has(Flaw::QuotesTexts) => {
                let source = format!("cannot embed {texts:?}").into();
                return Err(VectorStoreError::Backend { source });
            }
            vectors => vectors?,
        };
        self.check(collection, vectors[0].len())?;
        if self.has(Flaw::WritesBack) {
            let seen = self.with(collection, |rows| rows.documents.clone());
            wait().await;
            self.with(collection, |rows| rows.documents = seen);
        }
        if self.has(Flaw::DeletesFirst) {
            let is_new = |id: &str| documents.iter().any(|document| document.id == id);
            self.with(collection, |rows| rows.documents.retain(|(old, _)| !is_new(&old.id)));
            wait().await;
        }
        if self.has(Flaw::AddsInHalves) {
            self.insert(collection, &documents[..1], &vectors[..1]);
            wait().await;
        }
        self.insert(collection, documents, &vectors);
        Ok(())
    }

    async fn search(
        &self,
        collection: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        if k == 0 {
            return Ok(Vec::new());
        }
        let query = unit_vectors(&self.embeddings, &[text.to_owned()]).await;
        let query = match query {
            Err(_) if self.has(Flaw::SearchesWithoutVector) => vec![0.0; 3],
            query => query?.remove(0),
        };
        self.check(collection, query.len())?;
        Ok(self.with(collection, |rows| {
            let score = |vector: &[f32]| vector.iter().zip(&query).map(|(a, b)| a * b).sum();
            let found = rows.documents.iter();
            let mut found: Vec<_> = found
                .map(|(document, vector)| Match::new(document.clone(), score(vector)))
                .collect();
            found.sort_by(|one, other| match self.has(Flaw::SortsById) {
                true => one.document.id.cmp(&other.document.id),
                false => other.score.total_cmp(&one.score),
            });
            if !self.has(Flaw::ReturnsAll) {
                found.truncate(if self.has(Flaw::FindsFifty) { k.min(50) } else { k });
            }
            found
        }))
    }

    async fn clear(&self, collection: &Collection) -> Result<(), VectorStoreError> {
        if self.has(Flaw::ClearsInHalves) {
            self.with(collection, |rows| rows.documents.truncate(rows.documents.len() / 2));
            wait().await;
        }
        self.with(collection, |rows| {
            rows.documents.clear();
            if !self.has(Flaw::KeepsTheLength) {
                rows.length = None;
            }
        });
        Ok(())
    }

    async fn list(
        &self,
        collection: &Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, VectorStoreError> {
        Ok(self.with(collection, |rows| {
            let all = rows.documents.iter().map(|(document, _)| document.clone());
            let mut all: Vec<_> = all
                .filter(|document| after.is_none_or(|after| document.id.as_str() > after))
                .collect();
            if !self.has(Flaw::ListsUnsorted) {
                all.sort_by(|one, other| one.id.cmp(&other.id));
            }
            all.truncate(limit);
            all
        }))
    }

    async fn remove(
        &self,
        collection: &Collection,
        ids: &[&str],
    ) -> Result<usize, VectorStoreError> {
        if let (true, Some((_, page))) =
            (self.has(Flaw::RemovesInHalves), ids.split_at_checked(100))
        {
            let is_kept = |id: &str| page.contains(&id) || !ids.contains(&id);
            self.with(collection, |rows| rows.documents.retain(|(old, _)| is_kept(&old.id)));
            wait().await;
        }
        let removed = self.with(collection, |rows| {
            let before = rows.documents.len();
            rows.documents.retain(|(document, _)| {
                let is_prefix = |id: &&str| document.id.starts_with(*id);
                let is_like = self.has(Flaw::RemovesByPrefix) && ids.iter().any(is_prefix);
                !is_like && !ids.contains(&document.id.as_str())
            });
            if rows.documents.is_empty() && !self.has(Flaw::RemovalKeepsTheLength) {
                rows.length = None;
            }
            before - rows.documents.len()
        });
        if self.has(Flaw::RemovesEverywhere) {
            for rows in self.shared.lock().unwrap().values_mut() {
                rows.documents.retain(|(document, _)| !ids.contains(&document.id.as_str()));
            }
        }
        Ok(removed)
    }
}
