//! The suites of chat and completion models.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use conversant_core::{
    CallOptions, ChatModel, CompletionModel, Delta, LanguageModel, Message, Messages, ModelError,
    PromptValue, Reply, Role, TimeoutPhase, ToolCall,
};
use serde_json::json;

use super::{
    check::{CANARY, Checked, MAX_POLLS, ODD_TEXTS, Stop, ensure, run, withholds},
    report::{Running, SuiteError, SuiteReport},
};
use crate::{join_all::join_all, poll_then_drop};

/// Checks that a chat model fulfils the contract of [`ChatModel`].
///
/// `make` is called once for each check and must return a model that answers any request. The
/// content of the answers is not checked. An adapter is tested over a server that answers, such as
/// [`OpenAiServer`](crate::OpenAiServer) with
/// [`repeat_last`](crate::OpenAiServerBuilder::repeat_last).
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message, ModelError, Reply, async_trait};
/// use conversant_testkit::{block_on, suite};
///
/// struct Parrot;
///
/// #[async_trait]
/// impl ChatModel for Parrot {
///     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
///         request.options.check_deadline()?;
///         let heard = request.messages.last().map(|message| message.text().into_owned());
///         let mut said = heard.unwrap_or_default();
///         for stop in &request.options.stop {
///             said.truncate(said.find(stop.as_str()).unwrap_or(said.len()));
///         }
///         Ok(Reply::new(Message::ai(said)))
///     }
/// }
///
/// let report = block_on(suite::chat_model(|| Parrot))?;
/// assert!(report.passed().any(|check| check == "a_stream_ends_with_the_answer"));
/// # Ok::<(), suite::SuiteError>(())
/// ```
pub async fn chat_model<M: ChatModel + 'static>(
    make: impl Fn() -> M,
) -> Result<SuiteReport, SuiteError> {
    model("chat model", || LanguageModel::chat(make())).await
}

/// Checks that a completion model fulfils the contract of [`CompletionModel`].
///
/// It does the same as [`chat_model`], over text.
///
/// # Errors
///
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// A scripted model passes over the options of a call, unless its handler looks at them:
///
/// ```
/// use conversant_core::CompletionRequest;
/// use conversant_testkit::{ScriptedCompletion, ScriptedReply, block_on, suite};
///
/// let handler = |request: &CompletionRequest| {
///     ScriptedReply::text("Yes.").within(&request.options)
/// };
/// block_on(suite::completion_model(|| ScriptedCompletion::with_handler(handler)))?;
/// # Ok::<(), suite::SuiteError>(())
/// ```
pub async fn completion_model<M: CompletionModel + 'static>(
    make: impl Fn() -> M,
) -> Result<SuiteReport, SuiteError> {
    model("completion model", || LanguageModel::completion(make())).await
}

async fn model(
    suite: &'static str,
    make: impl Fn() -> LanguageModel,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new(suite);
    run!(running, &make() =>
        an_answer_is_from_the_model,
        a_stream_ends_with_the_answer,
        the_pieces_of_a_stream_are_the_answer,
        a_conversation_can_be_continued,
        odd_texts_are_answered_or_refused,
        an_empty_prompt_is_answered_or_refused,
        errors_withhold_what_was_said,
        a_deadline_that_is_over_ends_the_call,
        an_answer_ends_before_a_stop_sequence,
        calls_run_at_once,
        answers_belong_to_their_calls,
        a_dropped_call_leaves_the_model_as_it_was,
        a_dropped_stream_leaves_the_model_as_it_was,
    );
    running.finish()
}

const CALLERS: usize = 8;

fn question() -> PromptValue {
    PromptValue::from("Hi there my friend")
}

async fn ask(model: &LanguageModel, prompt: PromptValue) -> Result<Reply, ModelError> {
    model.generate(prompt, CallOptions::new()).await
}

fn is_answer(reply: &Reply) -> Checked {
    let role = reply.message.role();
    ensure!(*role == Role::Ai, "the answer is from {role:?}, not from the AI");
    Ok(())
}

