//! Tests of the store through its public API.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod damaged;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use conversant_core::{
    Collection, Document, GroupId, LoadContext, Memory, SessionId, Ticket, Turn, VectorStore, vars,
};
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::{
    block_on,
    suite::{self, TopicEmbeddings},
};
use conversant_vector_sqlite::SqliteVectorStore;

fn documents() -> [Document; 4] {
    let texts = [("1", "pizza"), ("2", "chess"), ("3", "pizza pizza chess"), ("4", "nothing")];
    texts.map(|(id, text)| Document::new(id, text).with_metadata(vars! { "n" => 1, "t" => "é" }))
}

fn own() -> Collection {
    SessionId::new("s").unwrap().into()
}

async fn ids(store: &dyn VectorStore, text: &str, k: usize) -> Vec<String> {
    ids_in(&own(), store, text, k).await
}

async fn ids_in(
    collection: &Collection,
    store: &dyn VectorStore,
    text: &str,
    k: usize,
) -> Vec<String> {
    let found = store.search(collection, text, k).await.unwrap();
    found.into_iter().map(|found| found.document.id).collect()
}

/// Both stores find the same documents, in the same order, with the same scores.
#[test]
fn a_search_finds_what_the_store_in_memory_finds() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let memory = InMemoryVectorStore::new(TopicEmbeddings::new());
        let file =
            SqliteVectorStore::open(folder.path().join("v.db"), TopicEmbeddings::new()).unwrap();
        assert!(file.search(&own(), "pizza", 3).await.unwrap().is_empty());
        for store in [&memory as &dyn VectorStore, &file] {
            store.add(&own(), &[]).await.unwrap();
            store.add(&own(), &documents()).await.unwrap();
            store.add(&own(), &[Document::new("2", "chess chess rain")]).await.unwrap();
        }
        for text in ["pizza", "chess", "rain", "pizza and chess", "nothing", ""] {
            for k in [0, 1, 2, 9, usize::MAX] {
                let (one, other) = (
                    memory.search(&own(), text, k).await.unwrap(),
                    file.search(&own(), text, k).await.unwrap(),
                );
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
    let file = folder.path().join("v.db");
    let open = || SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
    block_on(async {
        let store = open();
        store.add(&own(), &documents()).await.unwrap();
        drop(store);
        let store = open();
        let found = store.search(&own(), "pizza", 1).await.unwrap();
        assert_eq!(found[0].document, documents()[0]);

        assert_eq!(ids(&store, "pizza", 9).await, ["1", "3", "2", "4"]);
    });
}

/// Opens a file that was written when a store had one collection, named by the program.
#[test]
fn files_without_session_collections_are_read_as_shared_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(include_str!("version_1.sql"))
        .unwrap();
    block_on(async {
        let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
        let collection = Collection::shared("user-7");
        let found = store.search(&collection, "chess", 9).await.unwrap();
        let texts: Vec<_> = found.iter().map(|found| found.document.text.as_str()).collect();
        assert_eq!(texts, ["chess", "pizza"]);
        assert_eq!(found[0].document.metadata, vars! { "n" => 1 });
        store.add(&collection, &[Document::new("1", "rain")]).await.unwrap();
        assert_eq!(ids_in(&collection, &store, "rain", 1).await, ["1"]);
    });
}

/// Opens a file that was written when groups and examples of one name were in one collection.
#[test]
fn turns_of_groups_and_shared_documents_are_found_where_they_were_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    let open = || SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
    block_on(async {
        let group = GroupId::new("examples").unwrap();
        let store = open();
        // A group's collection is where both were.
        store.add(&group.clone().into(), &documents()).await.unwrap();
        let session = SessionId::new("s").unwrap();
        let memory = VectorStoreMemory::new(store).with_scope(group.clone());
        let memory = memory.with_history(InMemoryHistory::new(), session);
        for question in ["rain", "chess"] {
            memory.save(&Turn::exchange(question, "ok"), Ticket::default()).await.unwrap();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
        }
        drop(memory);
        // A turn that a person corrected is the group's.
        {
            let store = open();
            let corrected = Document::new("0.2 s", "chess");
            store.add(&group.clone().into(), &[corrected]).await.unwrap();
            store.close().await;
        }
        let earlier = rusqlite::Connection::open(&file).unwrap();
        earlier.execute_batch("DROP TABLE conversant_shared_vectors_1").unwrap();
        drop(earlier);
        // The second time, nothing is copied again.
        let shared = Collection::shared("examples");
        for left in [4, 3] {
            let store = open();
            assert_eq!(store.list(&group.clone().into(), None, 9).await.unwrap().len(), 6);
            let found = ids_in(&shared, &store, "pizza", 9).await;
            assert_eq!(found.len(), left);
            store.remove(&shared, &["4"]).await.unwrap();
            store.close().await;
        }
    });
}

#[test]
fn a_store_that_was_closed_has_let_go_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    block_on(async {
        for _ in 0..3 {
            let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
            assert!(ids(&store, "pizza", 9).await.is_empty());
            store.add(&own(), &documents()).await.unwrap();
            store.close().await;
            let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
            assert_eq!(names.len(), 1, "{names:?}");
            std::fs::remove_file(&file).unwrap();
            let error = store.clear(&own()).await.unwrap_err();
            assert_eq!(error.source().unwrap().to_string(), "cannot use the store: it is closed");
            store.close().await;
        }
    });
}

