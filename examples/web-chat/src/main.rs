//! Runs the chat until it is interrupted or terminated, and opens it in a browser.

#![allow(clippy::print_stderr, reason = "a program for the terminal")]

use std::{path::Path, process::ExitCode, sync::Arc};

use chat::{
    backend::Backend,
    failure::Failure,
    file::{default_file, open},
};
use clap::Parser;
use conversant_core::ChatHistory;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use web_chat::{
    arguments::Arguments,
    listener::{ConnectionLimits, serve},
    reply::end,
    routes::router,
    service::{Limits, Service},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("web-chat: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    // What cannot be used is reported before a model is loaded.
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        let address = arguments.listen;
        let line = format!("cannot listen on {address}: {error}; use --listen with another port");
        Failure::Other(line)
    })?;
    let address = listener.local_addr().map_err(Failure::other)?;
    let file = arguments.db.clone().map_or_else(default_file, Ok)?;
    let history: Arc<dyn ChatHistory> = Arc::new(open(&file, true)?);
    let backend = Backend::connect(&arguments.model, "web-chat").await?;
    let place = Path::display(&file).to_string();
    let Arguments { model, tools, .. } = &arguments;
    let service = Service::new(model, &backend, history, place, *tools, Limits::default())?;

    let url = format!("http://{address}/");
    eprintln!("web-chat: {} · {} · {url} · Ctrl-C ends", backend.name(), file.display());
    if !arguments.no_open && open::that_detached(&url).is_err() {
        eprintln!("web-chat: cannot open a browser; open the address yourself");
    }
    let ended = async {
        interrupted().await;
        end(&service, |line| eprintln!("web-chat: {line}")).await;
    };
    serve(listener, router(service.clone(), address), ConnectionLimits::default(), ended).await;
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
