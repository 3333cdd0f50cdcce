//! An answer through a chain, piece by piece, saved at its end.

mod save_partial;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use conversant_core::{Delta, ModelError, Reply, ReplyStream};
use futures_core::Stream;

use crate::{
    answer::Answer,
    answer_stream::{AnswerItem, AnswerSource, AnswerStream},
    any_runner::AnyRunner,
    call::{CallState, unsaved_turn::UnsavedTurn},
    call_inputs::CallInputs,
    call_phase::CallPhase,
    chain::Streaming,
    error::ChainError,
    outcome::Outcome,
    partial_answer::PartialAnswer,
    tool_rounds::ToolRounds,
};

/// An answer that arrives piece by piece and ends with [`Delta::Done`], after its turn is saved.
///
/// The stream holds the conversation's place: the next call of the conversation waits until the
/// stream has ended, has failed or is dropped. To call the conversation from the task that reads
/// the stream, drop the stream first.
///
/// Pieces do not arrive after the call's deadline; then the stream fails, unless the next item is
/// [`Delta::Done`], or the answer was there as a whole before.
///
/// # Cancellation
/// Dropping the stream closes the model's connection and saves nothing.
/// [`save_partial`](Self::save_partial) saves what was received, marked as incomplete.
///
/// # Examples
///
/// ```
/// # use conversant_chains::LlmChain;
/// # use conversant_core::{async_trait, vars, ChatModel, ChatRequest, Message, ModelError, Reply};
/// # use conversant_memory::BufferMemory;
/// # use conversant_prompts::PromptTemplate;
/// # struct Greeter;
/// # #[async_trait]
/// # impl ChatModel for Greeter {
/// #     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
/// #         Ok(Reply::new(Message::ai("Hello!")))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use conversant_core::Delta;
/// # let chain = LlmChain::builder()
/// #     .prompt(PromptTemplate::from_template("{history}\nHuman: {human_input}")?)
/// #     .model(Greeter)
/// #     .memory(BufferMemory::new())
/// #     .build()?;
///
/// let mut stream = chain.stream(vars! { "human_input" => "hi" }).await?;
/// while let Some(delta) = stream.next().await {
///     match delta? {
///         Delta::Text(piece) => print!("{piece}"),
///         Delta::Done(reply) => assert_eq!(reply.text(), "Hello!"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct ChainStream {
    runner: Arc<dyn AnyRunner>,
    state: State,
    /// The text that was received, kept after the end where another stream asks for it.
    kept: Option<String>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Ended = Result<(Outcome, Box<Reply>), (ChainError, Box<Failed>)>;

enum State {
    /// Pieces arrive.
    Running(Box<Running>),
    /// The answer has ended: its turn is saved, or its memory is released after a failure.
    Ending(Boxed<Ended>),
    /// The stream has failed.
    Failed(Box<Failed>),
    /// The turn is saved.
    Ended(Box<Outcome>),
}

struct Running {
    stream: Pieces,
    rounds: ToolRounds,
    /// The answer, once the steps have made it.
    answer: Option<Box<Answer>>,
    call: CallState,
}

/// The pieces of an answer.
enum Pieces {
    Model(ReplyStream),
    Steps(AnswerStream),
}

impl Pieces {
    fn partial(&self) -> &str {
        match self {
            Self::Model(stream) => stream.partial(),
            Self::Steps(stream) => stream.partial(),
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            Self::Model(stream) => stream.is_whole(),
            Self::Steps(stream) => stream.is_complete(),
        }
    }

