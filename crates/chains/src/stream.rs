//! An answer through a chain, piece by piece, saved at its clean end.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use conversant_core::{CallOptions, Delta, Message, ModelError, Reply, ReplyStream, Variables};
use futures_core::Stream;

use crate::{
    Answer, Chain, ChainError, Outcome, Streaming,
    call::{self, Prepared},
    chain::Observers,
    link::Link,
};

/// A chain that a stream keeps alive while it runs.
pub(crate) trait Streamable: Send + Sync + 'static {
    fn chain(&self) -> &dyn Chain;
    fn link(&self) -> Option<&Link>;
    fn observers(&self) -> Observers;
}

/// An answer that comes piece by piece and ends with [`Delta::Done`], when its turn is saved.
///
/// It holds the conversation's place: the next call of the conversation waits until the stream has ended or is dropped. Dropping it
/// closes the model's connection and saves nothing; [`save_partial`](Self::save_partial) keeps what has come, marked as incomplete.
///
/// # Examples
///
/// ```
/// # use conversant_chains::LlmChain;
/// # use conversant_core::{async_trait, vars, ChatModel, ChatRequest, LanguageModel, Message, ModelError, Reply};
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
/// #     .model(LanguageModel::chat(Greeter))
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
    chain: Arc<dyn Streamable>,
    state: State,
    /// The text that has come.
    partial: String,
}

type Failing = Pin<Box<dyn Future<Output = (ChainError, Box<Prepared>)> + Send>>;
type Saving = Pin<Box<dyn Future<Output = Result<(Outcome, Box<Reply>), ChainError>> + Send>>;

enum State {
    /// Pieces come.
    Running(Box<Running>),
    /// The model has failed, and the memory is told.
    Failing(Failing),
    /// The model has failed. What has come may still be saved.
    Failed(Box<Prepared>),
    /// The answer is there, and its turn is being saved.
    Saving(Saving),
    /// Nothing more comes.
    Ended(Option<Box<Outcome>>),
}

struct Running {
    stream: ReplyStream,
    /// The answer, of a chain that gave it whole.
    answer: Option<Answer>,
    prepared: Box<Prepared>,
}

impl ChainStream {
    pub(crate) async fn start(
        chain: impl Streamable,
        inputs: Variables,
        options: CallOptions,
    ) -> Result<Self, ChainError> {
        let mut prepared = Box::new(Prepared::new(chain.observers(), inputs, options));
        prepared.begin(chain.chain(), chain.link()).await?;
        let begin = async {
            call::check(chain.chain(), &prepared.variables)?;
            chain.chain().stream(&prepared.variables, &prepared.context).await
        };
        let (stream, answer) = match begin.await {
            Ok(Streaming::Pieces(stream)) => (stream, None),
            Ok(Streaming::Whole(answer)) => {
                (ReplyStream::whole(reply_of(chain.chain(), &answer)), Some(*answer))
            }
            Err(error) => {
                return Err(call::fail(chain.chain(), chain.link(), &prepared, error).await);
            }
        };
        let running = Running { stream, answer, prepared };
        let state = State::Running(Box::new(running));
        Ok(Self { chain: Arc::new(chain), state, partial: String::new() })
    }

    /// Returns the next piece, or `None` after the end.
    pub async fn next(&mut self) -> Option<Result<Delta, ChainError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns what the call came to, once [`Delta::Done`] has come.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Ended(outcome) => outcome.as_deref(),
            _ => None,
        }
    }

    /// Reads to the end and returns what the call came to.
    ///
    /// # Errors
    /// The stream's error, if it fails, or that of the save.
    pub async fn into_outcome(mut self) -> Result<Option<Outcome>, ChainError> {
        while let Some(delta) = self.next().await {
            delta?;
        }
        match self.state {
            State::Ended(outcome) => Ok(outcome.map(|outcome| *outcome)),
            _ => Ok(None),
        }
    }

    /// Ends the stream and saves the turn with what has come of the answer, marked as incomplete, instead of dropping it. Also after the
    /// stream has failed. Does nothing if the turn is saved, or if no text has come.
    ///
    /// # Errors
    /// [`ChainError::NotSaved`].
    pub async fn save_partial(self) -> Result<(), ChainError> {
        let mut prepared = match self.state {
            // The stream is dropped, which closes the model's connection.
            State::Running(running) => running.prepared,
            State::Failing(failing) => failing.await.1,
            State::Failed(prepared) => prepared,
            State::Saving(_) | State::Ended(_) => return Ok(()),
        };
        if self.partial.is_empty() {
            return Ok(());
        }
        let answer =
            Answer::new(Variables::new()).with_reply(Reply::new(Message::ai(self.partial)));
        call::save(self.chain.link(), &mut prepared, &answer, true).await
    }
}