async fn an_answer_is_from_the_model(model: &LanguageModel) -> Checked {
    is_answer(&ask(model, question()).await?)
}

async fn a_stream_ends_with_the_answer(model: &LanguageModel) -> Checked {
    let mut stream = model.stream(question(), CallOptions::new()).await?;
    let mut last = None;
    while let Some(delta) = stream.next().await {
        last = Some(delta?);
    }
    match last {
        Some(Delta::Done(reply)) => is_answer(&reply),
        other => {
            ensure!(false, "the stream ended with {other:?} instead of the whole answer");
            Ok(())
        }
    }
}

async fn the_pieces_of_a_stream_are_the_answer(model: &LanguageModel) -> Checked {
    let mut stream = model.stream(question(), CallOptions::new()).await?;
    let mut text = String::new();
    let mut calls: BTreeMap<usize, String> = BTreeMap::new();
    let mut whole = None;
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => {
                ensure!(!piece.is_empty(), "a piece of text was empty");
                text.push_str(&piece);
            }
            Delta::ToolCall(piece) => {
                calls.entry(piece.index).or_default().push_str(&piece.name.unwrap_or_default());
            }
            Delta::Done(reply) => whole = Some(reply),
            _ => {}
        }
    }
    let Some(whole) = whole else { return Err(Stop::Failed("there is no answer".to_owned())) };
    let answer = whole.text();
    ensure!(text == answer, "pieces of {} bytes, an answer of {}", text.len(), answer.len());
    // A call without valid arguments is one too.
    let message = &whole.message;
    let (valid, invalid) = (message.tool_calls(), message.invalid_tool_calls());
    let mut names: Vec<&str> = valid.iter().map(|call| call.name.as_str()).collect();
    names.extend(invalid.iter().map(|call| call.name.as_deref().unwrap_or_default()));
    let mut pieces: Vec<&str> = calls.values().map(String::as_str).collect();
    names.sort_unstable();
    pieces.sort_unstable();
    // A stream need not have the calls before its end.
    ensure!(
        pieces.is_empty() || pieces == names,
        "pieces of the tool calls {pieces:?}, and an answer with {names:?}"
    );
    Ok(())
}

async fn a_conversation_can_be_continued(model: &LanguageModel) -> Checked {
    let call = ToolCall::new("weather", json!({"city": "Paris"})).with_id("call_1");
    let messages = vec![
        Message::system("You are a chatbot having a conversation with a human."),
        Message::human("Will it rain?"),
        Message::ai("").with_tool_calls([call]),
        Message::tool("rain", "call_1"),
        Message::ai("It will."),
        Message::human("And tomorrow?"),
    ];
    is_answer(&ask(model, Messages::from(messages).into()).await?)
}

async fn odd_texts_are_answered_or_refused(model: &LanguageModel) -> Checked {
    for text in ODD_TEXTS {
        if let Ok(reply) = ask(model, PromptValue::from(*text)).await {
            is_answer(&reply)?;
        }
    }
    // It still answers afterwards.
    is_answer(&ask(model, question()).await?)
}

async fn an_empty_prompt_is_answered_or_refused(model: &LanguageModel) -> Checked {
    for prompt in [PromptValue::from(""), PromptValue::from(Messages::new())] {
        if let Ok(reply) = ask(model, prompt).await {
            is_answer(&reply)?;
        }
    }
    is_answer(&ask(model, question()).await?)
}

async fn errors_withhold_what_was_said(model: &LanguageModel) -> Checked {
    let prompts = ODD_TEXTS.iter().map(|text| format!("{CANARY} {text}"));
    for prompt in prompts.chain([CANARY.repeat(100_000)]) {
        for is_streamed in [false, true] {
            let prompt = PromptValue::from(prompt.as_str());
            if let Err(error) = answer(model, prompt, CallOptions::new(), is_streamed).await {
                withholds(&error)?;
            }
        }
    }
    Ok(())
}

