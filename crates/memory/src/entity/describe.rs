//! Describing the entities of the turns that are not covered.

use conversant_core::{BoxError, MaintainContext, Messages, Value, vars};
use serde_json::{Map, Value as Json};

use super::EntityMemory;
use crate::{
    conversation::{derived_state::is_lost, note::Covered, turn_boundaries::turns},
    facts::Rewritten,
    llm::{attempts::Attempts, entity_extractor::human_text, limits::MAX_TEXT},
    sync::lock,
};

/// The number of times that a description is written whose fact changes meanwhile. After that the
/// change stays as it is.
const MAX_REWRITES: usize = 2;

impl EntityMemory {
    /// Describes what is new in the turns that are not covered.
    pub(super) async fn describe(
        &self,
        attempts: &mut Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let mut written = None;
        loop {
            let note = self.note().await?;
            self.adopt(note.as_ref()).await?;
            let (known, uncovered) = self.read(note).await?;
            if uncovered.messages.is_empty() || is_lost(&uncovered, written) {
                return Ok(());
            }
            let turns = turns(&uncovered.messages);
            let (new, tried) = attempts.next_messages(&turns, uncovered.messages.len());
            let covered = Covered::up_to(&uncovered, new.end);
            let messages = uncovered.messages.slice(new.clone());
            match self.describe_turns(known, &messages, covered, attempts, context).await {
                Ok(()) if attempts.succeeded() => written = Some(covered),
                Ok(()) => {}
                Err(error) => {
                    if attempts.failed(error, tried, turns.len())? {
                        let session = &self.conversation.session;
                        self.state.write(session, Value::from(""), covered).await?;
                        written = Some(covered);
                    }
                }
            }
            if written.is_some_and(|written| written.end == uncovered.version) {
                *lock(&self.pending) = Some(Vec::new());
                return Ok(());
            }
        }
    }

    /// Rewrites the description of each name in some turns.
    async fn describe_turns(
        &self,
        mut known: Map<String, Json>,
        messages: &Messages,
        covered: Covered,
        attempts: &Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let input = human_text(messages, attempts.bytes());
        let (history, pending) = match attempts.is_narrowed() {
            true => (self.transcript(messages, attempts.bytes()), None),
            false => {
                let recent = self.recent().await?.messages;
                (self.transcript(&recent, MAX_TEXT), lock(&self.pending).clone())
            }
        };
        let mut names = match pending {
            Some(names) => names,
            None => self.extractor.extract(&history, &input, context).await?,
        };
        if attempts.is_probe() {
            return Ok(());
        }
        for _ in 0..MAX_REWRITES {
            let mut rewritten = Vec::with_capacity(names.len());
            for name in names {
                let before = known.get(&name).and_then(Json::as_str).map(str::to_owned);
                let variables = vars! {
                    "entity" => name.as_str(),
                    "summary" => before.as_deref().unwrap_or_default(),
                    "history" => history.as_str(),
                    "input" => input.as_str(),
                };
                let after = self.writer.call_for_text(&variables, context).await?;
                rewritten.push(Rewritten { name, before, after: after.trim().to_owned() });
            }
            (known, names) = self.store(rewritten, covered, context.deadline).await?;
            if names.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
