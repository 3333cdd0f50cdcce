//! Errors of a call of a chain, in the order of its steps.

use std::{error::Error, fmt, time::Duration};

use conversant_core::{
    MemoryError, MissingVariable, ModelError, ParseError, PromptError, Reply, Turn, TurnId,
    Variables, nearest_hint, shortened,
};

use crate::{
    answer::Answer, call_phase::CallPhase, not_saved::NotSaved, pending::PendingTurn,
    queue::Refusal, refused_answer::RefusedAnswer, wiring::WiringError,
};

/// An error of a call of a chain, by the step that failed.
///
/// Unless it is [`NotSaved`](Self::NotSaved), the conversation is as it was before the call.
///
/// # Examples
///
/// ```
/// use conversant_chains::ChainError;
///
/// fn advice(error: &ChainError) -> &'static str {
///     match error {
///         ChainError::NotSaved(_) => "show the answer, and save its turn again",
///         error if error.is_deadline() => "allow more time",
///         error if error.is_retryable() => "try again later",
///         _ => "report it",
///     }
/// }
/// assert_eq!(advice(&ChainError::Busy), "try again later");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The definition of a session's chain failed
    /// ([`Conversations::chain`](crate::Conversations::chain)). No model was called.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// An input has a reserved name. No model was called.
    #[error("cannot take input `{name}`: {reason}")]
    TakenInput {
        /// The input.
        name: String,
        /// The use that the name is reserved for.
        reason: &'static str,
    },
    /// Another call of the conversation is running, and this one does not wait
    /// ([`CallOptions::no_wait`](conversant_core::CallOptions::no_wait)). No model was called.
    #[error("cannot start the call: another call of the conversation is running; wait for it")]
    Busy,
    /// The call waited for other calls of the conversation for as long as the chain's
    /// `queue_timeout` allows. No model was called.
    #[error("cannot enter the conversation within {} s: another call holds it; end or drop that call, \
             or set a longer `queue_timeout`", limit.as_secs_f64())]
    QueueTimeout {
        /// The setting.
        limit: Duration,
    },
    /// The call was made from inside a call of the same conversation, so it would wait for itself.
    /// No model was called.
    #[error("cannot call a conversation from inside its own call; use another session")]
    Reentrant,
    /// A turn with the call's id is stored, and has another question. No model was called.
    #[error("cannot start the call: turn `{id}` is stored with another question; use a new id")]
    TurnIdInUse {
        /// The id.
        id: TurnId,
    },
    /// A turn with the call's id is stored with an incomplete answer, such as the one that
    /// [`save_partial`](crate::ChainStream::save_partial) saved. No model was called.
    #[error("cannot start the call: turn `{id}` is stored with an incomplete answer; use a new id")]
    IncompleteTurn {
        /// The id.
        id: TurnId,
    },
    /// A turn with the call's id is stored, and the chain cannot make its outputs from the stored
    /// answer ([`Chain::restore`](crate::Chain::restore)). No model was called. The error contains
    /// the turn, with the answer at its end.
    #[error("cannot repeat the call: the chain cannot make its outputs from the answer of turn \
             `{}`, which is stored; show that answer, or use a new id", turn.id())]
    AlreadyAnswered {
        /// The stored turn.
        turn: Box<Turn>,
    },
    /// The conversation is closed.
    #[error("cannot start the call: the conversation is closed")]
    Closed,
    /// The call's deadline passed. If it passes while the turn is being saved, the error is
    /// [`NotSaved`](Self::NotSaved).
    #[error("cannot finish the call: its deadline passed while {phase}")]
    DeadlineExceeded {
        /// The phase of the call.
        phase: CallPhase,
    },
    /// The memory cannot be loaded. No model was called.
    #[error("cannot load the conversation")]
    Load(#[source] MemoryError),
    /// Inputs are missing. No model was called.
    #[error("missing {}", list(missing))]
    MissingInputs {
        /// All missing inputs.
        missing: Vec<MissingVariable>,
    },
    /// The memory would not store the user's message, or it can't be a turn's. No model was called.
    #[error("cannot store the user's message")]
    RefusedInput(#[source] MemoryError),
    /// The prompt cannot be formatted. No model was called.
    #[error("cannot format the prompt")]
    Prompt(#[source] PromptError),
    /// The model did not answer.
    #[error("cannot call the model")]
    Model(#[source] ModelError),
    /// The model calls tools, and the method returns text or saves a turn. The error contains the
    /// turn, which is not stored; continue it with `resume`, or call `invoke`.
    #[error("cannot end the turn: the model calls tools; resume it with their results")]
    ToolCalls(Box<PendingTurn>),
    /// The results do not match the tool calls of a pending turn. No model was called.
    #[error("cannot resume the turn: {reason}")]
    ToolResults {
        /// The fault.
        reason: String,
    },
    /// The answer cannot be parsed, nor could it be [corrected](crate::Correction). The error
    /// contains it; nothing was saved.
    #[error("cannot parse the model's answer{}", failed_correction(interrupted.is_some()))]
    #[non_exhaustive]
    Parse {
        /// The fault of the last answer.
        source: Box<ParseError>,
        /// All answers of the call, the last one at the end.
        answers: Vec<Reply>,
        /// The error that ended the corrections, if it was not their limit.
        interrupted: Option<Box<Self>>,
    },
    /// The model answered, and the turn was not saved. The error contains both.
    #[error("cannot save the turn; the error contains the model's answer")]
    NotSaved(#[source] Box<NotSaved>),
    /// A stream has nothing to save as a partial answer.
    #[error("cannot save a partial answer: {reason}")]
    NothingToSave {
        /// The reason.
        reason: &'static str,
    },
    /// The memory's maintenance failed. The next one tries again.
    #[error("cannot maintain the memory")]
    Maintain(#[source] MemoryError),
    /// A step of a chain that is made of chains failed.
    #[error(transparent)]
    Step(Box<FailedStep>),
    /// Branches of a parallel chain failed.
    #[error(transparent)]
    Branches(Box<FailedBranches>),
    /// A chain and all of its fallbacks failed.
    #[error(transparent)]
    Fallbacks(Box<FailedFallbacks>),
    /// The answer of a chain lacks outputs that the chain declares, or cannot be stored as a turn.
    /// The error contains it; nothing was saved.
    #[error(transparent)]
    RefusedAnswer(Box<RefusedAnswer>),
    /// The model of a step calls tools, and another step uses the step's answer. The error contains
    /// the answer, with what a tool loop has done before; nothing was saved.
    #[error(
        "cannot use the answer of a step: its model calls tools; wrap the model in a tool loop"
    )]
    StepToolCalls(Box<Answer>),
    /// A router chose a chain that does not exist.
    #[error(
        "cannot route to `{}`{}; the destinations are {}",
        shortened(name), nearest_hint(nearest.as_deref()), quoted(destinations)
    )]
    UnknownDestination {
        /// The name that the router chose.
        name: String,
        /// The nearest of the destinations.
        nearest: Option<String>,
        /// The destinations.
        destinations: Vec<String>,
    },
    /// A custom chain failed.
    #[error("cannot run the chain")]
    Custom(#[source] conversant_core::BoxError),
}

impl ChainError {
    /// Creates the error of an answer that cannot be parsed, for custom chains.
    #[must_use]
    pub fn unparsed(error: ParseError, reply: Option<Reply>) -> Self {
        let answers = reply.into_iter().collect();
        Self::Parse { source: Box::new(error), answers, interrupted: None }
    }

    /// Returns the turn and the answer that were not saved, if the save of the call or of one of
    /// its steps failed. The turn of a step belongs to the memory of that step: its conversation is
    /// another one, and its answer may be a draft that users do not see. An error of the call
    /// itself is [`NotSaved`](Self::NotSaved).
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_chains::{ChainError, LlmChain};
    /// use conversant_core::{Memory, Ticket, Variables};
    ///
    /// /// Answers, also if the turn cannot be stored at the first attempt.
    /// async fn ask(chain: &LlmChain, inputs: Variables) -> Result<String, ChainError> {
    ///     match (chain.predict(inputs).await, chain.memory()) {
    ///         (Err(ChainError::NotSaved(not_saved)), Some(memory)) => {
    ///             // A second failure is logged; the user has the answer either way.
    ///             let _saved = memory.save(&not_saved.turn, Ticket::default()).await;
    ///             Ok(not_saved.text.as_str().to_owned())
    ///         }
    ///         (answered, _) => answered,
    ///     }
    /// }
    ///
    /// /// Returns the session that lacks a turn, also if it is that of a step.
    /// fn incomplete(error: &ChainError) -> Option<String> {
    ///     Some(error.not_saved()?.session.as_ref()?.to_string())
    /// }
    /// assert_eq!(incomplete(&ChainError::Busy), None);
    /// ```
    #[must_use]
    pub fn not_saved(&self) -> Option<&NotSaved> {
        match self {
            Self::NotSaved(not_saved) => Some(not_saved),
            Self::Step(failed) => failed.source.not_saved(),
            Self::Branches(failed) => failed.errors().find_map(Self::not_saved),
            Self::Fallbacks(failed) => failed.errors.iter().find_map(Self::not_saved),
            _ => None,
        }
    }

    /// Returns the class of the error, for metrics: that of the [`ModelError`] or [`MemoryError`],
    /// or a name such as `deadline` or `not_saved`.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Model(error) => error.class(),
            Self::Load(error) | Self::Maintain(error) => error.class(),
            Self::Wiring(_) => "wiring",
            Self::TakenInput { .. } | Self::MissingInputs { .. } | Self::RefusedInput(_) => "input",
            Self::Busy => "busy",
            Self::QueueTimeout { .. } => "queue_timeout",
            Self::Reentrant => "reentrant",
            Self::TurnIdInUse { .. }
            | Self::IncompleteTurn { .. }
            | Self::AlreadyAnswered { .. } => "turn_id",
            Self::Closed => "closed",
            Self::DeadlineExceeded { .. } => "deadline",
            Self::Prompt(_) => "prompt",
            Self::ToolCalls(_) | Self::ToolResults { .. } | Self::StepToolCalls(_) => "tool_calls",
            Self::Parse { .. } => "parse",
            Self::NotSaved(_) => "not_saved",
            Self::NothingToSave { .. } => "nothing_to_save",
            Self::Step(failed) => failed.source.class(),
            Self::Branches(failed) => failed.errors().next().map_or("branches", Self::class),
            Self::Fallbacks(failed) => failed.errors.last().map_or("fallbacks", Self::class),
            Self::RefusedAnswer(_) => "answer",
            Self::UnknownDestination { .. } => "destination",
            Self::Custom(_) => "custom",
        }
    }

    /// Returns the HTTP status for a service whose request makes this call:
    ///
    /// | status | errors |
    /// |---|---|
    /// | 400 | an input is missing, reserved or cannot be stored; the prompt is too long for the model |
    /// | 404 | the conversation does not have the turn |
    /// | 409 | [`Busy`](Self::Busy), `QueueTimeout`, `TurnIdInUse`, `IncompleteTurn`, `AlreadyAnswered`, results that do not match a pending turn; another process holds the conversation; a turn that was not saved because its id is in use |
    /// | 413 | the newest turn exceeds the memory's budget |
    /// | 429 | the model's server limits the rate |
    /// | 500 | a fault of the service: its wiring, its chain, its store, its prompt, its settings |
    /// | 502 | the model failed, or answered what cannot be used |
    /// | 503 | [`Closed`](Self::Closed); the model's server is overloaded, or it or the store cannot be reached |
    /// | 504 | a deadline or a timeout |
    ///
    /// Any other turn that was not saved is 504 if the deadline passed in the save, and otherwise
    /// 500. The answer of each was paid for: show it instead ([`NotSaved`](Self::NotSaved)), unless
    /// it is that of a step.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            error if error.is_deadline() => 504,
            Self::TakenInput { .. } | Self::MissingInputs { .. } | Self::RefusedInput(_) => 400,
            Self::Busy
            | Self::QueueTimeout { .. }
            | Self::TurnIdInUse { .. }
            | Self::IncompleteTurn { .. }
            | Self::AlreadyAnswered { .. }
            | Self::ToolResults { .. } => 409,
            Self::NotSaved(not_saved) if not_saved.is_id_in_use() => 409,
            Self::Closed => 503,
            Self::Model(error) => error.http_status(),
            Self::Load(error) | Self::Maintain(error) => error.http_status(),
            Self::Step(failed) => failed.source.http_status(),
            Self::Branches(failed) => failed.errors().next().map_or(500, Self::http_status),
            Self::Fallbacks(failed) => failed.errors.last().map_or(500, Self::http_status),
            Self::Parse { .. } | Self::UnknownDestination { .. } => 502,
            _ => 500,
        }
    }

    /// Returns the wait that the model's server asks for, for the header `Retry-After`. Of several
    /// branches that failed, it is the longest.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Model(error)
            | Self::Load(MemoryError::Model(error))
            | Self::Maintain(MemoryError::Model(error)) => error.retry_after(),
            Self::Step(failed) => failed.source.retry_after(),
            Self::Branches(failed) => failed.errors().filter_map(Self::retry_after).max(),
            Self::Fallbacks(failed) => failed.errors.last()?.retry_after(),
            Self::Parse { interrupted: Some(error), .. } => error.retry_after(),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy | Self::QueueTimeout { .. } | Self::DeadlineExceeded { .. } => true,
            Self::Model(error) => error.is_retryable(),
            Self::Load(error) | Self::Maintain(error) => error.is_retryable(),
            Self::Step(failed) => failed.source.is_retryable(),
            Self::Branches(failed) => failed.errors().all(Self::is_retryable),
            Self::Fallbacks(failed) => failed.errors.iter().any(Self::is_retryable),
            Self::Parse { interrupted: Some(error), .. } => error.is_retryable(),
            _ => false,
        }
    }

    /// Returns whether the call failed because its deadline passed, in the chain, in the adapter of
    /// its model or of a model of its memory, or in a save, or because the adapter's own limit of
    /// the whole time passed. Of fallbacks, the error of the last counts.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        match self {
            Self::DeadlineExceeded { .. } => true,
            Self::Model(error)
            | Self::Load(MemoryError::Model(error))
            | Self::Maintain(MemoryError::Model(error)) => error.is_deadline(),
            Self::NotSaved(not_saved) => {
                matches!(not_saved.source, MemoryError::Interrupted { reason } if reason == DEADLINE)
            }
            Self::Step(failed) => failed.source.is_deadline(),
            Self::Branches(failed) => failed.errors().any(Self::is_deadline),
            Self::Fallbacks(failed) => failed.errors.last().is_some_and(Self::is_deadline),
            Self::Parse { interrupted: Some(error), .. } => error.is_deadline(),
            _ => false,
        }
    }
}

