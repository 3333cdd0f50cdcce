//! What `conversant-vector-sqlite` promises, through its public API.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    error::Error,
    sync::{Arc, Mutex},
};

use conversant_core::{
    Document, Embeddings, LoadContext, Memory, ModelError, Ticket, Turn, VectorStore,
    VectorStoreError, async_trait, vars,
};
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::{block_on, poll_then_drop};
use conversant_vector_sqlite::SqliteVectorStore;

/// Vectors by what a text speaks of; it does what it is told to, once.
#[derive(Clone, Default)]
struct Topics(Arc<Mutex<Option<&'static str>>>);

impl Topics {
    fn next(&self, fault: &'static str) {
        *self.0.lock().unwrap() = Some(fault);
    }
}

#[async_trait]
impl Embeddings for Topics {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let topic = |text: &String, topic| text.matches(topic).count() as f32;
        let vector = |text| vec![topic(text, "pizza"), topic(text, "chess"), topic(text, "rain")];
        match self.0.lock().unwrap().take() {
            Some("fail") => Err(ModelError::custom("it fails", true, None)),
            Some("none") => Ok(Vec::new()),
            Some("long") => Ok(vec![vec![1.0; 4]; texts.len()]),
            // All but the last are as they should be.
            Some("last is long") => {
                let mut vectors: Vec<_> = texts.iter().map(vector).collect();
                *vectors.last_mut().unwrap() = vec![1.0; 4];
                Ok(vectors)
            }
            _ => Ok(texts.iter().map(vector).collect()),
        }
    }
}

fn documents() -> [Document; 4] {
    let texts = [("1", "pizza"), ("2", "chess"), ("3", "pizza pizza chess"), ("4", "nothing")];
    texts.map(|(id, text)| Document::new(id, text).with_metadata(vars! { "n" => 1, "t" => "é" }))
}

async fn ids(store: &dyn VectorStore, text: &str, k: usize) -> Vec<String> {
    let found = store.search(text, k).await.unwrap();
    found.into_iter().map(|found| found.document.id).collect()
}

/// It finds what the store in memory finds, in the same order and as near.
#[test]
fn a_search_finds_what_the_store_in_memory_finds() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let memory = InMemoryVectorStore::new(Topics::default());
        let file =
            SqliteVectorStore::open(folder.path().join("v.db"), "s", Topics::default()).unwrap();
        assert!(file.search("pizza", 3).await.unwrap().is_empty());
        for store in [&memory as &dyn VectorStore, &file] {
            store.add(&[]).await.unwrap();
            store.add(&documents()).await.unwrap();
            store.add(&[Document::new("2", "chess chess rain")]).await.unwrap();
        }
        for text in ["pizza", "chess", "rain", "pizza and chess", "nothing", ""] {
            for k in [0, 1, 2, 9, usize::MAX] {
                let (one, other) =
                    (memory.search(text, k).await.unwrap(), file.search(text, k).await.unwrap());
                assert_eq!(one.len(), other.len(), "{text} {k}");
                for (one, other) in one.iter().zip(&other) {
                    assert_eq!(one.document, other.document, "{text} {k}");
                    assert!((one.score - other.score).abs() < 1e-6, "{text} {k}");
                }
            }
        }
    });
}

#[test]
fn documents_outlive_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let open = |collection: &str| {
        SqliteVectorStore::open(folder.path().join("v.db"), collection, Topics::default()).unwrap()
    };
    block_on(async {
        let store = open("one");
        store.add(&documents()).await.unwrap();
        drop(store);
        let store = open("one");
        let found = store.search("pizza", 1).await.unwrap();
        assert_eq!(found[0].document, documents()[0]);

        // Another collection of the file knows nothing of it.
        let other = open("other ' é");
        assert!(ids(&other, "pizza", 9).await.is_empty());
        other.add(&[Document::new("1", "rain")]).await.unwrap();
        other.clear().await.unwrap();
        assert!(ids(&other, "rain", 9).await.is_empty());
        assert_eq!(ids(&store, "pizza", 9).await, ["1", "3", "2", "4"]);
    });
}