/// Returns the reply of an answer that is whole, or one of its first output's text.
fn reply_of(chain: &dyn Chain, answer: &Answer) -> Reply {
    answer.reply.clone().unwrap_or_else(|| {
        let output = chain.outputs().first().and_then(|name| answer.outputs.get(name));
        Reply::new(Message::ai(
            output.map(|value| value.to_text().into_owned()).unwrap_or_default(),
        ))
    })
}

/// Makes the chain's answer of the reply, if it is not there yet, and saves its turn.
async fn finish(
    chain: Arc<dyn Streamable>,
    running: Running,
    reply: Box<Reply>,
) -> Result<(Outcome, Box<Reply>), ChainError> {
    let Running { stream, answer, mut prepared } = running;
    drop(stream);
    let run = async {
        let answer = match answer {
            Some(answer) => answer,
            None => chain.chain().finish(Reply::clone(&reply), &prepared.context)?,
        };
        call::save(chain.link(), &mut prepared, &answer, false).await?;
        Ok(answer)
    };
    match run.await {
        Ok(answer) => Ok((call::end(chain.chain(), *prepared, answer), reply)),
        Err(error) => Err(call::fail(chain.chain(), chain.link(), &prepared, error).await),
    }
}

/// Tells that the model failed.
async fn fail(
    chain: Arc<dyn Streamable>,
    prepared: Box<Prepared>,
    error: ModelError,
) -> (ChainError, Box<Prepared>) {
    let error = ChainError::Model(error);
    let error = call::fail(chain.chain(), chain.link(), &prepared, error).await;
    (error, prepared)
}

impl ChainStream {
    /// Goes on to the state that follows a running one's end.
    fn end_running(&mut self, next: impl FnOnce(Arc<dyn Streamable>, Running) -> State) {
        match std::mem::replace(&mut self.state, State::Ended(None)) {
            State::Running(running) => self.state = next(Arc::clone(&self.chain), *running),
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
                State::Saving(saving) => {
                    let (outcome, item) = match ready!(saving.as_mut().poll(context)) {
                        Ok((outcome, reply)) => (Some(Box::new(outcome)), Ok(Delta::Done(reply))),
                        Err(error) => (None, Err(error)),
                    };
                    this.state = State::Ended(outcome);
                    return Poll::Ready(Some(item));
                }
                State::Failing(failing) => {
                    let (error, prepared) = ready!(failing.as_mut().poll(context));
                    this.state = State::Failed(prepared);
                    return Poll::Ready(Some(Err(error)));
                }
                State::Running(running) => {
                    match ready!(Pin::new(&mut running.stream).poll_next(context)) {
                        Some(Ok(Delta::Done(reply))) => this.end_running(|chain, running| {
                            State::Saving(Box::pin(finish(chain, running, reply)))
                        }),
                        Some(Ok(delta)) => {
                            if let Delta::Text(text) = &delta {
                                this.partial.push_str(text);
                            }
                            return Poll::Ready(Some(Ok(delta)));
                        }
                        Some(Err(error)) => this.end_running(|chain, running| {
                            State::Failing(Box::pin(fail(chain, running.prepared, error)))
                        }),
                        // A reply stream ends with `Done` or an error, so this does not come.
                        None => this.end_running(|_, running| State::Failed(running.prepared)),
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
            State::Failing(_) | State::Failed(_) => "ChainStream(failed)",
            State::Saving(_) => "ChainStream(saving)",
            State::Ended(_) => "ChainStream(ended)",
        })
    }
}