/// The reason of a memory's interruption by the call's deadline.
pub(crate) const DEADLINE: &str = "the call's deadline passed";

impl From<Refusal> for ChainError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Reentrant => Self::Reentrant,
            Refusal::TimedOut(limit) => Self::QueueTimeout { limit },
            Refusal::Closed => Self::Closed,
        }
    }
}

const fn failed_correction(is_interrupted: bool) -> &'static str {
    if is_interrupted { ", and its correction failed" } else { "" }
}

fn list(missing: &[MissingVariable]) -> String {
    let noun = if missing.len() == 1 { "input" } else { "inputs" };
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("{noun} {}", names.join(", "))
}

fn quoted<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The failure of a step, with the outputs of the steps before it, which were paid for.
///
/// # Examples
///
/// ```
/// use conversant_chains::ChainError;
///
/// fn draft(error: &ChainError) -> Option<String> {
///     match error {
///         ChainError::Step(failed) => Some(failed.outputs.get("draft")?.to_text().into_owned()),
///         _ => None,
///     }
/// }
/// assert_eq!(draft(&ChainError::Closed), None);
/// ```
#[derive(thiserror::Error)]
#[error("cannot run step {} (`{chain}`)", step + 1)]
#[non_exhaustive]
pub struct FailedStep {
    /// The step's index, from 0.
    pub step: usize,
    /// The name of the step's chain; for a router, the name of the destination.
    pub chain: String,
    /// The outputs of the steps before it.
    pub outputs: Variables,
    /// The error of the step.
    pub source: ChainError,
}