#[test]
fn all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let topics = Topics::default();
        let file = folder.path().join("v.db");
        let store = SqliteVectorStore::open(file, "s", topics.clone()).unwrap();
        store.add(&documents()).await.unwrap();
        let more =
            [Document::new("1", "rain"), Document::new("5", "rain"), Document::new("6", "rain")];
        for (fault, told) in [
            ("fail", "the embedding model failed"),
            ("none", "cannot reach the vector store"),
            ("long", "cannot use a vector of 4 numbers; the store holds vectors of 3"),
            ("last is long", "cannot use a vector of 4 numbers; the store holds vectors of 3"),
        ] {
            topics.next(fault);
            assert_eq!(store.add(&more).await.unwrap_err().to_string(), told);
            topics.next(fault);
            assert_eq!(store.search("rain", 1).await.unwrap_err().to_string(), told);
            assert_eq!(ids(&store, "pizza", 9).await, ["1", "3", "2", "4"]);
        }
        topics.next("none");
        let VectorStoreError::Backend { source } = store.search("x", 1).await.unwrap_err() else {
            panic!()
        };
        assert_eq!(source.to_string(), "the embedding model gave 0 vectors for 1 texts");
    });
}

#[test]
fn what_is_no_store_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    std::fs::write(
        &file,
        "this is no database, but it is long enough to be taken for one ".repeat(20),
    )
    .unwrap();
    let before = std::fs::read(&file).unwrap();
    for path in [file.clone(), folder.path().to_owned(), folder.path().join("no/such/folder.db")] {
        let error = SqliteVectorStore::open(path, "s", Topics::default()).unwrap_err();
        assert_eq!(error.to_string(), "cannot reach the vector store");
        assert!(error.source().is_some());
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

/// A call that is given up leaves the store whole: with all of the documents, or with none.
#[test]
fn a_call_that_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let file = folder.path().join("v.db");
        let store = SqliteVectorStore::open(&file, "s", Topics::default()).unwrap();
        for polls in [0, 1] {
            let _ = poll_then_drop(store.add(&documents()), polls).await;
            let count = ids(&store, "pizza", 9).await.len();
            assert_eq!(count, if polls == 0 { 0 } else { 4 });
        }
    });
}

#[test]
fn two_writers_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    let threads: Vec<_> = (0..4)
        .map(|writer| {
            let file = file.clone();
            std::thread::spawn(move || {
                let store = SqliteVectorStore::open(file, "s", Topics::default()).unwrap();
                for number in 0..25 {
                    let document = Document::new(format!("{writer}-{number}"), "pizza");
                    block_on(store.add(&[document])).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let store = SqliteVectorStore::open(file, "s", Topics::default()).unwrap();
    assert_eq!(block_on(ids(&store, "pizza", 1000)).len(), 100);
}

/// A memory over it finds after a restart what was said before.
#[test]
fn a_memory_over_it() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let history = InMemoryHistory::new();
        let memory = || {
            let file = folder.path().join("v.db");
            let store = SqliteVectorStore::open(file, "s", Topics::default()).unwrap();
            let session = conversant_core::SessionId::new("s").unwrap();
            VectorStoreMemory::new(store).with_k(1).with_history(history.clone(), session)
        };
        let first = memory();
        for words in ["I like pizza", "and chess", "rain again"] {
            first.save(&Turn::exchange(words, "ok"), Ticket::default()).await.unwrap();
            assert!(first.maintain().await.unwrap().warnings.is_empty());
        }
        drop(first);
        let later = memory();
        let inputs = vars! { "input" => "chess?" };
        let loaded = later.load(LoadContext::new(&inputs)).await.unwrap().variables;
        assert_eq!(loaded, vars! { "history" => "Human: and chess\nAI: ok" });
        let later = later.with_return_messages(true);
        let loaded = later.load(LoadContext::new(&inputs)).await.unwrap().variables;
        assert_eq!(loaded.get("history").unwrap().as_messages().unwrap().len(), 2);
    });
}

#[test]
fn debug_shows_the_collection() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        SqliteVectorStore::open(folder.path().join("v.db"), "s", Topics::default()).unwrap();
    assert_eq!(format!("{store:?}"), "SqliteVectorStore { collection: \"s\", .. }");
}
