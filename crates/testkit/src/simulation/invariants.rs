//! The invariants that hold after a schedule.

use conversant_core::{ChatHistory, Range, SessionId};

use super::model::answer_of;
use crate::block_on::block_on;

/// A call in the log of a schedule.
pub(super) struct Entry {
    pub(super) question: String,
    /// The time of its start.
    started: u64,
    /// The time at which its answer was returned.
    pub(super) answered: Option<u64>,
    pub(super) failed: bool,
    /// Whether its turn was not saved at first, and then was.
    pub(super) saved_again: bool,
}

impl Entry {
    pub(super) const fn new(question: String, started: u64) -> Self {
        Self { question, started, answered: None, failed: false, saved_again: false }
    }
}

/// Checks that each prompt contained whole turns and a question.
pub(super) fn prompts(prompts: &[Vec<String>]) -> Result<(), String> {
    for texts in prompts {
        let Some((_, history)) = texts.split_last() else { continue };
        whole_turns(history).map_err(|what| format!("a prompt contained {what}"))?;
    }
    Ok(())
}

/// Checks the stored session against the log.
pub(super) fn stored(
    history: &dyn ChatHistory,
    session: &SessionId,
    log: &[Entry],
) -> Result<(), String> {
    let loaded = block_on(history.load(session, Range::All)).map_err(|error| error.to_string())?;
    let texts: Vec<_> = loaded.messages.iter().map(|message| message.text().into_owned()).collect();
    let questions = whole_turns(&texts).map_err(|what| format!("the store has {what}"))?;
    let mut places = Vec::new();
    for entry in log {
        let question = entry.question.as_str();
        let mut found = (0..).zip(&questions).filter(|(_, stored)| **stored == question);
        let place: Option<u64> = found.next().map(|(place, _)| place);
        if found.next().is_some() {
            return Err(format!("the turn of `{question}` is stored twice"));
        }
        if place.is_none() && (entry.answered.is_some() || entry.saved_again) {
            return Err(format!("the turn of `{question}` was acknowledged and is lost"));
        }
        if place.is_some() && entry.failed {
            return Err(format!("`{question}` failed, and its turn is stored"));
        }
        places.push((entry, place));
    }
    for (earlier, first) in &places {
        let Some(answered) = earlier.answered else { continue };
        for (later, second) in &places {
            if later.started > answered && second.is_some() && second < first {
                let (earlier, later) = (&earlier.question, &later.question);
                return Err(format!("`{later}` is stored before `{earlier}`"));
            }
        }
    }
    Ok(())
}

/// Returns the questions of messages that are whole turns.
fn whole_turns(texts: &[String]) -> Result<Vec<&str>, String> {
    texts
        .chunks(2)
        .map(|turn| match turn {
            [question, answer] if *answer == answer_of(question) => Ok(question.as_str()),
            _ => Err(format!("half a turn: {turn:?}")),
        })
        .collect()
}