/// Returns the answer of a call or of a stream.
async fn answer(
    model: &LanguageModel,
    prompt: PromptValue,
    options: CallOptions,
    is_streamed: bool,
) -> Result<Reply, ModelError> {
    match is_streamed {
        true => model.stream(prompt, options).await?.into_reply().await,
        false => model.generate(prompt, options).await,
    }
}

/// An answer of another call would be the answer of another user.
async fn answers_belong_to_their_calls(model: &LanguageModel) -> Checked {
    let canaries: Vec<String> =
        (0..CALLERS).map(|number| format!("{CANARY}-{number}-{CANARY}")).collect();
    let prompt = |canary: &String| PromptValue::from(format!("Please repeat {canary}, my friend"));
    let calls = canaries
        .iter()
        .enumerate()
        .map(|(number, canary)| answer(model, prompt(canary), CallOptions::new(), number % 2 == 1));
    let mut answers = Vec::new();
    for reply in join_all(calls).await {
        answers.push(reply?);
    }
    for canary in &canaries {
        answers.push(ask(model, prompt(canary)).await?);
    }
    for (reply, own) in answers.iter().zip(canaries.iter().cycle()) {
        let text = reply.text();
        let is_own = canaries.iter().all(|canary| canary == own || !text.contains(canary));
        ensure!(is_own, "an answer has what was said in another call");
    }
    Ok(())
}

/// Some models know no stop sequences, and refuse them.
async fn an_answer_ends_before_a_stop_sequence(model: &LanguageModel) -> Checked {
    let whole = ask(model, question()).await?;
    // Its last character but one, so that something is left.
    let Some(stop) = whole.text().chars().rev().nth(1).map(String::from) else { return Ok(()) };
    for is_streamed in [false, true] {
        let options = CallOptions::new().with_stop([stop.as_str()]);
        if let Ok(reply) = answer(model, question(), options, is_streamed).await {
            let goes_on = reply.text().contains(&stop);
            ensure!(!goes_on, "streamed: {is_streamed}, an answer has its stop sequence {stop:?}");
        }
    }
    is_answer(&ask(model, question()).await?)
}

async fn a_deadline_that_is_over_ends_the_call(model: &LanguageModel) -> Checked {
    let now = Instant::now();
    let over = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
    let options = || CallOptions::new().with_deadline(over);
    is_too_late("an answer", answer(model, question(), options(), false).await)?;
    is_too_late("a stream", answer(model, question(), options(), true).await)?;
    // The model still answers calls that have time.
    is_answer(&ask(model, question()).await?)
}

fn is_too_late(asked_for: &str, outcome: Result<Reply, ModelError>) -> Checked {
    match outcome {
        Err(ModelError::Timeout { phase: TimeoutPhase::Total, .. }) => Ok(()),
        Err(error) => Err(Stop::Failed(format!("{asked_for}, instead of a timeout: {error}"))),
        Ok(_) => Err(Stop::Failed(format!("{asked_for} came after the call's deadline"))),
    }
}

async fn calls_run_at_once(model: &LanguageModel) -> Checked {
    for reply in join_all((0..CALLERS).map(|_| ask(model, question()))).await {
        is_answer(&reply?)?;
    }
    Ok(())
}

async fn a_dropped_call_leaves_the_model_as_it_was(model: &LanguageModel) -> Checked {
    for polls in 0..MAX_POLLS {
        let finished = poll_then_drop(ask(model, question()), polls).await.transpose()?;
        is_answer(&ask(model, question()).await?)?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_stream_leaves_the_model_as_it_was(model: &LanguageModel) -> Checked {
    for pieces in 0..3 {
        let mut stream = model.stream(question(), CallOptions::new()).await?;
        for _ in 0..pieces {
            stream.next().await.transpose()?;
        }
        drop(stream);
        is_answer(&ask(model, question()).await?)?;
    }
    Ok(())
}
