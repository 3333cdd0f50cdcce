//! Documents that a store keeps and finds.

use conversant_core::{
    Collection, Document, GroupId, LoadContext, Memory, SessionId, Ticket, Turn, VectorStore, vars,
};
use conversant_harness::Tested;
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::suite::{self, TopicEmbeddings};
use conversant_vector_postgres::{PostgresVectorStore, VectorIndex};

use crate::{
    documents::{documents, ids, own},
    server::Server,
};

/// Each kind of index, in one table.
const INDEXES: [VectorIndex; 3] =
    [VectorIndex::None, VectorIndex::hnsw(3), VectorIndex::ivfflat(3, 1)];

/// Both stores find the same documents, in the same order, with the same scores.
pub(crate) async fn a_search_finds_what_the_store_in_memory_finds() -> Tested {
    let server = Server::start().await?;
    for index in INDEXES {
        let memory = InMemoryVectorStore::new(TopicEmbeddings::new());
        let builder = PostgresVectorStore::builder(&server.url).index(index);
        let store = builder.connect(TopicEmbeddings::new()).await.unwrap();
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
    Ok(())
}

pub(crate) async fn documents_outlive_the_store() -> Tested {
    let server = Server::start().await?;
    let open = || PostgresVectorStore::connect(&server.url, TopicEmbeddings::new());
    open().await.unwrap().add(&own(), &documents()).await.unwrap();
    let store = open().await.unwrap();
    let found = store.search(&own(), "pizza", 1).await.unwrap();
    assert_eq!(found[0].document, documents()[0]);

    assert_eq!(ids(&store, "pizza", 9).await, ["1", "3", "2", "4"]);
    assert_eq!(server.number("SELECT count(*) FROM conversant_vector_collections_1").await, 1);
    server.stop().await;
    Ok(())
}

pub(crate) async fn the_suite() -> Tested {
    let server = Server::start().await?;
    for index in INDEXES {
        let connect = async |embeddings| {
            let builder = PostgresVectorStore::builder(&server.url).index(index);
            builder.connect(embeddings).await.unwrap()
        };
        let report = suite::vector_store(connect).await.unwrap();
        assert_eq!(report.skipped().next(), None, "{report}");
    }
    server.stop().await;
    Ok(())
}

pub(crate) async fn writers_of_two_stores_share_a_collection() -> Tested {
    let server = Server::start().await?;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let url = server.url.clone();
            tokio::spawn(async move {
                let store =
                    PostgresVectorStore::connect(url, TopicEmbeddings::new()).await.unwrap();
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
    let store = PostgresVectorStore::connect(&server.url, TopicEmbeddings::new()).await.unwrap();
    assert_eq!(ids(&store, "pizza", 1000).await.len(), 81);
    server.stop().await;
    Ok(())
}

/// A memory finds turns from before a restart.
pub(crate) async fn a_memory_over_it() -> Tested {
    let server = Server::start().await?;
    let history = InMemoryHistory::new();
    let memory = async || {
        let store =
            PostgresVectorStore::connect(&server.url, TopicEmbeddings::new()).await.unwrap();
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
    Ok(())
}

/// Tables that were written when groups and examples of one name were in one collection.
pub(crate) async fn turns_of_groups_and_shared_documents_are_found_where_they_were_together()
-> Tested {
    let server = Server::start().await?;
    let open = || PostgresVectorStore::connect(&server.url, TopicEmbeddings::new());
    let group = GroupId::new("examples").unwrap();
    let store = open().await.unwrap();
    // A group's collection is where both were.
    store.add(&group.clone().into(), &documents()).await.unwrap();
    let memory = VectorStoreMemory::new(store).with_scope(group.clone());
    let memory = memory.with_history(InMemoryHistory::new(), SessionId::new("s").unwrap());
    for question in ["rain", "chess"] {
        memory.save(&Turn::exchange(question, "ok"), Ticket::default()).await.unwrap();
        assert!(memory.maintain().await.unwrap().warnings.is_empty());
    }
    // A turn that a person corrected is the group's.
    {
        let store = open().await.unwrap();
        let corrected = Document::new("0.2 s", "chess");
        store.add(&group.clone().into(), &[corrected]).await.unwrap();
    }
    let earlier = "DROP TABLE conversant_vector_migrations_1";
    server.client.batch_execute(earlier).await.unwrap();
    // The second time, nothing is copied again.
    let shared = Collection::shared("examples");
    for left in [4, 3] {
        let store = open().await.unwrap();
        assert_eq!(store.list(&group.clone().into(), None, 9).await.unwrap().len(), 6);
        assert_eq!(store.search(&shared, "pizza", 9).await.unwrap().len(), left);
        store.remove(&shared, &["4"]).await.unwrap();
    }
    server.stop().await;
    Ok(())
}
