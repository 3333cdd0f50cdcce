//! The answers of a service to each error of a call: class, status, retries and deadline.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use conversant_chains::{
    Answer, AnswerFault, CallPhase, Chain, ChainError, Correction, FallbackChain, JsonParser,
    LlmChain, ParallelChain, RefusedAnswer, RunContext, SequentialChain,
};
use conversant_core::{
    ApiError, HistoryError, MemoryError, Message, MissingVariable, ModelError, ParseError,
    PromptError, Reply, Slot, StatusKind, TimeoutPhase, Turn, TurnId, Variables, Version,
    async_trait, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_prompts::PromptTemplate;
use conversant_testkit::{
    FailingHistory, FailureMode, HistoryCall, ScriptedChat, ScriptedReply, block_on,
};

use crate::support::{chat_memory, chat_prompt};

/// A chain that fails with an error.
struct Fails(fn() -> ChainError, [Slot; 1], [Cow<'static, str>; 1]);

impl Fails {
    fn with(error: fn() -> ChainError) -> Self {
        Self(error, [Slot::text("a")], ["text".into()])
    }
}

#[async_trait]
impl Chain for Fails {
    fn name(&self) -> &str {
        "Fails"
    }

    fn slots(&self) -> &[Slot] {
        &self.1
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.2
    }

    async fn run(&self, _: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
        Err((self.0)())
    }
}

fn model_status(status: u16, kind: StatusKind, retry_after: Option<u64>) -> ModelError {
    let mut error = ApiError::new(kind);
    error.retry_after = retry_after.map(Duration::from_secs);
    ModelError::Status { status, error: Box::new(error) }
}

fn limited(seconds: u64) -> ChainError {
    ChainError::Model(model_status(429, StatusKind::RateLimit, Some(seconds)))
}

fn timed_out(phase: TimeoutPhase) -> ChainError {
    ChainError::Model(ModelError::Timeout { phase, after: Duration::from_secs(1) })
}

fn too_late() -> ModelError {
    ModelError::Timeout { phase: TimeoutPhase::Total, after: Duration::from_secs(1) }
}

fn of_history(error: HistoryError) -> MemoryError {
    MemoryError::History(error)
}

fn missing() -> Vec<MissingVariable> {
    vec![MissingVariable::new("a", ["b"])]
}

/// The error of a call whose save fails.
fn not_saved(error: fn() -> HistoryError) -> ChainError {
    let history = FailingHistory::new(InMemoryHistory::new())
        .always(HistoryCall::Append, FailureMode::fail(error));
    let chain = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new(["Hello!"]))
        .memory(chat_memory(&history))
        .build()
        .unwrap();
    block_on(chain.predict(vars! { "human_input" => "Hi" })).unwrap_err()
}

/// The error of a call whose answer is refused, and whose correction fails.
fn not_corrected(error: fn() -> ModelError) -> ChainError {
    let replies = [ScriptedReply::text("no JSON"), ScriptedReply::from(error())];
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{a}").unwrap())
        .model(ScriptedChat::new(replies))
        .parser(JsonParser)
        .correction(Correction::retry(1))
        .build()
        .unwrap();
    block_on(chain.invoke(vars! { "a" => "x" })).unwrap_err()
}

const STALE: fn() -> HistoryError =
    || HistoryError::Stale { expected: Version::new(0, 2), current: Version::new(1, 0) };
const IN_USE: fn() -> HistoryError =
    || HistoryError::TurnIdInUse { turn: TurnId::from_u128(7), incomplete: false };
const UNREACHABLE: fn() -> HistoryError = || HistoryError::Backend { source: "gone".into() };

/// An error by its name.
type Named = (&'static str, fn() -> ChainError);

const ERRORS: &[Named] = &[
    ("TakenInput", || ChainError::TakenInput { name: "stop".into(), reason: "reserved" }),
    ("MissingInputs", || ChainError::MissingInputs { missing: missing() }),
    ("RefusedInput", || {
        ChainError::RefusedInput(of_history(HistoryError::TooLarge {
            what: "message",
            bytes: 20,
            limit: 16,
        }))
    }),
    ("Busy", || ChainError::Busy),
    ("QueueTimeout", || ChainError::QueueTimeout { limit: Duration::from_secs(1) }),
    ("Reentrant", || ChainError::Reentrant),
    ("TurnIdInUse", || ChainError::TurnIdInUse { id: TurnId::from_u128(7) }),
    ("IncompleteTurn", || ChainError::IncompleteTurn { id: TurnId::from_u128(7) }),
    ("AlreadyAnswered", || {
        let turn = Turn::exchange("Hi", "Hello!").with_id(TurnId::from_u128(7));
        ChainError::AlreadyAnswered { turn: Box::new(turn) }
    }),
    ("Closed", || ChainError::Closed),
    ("DeadlineExceeded", || ChainError::DeadlineExceeded { phase: CallPhase::Run }),
    ("Load: busy", || ChainError::Load(of_history(HistoryError::Busy))),
    ("Load: unreachable", || ChainError::Load(of_history(UNREACHABLE()))),
    ("Load: unknown turn", || {
        let turn = TurnId::from_u128(7);
        ChainError::Load(of_history(HistoryError::UnknownTurn { turn }))
    }),
    ("Load: over budget", || ChainError::Load(MemoryError::OverBudget { size: 20, budget: 12 })),
    ("Load: rate limit", || {
        let error = model_status(429, StatusKind::RateLimit, Some(7));
        ChainError::Load(MemoryError::Model(error))
    }),
    ("Load: total timeout", || ChainError::Load(MemoryError::Model(too_late()))),
    ("Load: custom", || ChainError::Load(MemoryError::Custom("broken".into()))),
    ("Prompt", || ChainError::Prompt(PromptError::Custom("broken".into()))),
    ("Model: rate limit", || limited(7)),
    ("Model: overloaded", || ChainError::Model(model_status(503, StatusKind::Overloaded, Some(3)))),
    ("Model: key", || ChainError::Model(model_status(401, StatusKind::Auth, None))),
    ("Model: config", || ChainError::Model(ModelError::config("set the key"))),
    ("Model: cancelled", || ChainError::Model(ModelError::Cancelled)),
    ("Model: total timeout", || timed_out(TimeoutPhase::Total)),
    ("Model: idle timeout", || timed_out(TimeoutPhase::Idle)),
    ("Model: prompt too long", || {
        ChainError::Model(ModelError::PromptTooLong { tokens: 20, limit: 12 })
    }),
    ("ToolResults", || ChainError::ToolResults { reason: "a result is missing".into() }),
    ("Parse", || ChainError::unparsed(ParseError::without_source("x", "not a number"), None)),
    ("Parse: with its answer", || {
        let reply = Reply::new(Message::ai("x"));
        ChainError::unparsed(ParseError::without_source("x", "not a number"), Some(reply))
    }),
    ("Parse: correction limited", || {
        not_corrected(|| model_status(429, StatusKind::RateLimit, Some(9)))
    }),
    ("Parse: correction too late", || not_corrected(too_late)),
    ("Parse: correction refused", || not_corrected(|| ModelError::Refused { text: "no".into() })),
    ("NotSaved: unreachable", || not_saved(UNREACHABLE)),
    ("NotSaved: stale", || not_saved(STALE)),
    ("NotSaved: id in use", || not_saved(IN_USE)),
    ("NothingToSave", || ChainError::NothingToSave { reason: "no text was received" }),
    ("Maintain: unreachable", || ChainError::Maintain(of_history(UNREACHABLE()))),
    ("Maintain: rate limit", || {
        let error = model_status(429, StatusKind::RateLimit, Some(5));
        ChainError::Maintain(MemoryError::Model(error))
    }),
    ("Maintain: total timeout", || ChainError::Maintain(MemoryError::Model(too_late()))),
    ("RefusedAnswer", || {
        let fault = AnswerFault::MissingOutputs { missing: missing() };
        ChainError::RefusedAnswer(Box::new(RefusedAnswer::new(fault, Answer::new(vars! {}))))
    }),
    ("StepToolCalls", || ChainError::StepToolCalls(Box::new(Answer::new(vars! {})))),
    ("UnknownDestination", || ChainError::UnknownDestination {
        name: "a".into(),
        nearest: Some("b".into()),
        destinations: vec!["b".into()],
    }),
    ("Custom", || ChainError::Custom("broken".into())),
];

/// Returns the actions of a service on an error, in a line.
fn facts(error: &ChainError) -> String {
    let wait = error.retry_after().map_or_else(|| "-".to_owned(), |it| it.as_secs().to_string());
    format!(
        "{:<17} {} {} {wait:>2} {} {}",
        error.class(),
        error.http_status(),
        if error.is_retryable() { "retry" } else { "-    " },
        if error.is_deadline() { "deadline" } else { "-       " },
        if error.not_saved().is_some() { "paid" } else { "-" },
    )
}

fn branches(errors: &[fn() -> ChainError]) -> ChainError {
    let mut chain = ParallelChain::builder();
    for (index, error) in errors.iter().enumerate() {
        chain = chain.branch(format!("branch{index}"), Fails::with(*error));
    }
    block_on(chain.build().unwrap().invoke(vars! { "a" => "x" })).unwrap_err()
}

fn fallbacks(errors: [fn() -> ChainError; 2]) -> ChainError {
    let [first, second] = errors.map(Fails::with);
    let chain = FallbackChain::builder(first).fallback(second).when(|_| true).build().unwrap();
    block_on(chain.invoke(vars! { "a" => "x" })).unwrap_err()
}

#[test]
fn each_error_of_a_call() {
    let mut table = String::new();
    for (name, error) in ERRORS {
        writeln!(table, "{name:<27} {}", facts(&error())).unwrap();
    }
    insta::assert_snapshot!(table);
}

/// The facts of a step's error are those of the call.
#[test]
fn the_error_of_a_step_is_that_of_the_call() {
    for (name, error) in ERRORS {
        let chain = SequentialChain::builder().chain(Fails::with(*error)).build().unwrap();
        let failed = block_on(chain.invoke(vars! { "a" => "x" })).unwrap_err();
        assert!(matches!(failed, ChainError::Step(_)), "{name}: {failed}");
        assert_eq!(facts(&failed), facts(&error()), "{name}");
        assert_eq!(facts(&branches(&[*error])), facts(&error()), "{name} of one branch");
    }
}

#[test]
fn the_errors_of_several_branches_and_fallbacks() {
    let [busy, invalid, limited_5, limited_9, late, unsaved]: [Named; 6] = [
        ("busy", || ChainError::Busy),
        ("input", || ChainError::MissingInputs { missing: missing() }),
        ("limited 5", || limited(5)),
        ("limited 9", || limited(9)),
        ("late", || ChainError::DeadlineExceeded { phase: CallPhase::Run }),
        ("not saved", || not_saved(IN_USE)),
    ];
    let mut table = String::new();
    for [first, second] in [
        [busy, limited_5],
        [busy, invalid],
        [invalid, busy],
        [limited_5, limited_9],
        [limited_9, limited_5],
        [limited_5, invalid],
        [invalid, late],
        [late, invalid],
        [busy, unsaved],
    ] {
        let name = format!("{}, {}", first.0, second.0);
        let (first, second) = (first.1, second.1);
        writeln!(table, "branches  {name:<21} {}", facts(&branches(&[first, second]))).unwrap();
        writeln!(table, "fallbacks {name:<21} {}", facts(&fallbacks([first, second]))).unwrap();
    }
    insta::assert_snapshot!(table);
}
