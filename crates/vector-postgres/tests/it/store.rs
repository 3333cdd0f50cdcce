//! Documents that a store keeps and finds.

use conversant_core::{
    Collection, Document, LoadContext, Memory, SessionId, Ticket, Turn, VectorStore, vars,
};
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::poll_then_drop;
use conversant_vector_postgres::{PostgresVectorStore, VectorIndex};

use crate::{
    server::Server,
    topics::{Topics, documents, ids, ids_in, own, session},
};

/// Each kind of index, in one table.
const INDEXES: [VectorIndex; 3] =
    [VectorIndex::None, VectorIndex::hnsw(3), VectorIndex::ivfflat(3, 1)];

/// Both stores find the same documents, in the same order, with the same scores.
#[tokio::test]
async fn a_search_finds_what_the_store_in_memory_finds() {
    let Some(server) = Server::start("searches").await else { return };
    for index in INDEXES {
        let memory = InMemoryVectorStore::new(Topics::default());
        let builder = PostgresVectorStore::builder(&server.url).index(index);
        let store = builder.connect(Topics::default()).await.unwrap();
        store.clear(&own()).await.unwrap();
        assert!(store.search(&own(), "pizza", 3).await.unwrap().is_empty());
        for store in [&memory as &dyn VectorStore, &store] {
            store.add(&own(), &[]).await.unwrap();
            store.add(&own(), &documents()).await.unwrap();
            store.add(&own(), &[Document::new("2", "chess chess rain")]).await.unwrap();
        }
        for text in ["pizza", "chess", "rain", "pizza and chess", "nothing", ""] {
            for k in [0, 1, 2, 9, usize::MAX] {
                let (one, other) = (
                    memory.search(&own(), text, k).await.unwrap(),
                    store.search(&own(), text, k).await.unwrap(),
                );
                assert_eq!(one.len(), other.len(), "{index:?} {text} {k}");
                for (one, other) in one.iter().zip(&other) {
                    // An index does not order documents that are equally similar.
                    let is_ordered = index == VectorIndex::None;
                    assert!(!is_ordered || one.document == other.document, "{text} {k}");
                    assert!((one.score - other.score).abs() < 1e-6, "{index:?} {text} {k}");
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn documents_outlive_the_store() {
    let Some(server) = Server::start("stores that are opened again").await else { return };
    let open = || PostgresVectorStore::connect(&server.url, Topics::default());
    open().await.unwrap().add(&own(), &documents()).await.unwrap();
    let store = open().await.unwrap();
    let found = store.search(&own(), "pizza", 1).await.unwrap();
    assert_eq!(found[0].document, documents()[0]);

    // Other collections do not have the documents, not even a shared one of the same name.
    for other in [session("other ' \u{e9}"), Collection::shared("s"), Collection::shared("\0")] {
        assert!(ids_in(&other, &store, "pizza", 9).await.is_empty());
        store.add(&other, &[Document::new("1", "rain")]).await.unwrap();
        assert_eq!(ids_in(&other, &store, "rain", 9).await, ["1"]);
        store.clear(&other).await.unwrap();
        assert!(ids_in(&other, &store, "rain", 9).await.is_empty());
    }
    assert_eq!(ids(&store, "pizza", 9).await, ["1", "3", "2", "4"]);
    assert_eq!(server.number("SELECT count(*) FROM conversant_vector_collections_1").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn any_text_is_kept() {
    let Some(server) = Server::start("texts").await else { return };
    let store = PostgresVectorStore::connect(&server.url, Topics::default()).await.unwrap();
    let texts = ["", "\0", "\u{10ffff} 'quoted' \"twice\" \\", "a\r\n\tb"];
    for (number, text) in texts.into_iter().enumerate() {
        let kept = Document::new(format!("{text}{number}"), text)
            .with_metadata(vars! { "text" => text, "half" => 0.5 });
        let collection = Collection::shared(text);
        store.add(&collection, std::slice::from_ref(&kept)).await.unwrap();
        let found = store.search(&collection, "pizza", 2).await.unwrap();
        assert_eq!(found.iter().map(|found| &found.document).collect::<Vec<_>>(), [&kept]);
    }
    server.stop().await;
}

/// Of several documents with one id, the last one stays, also within one call.
#[tokio::test]
async fn an_id_is_one_document() {
    let Some(server) = Server::start("documents with one id").await else { return };
    let store = PostgresVectorStore::connect(&server.url, Topics::default()).await.unwrap();
    let memory = InMemoryVectorStore::new(Topics::default());
    let [a, b, c] = ["pizza", "chess", "rain"];
    for store in [&memory as &dyn VectorStore, &store] {
        let twice = [Document::new("1", a), Document::new("2", b), Document::new("1", c)];
        store.add(&own(), &twice).await.unwrap();
        store.add(&own(), &[Document::new("2", b)]).await.unwrap();
    }
    for text in [a, b, c, ""] {
        assert_eq!(ids(&store, text, 9).await, ids(&memory, text, 9).await, "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_cleared_collection_takes_vectors_of_another_length() {
    let Some(server) = Server::start("lengths of vectors").await else { return };
    let topics = Topics::default();
    let store = PostgresVectorStore::connect(&server.url, topics.clone()).await.unwrap();
    store.add(&own(), &documents()).await.unwrap();
    store.clear(&own()).await.unwrap();
    topics.next("long");
    store.add(&own(), &documents()).await.unwrap();
    let error = store.search(&own(), "rain", 1).await.unwrap_err();
    let told = "cannot use a vector of 3 numbers; the collection holds vectors of 4";
    assert_eq!(error.to_string(), told);
    server.stop().await;
}

/// A call whose future is dropped adds all of its documents or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up() {
    let Some(server) = Server::start("calls that are given up").await else { return };
    let store = PostgresVectorStore::connect(&server.url, Topics::default()).await.unwrap();
    for polls in 0..4 {
        let _ = poll_then_drop(store.add(&own(), &documents()), polls).await;
        let found = ids(&store, "pizza", 9).await.len();
        assert!([0, 4].contains(&found), "{found}");
    }
    store.add(&own(), &documents()).await.unwrap();
    assert_eq!(ids(&store, "pizza", 9).await.len(), 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_two_stores_share_a_collection() {
    let Some(server) = Server::start("several writers").await else { return };
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let url = server.url.clone();
            tokio::spawn(async move {
                let store = PostgresVectorStore::connect(url, Topics::default()).await.unwrap();
                for number in 0..10 {
                    let new = Document::new(format!("{writer}-{number}"), "pizza");
                    store.add(&own(), &[new, Document::new("same", "rain")]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = PostgresVectorStore::connect(&server.url, Topics::default()).await.unwrap();
    assert_eq!(ids(&store, "pizza", 1000).await.len(), 81);
    server.stop().await;
}

/// A memory finds turns from before a restart.
#[tokio::test]
async fn a_memory_over_it() {
    let Some(server) = Server::start("a memory over the store").await else { return };
    let history = InMemoryHistory::new();
    let memory = async || {
        let store = PostgresVectorStore::connect(&server.url, Topics::default()).await.unwrap();
        let session = SessionId::new("s").unwrap();
        VectorStoreMemory::new(store).with_k(1).with_history(history.clone(), session)
    };
    let first = memory().await;
    for words in ["I like pizza", "and chess", "rain again"] {
        first.save(&Turn::exchange(words, "ok"), Ticket::default()).await.unwrap();
        assert!(first.maintain().await.unwrap().warnings.is_empty());
    }
    drop(first);
    let later = memory().await;
    let inputs = vars! { "input" => "chess?" };
    let loaded = later.load(LoadContext::new(&inputs)).await.unwrap().variables;
    assert_eq!(loaded, vars! { "history" => "Human: and chess\nAI: ok" });
    server.stop().await;
}
