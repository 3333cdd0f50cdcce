//! The announcements of turns in the first session of a combined memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    str::FromStr,
};

use conversant_core::{
    ChatHistory, HistoryError, Memory, Note, Range, SessionId, Turn, TurnId, Value, Version,
};
use serde_json::{Value as Json, json};

use super::combination::{Combination, are_one};

/// The number of notes that contain announcements. Two turns of different processes that are saved
/// at the same time rarely use the same one, so that neither removes the other's announcement.
const PLACES: u64 = 64;

/// The number of messages after which the watermark is moved.
const WATERMARK_STEP: u64 = 16;

/// A turn that is being saved, and the version of each memory's session before it.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    pub(super) turn: TurnId,
    pub(super) bases: Vec<Option<Version>>,
}

/// A turn of the first session that the other sessions may lack.
pub(super) struct Unsettled {
    pub(super) turn: Turn,
    pub(super) bases: Vec<Option<Version>>,
}

/// The first session of a combined memory. A turn that it has is stored in the other sessions too.
///
/// Its turns are the order in which the turns of the other sessions are settled. Its notes are:
///
/// - the watermark, a version up to which all sessions have all turns of the combination;
/// - the announcements of turns, each written before its turn is appended. A turn without one was
///   added by another chain.
pub(super) struct FirstSession<'m> {
    history: &'m dyn ChatHistory,
    session: &'m SessionId,
    combination: &'m Combination,
}

/// The content of the watermark's note.
pub(super) struct Watermark {
    pub(super) version: Version,
    /// The version that is being cleared.
    pub(super) clearing: Option<Version>,
}

impl<'m> FirstSession<'m> {
    pub(super) const fn new(
        (history, session): (&'m dyn ChatHistory, &'m SessionId),
        combination: &'m Combination,
    ) -> Self {
        Self { history, session, combination }
    }

    pub(super) async fn version(&self) -> Result<Version, HistoryError> {
        Ok(self.history.load(self.session, Range::LastMessages(0)).await?.version)
    }

    pub(super) async fn watermark(&self) -> Result<Option<Watermark>, HistoryError> {
        let note = self.history.note(self.session, self.combination.watermark_note()).await?;
        Ok(note.map(|note| Watermark { version: note.covers, clearing: clearing(&note.body) }))
    }

    pub(super) async fn put_watermark(&self, watermark: &Watermark) -> Result<(), HistoryError> {
        let body = watermark
            .clearing
            .map_or_else(|| Value::from(""), |version| Value::from(json!({ "clearing": version })));
        let note = Note::new(body, watermark.version);
        self.history.put_note(self.session, self.combination.watermark_note(), &note).await
    }

    /// Announces a turn, with the others of this process whose announcements are in the same note.
    pub(super) async fn announce(
        &self,
        turn: TurnId,
        announced: &[Announced],
        settled: Version,
    ) -> Result<(), HistoryError> {
        let place = place(turn);
        let turns = announced.iter().filter(|it| self::place(it.turn) == place);
        let turns: Vec<_> =
            turns.map(|it| json!({ "turn": it.turn.to_string(), "bases": it.bases })).collect();
        let body = json!({ "combination": self.combination.fingerprint(), "turns": turns });
        let note = Note::new(Value::from(body), settled);
        self.history.put_note(self.session, &place_note(place), &note).await
    }

    /// Returns the announced turns after a version at which all sessions had all turns.
    pub(super) async fn unsettled(&self, settled: Version) -> Result<Vec<Unsettled>, HistoryError> {
        let turns = self.history.turns(self.session, Range::After(settled)).await?;
        let mut places: HashMap<u64, Vec<Announced>> = HashMap::new();
        let mut unsettled = Vec::new();
        let mut start = 0;
        // The newest announcement has the newest version, which leaves the turns before it out.
        for (index, turn) in turns.iter().enumerate().rev() {
            if index < start {
                break;
            }
            let place = place(turn.id());
            let announced = match places.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let note = self.history.note(self.session, &place_note(place)).await?;
                    let note = note.filter(|note| self.is_own(&note.body));
                    if let Some(note) = &note {
                        let is_last = |it: &Turn| it.id().fingerprint() == note.covers.tip;
                        let covered = turns.iter().position(is_last).map_or(0, |at| at + 1);
                        start = start.max(covered);
                    }
                    unknown.insert(note.map(|note| decode(&note.body)).unwrap_or_default())
                }
            };
            if let Some(found) = announced.iter().rev().find(|it| it.turn == turn.id())
                && index >= start
            {
                unsettled.push(Unsettled { turn: without_base(turn), bases: found.bases.clone() });
            }
        }
        unsettled.reverse();
        Ok(unsettled)
    }

    /// Returns whether a memory stores its turns in this session.
    pub(super) fn is_of(&self, memory: &dyn Memory) -> bool {
        memory.stored_in().is_some_and(|stored| are_one(stored, (self.history, self.session)))
    }

    /// Returns whether announcements are those of this combination.
    fn is_own(&self, body: &Value) -> bool {
        let Value::Data(data) = body else { return false };
        let combination = data.get("combination").and_then(Json::as_str);
        combination == Some(self.combination.fingerprint())
    }
}

/// Returns whether the watermark is to be moved to a version: it is so far behind that a restart
/// would read many turns, or after it.
pub(super) const fn is_behind(watermark: Version, settled: Version) -> bool {
    watermark.epoch != settled.epoch
        || watermark.messages > settled.messages
        || settled.messages.saturating_sub(watermark.messages) >= WATERMARK_STEP
}

const fn place(turn: TurnId) -> u64 {
    turn.fingerprint() % PLACES
}

fn place_note(place: u64) -> String {
    format!("combined:{place}")
}

/// Returns the turn as another session stores it: its base is a version of the first session.
fn without_base(turn: &Turn) -> Turn {
    Turn::identified(turn.id(), turn.messages().clone()).with_incomplete(turn.is_incomplete())
}

fn clearing(body: &Value) -> Option<Version> {
    let Value::Data(data) = body else { return None };
    serde_json::from_value(data.get("clearing")?.clone()).ok()
}

fn decode(body: &Value) -> Vec<Announced> {
    let Value::Data(data) = body else { return Vec::new() };
    let turns = data.get("turns").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let announced = |it: &Json| {
        let turn = TurnId::from_str(it.get("turn")?.as_str()?).ok()?;
        let bases = serde_json::from_value(it.get("bases")?.clone()).ok()?;
        Some(Announced { turn, bases })
    };
    turns.iter().filter_map(announced).collect()
}
