//! A session of a history that may have a flaw.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use conversant_core::{
    HistoryError, LeaseHolder, Message, Note, Range, SessionId, Turn, TurnId, Version,
};
use serde_json::Value as Json;

use super::history_flaw::HistoryFlaw;

#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) epoch: u64,
    pub(crate) turns: Vec<(TurnId, Arc<Vec<Arc<Message>>>)>,
    /// The turns as they came, for export.
    pub(crate) exported: Vec<Arc<Turn>>,
    pub(crate) cleared: Vec<TurnId>,
    pub(crate) notes: BTreeMap<String, Arc<Note>>,
    pub(crate) lease: Option<(LeaseHolder, Instant)>,
}

impl Log {
    pub(crate) fn messages(&self) -> Vec<Arc<Message>> {
        self.turns.iter().flat_map(|(_, messages)| messages.iter().cloned()).collect()
    }

    pub(crate) fn version(&self) -> Version {
        let messages = self.turns.iter().map(|(_, messages)| messages.len()).sum::<usize>();
        Version::new(self.epoch, messages as u64)
    }

    /// Where a turn that is there ends.
    pub(crate) fn end_of(&self, id: TurnId) -> Option<Version> {
        let at = self.turns.iter().position(|(known, _)| *known == id)?;
        let messages = self.turns[..=at].iter().map(|(_, messages)| messages.len()).sum::<usize>();
        Some(Version::new(self.epoch, messages as u64))
    }
}

/// A turn that is appended later.
pub(crate) struct Late {
    pub(crate) session: SessionId,
    pub(crate) turn: Turn,
    /// How often the session was loaded since.
    pub(crate) loads: usize,
}

/// Returns where a range begins.
pub(crate) fn start(log: &Log, range: Range, flaw: Option<HistoryFlaw>) -> usize {
    let has = |other| flaw == Some(other);
    let messages = log.messages();
    let count = messages.len();
    match range {
        Range::LastTurns(turns) if has(HistoryFlaw::TurnsAreTwoMessages) => {
            count.saturating_sub(turns.saturating_mul(2))
        }
        Range::LastTurns(turns) => {
            let left = log.turns.len().saturating_sub(turns);
            log.turns[..left].iter().map(|(_, messages)| messages.len()).sum()
        }
        Range::LastMessages(last) => count.saturating_sub(last),
        Range::LastBytes(bytes) => {
            let mut left = bytes;
            let fitting = messages.iter().rev().take_while(|message| {
                let size = if has(HistoryFlaw::CountsBytesOfText) {
                    message.text().len()
                } else {
                    message.to_stored().to_string().len()
                };
                let rest = left.checked_sub(size as u64);
                left = rest.unwrap_or(0);
                rest.is_some()
            });
            count - fitting.count()
        }
        Range::After(version)
            if (version.epoch == log.epoch || has(HistoryFlaw::AfterIgnoresEpochs))
                && (version.messages as usize <= count || !has(HistoryFlaw::AfterTheEndIsAll)) =>
        {
            let seen = version.messages as usize;
            seen.saturating_sub(usize::from(has(HistoryFlaw::AfterIncludesOne))).min(count)
        }
        _ => 0,
    }
}

/// Checks that the turn that is stored under an id is this one.
pub(crate) fn check_repeated(
    log: &Log,
    turn: &Turn,
    flaw: Option<HistoryFlaw>,
) -> Result<(), HistoryError> {
    let stored = log.exported.iter().find(|stored| stored.id() == turn.id());
    match stored {
        _ if flaw == Some(HistoryFlaw::TakesIdsForTurns) => Ok(()),
        Some(_) if flaw == Some(HistoryFlaw::QuotesTurns) => {
            // As a database does.
            let source = format!("Key (turn)=({}) already exists.", turn.messages()).into();
            Err(HistoryError::Backend { source })
        }
        Some(stored) if flaw == Some(HistoryFlaw::ComparesCalls) => {
            let is_same = stored.messages() == turn.messages();
            let turn = if is_same { turn.clone() } else { Turn::exchange("a", "b") };
            turn.check_stored(stored)
        }
        Some(stored) => turn.check_stored(stored),
        None => Ok(()),
    }
}

