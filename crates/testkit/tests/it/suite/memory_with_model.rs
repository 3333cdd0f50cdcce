//! The suite of memories that call a model.

use std::sync::Mutex;

use conversant_core::{
    CallOptions, LanguageModel, LoadContext, Loaded, MaintainContext, Memory, MemoryError,
    Messages, RequestPurpose, Saved, Slot, Ticket, Turn, Variables, Warning, async_trait,
};
use conversant_testkit::{block_on, suite};

use super::each_check_finds_its_flaw;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    ForgetsTheDeadline,
    IgnoresTheDeadline,
    FailsWithItsModel,
    ForgetsWhatFailed,
}

const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::ForgetsTheDeadline, "requests_end_by_the_deadline_of_their_call"),
    (Flaw::IgnoresTheDeadline, "no_request_begins_after_the_deadline"),
    (Flaw::FailsWithItsModel, "a_model_that_fails_loses_nothing"),
    (Flaw::ForgetsWhatFailed, "a_model_that_fails_loses_nothing"),
];

#[test]
fn each_check_of_the_suite_of_memories_with_a_model_finds_its_flaw() {
    each_check_finds_its_flaw(FLAWS, |flaw| {
        block_on(suite::memory_with_model("A summary.", |model| Summaries::new(model, flaw)))
    });
}

#[test]
fn a_memory_that_asks_no_model_fails() {
    let make = |_| super::flawed_memory::Buffer::new(None);
    let error = block_on(suite::memory_with_model("A summary.", make)).unwrap_err();
    let failed: Vec<_> = error.failed().map(|(check, _)| check).collect();
    assert_eq!(failed, ["requests_end_by_the_deadline_of_their_call"], "{error}");
}

/// A memory that replaces each two turns by a summary, perhaps with a flaw.
struct Summaries {
    slots: [Slot; 1],
    model: LanguageModel,
    state: Mutex<(Vec<String>, Vec<Turn>)>,
    flaw: Option<Flaw>,
}

impl Summaries {
    fn new(model: LanguageModel, flaw: Option<Flaw>) -> Self {
        Self { slots: [Slot::text("summary")], model, state: Mutex::default(), flaw }
    }
}

#[async_trait]
impl Memory for Summaries {
    fn variables(&self) -> &[Slot] {
        &self.slots
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let (summaries, turns) = &*self.state.lock().unwrap();
        let text = format!("{summaries:?} and {} turns", turns.len());
        Ok(Loaded::new(Variables::from([("summary", text)])))
    }

    async fn save(&self, turn: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        self.state.lock().unwrap().1.push(turn.clone());
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut options = context.model_options(RequestPurpose::Summary);
        match self.flaw {
            // Not that of the call.
            Some(Flaw::ForgetsTheDeadline) if options.check_deadline().is_ok() => {
                options = CallOptions::new();
            }
            Some(Flaw::IgnoresTheDeadline) if options.check_deadline().is_err() => {
                options = CallOptions::new();
            }
            _ => {}
        }
        while let Some(messages) = self.next() {
            let asked = self.model.generate(messages.into(), options.clone()).await;
            let mut state = self.state.lock().unwrap();
            match asked {
                Ok(reply) => {
                    state.0.push(reply.text().into_owned());
                    state.1.drain(..2);
                }
                Err(error) if self.flaw == Some(Flaw::FailsWithItsModel) => {
                    return Err(error.into());
                }
                Err(error) => {
                    if self.flaw == Some(Flaw::ForgetsWhatFailed) {
                        state.1.drain(..2);
                    }
                    let error = Warning::new("cannot summarise", Some(error.into()));
                    return Ok(Saved::default().with_warning(error));
                }
            }
        }
        Ok(Saved::default())
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        *self.state.lock().unwrap() = <(Vec<String>, Vec<Turn>)>::default();
        Ok(())
    }
}

impl Summaries {
    /// Returns the messages to summarise next.
    fn next(&self) -> Option<Messages> {
        let state = self.state.lock().unwrap();
        let (pair, _) = state.1.split_at_checked(2)?;
        Some(pair.iter().flat_map(|turn| turn.messages().iter().cloned()).collect())
    }
}
