//! Appends a turn.

#[cfg(doc)]
use conversant_core::Message;
use conversant_core::{Expect, Point, SessionId, TurnId, UsageTotals, Version};
use deadpool_postgres::Client;
use tokio_postgres::{error::SqlState, types::Type};

use super::{
    columns::{
        millis, signed, stored, stored_expectation, stored_id, stored_point, stored_totals, time,
        version_of_rows,
    },
    query::{Parameter, Preparation},
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// Appends a turn at any point. The first two parameters are the point.
const APPEND: &str = "SELECT conversant_write_turn( \
    $3, $1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
    $19, $20)";

/// Appends a turn to a session at a version that its caller saw: with the other parameters, the
/// number of messages of the turn and of the session with it, and the deadline and the time of the
/// turn's id as times.
const APPEND_NEXT: &str = "SELECT conversant_write_next( \
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
    $19, $20, $21, $22)";

/// Waits until no other append holds a session, by appending nothing.
pub(crate) const HOLD: &str = "SELECT conversant_write_turn( \
    $1, 0::smallint, NULL, '00000000-0000-0000-0000-000000000000', 0, 0::smallint, 0, 0, 0, '{}', 0, false, \
    NULL, NULL, NULL, NULL, 9223372036854775807, NULL, NULL, NULL)";

/// An encoded turn to append.
pub(crate) struct Append {
    pub(crate) session: SessionId,
    pub(crate) point: Option<Point>,
    pub(crate) turn: TurnId,
    pub(crate) expect: Expect,
    /// Each as JSON.
    pub(crate) messages: Vec<String>,
    /// The bytes of the messages, as [`Message::stored_json_len`] counts them.
    pub(crate) bytes: u64,
    pub(crate) incomplete: bool,
    pub(crate) base: Option<Version>,
    pub(crate) totals: UsageTotals,
    /// The parts of the text that is searched, if there is a search.
    pub(crate) texts: Option<Vec<String>>,
    pub(crate) lifetime_ms: Option<i64>,
    pub(crate) preparation: Preparation,
}

impl Operation for Append {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (at_point, after) = stored_point(self.point)?;
        let (kind, seen) = stored_expectation(self.expect)?;
        let made = self.turn.created_at().map(millis);
        let totals = stored_totals(self.totals);
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let base = self.base.map(stored);
        let (base_epoch, base_messages) = (base.map(|base| base.0), base.map(|base| base.1));
        let base_tip = base.map(|base| base.2);
        let added = i32::try_from(self.messages.len()).unwrap_or(i32::MAX);
        let finish = seen_messages.saturating_add(i64::from(added));
        let (limit_at, made_at) = (time(limit.0), made.map(time));
        let parameters: [Parameter<'_>; 24] = [
            (&at_point, Type::INT2),
            (&after, Type::UUID),
            (&self.session.as_str(), Type::TEXT),
            (&stored_id(self.turn), Type::UUID),
            (&self.turn.fingerprint().cast_signed(), Type::INT8),
            (&kind, Type::INT2),
            (&seen_epoch, Type::INT8),
            (&seen_messages, Type::INT8),
            (&seen_tip, Type::INT8),
            (&self.messages, Type::TEXT_ARRAY),
            (&signed(self.bytes), Type::INT8),
            (&self.incomplete, Type::BOOL),
            (&base_epoch, Type::INT8),
            (&base_messages, Type::INT8),
            (&base_tip, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.0, Type::INT8),
            (&made, Type::INT8),
            (&totals, Type::INT8_ARRAY),
            (&self.texts, Type::TEXT_ARRAY),
            (&added, Type::INT4),
            (&finish, Type::INT8),
            (&limit_at, Type::TIMESTAMPTZ),
            (&made_at, Type::TIMESTAMPTZ),
        ];
        // At any point, and in any state.
        let general = parameters.get(..20).unwrap_or_default();
        let is_next = self.point.is_none() && kind > 0 && seen_messages > 0 && seen_tip != 0;
        let rows = match parameters.get(2..) {
            Some(next) if is_next && !self.messages.is_empty() => {
                match self.preparation.query(client, APPEND_NEXT, next).await {
                    // A turn with this id is stored already.
                    Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                        self.preparation.query(client, APPEND, general).await?
                    }
                    rows => rows?,
                }
            }
            _ => self.preparation.query(client, APPEND, general).await?,
        };
        version_of_rows(&rows, seen)
    }
}
