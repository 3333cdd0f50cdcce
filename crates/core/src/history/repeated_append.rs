//! The rule for an append whose turn id is stored already.

use serde_json::Value as Json;

use super::error::HistoryError;
use crate::{message::Message, turn::Turn};

/// The fields of a message's `data` that describe its call, not what it says.
const DESCRIPTIONS: [&str; 2] = ["id", "response_metadata"];

impl Turn {
    /// Checks that a conversation keeps this turn if it has `stored` under the same id. Every store
    /// applies this rule to an append whose id it finds. An append that is repeated because its
    /// reply was lost succeeds, and an answer that is not stored is never acknowledged.
    ///
    /// - The messages have to be the same. Their ids and `response_metadata` are not compared: two
    ///   calls with one id may have the same answer. Numbers are compared by their value, since a
    ///   database may write them in another form.
    /// - A whole turn is not kept if the stored one is incomplete. An incomplete one is kept if the
    ///   stored one is whole.
    /// - The [base](Self::base) is not compared.
    ///
    /// # Errors
    /// [`HistoryError::TurnIdInUse`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{HistoryError, Turn};
    ///
    /// let turn = Turn::exchange("Hi", "Hello!");
    /// assert!(turn.check_stored(&turn.clone()).is_ok());
    ///
    /// let other = Turn::exchange("Hi", "Good morning!").with_id(turn.id());
    /// assert!(matches!(other.check_stored(&turn), Err(HistoryError::TurnIdInUse { .. })));
    ///
    /// let part = turn.clone().with_incomplete(true);
    /// assert!(turn.check_stored(&part).is_err());
    /// assert!(part.check_stored(&turn).is_ok());
    /// ```
    pub fn check_stored(&self, stored: &Self) -> Result<(), HistoryError> {
        let is_cut_off = stored.is_incomplete() && !self.is_incomplete();
        if !is_cut_off && says_the_same(self, stored) {
            return Ok(());
        }
        Err(HistoryError::TurnIdInUse { turn: self.id(), incomplete: stored.is_incomplete() })
    }
}

fn says_the_same(turn: &Turn, stored: &Turn) -> bool {
    let (messages, stored) = (turn.messages(), stored.messages());
    messages == stored
        || messages.len() == stored.len()
            && messages.iter().zip(stored).all(|(message, stored)| {
                message == stored || is_same(&described(message), &described(stored))
            })
}

/// Returns a message in its stored form, without the description of its call.
fn described(message: &Message) -> Json {
    let mut json = message.to_stored();
    if let Some(data) = json.get_mut("data").and_then(Json::as_object_mut) {
        data.retain(|field, _| !DESCRIPTIONS.contains(&field.as_str()));
    }
    json
}

/// Compares two values, numbers by their value.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, a)| other.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => one == other,
    }
}
