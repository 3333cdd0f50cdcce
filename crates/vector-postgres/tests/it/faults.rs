//! Faults, after which nothing is half done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use conversant_core::{Document, Report, VectorStore, VectorStoreError};
use conversant_harness::Tested;
use conversant_testkit::suite::TopicEmbeddings;
use conversant_vector_postgres::PostgresVectorStore;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use crate::{
    documents::{documents, ids, own},
    server::Server,
};

pub(crate) async fn damaged_rows_are_errors_that_quote_nothing() -> Tested {
    let server = Server::start().await?;
    let store = PostgresVectorStore::connect(&server.url, TopicEmbeddings::new()).await.unwrap();
    for document in ["Sekretwort", "{\"id\": \"Sekretwort\"", "[\"Sekretwort\"]", "\"Sekretwort\""]
    {
        store.add(&own(), &documents()).await.unwrap();
        let damage = "UPDATE conversant_vectors_1 SET document = $1 WHERE id = '3'";
        server.client.execute(damage, &[&document]).await.unwrap();
        let error = store.search(&own(), "pizza", 4).await.unwrap_err();
        assert!(matches!(error, VectorStoreError::Corrupt { .. }), "{document}: {error:?}");
        let told = Report::new(&error).to_string();
        assert!(!told.contains("Sekretwort"), "{document}: {told}");
    }
    // What is written again is whole again.
    store.add(&own(), &[Document::new("3", "pizza")]).await.unwrap();
    assert_eq!(store.search(&own(), "pizza", 4).await.unwrap().len(), 4);
    server.client.batch_execute("DROP TABLE conversant_vectors_1").await.unwrap();
    let error = store.search(&own(), "pizza", 4).await.unwrap_err();
    insta::assert_snapshot!(
        Report::new(&error).to_string(),
        @r#"cannot use the vector store: the tables do not have the expected form: relation "conversant_vectors_1" does not exist (SQLSTATE 42P01)"#
    );
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_connection_that_broke_is_replaced() -> Tested {
    let server = Server::start().await?;
    // The name distinguishes its connections from those of the other tests.
    let url = format!("{}&application_name=broken", server.url);
    let store = PostgresVectorStore::connect(&url, TopicEmbeddings::new()).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE application_name = 'broken'";
    for _ in 0..5 {
        store.add(&own(), &documents()).await.unwrap();
        server.number(end).await;
        assert_eq!(ids(&store, "pizza", 9).await.len(), 4);
        server.number(end).await;
    }
    server.stop().await;
    Ok(())
}

/// A proxy to a server that restarts: it closes all connections, and the next ones at once, or
/// leaves them without an answer.
struct Restarting {
    url: String,
    refused: Arc<AtomicUsize>,
    silent: Arc<AtomicUsize>,
    broken: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Restarting {
    async fn start(url: &str) -> Self {
        let (scheme, rest) = url.split_once("//").unwrap();
        let (login, rest) = rest.rsplit_once('@').unwrap();
        let (address, rest) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}//{login}@{}/{rest}", listener.local_addr().unwrap());
        let (refused, broken) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let silent = Arc::<AtomicUsize>::default();
        let (left, closing) = (Arc::clone(&refused), Arc::clone(&broken));
        let left_silent = Arc::clone(&silent);
        let (address, mut task) = (address.to_owned(), JoinSet::new());
        task.spawn(async move {
            let (mut connections, mut unanswered) = (JoinSet::new(), Vec::new());
            while let Ok((mut client, _)) = listener.accept().await {
                let is_next = |left: &AtomicUsize| {
                    let less = |left: usize| left.checked_sub(1);
                    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
                };
                if is_next(&left) {
                    continue;
                }
                if is_next(&left_silent) {
                    unanswered.push(client);
                    continue;
                }
                let mut server = TcpStream::connect(&address).await.unwrap();
                let closing = Arc::clone(&closing);
                connections.spawn(async move {
                    let broken = closing.notified();
                    tokio::select! {
                        () = broken => {}
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        });
        Self { url, refused, silent, broken, _task: task }
    }

    fn restart(&self) {
        self.refused.store(6, Ordering::SeqCst);
        self.broken.notify_waiters();
    }

    fn fall_silent(&self) {
        self.silent.store(2, Ordering::SeqCst);
        self.broken.notify_waiters();
    }
}

pub(crate) async fn a_server_that_restarts_is_waited_for() -> Tested {
    let server = Server::start().await?;
    let proxy = Restarting::start(&server.url).await;
    let store = PostgresVectorStore::connect(&proxy.url, TopicEmbeddings::new()).await.unwrap();
    store.add(&own(), &documents()).await.unwrap();
    proxy.restart();
    assert_eq!(ids(&store, "pizza", 9).await.len(), 4);
    proxy.restart();
    store.add(&own(), &[Document::new("5", "pizza")]).await.unwrap();
    assert_eq!(ids(&store, "pizza", 9).await.len(), 5);
    // The first connection is not waited for, since its address may be wrong.
    proxy.restart();
    assert!(PostgresVectorStore::connect(&proxy.url, TopicEmbeddings::new()).await.is_err());
    drop((store, proxy));
    server.stop().await;
    Ok(())
}

/// New connections get no answer for a while.
pub(crate) async fn a_server_that_falls_silent_is_waited_for() -> Tested {
    let server = Server::start().await?;
    let proxy = Restarting::start(&server.url).await;
    let builder = PostgresVectorStore::builder(&proxy.url).connect_timeout(Duration::from_secs(1));
    let store = loop {
        // A loaded machine may take longer to connect.
        if let Ok(store) = builder.clone().connect(TopicEmbeddings::new()).await {
            break store;
        }
    };
    proxy.fall_silent();
    store.add(&own(), &documents()).await.unwrap();
    proxy.fall_silent();
    assert_eq!(ids(&store, "pizza", 9).await.len(), 4);
    drop((store, proxy));
    server.stop().await;
    Ok(())
}

/// The server is well, and all connections are in use.
pub(crate) async fn an_exhausted_pool_is_told() -> Tested {
    let server = Server::start().await?;
    let limit = Duration::from_millis(100);
    let builder =
        PostgresVectorStore::builder(&server.url).max_connections(1).acquire_timeout(limit);
    let store = builder.connect(TopicEmbeddings::new()).await.unwrap();
    let lock = "BEGIN; LOCK conversant_vectors_1 IN ACCESS EXCLUSIVE MODE";
    server.client.batch_execute(lock).await.unwrap();
    let adding = tokio::spawn({
        let store = store.clone();
        async move { store.add(&own(), &documents()).await }
    });
    let waits = "SELECT count(*) FROM pg_locks \
        WHERE relation = 'conversant_vectors_1'::regclass AND NOT granted";
    while server.number(waits).await == 0 {}
    let error = store.list(&own(), None, 9).await.unwrap_err();
    assert!(matches!(error, VectorStoreError::TimedOut { limit: told } if told == limit));
    server.client.batch_execute("COMMIT").await.unwrap();
    adding.await.unwrap().unwrap();
    assert_eq!(store.list(&own(), None, 9).await.unwrap().len(), 4);
    server.stop().await;
    Ok(())
}

pub(crate) async fn a_locked_table_is_waited_for_within_the_limit() -> Tested {
    let server = Server::start().await?;
    let limit = Duration::from_millis(1500);
    let builder = PostgresVectorStore::builder(&server.url).operation_timeout(limit);
    let store = loop {
        // The first connection may take longer than the limit.
        if let Ok(store) = builder.clone().connect(TopicEmbeddings::new()).await {
            break store;
        }
    };
    let lock = "BEGIN; LOCK conversant_vectors_1 IN ACCESS EXCLUSIVE MODE";
    server.client.batch_execute(lock).await.unwrap();
    let started = Instant::now();
    let error = store.add(&own(), &documents()).await.unwrap_err();
    assert!(matches!(error, VectorStoreError::TimedOut { limit: told } if told == limit));
    assert!(error.is_retryable());
    assert!(started.elapsed() < 10 * limit, "{:?}", started.elapsed());
    server.client.batch_execute("COMMIT").await.unwrap();
    while store.add(&own(), &documents()).await.is_err() {}
    while store.search(&own(), "pizza", 9).await.map_or(true, |found| found.len() != 4) {}
    server.stop().await;
    Ok(())
}

/// A program that may read and not write.
pub(crate) async fn a_database_that_is_read_only_is_told() -> Tested {
    let server = Server::start().await?;
    let store = PostgresVectorStore::connect(&server.url, TopicEmbeddings::new()).await.unwrap();
    store.add(&own(), &documents()).await.unwrap();
    let url = format!("{}%20-cdefault_transaction_read_only%3Don", server.url);
    let reading = PostgresVectorStore::connect(&url, TopicEmbeddings::new()).await.unwrap();
    assert_eq!(ids(&reading, "pizza", 9).await.len(), 4);
    let error = reading.add(&own(), &documents()).await.unwrap_err();
    assert!(matches!(error, VectorStoreError::ReadOnly { .. }), "{error:?}");
    assert!(!error.is_retryable());
    server.stop().await;
    Ok(())
}

pub(crate) async fn connecting_tells_what_is_wrong_without_the_password() {
    let mut told = String::new();
    for url in ["postgres://user:hunter2@127.0.0.1:1/db", "postgres:/user:hunter2@127.0.0.1/db", ""]
    {
        let builder = PostgresVectorStore::builder(url);
        assert!(!format!("{builder:?}").contains("hunter2"));
        let error = builder.connect(TopicEmbeddings::new()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let report = Report::new(&error).to_string();
        told.push_str(report.split(" (os error").next().unwrap());
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    cannot reach the vector store: cannot use the connection to PostgreSQL: error connecting to server: Connection refused
    cannot reach the vector store: cannot parse the URL of the database
    cannot reach the vector store: cannot use the connection to PostgreSQL: invalid configuration: both host and hostaddr are missing
    ");
}

pub(crate) fn a_runtime_is_needed_to_connect() {
    let connecting =
        PostgresVectorStore::connect("postgres://127.0.0.1:1/db", TopicEmbeddings::new());
    let error = conversant_testkit::block_on(connecting).unwrap_err();
    insta::assert_snapshot!(
        Report::new(&error).to_string(),
        @"cannot reach the vector store: cannot connect to PostgreSQL outside a Tokio runtime"
    );
}