#[test]
fn a_file_that_is_held_is_an_error_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    block_on(async {
        // The shortest and the longest time are accepted.
        SqliteVectorStore::builder(&file)
            .busy_timeout(Duration::MAX)
            .open(TopicEmbeddings::new())
            .unwrap()
            .close()
            .await;
        let hasty = SqliteVectorStore::builder(&file).busy_timeout(Duration::ZERO);
        let store = hasty.open(TopicEmbeddings::new()).unwrap();
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = store.add(&own(), &documents()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot use the vector store: it is busy");
        other.execute_batch("COMMIT").unwrap();
        store.add(&own(), &documents()).await.unwrap();
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
    let error = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap_err();
    let told = "cannot use the vector store: the file is not a SQLite database";
    assert_eq!(error.to_string(), told);
    for path in [folder.path().to_owned(), folder.path().join("no/such/folder.db")] {
        let error = SqliteVectorStore::open(path, TopicEmbeddings::new()).unwrap_err();
        assert_eq!(error.to_string(), "cannot reach the vector store");
        assert!(error.source().is_some());
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    let open = async |embeddings| SqliteVectorStore::open(&file, embeddings).unwrap();
    let report = block_on(suite::vector_store(open)).unwrap();
    assert_eq!(report.skipped().next(), None, "{report}");
}

/// A document that was removed is nowhere in the files.
#[test]
fn what_is_removed_is_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    block_on(async {
        let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
        let secret =
            |n: u32| Document::new(format!("{n}"), format!("secret-{n} {}", "x".repeat(50)));
        for collection in [own(), Collection::shared("s")] {
            store.add(&collection, &[0, 1, 2].map(secret)).await.unwrap();
        }
        store.remove(&own(), &["1"]).await.unwrap();
        store.clear(&Collection::shared("s")).await.unwrap();
        store.close().await;
        let text = std::fs::read(&file).unwrap();
        let count =
            |words: &str| text.windows(words.len()).filter(|w| *w == words.as_bytes()).count();
        assert_eq!(["secret-0", "secret-1", "secret-2"].map(count), [1, 0, 1]);
    });
}

/// The log is emptied by the removal, and not only when the store is closed.
#[test]
fn what_is_removed_is_gone_while_the_store_is_open() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let file = folder.path().join("v.db");
        let store = SqliteVectorStore::open(&file, TopicEmbeddings::new()).unwrap();
        let secret = |n: u32| Document::new(format!("{n}"), format!("secret-{n}"));
        let count = |words: &str| {
            let files = std::fs::read_dir(folder.path()).unwrap();
            let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
            let is_found =
                |bytes: &Vec<u8>| bytes.windows(words.len()).any(|found| found == words.as_bytes());
            bytes.filter(is_found).count()
        };
        store.add(&own(), &[0, 1, 2].map(secret)).await.unwrap();
        assert!(count("secret-1") > 0);
        store.remove(&own(), &["1"]).await.unwrap();
        assert_eq!(count("secret-1"), 0);
        assert!(count("secret-2") > 0);
        store.clear(&own()).await.unwrap();
        assert_eq!(count("secret-"), 0);
        // Other writers are waited for as before.
        store.add(&own(), &[3, 4].map(secret)).await.unwrap();
        assert_eq!(ids(&store, "pizza", 9).await.len(), 2);
        store.close().await;
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
                let store = SqliteVectorStore::open(file, TopicEmbeddings::new()).unwrap();
                for number in 0..25 {
                    let document = Document::new(format!("{writer}-{number}"), "pizza");
                    block_on(store.add(&own(), &[document])).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let store = SqliteVectorStore::open(file, TopicEmbeddings::new()).unwrap();
    assert_eq!(block_on(ids(&store, "pizza", 1000)).len(), 100);
}

/// SQLite refuses to change the journal mode of a file that another connection writes, without
/// waiting for the busy timeout.
#[test]
fn opening_waits_for_another_connection() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE t (x); BEGIN IMMEDIATE").unwrap();
    let busy_timeout = Duration::from_millis(50);
    let open = || {
        SqliteVectorStore::builder(&file).busy_timeout(busy_timeout).open(TopicEmbeddings::new())
    };
    let started = Instant::now();
    open().unwrap_err();
    assert!(started.elapsed() >= busy_timeout);
    other.execute_batch("COMMIT").unwrap();
    open().unwrap();
}

/// A memory finds turns from before a restart.
#[test]
fn a_memory_over_it() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let history = InMemoryHistory::new();
        let memory = || {
            let file = folder.path().join("v.db");
            let store = SqliteVectorStore::open(file, TopicEmbeddings::new()).unwrap();
            let session = SessionId::new("s").unwrap();
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
fn debug_shows_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        SqliteVectorStore::open(folder.path().join("v.db"), TopicEmbeddings::new()).unwrap();
    let shown = format!("{store:?}");
    assert!(shown.starts_with("SqliteVectorStore { path: ") && shown.contains("v.db"), "{shown}");
}