    /// Polls the next piece, and sets the answer where the steps have made it.
    fn poll(
        &mut self,
        answer: &mut Option<Box<Answer>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Delta, ChainError>> {
        Poll::Ready(match self {
            Self::Model(stream) => match ready!(Pin::new(stream).poll_next(context)) {
                Some(piece) => piece.map_err(ChainError::Model),
                // A reply stream ends with `Done` or an error.
                None => Err(ChainError::Model(ModelError::Cancelled)),
            },
            Self::Steps(stream) => ready!(stream.poll_item(context)).map(|item| match item {
                AnswerItem::Piece(piece) => piece,
                AnswerItem::Done(reply, made) => {
                    *answer = Some(made);
                    Delta::Done(reply)
                }
            }),
        })
    }
}

/// A call that has failed and has given its place back.
struct Failed {
    call: CallState,
    unsaved: Unsaved,
}

/// The part of a failed call that can still be saved.
enum Unsaved {
    /// An answer that did not end or could not be parsed.
    Partial(PartialAnswer),
    /// The turn of an answer that was not saved.
    Turn(Box<UnsavedTurn>),
}

/// Returns the part of an answer that was received.
fn partial_of(stream: &Pieces, rounds: ToolRounds, call: &CallState) -> PartialAnswer {
    let received = stream.partial();
    // Without a text, the pieces of steps may be those of another output.
    if matches!(stream, Pieces::Steps(_)) && rounds.text_of(received).is_empty() {
        return PartialAnswer::default();
    }
    PartialAnswer::new(received, rounds, call.exchange())
}

impl ChainStream {
    pub(crate) async fn start(
        runner: Arc<dyn AnyRunner>,
        inputs: CallInputs,
    ) -> Result<Self, ChainError> {
        let (chain, binding) = (runner.chain(), runner.binding());
        let mut call = CallState::new(chain, binding, runner.observation(), inputs);
        call.begin(chain, binding).await?;
        let stream = match call.stream(chain, binding).await {
            Ok(Streaming::Pieces(stream)) => Pieces::Model(stream),
            Ok(Streaming::Steps(stream)) => Pieces::Steps(stream),
            Ok(Streaming::Whole(answer)) => {
                let outputs = chain.outputs();
                Pieces::Steps(AnswerStream::whole(*answer, outputs, call.exchange()))
            }
            Err(error) => return Err(call.fail(chain, binding, error).await),
        };
        let state = State::Running(Box::new(Running {
            stream,
            rounds: ToolRounds::default(),
            answer: None,
            call,
        }));
        Ok(Self { runner, state, kept: None })
    }

    /// Keeps the text that was received after the end, for a stream that this one is a step of.
    pub(crate) fn keeping_partial(mut self) -> Self {
        self.kept = Some(String::new());
        self
    }

    /// Returns the text of the first output that has been received so far.
    pub(crate) fn partial(&self) -> &str {
        match &self.state {
            State::Running(running) => running.stream.partial(),
            _ => self.kept.as_deref().unwrap_or_default(),
        }
    }

    /// Returns whether the answer is complete, so that the items that are left need no model.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.state {
            State::Running(running) => running.stream.is_complete(),
            State::Ending(_) | State::Ended(_) => true,
            State::Failed(_) => false,
        }
    }

    /// Returns the next piece, or `None` after the end.
    pub async fn next(&mut self) -> Option<Result<Delta, ChainError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the result of the call, after [`Delta::Done`].
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Reads to the end and returns the result of the call, or `None` for a stream that has failed
    /// before.
    ///
    /// # Errors
    /// The stream's error.
    pub async fn into_outcome(mut self) -> Result<Option<Outcome>, ChainError> {
        while let Some(delta) = self.next().await {
            delta?;
        }
        match self.state {
            State::Ended(outcome) => Ok(Some(*outcome)),
            _ => Ok(None),
        }
    }
}

