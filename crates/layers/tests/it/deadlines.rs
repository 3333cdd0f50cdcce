//! The end of a call's deadline, after which a fallback calls no other model.

use std::time::Duration;

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelError, Reply,
    ReplyStream, TimeoutPhase, async_trait,
};
use conversant_layers::{ConcurrencyLimit, Fallback, RateLimit};
use conversant_testkit::{ScriptedChat, ScriptedCompletion};
use tokio::time::sleep;

use super::{ask, parrot};

const DEADLINE: Duration = Duration::from_millis(200);

fn hurried() -> ChatRequest {
    ask("hi").with_options(CallOptions::new().with_timeout(DEADLINE))
}

/// A model that fails after a time.
#[derive(Clone, Copy)]
struct FailsAfter(Duration);

impl FailsAfter {
    async fn fail<T>(self) -> Result<T, ModelError> {
        sleep(self.0).await;
        Err(ModelError::custom("out of order", true, None))
    }
}

/// A model whose own limit of the whole time is this one.
struct EndsAfter(Duration);

#[async_trait]
impl ChatModel for EndsAfter {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        sleep(self.0).await;
        Err(ModelError::Timeout { phase: TimeoutPhase::Total, after: self.0 })
    }
}

#[async_trait]
impl ChatModel for FailsAfter {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        self.fail().await
    }

    async fn stream(&self, _: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.fail().await
    }
}

#[async_trait]
impl CompletionModel for FailsAfter {
    async fn generate(&self, _: &CompletionRequest) -> Result<Reply, ModelError> {
        self.fail().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_calls_no_model_after_the_deadline() {
    let busy = ConcurrencyLimit::new(parrot(), 1);
    let _running = busy.stream(&ask("hi")).await.unwrap();
    let spent = RateLimit::new(parrot(), 1, Duration::from_secs(3600));
    spent.generate(&ask("hi")).await.unwrap();
    let models: [(&str, Box<dyn ChatModel>, bool); 6] = [
        ("a full concurrency limit", Box::new(busy), false),
        ("a failure at the deadline", Box::new(FailsAfter(DEADLINE)), false),
        ("a failure before the deadline", Box::new(FailsAfter(DEADLINE / 2)), true),
        ("a limit of its own at the deadline", Box::new(EndsAfter(DEADLINE)), false),
        ("a limit of its own before the deadline", Box::new(EndsAfter(DEADLINE / 2)), true),
        // The wait would be too long, so it fails at once.
        ("a rate limit", Box::new(spent), true),
    ];
    for (name, first, falls_back) in &models {
        for (streams, always) in [(false, false), (false, true), (true, false), (true, true)] {
            let second = parrot();
            let mut model = Fallback::new(first, second.clone());
            if always {
                model = model.when(|_| true);
            }
            let model = Fallback::new(model, second.clone());
            let is_ok = match streams {
                true => model.stream(&hurried()).await.is_ok(),
                false => model.generate(&hurried()).await.is_ok(),
            };
            let asked = second.requests().len();
            assert_eq!((is_ok, asked), (*falls_back, usize::from(*falls_back)), "{name} {streams}");
        }
    }
    let second = ScriptedCompletion::new(["x"]);
    let model = Fallback::new(FailsAfter(DEADLINE), second.clone());
    let options = CallOptions::new().with_timeout(DEADLINE);
    CompletionModel::generate(&model, &CompletionRequest::new("x").with_options(options))
        .await
        .unwrap_err();
    assert_eq!(second.requests().len(), 0);
}

/// A model that calls a limited model, which may be itself: it waits for its own place.
#[tokio::test(start_paused = true)]
async fn a_call_inside_of_a_limited_call_ends_at_its_deadline() {
    struct Reentrant(ConcurrencyLimit<ScriptedChat>);
    #[async_trait]
    impl ChatModel for Reentrant {
        async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
            let _running = self.0.stream(request).await?;
            self.0.generate(request).await
        }
    }
    let model = Reentrant(ConcurrencyLimit::new(parrot(), 1));
    let error = model.generate(&hurried()).await.unwrap_err();
    assert!(error.to_string().contains("a place among the concurrent calls"), "{error}");
    model.0.generate(&hurried()).await.unwrap();
}