/// Checks the size of a note.
pub(crate) fn check_note(note: &Note, flaw: Option<HistoryFlaw>) -> Result<(), HistoryError> {
    let max_bytes = match flaw {
        Some(HistoryFlaw::NotesAreSmall) => 4096,
        Some(HistoryFlaw::NotesArePackets) => 4 << 20,
        _ => return Ok(()),
    };
    if note.body.to_text().len() > max_bytes { Err(too_large()) } else { Ok(()) }
}

/// The log as it was before its last turn.
pub(crate) fn seen_without(mut log: Log) -> Log {
    log.turns.pop();
    log
}

pub(crate) const fn too_large() -> HistoryError {
    HistoryError::TooLarge { what: "message", bytes: 100_001, limit: 100_000 }
}

/// Returns what is stored of a turn.
pub(crate) fn kept(turn: &Turn, flaw: Option<HistoryFlaw>) -> Vec<Arc<Message>> {
    let mut kept: Vec<Arc<Message>> = turn.messages().iter_shared().cloned().collect();
    match flaw {
        Some(HistoryFlaw::LosesAnswers) => kept.truncate(1),
        Some(HistoryFlaw::KeepsTenMessages) => kept.truncate(10),
        Some(HistoryFlaw::TrimsText) => rewrite(&mut kept, |text| text.trim().to_owned()),
        Some(HistoryFlaw::KeepsTextOnly) => rewrite(&mut kept, str::to_owned),
        Some(HistoryFlaw::CutsLargeMessages) => {
            rewrite(&mut kept, |text| text.chars().take(1 << 20).collect());
        }
        Some(HistoryFlaw::DropsOtherFields) => change(&mut kept, &|stored| {
            if let Some(kwargs) = stored.pointer_mut("/data/additional_kwargs") {
                *kwargs = Json::Object(serde_json::Map::default());
            }
        }),
        Some(HistoryFlaw::RoundsIntegers) => change(&mut kept, &round),
        Some(HistoryFlaw::RoundsFloats) => change(&mut kept, &shorten),
        Some(HistoryFlaw::JoinsParts) => change(&mut kept, &|stored| {
            if let Some(content) = stored.pointer_mut("/data/content")
                && let Some([part]) = content.as_array().map(Vec::as_slice)
                && let Some(text) = part.get("text").cloned()
            {
                *content = text;
            }
        }),
        Some(HistoryFlaw::DropsNulls) => change(&mut kept, &|stored| {
            if let Some(data) = stored.pointer_mut("/data").and_then(Json::as_object_mut) {
                data.retain(|_, value| !value.is_null());
            }
        }),
        Some(HistoryFlaw::KnowsItsFieldsOnly) => change(&mut kept, &|stored| {
            if let Some(data) = stored.pointer_mut("/data").and_then(Json::as_object_mut) {
                for name in ["artifact", "status", "usage_metadata", "example"] {
                    data.remove(name);
                }
            }
        }),
        _ => {}
    }
    kept
}

fn rewrite(messages: &mut [Arc<Message>], rewrite: impl Fn(&str) -> String) {
    for message in messages {
        *message = Message::new(message.role().clone(), rewrite(&message.text())).into();
    }
}

/// Changes the stored form of messages.
fn change(messages: &mut [Arc<Message>], change: &impl Fn(&mut Json)) {
    for message in messages {
        let mut stored = message.to_stored();
        change(&mut stored);
        *message = Message::from_stored(stored).unwrap().into();
    }
}

/// Rounds integers as a store does whose numbers are doubles.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn round(json: &mut Json) {
    match json {
        Json::Number(number) => {
            if let Some(integer) = number.as_i64() {
                *number = (integer as f64 as i64).into();
            }
        }
        Json::Array(items) => items.iter_mut().for_each(round),
        Json::Object(members) => members.values_mut().for_each(round),
        _ => {}
    }
}

/// Rounds other numbers as a store does whose numbers have 32 bits.
#[allow(clippy::cast_possible_truncation)]
fn shorten(json: &mut Json) {
    match json {
        Json::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap() as f32;
            *json = f64::from(float).into();
        }
        Json::Array(items) => items.iter_mut().for_each(shorten),
        Json::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}
