//! An answer through a chain, piece by piece, saved at its clean end.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use conversant_core::{CallOptions, Delta, Message, Reply, ReplyStream, Variables};
use futures_core::Stream;

use crate::{
    Answer, Chain, ChainError, Outcome,
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

type Saving = Pin<Box<dyn Future<Output = Result<(Outcome, Reply), ChainError>> + Send>>;

enum State {
    /// Pieces come. The reply stream is gone once it has failed.
    Running(Option<ReplyStream>, Box<Prepared>),
    /// The answer is there, and its turn is being saved.
    Saving(Saving),
    /// Nothing more comes.
    Ended(Option<Box<Outcome>>),
}

impl ChainStream {
    pub(crate) async fn start(
        chain: impl Streamable,
        inputs: Variables,
        options: CallOptions,
    ) -> Result<Self, ChainError> {
        let prepared =
            call::prepare(chain.chain(), chain.link(), chain.observers(), inputs, options).await?;
        let begin = async {
            call::check(chain.chain(), &prepared.variables)?;
            chain.chain().stream(&prepared.variables, &prepared.context).await
        };
        match begin.await {
            Ok(stream) => {
                let state = State::Running(stream, Box::new(prepared));
                Ok(Self { chain: Arc::new(chain), state, partial: String::new() })
            }
            Err(error) => Err(call::fail(chain.chain(), &prepared.context, error)),
        }
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
        let State::Running(stream, mut prepared) = self.state else { return Ok(()) };
        drop(stream);
        if self.partial.is_empty() {
            return Ok(());
        }
        let answer =
            Answer::new(Variables::new()).with_reply(Reply::new(Message::ai(self.partial)));
        call::save(self.chain.link(), &mut prepared, &answer, true).await
    }
}

/// Makes the outputs of the whole reply and saves its turn.
async fn finish(
    chain: Arc<dyn Streamable>,
    mut prepared: Box<Prepared>,
    reply: Reply,
) -> Result<(Outcome, Reply), ChainError> {
    let run = async {
        let answer = chain.chain().finish(reply.clone(), &prepared.context)?;
        call::save(chain.link(), &mut prepared, &answer, false).await?;
        Ok(answer)
    };
    match run.await {
        Ok(answer) => Ok((call::end(chain.chain(), *prepared, answer), reply)),
        Err(error) => Err(call::fail(chain.chain(), &prepared.context, error)),
    }
}

impl Stream for ChainStream {
    type Item = Result<Delta, ChainError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Ended(_) | State::Running(None, _) => return Poll::Ready(None),
                State::Saving(saving) => {
                    let (state, item) = match ready!(saving.as_mut().poll(context)) {
                        Ok((outcome, reply)) => (Some(Box::new(outcome)), Ok(Delta::Done(reply))),
                        Err(error) => (None, Err(error)),
                    };
                    this.state = State::Ended(state);
                    return Poll::Ready(Some(item));
                }
                State::Running(stream @ Some(_), prepared) => {
                    let Some(reply_stream) = stream else { return Poll::Ready(None) };
                    match ready!(Pin::new(reply_stream).poll_next(context)) {
                        Some(Ok(Delta::Done(reply))) => {
                            let State::Running(_, prepared) =
                                std::mem::replace(&mut this.state, State::Ended(None))
                            else {
                                return Poll::Ready(None);
                            };
                            this.state = State::Saving(Box::pin(finish(
                                Arc::clone(&this.chain),
                                prepared,
                                reply,
                            )));
                        }
                        Some(Ok(delta)) => {
                            if let Delta::Text(text) = &delta {
                                this.partial.push_str(text);
                            }
                            return Poll::Ready(Some(Ok(delta)));
                        }
                        Some(Err(error)) => {
                            *stream = None;
                            let error = ChainError::Model(error);
                            return Poll::Ready(Some(Err(call::fail(
                                this.chain.chain(),
                                &prepared.context,
                                error,
                            ))));
                        }
                        // A reply stream ends with `Done` or an error.
                        None => *stream = None,
                    }
                }
            }
        }
    }
}

impl fmt::Debug for ChainStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Running(..) => "ChainStream(running)",
            State::Saving(_) => "ChainStream(saving)",
            State::Ended(_) => "ChainStream(ended)",
        })
    }
}
