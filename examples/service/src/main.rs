//! Runs the service until it is interrupted.

#![allow(clippy::print_stderr, reason = "a program for the terminal")]

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use clap::Parser;
use conversant_core::ChatHistory;
use conversant_history_postgres::PostgresHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_models::OpenAiChat;
use service::{Service, router};
use tokio::net::TcpListener;

/// A chat service over HTTP.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The model's name.
    #[arg(long, env = "OPENAI_MODEL", default_value = "gpt-6-luna")]
    model: String,
    /// The model's server; the key is in `OPENAI_API_KEY`.
    #[arg(long, env = "OPENAI_BASE_URL")]
    base_url: Option<String>,
    /// The store: a SQLite file, or the URL of a PostgreSQL database.
    #[arg(long, default_value = "conversations.db")]
    store: String,
    /// The limit of each call, in seconds.
    #[arg(long, default_value_t = 60)]
    limit: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let mut model = OpenAiChat::from_env(arguments.model).stream_usage(true);
    if let Some(base_url) = arguments.base_url {
        model = model.base_url(base_url);
    }
    let history: Arc<dyn ChatHistory> = if arguments.store.starts_with("postgres") {
        Arc::new(PostgresHistory::connect(arguments.store).await?)
    } else {
        Arc::new(SqliteHistory::open(arguments.store)?)
    };
    let service = Service::new(model.build()?, history, Duration::from_secs(arguments.limit))?;
    let listener = TcpListener::bind(arguments.listen).await?;
    eprintln!("service: listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(service.clone())).with_graceful_shutdown(interrupted()).await?;
    let given_up = service.close(Duration::from_secs(arguments.limit)).await;
    if given_up > 0 {
        eprintln!("service: gave up {given_up} calls that did not end in time");
    }
    Ok(())
}

async fn interrupted() {
    // Without a signal handler, the service runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
