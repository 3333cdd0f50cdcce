//! The suites of models.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionRequest, Delta, Message, ModelError, Reply,
    ReplyStream, async_trait,
};
use conversant_testkit::{ScriptedChat, ScriptedCompletion, ScriptedReply, block_on, suite};

use super::{each_check_finds_its_flaw, wait};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    AnswersAsTheUser,
    EndsWithoutTheAnswer,
    StreamsEmptyPieces,
    KnowsNoTools,
    DiesOfNul,
    DiesOfNothing,
    RepeatsThePrompt,
    DeadlinesAreFaults,
    AnswersAfterDeadlines,
    StreamsAfterDeadlines,
    TakesOneCall,
    StaysBusyWhenDropped,
    StaysBusyWhileStreaming,
}

/// A model that says `Hello there.`, or has one flaw.
struct Model {
    flaw: Option<Flaw>,
    dead: AtomicBool,
    busy: Arc<AtomicUsize>,
}

impl Model {
    fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, dead: AtomicBool::new(false), busy: Arc::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn fails(what: impl Into<String>) -> ModelError {
        ModelError::custom(what, false, None)
    }
}

#[async_trait]
impl ChatModel for Model {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let text = request.messages.to_string();
        let dies = self.has(Flaw::DiesOfNul) && text.contains('\0')
            || self.has(Flaw::DiesOfNothing) && request.messages.is_empty();
        if dies || self.dead.load(Ordering::SeqCst) {
            self.dead.store(true, Ordering::SeqCst);
            return Err(Self::fails("dead"));
        }
        if self.has(Flaw::RepeatsThePrompt) && text.contains("\u{feff}") {
            return Err(Self::fails(format!("can't answer {text:?}")));
        }
        if self.has(Flaw::KnowsNoTools) && text.contains("rain") {
            return Err(Self::fails("tools"));
        }
        if self.has(Flaw::DeadlinesAreFaults) && request.options.deadline.is_some() {
            return Err(Self::fails("deadline"));
        }
        if !self.has(Flaw::AnswersAfterDeadlines) {
            request.options.check_deadline()?;
        }
        let alone = self.busy.fetch_add(1, Ordering::SeqCst) == 0;
        if self.has(Flaw::TakesOneCall) && !alone {
            self.busy.fetch_sub(1, Ordering::SeqCst);
            return Err(Self::fails("busy"));
        }
        // One that is dropped in the middle never gives its place back.
        if (self.has(Flaw::StaysBusyWhileStreaming) || self.has(Flaw::StaysBusyWhenDropped))
            && !alone
        {
            return Err(Self::fails("busy"));
        }
        wait().await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        let answer = Message::ai("Hello there.");
        let role = self.has(Flaw::AnswersAsTheUser);
        Ok(Reply::new(if role { Message::human("Hello there.") } else { answer }))
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let mut request = request.clone();
        if self.has(Flaw::StreamsAfterDeadlines) {
            request.options.deadline = None;
        }
        let reply = self.generate(&request).await?;
        let text = |piece: &str| Delta::Text(piece.to_owned());
        let deltas = match self.flaw {
            Some(Flaw::EndsWithoutTheAnswer) => vec![text("Hello there.")],
            Some(Flaw::StreamsEmptyPieces) => {
                vec![text("Hello"), text(""), text(" there."), reply.into()]
            }
            _ => vec![text("Hello"), text(" there."), reply.into()],
        };
        let busy = self.has(Flaw::StaysBusyWhileStreaming).then(|| Arc::clone(&self.busy));
        if let Some(busy) = &busy {
            busy.fetch_add(1, Ordering::SeqCst);
        }
        Ok(ReplyStream::new(Deltas { deltas: deltas.into_iter(), busy }))
    }
}

struct Deltas {
    deltas: std::vec::IntoIter<Delta>,
    busy: Option<Arc<AtomicUsize>>,
}

impl futures_core::Stream for Deltas {
    type Item = Result<Delta, ModelError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = self.deltas.next();
        if next.as_ref().is_none_or(|delta| matches!(delta, Delta::Done(_)))
            && let Some(busy) = self.busy.take()
        {
            busy.fetch_sub(1, Ordering::SeqCst);
        }
        std::task::Poll::Ready(next.map(Ok))
    }
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::AnswersAsTheUser, "an_answer_is_from_the_model"),
    (Flaw::EndsWithoutTheAnswer, "a_stream_ends_with_the_answer"),
    (Flaw::StreamsEmptyPieces, "the_pieces_of_a_stream_are_the_answer"),
    (Flaw::KnowsNoTools, "a_conversation_can_be_continued"),
    (Flaw::DiesOfNul, "odd_texts_are_answered_or_refused"),
    (Flaw::DiesOfNothing, "an_empty_prompt_is_answered_or_refused"),
    (Flaw::RepeatsThePrompt, "errors_withhold_what_was_said"),
    (Flaw::DeadlinesAreFaults, "a_deadline_that_is_over_ends_the_call"),
    (Flaw::AnswersAfterDeadlines, "a_deadline_that_is_over_ends_the_call"),
    (Flaw::StreamsAfterDeadlines, "a_deadline_that_is_over_ends_the_call"),
    (Flaw::TakesOneCall, "calls_run_at_once"),
    (Flaw::StaysBusyWhenDropped, "a_dropped_call_leaves_the_model_as_it_was"),
    (Flaw::StaysBusyWhileStreaming, "a_dropped_stream_leaves_the_model_as_it_was"),
];

#[test]
fn each_check_of_the_model_suite_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| block_on(suite::chat_model(|| Model::new(flaw))));
}

#[test]
fn scripted_models_pass() {
    let in_time = |options: &CallOptions, reply: ScriptedReply| match options.check_deadline() {
        Ok(()) => reply,
        Err(error) => error.into(),
    };
    let line = move |request: &ChatRequest| {
        in_time(&request.options, ScriptedReply::pieces(["Hel", "lo"]))
    };
    block_on(suite::chat_model(|| ScriptedChat::with_handler(line))).unwrap();
    let line = move |request: &CompletionRequest| in_time(&request.options, "Hello".into());
    let make = || ScriptedCompletion::with_handler(line);
    let report = block_on(suite::completion_model(make)).unwrap();
    insta::assert_snapshot!(report, @r"
    the completion model suite:
      passed an_answer_is_from_the_model
      passed a_stream_ends_with_the_answer
      passed the_pieces_of_a_stream_are_the_answer
      passed a_conversation_can_be_continued
      passed odd_texts_are_answered_or_refused
      passed an_empty_prompt_is_answered_or_refused
      passed errors_withhold_what_was_said
      passed a_deadline_that_is_over_ends_the_call
      passed calls_run_at_once
      passed a_dropped_call_leaves_the_model_as_it_was
      passed a_dropped_stream_leaves_the_model_as_it_was
    ");
}
