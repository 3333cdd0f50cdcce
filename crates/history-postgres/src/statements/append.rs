//! Appends a turn.

use conversant_core::{Expect, Point, SessionId, Turn, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{
    columns::{signed, stored, stored_expectation, stored_id, stored_point, version_of_rows},
    query::{Parameter, query},
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const APPEND: &str = "SELECT conversant_write_turn( \
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

/// Waits until no other append holds a session, by appending nothing.
pub(crate) const HOLD: &str = "SELECT conversant_write_turn( \
    $1, 0::smallint, NULL, '00000000-0000-0000-0000-000000000000', 0, 0::smallint, 0, 0, 0, '{}', 0, false, \
    NULL, NULL, NULL, NULL, 9223372036854775807)";

/// An encoded turn to append.
pub(crate) struct Append {
    session: SessionId,
    point: Option<Point>,
    turn: TurnId,
    expect: Expect,
    messages: Vec<String>,
    incomplete: bool,
    base: Option<Version>,
    lifetime_ms: Option<i64>,
    is_prepared: bool,
}

impl Append {
    pub(crate) fn new(
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        messages: Vec<String>,
        expect: Expect,
        lifetime_ms: Option<i64>,
    ) -> Self {
        Self {
            session: session.clone(),
            point,
            turn: turn.id(),
            expect,
            messages,
            incomplete: turn.is_incomplete(),
            base: turn.base(),
            lifetime_ms,
            is_prepared: false,
        }
    }

    /// Sets whether the statement is prepared.
    pub(crate) const fn prepared(mut self, is_prepared: bool) -> Self {
        self.is_prepared = is_prepared;
        self
    }
}

impl Operation for Append {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (at_point, after) = stored_point(self.point)?;
        let (kind, seen) = stored_expectation(self.expect)?;
        let bytes: usize = self.messages.iter().map(String::len).sum();
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let base = self.base.map(stored);
        let (base_epoch, base_messages) = (base.map(|base| base.0), base.map(|base| base.1));
        let base_tip = base.map(|base| base.2);
        let parameters: [Parameter<'_>; 17] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&after, Type::UUID),
            (&stored_id(self.turn), Type::UUID),
            (&self.turn.fingerprint().cast_signed(), Type::INT8),
            (&kind, Type::INT2),
            (&seen_epoch, Type::INT8),
            (&seen_messages, Type::INT8),
            (&seen_tip, Type::INT8),
            (&self.messages, Type::TEXT_ARRAY),
            (&signed(bytes as u64), Type::INT8),
            (&self.incomplete, Type::BOOL),
            (&base_epoch, Type::INT8),
            (&base_messages, Type::INT8),
            (&base_tip, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.0, Type::INT8),
        ];
        let rows = query(client, self.is_prepared, APPEND, &parameters).await?;
        version_of_rows(&rows, seen)
    }
}
