//! The suite of memories that call a model: deadlines, and a model that fails.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use conversant_core::{
    ChatModel, ChatRequest, LanguageModel, LoadContext, MaintainContext, Memory, Message,
    ModelError, Reply, Turn, Value, Variables, async_trait,
};

use super::{
    deadlines::{loads_too_late, maintains_too_late, over},
    steps::{converse, same, turn, view},
};
use crate::suite::{
    check::{Checked, Stop, ensure, run},
    report::{Running, SuiteError, SuiteReport},
};

/// Checks that a memory which calls a model keeps to the deadlines of its calls, and loses nothing
/// when the model fails. Run it in addition to [`memory()`](super::memory()).
///
/// `make` is called as for [`memory()`](super::memory()), with the model that the memory has to
/// call. `answer` is the model's answer to each request, in the form that the memory's prompt asks
/// for. The memory has to need the model at the latest after six turns.
///
/// # Errors
/// [`SuiteError`] with all checks that failed.
///
/// # Examples
///
/// ```
/// use conversant_core::Memory;
/// use conversant_testkit::suite;
/// # async fn run(summary_memory: fn(conversant_core::LanguageModel) -> Box<dyn Memory>)
/// # -> Result<(), suite::SuiteError> {
///
/// suite::memory_with_model("Ada asks questions.", |model| summary_memory(model)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn memory_with_model<M: Memory>(
    answer: &str,
    make: impl Fn(LanguageModel) -> M,
) -> Result<SuiteReport, SuiteError> {
    let mut running = Running::new("memory with a model");
    let make = || {
        let model = Model { answer: Arc::from(answer), state: Arc::default() };
        (make(LanguageModel::chat(model.clone())), model)
    };
    run!(running, &make =>
        requests_end_by_the_deadline_of_their_call,
        no_request_begins_after_the_deadline,
        a_model_that_fails_loses_nothing,
    );
    running.finish()
}

/// A model that answers each request alike, or fails.
#[derive(Clone)]
struct Model {
    answer: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The deadlines of the requests.
    deadlines: Vec<Option<Instant>>,
    fails: bool,
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the deadlines of the requests since it was asked last.
    fn deadlines(&self) -> Vec<Option<Instant>> {
        std::mem::take(&mut self.state().deadlines)
    }
}

#[async_trait]
impl ChatModel for Model {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        // A request whose deadline is over does not begin.
        request.options.check_deadline()?;
        let mut state = self.state();
        state.deadlines.push(request.options.deadline);
        if state.fails {
            return Err(ModelError::custom("it fails", true, None));
        }
        Ok(Reply::new(Message::ai(&*self.answer)))
    }
}

/// Makes a memory of six turns, whose requests were forgotten.
async fn grown<M: Memory>(make: &impl Fn() -> (M, Model)) -> Result<(M, Model), Stop> {
    let (memory, model) = make();
    converse(&memory, &(0..6).map(turn).collect::<Vec<Turn>>()).await?;
    model.deadlines();
    Ok((memory, model))
}

async fn requests_end_by_the_deadline_of_their_call<M: Memory>(
    make: &impl Fn() -> (M, Model),
) -> Checked {
    let (memory, model) = grown(make).await?;
    let deadline = Instant::now() + Duration::from_secs(600);
    let inputs = Variables::from([("human_input", Value::from("Who am I?"))]);
    let context = LoadContext::new(&inputs).with_input("Who am I?").with_deadline(deadline);
    memory.abandon(memory.load(context).await?.ticket).await;
    memory.maintain_with(MaintainContext::new().with_deadline(deadline)).await?;
    let found = model.deadlines();
    ensure!(!found.is_empty(), "after six turns, a load and maintenance have asked no model");
    let late = found.iter().filter(|found| found.is_none_or(|found| found > deadline)).count();
    ensure!(late == 0, "{late} of {} requests may take longer than their call", found.len());
    Ok(())
}

async fn no_request_begins_after_the_deadline<M: Memory>(
    make: &impl Fn() -> (M, Model),
) -> Checked {
    let (memory, model) = grown(make).await?;
    let (tidied, _) = grown(make).await?;
    tidied.maintain().await?;
    loads_too_late(&memory).await?;
    maintains_too_late(memory.maintain_with(MaintainContext::new().with_deadline(over())).await)?;
    let late = model.deadlines().len();
    ensure!(late == 0, "{late} requests began after the deadline of their call");
    // The next call does the work.
    memory.maintain().await?;
    same("tidied by the next call", &view(&memory).await?, &view(&tidied).await?)
}

async fn a_model_that_fails_loses_nothing<M: Memory>(make: &impl Fn() -> (M, Model)) -> Checked {
    let (memory, model) = grown(make).await?;
    let (tidied, _) = grown(make).await?;
    let late = turn(6);
    converse(&tidied, std::slice::from_ref(&late)).await?;
    tidied.maintain().await?;
    model.state().fails = true;
    // Turns are saved all the same, and maintenance is a warning.
    memory.save(&late, conversant_core::Ticket::default()).await?;
    if let Err(error) = memory.maintain().await {
        return Err(Stop::Failed(format!("maintenance without a model is an error: {error}")));
    }
    model.state().fails = false;
    memory.maintain().await?;
    same("once the model answers again", &view(&memory).await?, &view(&tidied).await?)
}
