//! Searches by an index.

use std::time::{Duration, Instant};

use conversant_core::{Document, Embeddings, ModelError, VectorStore, async_trait};
use conversant_harness::Tested;
use conversant_memory::InMemoryVectorStore;
use conversant_testkit::suite::TopicEmbeddings;
use conversant_vector_postgres::{PostgresVectorStore, VectorIndex};

use crate::{
    documents::{own, session},
    server::Server,
};

/// Places texts, which are numbers, on a circle.
struct Circle;

#[async_trait]
impl Embeddings for Circle {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let place = |text: &String| {
            let angle = text.parse::<f32>().unwrap_or(0.0) / 1000.0;
            vec![angle.cos(), angle.sin(), 0.1]
        };
        Ok(texts.iter().map(place).collect())
    }
}

fn circle() -> Vec<Document> {
    (0..2000).map(|number| Document::new(number.to_string(), number.to_string())).collect()
}

/// An index finds the nearest documents of a large collection, also those of a small collection
/// among many vectors of others.
pub(crate) async fn an_index_finds_the_nearest() -> Tested {
    let server = Server::start().await?;
    let memory = InMemoryVectorStore::new(Circle);
    let (large, small) = (session("large"), session("small"));
    let some: Vec<_> = circle().into_iter().step_by(250).collect();
    let exact = PostgresVectorStore::connect(&server.url, Circle).await.unwrap();
    for store in [&memory as &dyn VectorStore, &exact] {
        store.add(&large, &circle()).await.unwrap();
        store.add(&small, &some).await.unwrap();
    }
    for index in [VectorIndex::hnsw(3), VectorIndex::ivfflat(3, 10)] {
        let builder = PostgresVectorStore::builder(&server.url).index(index);
        let store = builder.connect(Circle).await.unwrap();
        server.client.batch_execute("ANALYZE").await.unwrap();
        for (collection, k) in [(&large, 5), (&large, 100), (&small, 3), (&small, 100)] {
            for text in ["0", "777", "1999"] {
                let nearest = memory.search(collection, text, k).await.unwrap();
                let found = store.search(collection, text, k).await.unwrap();
                assert_eq!(nearest.len(), found.len(), "{index:?} {text} {k}");
                assert!(found.is_sorted_by(|one, other| one.score >= other.score));
                let ids: Vec<_> = found.iter().map(|found| &found.document.id).collect();
                let hits = nearest.iter().filter(|near| ids.contains(&&near.document.id)).count();
                assert!(10 * hits >= 9 * nearest.len(), "{index:?} {text} {k}: {hits}");
                // A small collection is compared as a whole.
                assert!(collection != &small || nearest == found, "{index:?} {text} {k}");
            }
        }
    }
    server.stop().await;
    Ok(())
}

/// If the index finds nothing of a collection, the collection is compared as a whole.
pub(crate) async fn what_the_index_does_not_find_is_found() -> Tested {
    let server = Server::start().await?;
    // So that the server uses the index for a small collection, and gives up soon.
    let settings = "DO $$ BEGIN \
        EXECUTE format('ALTER DATABASE %I SET enable_sort = off', current_database()); \
        EXECUTE format('ALTER DATABASE %I SET hnsw.max_scan_tuples = 1', current_database()); \
        END $$";
    server.client.batch_execute(settings).await.unwrap();
    let builder = PostgresVectorStore::builder(&server.url).index(VectorIndex::hnsw(3));
    let store = builder.connect(Circle).await.unwrap();
    let (near, far) = (session("near"), session("far"));
    store.add(&near, &circle()).await.unwrap();
    // Larger than what is compared in any case.
    let documents = (0..1100).map(|number| Document::new(number.to_string(), "1999"));
    store.add(&far, &documents.collect::<Vec<_>>()).await.unwrap();
    server.client.batch_execute("ANALYZE").await.unwrap();
    for k in [1, 2] {
        assert_eq!(store.search(&far, "0", k).await.unwrap().len(), k);
    }
    server.stop().await;
    Ok(())
}

/// The server uses the index where it is worth it.
pub(crate) async fn a_large_collection_is_searched_by_the_index() -> Tested {
    let server = Server::start().await?;
    let builder = PostgresVectorStore::builder(&server.url).index(VectorIndex::hnsw(3));
    let store = builder.connect(Circle).await.unwrap();
    store.add(&own(), &circle()).await.unwrap();
    server.client.batch_execute("ANALYZE").await.unwrap();
    let scans = "SELECT idx_scan FROM pg_stat_all_indexes \
        WHERE indexrelid = 'conversant_vectors_1_hnsw_3'::regclass";
    // A connection reports its scans once a second, after a transaction.
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        store.search(&own(), "5", 3).await.unwrap();
        if server.number(scans).await > 0 {
            server.stop().await;
            return Ok(());
        }
    }
    panic!("the index was not used");
}

pub(crate) async fn settings_of_indexes_are_checked_before_connecting() {
    let mut told = String::new();
    for index in [
        VectorIndex::hnsw(0),
        VectorIndex::hnsw(2001),
        VectorIndex::Hnsw { dimensions: 3, m: 1, ef_construction: 64 },
        VectorIndex::Hnsw { dimensions: 3, m: 101, ef_construction: 64 },
        VectorIndex::Hnsw { dimensions: 3, m: 16, ef_construction: 31 },
        VectorIndex::Hnsw { dimensions: 3, m: 16, ef_construction: 1001 },
        VectorIndex::ivfflat(3, 0),
        VectorIndex::ivfflat(3, 32_769),
    ] {
        let builder = PostgresVectorStore::builder("postgres://127.0.0.1:1/db").index(index);
        let error = builder.connect(TopicEmbeddings::new()).await.unwrap_err();
        told.push_str(&format!("{}\n", conversant_core::Report::new(&error)));
    }
    insta::assert_snapshot!(told, @"
    cannot reach the vector store: cannot index vectors of 0 numbers; use 1 to 2000 numbers, or no index
    cannot reach the vector store: cannot index vectors of 2001 numbers; use 1 to 2000 numbers, or no index
    cannot reach the vector store: cannot index 1 neighbours; use 2 to 100
    cannot reach the vector store: cannot index 101 neighbours; use 2 to 100
    cannot reach the vector store: cannot index 31 candidates; use 32 to 1000
    cannot reach the vector store: cannot index 1001 candidates; use 32 to 1000
    cannot reach the vector store: cannot index 0 lists; use 1 to 32768
    cannot reach the vector store: cannot index 32769 lists; use 1 to 32768
    ");
}
