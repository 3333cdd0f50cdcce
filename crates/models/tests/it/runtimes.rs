//! An adapter in several runtimes, on one that is busy, and on none.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use conversant_core::{ChatModel, Embeddings, ModelError};
use conversant_models::{OpenAiChat, OpenAiEmbeddings};
use conversant_testkit::{Fault, FaultServer, OpenAiServer, Step, block_on};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use crate::faults::question;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn server() -> OpenAiServer {
    OpenAiServer::builder().reply("Hello!").repeat_last().start().unwrap()
}

fn model(base_url: &str) -> OpenAiChat {
    OpenAiChat::builder("m").base_url(base_url).timeout(Duration::from_secs(5)).build().unwrap()
}

fn ask(runtime: &Runtime, model: &OpenAiChat) -> String {
    runtime.block_on(model.generate(&question())).unwrap().text().into_owned()
}

#[test]
fn an_idle_runtime_does_not_hold_up_another() {
    let server = server();
    let (shared, own) = (model(&server.base_url()), model(&server.base_url()));
    let (first, second) = (runtime(), runtime());
    for _ in 0..2 {
        // While one runs, the other is idle, with its connections in the pool.
        for model in [&shared, &shared.clone(), &own] {
            assert_eq!(ask(&first, model), "Hello!");
            assert_eq!(ask(&second, model), "Hello!");
        }
    }
    // Two clients on two runtimes, each with a connection that is kept.
    assert_eq!(server.connections(), 4);
}

#[test]
fn many_runtimes_come_and_go() {
    let server = server();
    let model = model(&server.base_url());
    let lasting = runtime();
    for _ in 0..40 {
        assert_eq!(ask(&runtime(), &model), "Hello!");
        assert_eq!(ask(&lasting, &model), "Hello!");
    }
}

#[test]
fn a_stream_goes_on_outside_of_its_runtime() {
    let server = server();
    let model = model(&server.base_url());
    let (give, take) = mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        runtime().block_on(async {
            give.send(model.stream(&question()).await.unwrap()).unwrap();
            let _ = ended.await;
        });
    });
    let stream = take.recv().unwrap();
    assert_eq!(block_on(stream.into_reply()).unwrap().text(), "Hello!");
    drop(end);
    thread.join().unwrap();
}

#[test]
fn a_call_outside_of_a_runtime_is_an_error() {
    let model = OpenAiChat::builder("m").base_url("http://localhost:1/v1").build().unwrap();
    let vectors = OpenAiEmbeddings::builder("m").base_url("http://localhost:1/v1").build().unwrap();
    let errors = [
        block_on(model.generate(&question())).unwrap_err(),
        block_on(model.stream(&question())).unwrap_err(),
        block_on(model.models()).unwrap_err(),
        block_on(vectors.embed(&["x".to_owned()])).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ModelError::Config { .. }));
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"cannot call the model outside of a tokio runtime; call it from `#[tokio::main]` or `Runtime::block_on`");
        }
    }
}

#[test]
fn a_runtime_without_a_timer_or_sockets_is_an_error() {
    let server = server();
    let bare = Builder::new_current_thread().build().unwrap();
    let timer = Builder::new_current_thread().enable_time().build().unwrap();
    let sockets = Builder::new_current_thread().enable_io().build().unwrap();
    let errors = [&bare, &timer, &sockets].map(|runtime| {
        let model = model(&server.base_url());
        let whole = runtime.block_on(model.generate(&question())).unwrap_err();
        let streamed = runtime.block_on(model.stream(&question())).unwrap_err();
        assert_eq!(whole.to_string(), streamed.to_string());
        // The adapter works in other runtimes.
        assert_eq!(ask(&self::runtime(), &model), "Hello!");
        whole.to_string()
    });
    insta::assert_snapshot!(errors.join("\n"), @r"
    cannot call the model in a tokio runtime without a timer; build it with `enable_time` or `enable_all`
    cannot call the model in a tokio runtime without sockets; build it with `enable_io` or `enable_all`
    cannot call the model in a tokio runtime without a timer; build it with `enable_time` or `enable_all`
    ");
}

#[test]
fn informational_heads_without_end() {
    const HEAD: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    for (heads, every) in [(2000, Duration::ZERO), (1, Duration::from_micros(500))] {
        let bytes = HEAD.repeat(heads).into();
        let repeat = Step::Repeat { bytes, times: None, every };
        let server = FaultServer::start(&Fault::new("1xx", [Step::WaitForHead, repeat])).unwrap();
        let builder = OpenAiChat::builder("m").base_url(server.base_url());
        let model = builder.timeout(Duration::from_secs(20)).build().unwrap();
        let started = Instant::now();
        let error = runtime().block_on(model.generate(&question())).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        let shown = format!("{error:?}");
        let expected =
            "cannot read the response: more than 100 informational heads (1xx) came before it";
        assert!(
            matches!(error, ModelError::Transport { .. }) && shown.ends_with(expected),
            "{shown}"
        );
        assert_eq!(server.attempts(), 1);
    }
}
