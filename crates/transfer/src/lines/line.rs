//! The form of a line.

use std::collections::BTreeMap;

use conversant_core::{Point, TurnId, TurnIdError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A line: a turn of a session, its tip, its title and labels, or its facts.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<S, T> {
    pub(super) session: S,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) turn: Option<T>,
    /// The turn that the turn follows, or `start`. A session without branches has none of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follows: Option<Place>,
    /// Whether the turn is on the path to the tip.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(super) current: bool,
    /// The last turn of the current branch, after all turns of a session with branches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tip: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    /// Texts by their names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) facts: Map<String, Json>,
    /// The number of messages that are described in the facts.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) described: u64,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A point, as text: `start` or the id of the turn before it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Place(pub(super) Point);

impl TryFrom<String> for Place {
    type Error = TurnIdError;

    fn try_from(text: String) -> Result<Self, TurnIdError> {
        match text.as_str() {
            "start" => Ok(Self(Point::Start)),
            id => Ok(Self(id.parse::<TurnId>()?.into())),
        }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.0.turn().map_or_else(|| "start".to_owned(), |turn| turn.to_string())
    }
}

impl<S, T> Line<S, T> {
    /// Returns whether the line has something of a session, and facts only as texts.
    pub(super) fn is_valid(&self) -> bool {
        let has_names = self.title.is_some() || !self.labels.is_empty();
        let has_facts = !self.facts.is_empty();
        let is_empty = self.turn.is_none() && self.tip.is_none() && !has_names && !has_facts;
        !is_empty && self.facts.values().all(Json::is_string)
    }

    pub(super) fn new(session: S) -> Self {
        Self {
            session,
            turn: None,
            follows: None,
            current: true,
            tip: None,
            title: None,
            labels: BTreeMap::new(),
            facts: Map::new(),
            described: 0,
        }
    }
}