/// Ends a call whose answer is complete: parses it, unless that is done, and saves its turn.
async fn finish(runner: Arc<dyn AnyRunner>, running: Running, reply: Box<Reply>) -> Ended {
    let Running { stream, rounds, answer, mut call } = running;
    let answer = match answer {
        Some(answer) => Ok(*answer),
        None => call.finish(runner.chain(), Reply::clone(&reply)),
    };
    // Checked before the pieces are dropped: those of a refused answer can still be saved.
    let (chain, binding) = (runner.chain(), runner.binding());
    let checked =
        answer.and_then(|answer| call.check_answer(chain, binding, &answer).map(|()| answer));
    let answer = match checked {
        Ok(answer) => answer,
        Err(error) => {
            let unsaved = Unsaved::Partial(partial_of(&stream, rounds, &call));
            return fail(runner, call, unsaved, error).await;
        }
    };
    drop(stream);
    match call.settle(chain, binding, &answer).await {
        Ok(pending) => Ok((call.end(chain, answer, pending), reply)),
        Err(error) => {
            let unsaved = match error.not_saved() {
                Some(not_saved) => Unsaved::Turn(Box::new(UnsavedTurn::of(not_saved))),
                None => Unsaved::Partial(PartialAnswer::default()),
            };
            fail(runner, call, unsaved, error).await
        }
    }
}

/// Ends a call that has failed, and gives its place back.
async fn fail(
    runner: Arc<dyn AnyRunner>,
    mut call: CallState,
    unsaved: Unsaved,
    error: ChainError,
) -> Ended {
    let error = call.fail(runner.chain(), runner.binding(), error).await;
    call.leave();
    Err((error, Box::new(Failed { call, unsaved })))
}

impl Running {
    /// Ends the call with an error.
    fn fail(self, runner: Arc<dyn AnyRunner>, error: ChainError) -> State {
        let Self { stream, rounds, call, .. } = self;
        let unsaved = Unsaved::Partial(partial_of(&stream, rounds, &call));
        // Closes the model's connection now.
        drop(stream);
        State::Ending(Box::pin(fail(runner, call, unsaved, error)))
    }
}

impl ChainStream {
    /// Replaces a running state by the state that follows it.
    fn end_running(&mut self, next: impl FnOnce(Arc<dyn AnyRunner>, Running) -> State) {
        let placeholder = State::Ending(Box::pin(std::future::pending()));
        match std::mem::replace(&mut self.state, placeholder) {
            State::Running(running) => {
                if let Some(kept) = &mut self.kept {
                    running.stream.partial().clone_into(kept);
                }
                self.state = next(Arc::clone(&self.runner), *running);
            }
            other => self.state = other,
        }
    }
}

impl Stream for ChainStream {
    type Item = Result<Delta, ChainError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Ended(_) | State::Failed(_) => return Poll::Ready(None),
                State::Ending(ending) => {
                    let item = match ready!(ending.as_mut().poll(context)) {
                        Ok((outcome, reply)) => {
                            this.state = State::Ended(Box::new(outcome));
                            Ok(Delta::Done(reply))
                        }
                        Err((error, failed)) => {
                            this.state = State::Failed(failed);
                            Err(error)
                        }
                    };
                    return Poll::Ready(Some(item));
                }
                State::Running(running) => {
                    let Running { stream, rounds, answer, call } = &mut **running;
                    match call.poll_part(|| stream.poll(answer, context)) {
                        Poll::Pending => {
                            let exceeded = ready!(call.poll_exceeded(context));
                            let error = exceeded.during(CallPhase::Run);
                            this.end_running(|runner, running| running.fail(runner, error));
                        }
                        Poll::Ready(Ok(Delta::Done(reply))) => {
                            this.end_running(|runner, running| {
                                State::Ending(Box::pin(finish(runner, running, reply)))
                            });
                        }
                        Poll::Ready(Ok(_))
                            if !stream.is_complete() && call.deadline_has_passed() =>
                        {
                            let error = ChainError::DeadlineExceeded { phase: CallPhase::Run };
                            this.end_running(|runner, running| running.fail(runner, error));
                        }
                        Poll::Ready(Ok(delta)) => {
                            rounds.read(&delta, stream.partial());
                            return Poll::Ready(Some(Ok(delta)));
                        }
                        Poll::Ready(Err(error)) => {
                            this.end_running(|runner, running| running.fail(runner, error));
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Debug for ChainStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Running(_) => "ChainStream(running)",
            State::Ending(_) => "ChainStream(ending)",
            State::Failed(_) => "ChainStream(failed)",
            State::Ended(_) => "ChainStream(ended)",
        })
    }
}
