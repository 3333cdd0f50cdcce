//! A row of LangChain's table: a message in its stored form, with the id of its turn.

use conversant_core::{HistoryError, Message, Role, SessionId, Turn, TurnId, Version};
use serde_json::{Map, Value as Json};

use crate::{
    checksum::hash,
    error::{corrupt, inconsistent, invalid_json},
    table::message,
};

/// The fields of `additional_kwargs` that describe the turn. LangChain keeps unknown fields there,
/// and sends none of them to a model.
const TURN_ID: &str = "conversant_turn_id";
const INCOMPLETE: &str = "conversant_incomplete";
const BASE: &str = "conversant_base";

const KWARGS: &str = "additional_kwargs";

/// Encodes a turn's messages as rows.
pub(super) fn encode(turn: &Turn, limit: u64) -> Result<Vec<String>, HistoryError> {
    let rows = turn.messages().iter().map(|message| {
        let mut kwargs = match message.extra().get(KWARGS) {
            None => Map::new(),
            Some(Json::Object(kwargs)) => kwargs.clone(),
            Some(_) => {
                let what = "messages whose `additional_kwargs` is not an object";
                return Err(HistoryError::Unsupported { what });
            }
        };
        kwargs.insert(TURN_ID.to_owned(), turn.id().to_string().into());
        if turn.is_incomplete() {
            kwargs.insert(INCOMPLETE.to_owned(), true.into());
        }
        if let Some(base) = turn.base() {
            kwargs.insert(BASE.to_owned(), base.to_string().into());
        }
        message::encode(&message.clone().with_extra(KWARGS, kwargs), limit)
    });
    rows.collect()
}

/// Parses a version: the epoch, a dot, and the number of messages.
fn version(text: &str) -> Option<Version> {
    let (epoch, messages) = text.split_once('.')?;
    Some(Version::new(epoch.parse().ok()?, messages.parse().ok()?))
}

/// A row.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) message: Message,
    /// The id of its turn, if this crate wrote it.
    pub(super) turn: Option<TurnId>,
    incomplete: bool,
    base: Option<Version>,
    /// A hash of the stored text, for the id of a turn that Python wrote.
    hash: i64,
}

impl Row {
    pub(super) fn decode(id: i64, body: &str) -> Result<Self, HistoryError> {
        let unreadable = || format!("cannot decode row {id}");
        let mut stored: Json =
            serde_json::from_str(body).map_err(|error| invalid_json(&unreadable(), error))?;
        let mut turn = Map::new();
        if let Some(Json::Object(kwargs)) = stored.pointer_mut("/data/additional_kwargs") {
            for field in [TURN_ID, INCOMPLETE, BASE] {
                if let Some(value) = kwargs.shift_remove(field) {
                    turn.insert(field.to_owned(), value);
                }
            }
        }
        let message = Message::from_stored(stored).map_err(|error| corrupt(unreadable(), error))?;
        Ok(Self {
            id,
            message,
            turn: turn.get(TURN_ID).and_then(Json::as_str).and_then(|id| id.parse().ok()),
            incomplete: turn.get(INCOMPLETE).is_some_and(|value| value == &Json::Bool(true)),
            base: turn.get(BASE).and_then(Json::as_str).and_then(version),
            hash: hash(body),
        })
    }

    /// Returns whether a turn starts with this row, which follows `before`.
    pub(super) fn begins_after(&self, before: &Self) -> bool {
        match self.turn {
            Some(turn) => before.turn != Some(turn),
            None => before.turn.is_some() || matches!(self.message.role(), Role::Human),
        }
    }

    /// Returns the id of the turn that starts with this row. If Python wrote it, the id is derived
    /// from the row, so that it is the same whenever the turn is read.
    pub(super) fn turn_id(&self, session: &SessionId) -> TurnId {
        self.turn.unwrap_or_else(|| {
            let place = hash(&format!("{}\n{}", self.id, session)).cast_unsigned();
            let bits = u128::from(place) << 64 | u128::from(self.hash.cast_unsigned());
            TurnId::from_u128(bits)
        })
    }

    /// Returns the turn that starts with this row.
    pub(super) fn turn(&self, session: &SessionId, messages: Vec<Message>) -> Turn {
        let id = self.turn_id(session);
        let turn = Turn::new(messages).with_id(id).with_incomplete(self.incomplete);
        self.base.into_iter().fold(turn, Turn::with_base)
    }

    /// Returns the size of the message in its stored form.
    pub(super) fn bytes(&self) -> Result<u64, HistoryError> {
        let body = serde_json::to_string(&self.message);
        body.map(|body| body.len() as u64)
            .map_err(|_| inconsistent(format!("cannot decode row {}", self.id)))
    }
}