/// The failures of branches, with the outputs of the other branches, which were paid for.
#[non_exhaustive]
pub struct FailedBranches {
    /// The branches that failed, at least one, by their names.
    pub failures: Vec<(String, ChainError)>,
    /// The outputs of the branches that succeeded.
    pub outputs: Variables,
}

impl FailedBranches {
    fn errors(&self) -> impl Iterator<Item = &ChainError> {
        self.failures.iter().map(|(_, error)| error)
    }
}

impl fmt::Display for FailedBranches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.failures.len() == 1 { "branch" } else { "branches" };
        write!(f, "cannot run {noun} {}", quoted(self.failures.iter().map(|(name, _)| name)))
    }
}

impl Error for FailedBranches {
    /// Returns the error of the first branch that failed.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.errors().next().map(|error| error as _)
    }
}

/// The failures of a chain and of all its fallbacks.
#[non_exhaustive]
pub struct FailedFallbacks {
    /// The errors, in the order of the chains.
    pub errors: Vec<ChainError>,
}

impl fmt::Display for FailedFallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run the chain or its fallbacks ({} attempts)", self.errors.len())
    }
}

impl Error for FailedFallbacks {
    /// Returns the error of the last chain.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.errors.last().map(|error| error as _)
    }
}

conversant_core::debug_as_report!(ChainError, FailedStep, FailedBranches, FailedFallbacks);
