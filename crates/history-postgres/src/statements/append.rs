//! Appends a turn.

use conversant_core::{Expect, HistoryError, SessionId, Turn, Version};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{column, signed, version};
use crate::{engine::Operation, error::Failure};

const APPEND: &str = "SELECT is_stale, epoch, messages \
    FROM conversant_append($1, $2::text::uuid, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// A turn that is to be appended, encoded.
pub(crate) struct Append {
    session: SessionId,
    turn: String,
    expect: Expect,
    messages: Vec<String>,
    incomplete: bool,
    base: Option<Version>,
    lifetime_ms: Option<i64>,
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
            turn: turn.id().to_string(),
            expect,
            messages,
            incomplete: turn.is_incomplete(),
            base: turn.base(),
            lifetime_ms,
        }
    }
}

impl Operation for Append {
    type Output = Version;

    async fn run(&self, client: &mut Client) -> Result<Version, Failure> {
        let (kind, seen) = match self.expect {
            Expect::Any => (0_i16, Version::default()),
            Expect::SameEpoch(seen) => (1, seen),
            Expect::Exactly(seen) => (2, seen),
            _ => return Err(HistoryError::Unsupported { what: "this expectation" }.into()),
        };
        let bytes: usize = self.messages.iter().map(String::len).sum();
        let base_epoch = self.base.map(|base| signed(base.epoch));
        let base_messages = self.base.map(|base| signed(base.messages));
        let row = client
            .query_typed_one(
                APPEND,
                &[
                    (&self.session.as_str(), Type::TEXT),
                    (&self.turn, Type::TEXT),
                    (&kind, Type::INT2),
                    (&signed(seen.epoch), Type::INT8),
                    (&signed(seen.messages), Type::INT8),
                    (&self.messages, Type::TEXT_ARRAY),
                    (&signed(bytes as u64), Type::INT8),
                    (&self.incomplete, Type::BOOL),
                    (&base_epoch, Type::INT8),
                    (&base_messages, Type::INT8),
                    (&self.lifetime_ms, Type::INT8),
                ],
            )
            .await?;
        let current = version(&row, 1)?;
        if column(&row, 0)? {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        Ok(current)
    }
}
