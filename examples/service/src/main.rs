//! Runs the service until it is interrupted or terminated.

#![allow(clippy::print_stderr, reason = "a program for the terminal")]

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use clap::Parser;
use conversant_core::{ChatHistory, Prices};
use conversant_history_postgres::PostgresHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_models::OpenAiChat;
use service::{Service, connections_for_calls, is_postgres_url, listener::serve, routes::router};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// A chat service over HTTP. The key of the model's server is in `OPENAI_API_KEY`.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The model's name. Its server is in `OPENAI_BASE_URL`.
    #[arg(long, env = "OPENAI_MODEL", default_value = "gpt-6-luna")]
    model: String,
    /// The store: a SQLite file, or the URL of a PostgreSQL database (`postgres://…`).
    #[arg(long, default_value = "conversations.db")]
    store: String,
    /// The limit of each call, in seconds.
    #[arg(long, default_value_t = 60)]
    limit: u64,
    /// The price of a million tokens of input.
    #[arg(long, default_value_t = 0.0)]
    input_price: f64,
    /// The price of a million tokens of output.
    #[arg(long, default_value_t = 0.0)]
    output_price: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let Arguments { listen, model, store, limit, input_price, output_price } = Arguments::parse();
    let history: Arc<dyn ChatHistory> = match is_postgres_url(&store) {
        true => Arc::new(PostgresHistory::connect(store).await?),
        false => Arc::new(SqliteHistory::open(store)?),
    };
    let model = OpenAiChat::from_env(model).stream_usage(true).build()?;
    let limit = Duration::from_secs(limit);
    let prices = Prices::per_million(input_price, output_price);
    let service = Service::new(model, prices, history, limit)?;
    let listener = TcpListener::bind(listen).await?;
    eprintln!("service: listening on http://{}", listener.local_addr()?);
    let limits = connections_for_calls(limit);
    serve(listener, router(service.clone()), limits, interrupted()).await;
    eprintln!("service: {} calls were given up", service.close().await);
    Ok(())
}

async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! { _ = interrupt => return, _ = terminate.recv() => return }
    }
    let _ = interrupt.await;
}
