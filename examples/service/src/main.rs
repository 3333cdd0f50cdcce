//! Runs the service until it is interrupted or terminated.

#![allow(clippy::print_stderr, reason = "a program for the terminal")]

use std::{
    error::Error,
    io,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use conversant_core::{ChatHistory, Prices};
use conversant_history_postgres::PostgresHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_models::OpenAiChat;
use service::{
    LAST_STEPS, Service, connections_for_calls, is_postgres_url,
    listener::{ConnectionLimits, serve},
    routes::router,
};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::{net::TcpListener, sync::oneshot};

/// The exit code of a service that was ended at once, as that of a shell after Ctrl-C.
const ENDED_AT_ONCE: u8 = 130;

/// A chat service over HTTP. The key of the model's server is in `OPENAI_API_KEY`.
///
/// It has no accounts: all who reach its address read and continue each conversation whose id they
/// know. Put a proxy in front of it that knows its users.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on. One that others reach shows them all conversations.
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
    /// The time in which the service ends after Ctrl-C or SIGTERM, in seconds. The default is the
    /// limit of a call and 10 seconds. It must be less than the time after which a supervisor
    /// kills: by default, 10 seconds of Docker, 30 of Kubernetes and 90 of systemd.
    #[arg(long, value_name = "SECONDS")]
    end: Option<u64>,
    /// The price of a million tokens of input.
    #[arg(long, default_value_t = 0.0)]
    input_price: f64,
    /// The price of a million tokens of output.
    #[arg(long, default_value_t = 0.0)]
    output_price: f64,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let Arguments { listen, model, store, input_price, output_price, .. } = arguments;
    let history: Arc<dyn ChatHistory> = match is_postgres_url(&store) {
        true => Arc::new(PostgresHistory::connect(store).await?),
        false => Arc::new(SqliteHistory::open(store)?),
    };
    let model = OpenAiChat::from_env(model).stream_usage(true).build()?;
    let limit = Duration::from_secs(arguments.limit);
    let end = arguments.end.map_or_else(|| limit.saturating_add(LAST_STEPS), Duration::from_secs);
    let prices = Prices::per_million(input_price, output_price);
    let service = Service::new(model, prices, history, limit)?;
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(listen).await?;
    eprintln!("service: listening on http://{}", listener.local_addr()?);
    let end_timeout = end.saturating_sub(LAST_STEPS);
    let limits = ConnectionLimits { end_timeout, ..connections_for_calls(limit) };
    let (begin_end, end_begins) = oneshot::channel();
    let served = async {
        let mut deadline = Instant::now();
        let ending = async { deadline = end_begins.await.unwrap_or_else(|_| Instant::now()) };
        serve(listener, router(service.clone()), limits, ending).await;
        service.close(deadline).await
    };
    let signalled = async {
        signals.next().await;
        let now = Instant::now();
        let _ = begin_end.send(now.checked_add(end).unwrap_or(now));
        eprintln!(
            "service: ends within {} seconds; a second signal ends it at once",
            end.as_secs()
        );
        signals.next().await;
    };
    tokio::select! {
        given_up = served => {
            eprintln!("service: {given_up} calls were given up");
            Ok(ExitCode::SUCCESS)
        }
        () = signalled => Ok(ExitCode::from(ENDED_AT_ONCE)),
    }
}

/// Ctrl-C and SIGTERM. None of them is missed between two looks.
struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.interrupt.recv() => {} _ = self.terminate.recv() => {} }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
