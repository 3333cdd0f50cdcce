//! A row of LangChain's table: a message in its stored form, which also carries the turn that it is of.

use conversant_core::{HistoryError, Message, Role, SessionId, Turn, TurnId, Version};
use serde_json::{Map, Value as Json};

use crate::{
    failure::{corrupt, wrong},
    sum,
    table::message,
};

/// The fields of `additional_kwargs` that tell of the turn. LangChain keeps what it does not know there, and sends none of it to a model.
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
                let what = "messages whose `additional_kwargs` are no object";
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

/// Reads a version as it is shown: the epoch, a dot, and the messages.
fn version(text: &str) -> Option<Version> {
    let (epoch, messages) = text.split_once('.')?;
    Some(Version::new(epoch.parse().ok()?, messages.parse().ok()?))
}

/// A row that was read.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) message: Message,
    /// The turn that it is of, if it tells.
    pub(super) turn: Option<TurnId>,
    incomplete: bool,
    base: Option<Version>,
    /// A hash of what it says, for the id of a turn that has none.
    hash: i64,
}

impl Row {
    pub(super) fn decode(id: i64, body: &str) -> Result<Self, HistoryError> {
        let unreadable = || format!("row {id} can't be read");
        let mut stored: Json =
            serde_json::from_str(body).map_err(|error| corrupt(unreadable(), error))?;
        let mut told = Map::new();
        if let Some(Json::Object(kwargs)) = stored.pointer_mut("/data/additional_kwargs") {
            for field in [TURN_ID, INCOMPLETE, BASE] {
                if let Some(value) = kwargs.shift_remove(field) {
                    told.insert(field.to_owned(), value);
                }
            }
        }
        let message = Message::from_stored(stored).map_err(|error| corrupt(unreadable(), error))?;
        Ok(Self {
            id,
            message,
            turn: told.get(TURN_ID).and_then(Json::as_str).and_then(|id| id.parse().ok()),
            incomplete: told.get(INCOMPLETE).is_some_and(|value| value == &Json::Bool(true)),
            base: told.get(BASE).and_then(Json::as_str).and_then(version),
            hash: sum::hash(body),
        })
    }

    /// Tells whether a turn begins with this row, if the one before it is this one.
    pub(super) fn begins_after(&self, before: &Self) -> bool {
        match self.turn {
            Some(turn) => before.turn != Some(turn),
            None => before.turn.is_some() || matches!(self.message.role(), Role::Human),
        }
    }

    /// Makes a turn that begins with this row. An id that it has not is made of what will be the same whenever it is read.
    pub(super) fn turn(&self, session: &SessionId, messages: Vec<Message>) -> Turn {
        let id = self.turn.unwrap_or_else(|| {
            let place = sum::hash(&format!("{}\n{}", self.id, session)).cast_unsigned();
            let bits = u128::from(place) << 64 | u128::from(self.hash.cast_unsigned());
            TurnId::from_u128(bits)
        });
        let turn = Turn::new(messages).with_id(id).with_incomplete(self.incomplete);
        self.base.into_iter().fold(turn, Turn::with_base)
    }

    /// Returns the size of the message as this crate stores it.
    pub(super) fn bytes(&self) -> Result<u64, HistoryError> {
        let body = serde_json::to_string(&self.message);
        body.map(|body| body.len() as u64)
            .map_err(|_| wrong(format!("row {} can't be read", self.id)))
    }
}
