//! Appends a turn.

#[cfg(doc)]
use conversant_core::Message;
use conversant_core::{
    Expect, HistoryError, Point, Range, SessionId, TurnId, UsageTotals, Version,
};
use deadpool_postgres::Client;
use tokio_postgres::{Row, error::SqlState, types::Type};

use super::{
    columns::{
        column, millis, signed, stored, stored_expectation, stored_id, stored_point, stored_totals,
        time, version_of_numbers, version_of_rows,
    },
    load::{Load, Stored},
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

/// Appends a turn to a session at a version that its caller saw.
const APPEND_NEXT: &str = "SELECT conversant_append_next( \
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

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
    /// Whether the session has no branches, as far as is known.
    pub(crate) is_regular: bool,
    pub(crate) preparation: Preparation,
}

impl Operation for Append {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (kind, seen) = stored_expectation(self.expect)?;
        let follows_a_turn = kind > 0 && seen.messages > 0 && seen.tip != 0;
        if self.point.is_none() && follows_a_turn && !self.messages.is_empty() {
            if self.is_plain()
                && let Some(version) = self.append_plain(client, limit, seen).await?
            {
                return Ok(version);
            }
            match Box::pin(self.append_next(client, limit, seen)).await {
                // A turn with this id is stored already.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
                rows => return self.next_version(&rows?, seen),
            }
        }
        // Boxed, as all but the usual append, so that the task of that one is small.
        match Box::pin(self.append(client, limit, kind, seen)).await {
            Err(Failure::Refused(refusal @ HistoryError::TurnIdInUse { .. })) => {
                Box::pin(self.repeated(client, limit, refusal)).await
            }
            rows => version_of_rows(&rows?, seen),
        }
    }
}

impl Append {
    /// Returns whether a plain statement can append the turn.
    fn is_plain(&self) -> bool {
        self.is_regular
            && self.lifetime_ms.is_none()
            && self.texts.is_none()
            && self.totals.is_empty()
    }

    /// Returns the version after the turn that is stored under the id, if it is this one.
    async fn repeated(
        &self,
        client: &mut Client,
        limit: Limit,
        refusal: HistoryError,
    ) -> Result<Version, Failure> {
        let load = Load {
            session: self.session.clone(),
            point: Some(Point::After(self.turn)),
            range: Range::LastTurns(1),
            preparation: Preparation::Never,
        };
        let loaded = match load.run(client, limit).await {
            // The session was cleared in the meantime.
            Err(Failure::Refused(HistoryError::UnknownTurn { .. })) => return Err(refusal.into()),
            loaded => loaded?,
        };
        let own = Stored {
            first: 0,
            id: self.turn,
            incomplete: self.incomplete,
            base: self.base,
            messages: self.messages.clone(),
        };
        let own = own.turn()?;
        loaded.turns()?.iter().try_for_each(|stored| own.check_stored(stored))?;
        Ok(loaded.version)
    }

    /// Appends the turn in any state of the session.
    async fn append(
        &self,
        client: &Client,
        limit: Limit,
        kind: i16,
        seen: Version,
    ) -> Result<Vec<Row>, Failure> {
        let (at_point, after) = stored_point(self.point)?;
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let base = Base::of(self.base);
        let parameters: [Parameter<'_>; 20] = [
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
            (&base.epoch, Type::INT8),
            (&base.messages, Type::INT8),
            (&base.tip, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.deadline, Type::INT8),
            (&self.turn.created_at().map(millis), Type::INT8),
            (&stored_totals(self.totals), Type::INT8_ARRAY),
            (&self.texts, Type::TEXT_ARRAY),
        ];
        Ok(self.preparation.query(client, APPEND, &parameters).await?)
    }

    /// Appends the turn after the version that was seen.
    async fn append_next(
        &self,
        client: &Client,
        limit: Limit,
        seen: Version,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let base = Base::of(self.base);
        let used = self.turn.created_at().map_or(limit.now, |made| millis(made).min(limit.now));
        let parameters: [Parameter<'_>; 18] = [
            (&self.session.as_str(), Type::TEXT),
            (&stored_id(self.turn), Type::UUID),
            (&self.turn.fingerprint().cast_signed(), Type::INT8),
            (&matches!(self.expect, Expect::Exactly(_)), Type::BOOL),
            (&seen_epoch, Type::INT8),
            (&seen_messages, Type::INT8),
            (&seen_tip, Type::INT8),
            (&self.messages, Type::TEXT_ARRAY),
            (&signed(self.bytes), Type::INT8),
            (&self.incomplete, Type::BOOL),
            (&base.epoch, Type::INT8),
            (&base.messages, Type::INT8),
            (&base.tip, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&time(limit.deadline), Type::TIMESTAMPTZ),
            (&used, Type::INT8),
            (&stored_totals(self.totals), Type::INT8_ARRAY),
            (&self.texts, Type::TEXT_ARRAY),
        ];
        self.preparation.query(client, APPEND_NEXT, &parameters).await
    }

    /// Reads what `conversant_append_next` returns: null if the turn follows the version that was
    /// seen.
    fn next_version(&self, rows: &[Row], seen: Version) -> Result<Version, Failure> {
        match rows.first().map(|row| column::<Option<Vec<i64>>>(row, 0)).transpose()? {
            Some(None) => {
                let messages = seen.messages.saturating_add(self.messages.len() as u64);
                Ok(Version::new(seen.epoch, messages).with_tip(self.turn.fingerprint()))
            }
            found => version_of_numbers(&found.flatten().unwrap_or_default(), seen),
        }
    }
}

/// The base of a turn, as it is stored.
pub(super) struct Base {
    pub(super) epoch: Option<i64>,
    pub(super) messages: Option<i64>,
    pub(super) tip: Option<i64>,
}

impl Base {
    pub(super) fn of(base: Option<Version>) -> Self {
        match base.map(stored) {
            Some((epoch, messages, tip)) => {
                Self { epoch: Some(epoch), messages: Some(messages), tip: Some(tip) }
            }
            None => Self { epoch: None, messages: None, tip: None },
        }
    }
}
