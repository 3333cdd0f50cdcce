//! The suites of models.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use conversant_core::{
    ChatModel, ChatRequest, CompletionRequest, Delta, Message, ModelError, Reply, ReplyStream,
    ToolCallDelta, async_trait,
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
    RepeatsThePromptOfStreams,
    StreamsOtherCalls,
    IgnoresStops,
    StreamsPastStops,
    AnswersOthers,
    AnswersTheCallBefore,
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
    /// The text of the last call, for flaws that mix calls.
    last: Mutex<String>,
}

impl Model {
    fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, dead: AtomicBool::new(false), busy: Arc::default(), last: Mutex::default() }
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
        let before = std::mem::replace(&mut *self.last.lock().unwrap(), text);
        wait().await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        let mut answer = match self.flaw {
            Some(Flaw::AnswersOthers) => self.last.lock().unwrap().clone(),
            Some(Flaw::AnswersTheCallBefore) => before,
            _ => "Hello there.".to_owned(),
        };
        let stops = request.options.stop.iter().filter_map(|stop| answer.find(stop.as_str()));
        if let Some(end) = stops.min().filter(|_| !self.has(Flaw::IgnoresStops)) {
            answer.truncate(end);
        }
        let is_human = self.has(Flaw::AnswersAsTheUser);
        Ok(Reply::new(if is_human { Message::human(answer) } else { Message::ai(answer) }))
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let mut request = request.clone();
        if self.has(Flaw::StreamsAfterDeadlines) {
            request.options.deadline = None;
        }
        if self.has(Flaw::StreamsPastStops) {
            request.options.stop.clear();
        }
        if self.has(Flaw::RepeatsThePromptOfStreams) {
            let text = request.messages.to_string();
            return Err(Self::fails(format!("can't answer {text:?}")));
        }
        let reply = self.generate(&request).await?;
        let answer = reply.text().into_owned();
        let text = |piece: &str| Delta::Text(piece.to_owned());
        let mut call = ToolCallDelta::new(3);
        call.name = Some("other".to_owned());
        let pieces = answer.split_inclusive(' ').map(text);
        let deltas: Vec<Delta> = match self.flaw {
            Some(Flaw::EndsWithoutTheAnswer) => pieces.collect(),
            Some(Flaw::StreamsEmptyPieces) => pieces.chain([text(""), reply.into()]).collect(),
            Some(Flaw::StreamsOtherCalls) => {
                pieces.chain([Delta::ToolCall(call), reply.into()]).collect()
            }
            _ => pieces.chain([reply.into()]).collect(),
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
    (Flaw::RepeatsThePromptOfStreams, "errors_withhold_what_was_said"),
    (Flaw::StreamsOtherCalls, "the_pieces_of_a_stream_are_the_answer"),
    (Flaw::IgnoresStops, "an_answer_ends_before_a_stop_sequence"),
    (Flaw::StreamsPastStops, "an_answer_ends_before_a_stop_sequence"),
    (Flaw::AnswersOthers, "answers_belong_to_their_calls"),
    (Flaw::AnswersTheCallBefore, "answers_belong_to_their_calls"),
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
    let line =
        |request: &ChatRequest| ScriptedReply::pieces(["Hel", "lo"]).within(&request.options);
    block_on(suite::chat_model(|| ScriptedChat::with_handler(line))).unwrap();
    let line = |request: &CompletionRequest| ScriptedReply::text("Hello").within(&request.options);
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
      passed an_answer_ends_before_a_stop_sequence
      passed calls_run_at_once
      passed answers_belong_to_their_calls
      passed a_dropped_call_leaves_the_model_as_it_was
      passed a_dropped_stream_leaves_the_model_as_it_was
    ");
}
