//! Appends a turn.

use conversant_core::{Expect, HistoryError, SessionId, Turn, TurnId, Version};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{
    columns::{column, signed, stored, stored_id, version_of_numbers},
    query::{Parameter, query},
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const APPEND: &str = "SELECT conversant_add_turn( \
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// Waits until no other append holds a session, by appending nothing.
pub(crate) const HOLD: &str = "SELECT conversant_add_turn( \
    $1, '00000000-0000-0000-0000-000000000000', 0, 0::smallint, 0, 0, 0, '{}', 0, false, \
    NULL, NULL, NULL, NULL, 9223372036854775807)";

/// An encoded turn to append.
pub(crate) struct Append {
    session: SessionId,
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
        turn: &Turn,
        messages: Vec<String>,
        expect: Expect,
        lifetime_ms: Option<i64>,
    ) -> Self {
        Self {
            session: session.clone(),
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
        let (kind, seen) = match self.expect {
            Expect::Any => (0_i16, Version::default()),
            Expect::SameEpoch(seen) => (1, seen),
            Expect::Exactly(seen) => (2, seen),
            _ => return Err(HistoryError::Unsupported { what: "this expectation" }.into()),
        };
        let bytes: usize = self.messages.iter().map(String::len).sum();
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let base = self.base.map(stored);
        let (base_epoch, base_messages) = (base.map(|base| base.0), base.map(|base| base.1));
        let base_tip = base.map(|base| base.2);
        let parameters: [Parameter<'_>; 15] = [
            (&self.session.as_str(), Type::TEXT),
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
        let numbers: Vec<i64> =
            rows.first().map_or_else(|| Ok(Vec::new()), |row| column(row, 0))?;
        let (is_stale, current) = version_of_numbers(&numbers)?;
        if is_stale {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        Ok(current)
    }
}
