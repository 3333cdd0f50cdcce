//! A running chat over a scripted model, and a client that needs no more than a socket.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use chat::{backend::Backend, model_arguments::ModelArguments};
use clap::Parser;
use conversant_core::{ChatHistory, LanguageModel};
use conversant_history_sqlite::SqliteHistory;
use futures_util::stream::{self, StreamExt};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};
use web_chat::{
    arguments::Arguments,
    listener::{ConnectionLimits, serve},
    reply,
    routes::router,
    service::{Limits, Service},
};

/// A chat that listens on the loopback interface.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) history: Arc<dyn ChatHistory>,
    end: Arc<Notify>,
    /// The texts that the end prints.
    printed: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
    folder: TempDir,
}

/// The settings of a chat.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) connections: ConnectionLimits,
    pub(crate) port: u16,
    /// The address that the service takes for its own, if it is not that at which it listens.
    pub(crate) known_as: Option<SocketAddr>,
    pub(crate) has_tools: bool,
    /// The line that the streams of events go through, if it can break.
    pub(crate) line: Option<BrokenLine>,
}

impl Running {
    pub(crate) async fn start(model: impl Into<LanguageModel>) -> Self {
        Self::with(model, Settings::default()).await
    }

    pub(crate) async fn with(model: impl Into<LanguageModel>, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let history = open(&folder);
        Self::over(folder, history, model, settings).await
    }

    /// Ends the service and starts it again, at the same address and over the same store.
    pub(crate) async fn restarted(self, model: impl Into<LanguageModel>) -> Self {
        let port = self.address.port();
        let folder = self.stopped().await;
        Self::again(folder, model, Settings { port, ..Settings::default() }).await
    }

    /// Starts a service over a folder that had one.
    pub(crate) async fn again(
        folder: TempDir,
        model: impl Into<LanguageModel>,
        settings: Settings,
    ) -> Self {
        let history = open(&folder);
        Self::over(folder, history, model, settings).await
    }

    /// Ends the service, and returns the texts that it prints.
    pub(crate) async fn last_words(self) -> Vec<String> {
        let printed = Arc::clone(&self.printed);
        self.stopped().await;
        std::mem::take(&mut *printed.lock().unwrap())
    }

    /// Ends the service, and returns the folder of the store.
    pub(crate) async fn stopped(self) -> TempDir {
        self.end.notify_one();
        self.server.await.unwrap();
        self.folder
    }

    pub(crate) async fn over(
        folder: TempDir,
        history: Arc<dyn ChatHistory>,
        model: impl Into<LanguageModel>,
        settings: Settings,
    ) -> Self {
        let model = model.into();
        let is_completion = matches!(model, LanguageModel::Completion(_));
        let backend = Backend::Server { model, name: "scripted".to_owned(), is_completion };
        let service = Service::new(
            &arguments(),
            &backend,
            Arc::clone(&history),
            "chat.db".to_owned(),
            settings.has_tools,
            settings.limits,
        );
        let service = service.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", settings.port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let end = Arc::new(Notify::new());
        let (notified, ending) = (Arc::clone(&end), service.clone());
        let app = router(service, settings.known_as.unwrap_or(address));
        let app = match settings.line {
            Some(line) => line.around(app),
            None => app,
        };
        let printed = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&printed);
        let server = tokio::spawn(async move {
            let ended = async {
                notified.notified().await;
                reply::end(&ending, |line| lines.lock().unwrap().push(line)).await;
            };
            serve(listener, app, settings.connections, ended).await;
        });
        Self { address, history, end, printed, server, folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Breaks off the streams of events, whenever a test says so. All else goes through.
#[derive(Clone, Default)]
pub(crate) struct BrokenLine {
    breaks: watch::Sender<usize>,
    streams: Arc<AtomicUsize>,
}

impl BrokenLine {
    /// Breaks off the streams that are open.
    pub(crate) fn break_off(&self) {
        self.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Returns the number of streams that were opened.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn around(self, app: Router) -> Router {
        app.layer(from_fn(move |request: Request, next: Next| {
            let line = self.clone();
            async move {
                let is_stream = request.uri().path().ends_with("/events");
                let response = next.run(request).await;
                if is_stream { line.through(response) } else { response }
            }
        }))
    }

    fn through(&self, response: Response) -> Response {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let mut breaks = self.breaks.subscribe();
        let broken = async move {
            let _ = breaks.changed().await;
        };
        response.map(|body| {
            let pieces = body.into_data_stream().take_until(broken);
            let end = stream::once(async { Err(axum::Error::new("the connection is lost")) });
            Body::from_stream(pieces.chain(end))
        })
    }
}

fn open(folder: &TempDir) -> Arc<dyn ChatHistory> {
    let file = folder.path().join("chat.db");
    Arc::new(SqliteHistory::builder(file).search(true).open().unwrap())
}

/// Returns the arguments of a chat that is started without any.
pub(crate) fn arguments() -> ModelArguments {
    Arguments::try_parse_from(["web-chat"]).unwrap().model
}
