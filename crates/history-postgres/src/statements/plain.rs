//! The usual cases of a call as plain statements, which the server executes in less time than a
//! function. They are prepared; where they find another case, a function decides.

use conversant_core::{SessionId, Version};
use deadpool_postgres::Client;
use tokio_postgres::{error::SqlState, types::Type};

use super::{
    append::{Append, Base},
    columns::{millis, signed, stored, stored_id, time},
    query::{Parameter, Preparation},
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

/// The milliseconds of an hour, by which sessions are listed.
const HOUR: i64 = 60 * 60 * 1000;

/// Finds out whether a session without branches and expiry is at a version. Without a join, the
/// last turn is looked up by its key for any guess of the planner.
const IS_AT: &str = "SELECT 1 FROM conversant_sessions s \
    WHERE s.id = $1 AND s.epoch = $2 AND s.messages = $3 AND s.branch IS NULL AND s.expires IS NULL \
    AND (SELECT t.first + t.count = $3 AND t.tip = $4 FROM conversant_turns t \
        WHERE t.session = s.key AND t.first = s.last_first)";

/// Appends a turn to a session without branches and expiry that is at a version, whose last turn is
/// there. A writer that waited for another one checks the conditions on the session's row again,
/// and its deadline after that: an error undoes the statement.
///
/// A function in the columns of the turn, or in what the insertion returns, would make the server
/// prepare all columns twice.
const APPEND: &str = "WITH session AS ( \
        UPDATE conversant_sessions u SET messages = $4, last_first = u.messages, \
            turns = u.turns + 1, used_ms = $5, used_hour = $6, bytes = u.bytes + $7 \
        WHERE u.id = $1 AND u.epoch = $2 AND u.messages = $3 AND u.used_ms <= $5 \
            AND u.branch IS NULL AND u.expires IS NULL \
            AND (SELECT t.tip FROM conversant_turns t \
                WHERE t.session = u.key AND t.first = u.last_first) = $8 \
        RETURNING u.key, CASE WHEN CASE WHEN clock_timestamp() > $17 \
            THEN conversant_check_limit($18)::text IS NULL END \
            THEN NULL ELSE u.turns - 1 END AS number \
    ) \
    INSERT INTO conversant_turns (session, first, count, id, bytes, incomplete, base_epoch, \
        base_messages, base_tip, messages, number, tip) \
    SELECT s.key, $3, $9, $10, $7, $11, $12, $13, $14, $15, s.number, $16 FROM session s";

/// A question whether a session is at a version, which is not that of an empty session.
pub(crate) struct IsAt {
    pub(crate) session: SessionId,
    pub(crate) version: Version,
    pub(crate) preparation: Preparation,
}

impl Operation for IsAt {
    /// `false` also for a session with branches or an expiry.
    type Output = bool;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<bool, Failure> {
        let (epoch, messages, tip) = stored(self.version);
        let parameters: [Parameter<'_>; 4] = [
            (&self.session.as_str(), Type::TEXT),
            (&epoch, Type::INT8),
            (&messages, Type::INT8),
            (&tip, Type::INT8),
        ];
        Ok(!self.preparation.query(client, IS_AT, &parameters).await?.is_empty())
    }
}

impl Append {
    /// Appends a turn without words to index, sums and a lifetime to a session at a version that is
    /// not that of an empty one. Returns the version after it, or `None` if a function has to
    /// decide.
    pub(super) async fn append_plain(
        &self,
        client: &Client,
        limit: Limit,
        seen: Version,
    ) -> Result<Option<Version>, Failure> {
        let (epoch, messages, tip) = stored(seen);
        let finish = seen.messages.saturating_add(self.messages.len() as u64);
        let base = Base::of(self.base);
        let used = self.turn.created_at().map_or(limit.now, |made| millis(made).min(limit.now));
        let parameters: [Parameter<'_>; 18] = [
            (&self.session.as_str(), Type::TEXT),
            (&epoch, Type::INT8),
            (&messages, Type::INT8),
            (&signed(finish), Type::INT8),
            (&used, Type::INT8),
            (&used.div_euclid(HOUR), Type::INT8),
            (&signed(self.bytes), Type::INT8),
            (&tip, Type::INT8),
            (&i32::try_from(self.messages.len()).unwrap_or(i32::MAX), Type::INT4),
            (&stored_id(self.turn), Type::UUID),
            (&self.incomplete, Type::BOOL),
            (&base.epoch, Type::INT8),
            (&base.messages, Type::INT8),
            (&base.tip, Type::INT8),
            (&self.messages, Type::TEXT_ARRAY),
            (&self.turn.fingerprint().cast_signed(), Type::INT8),
            (&time(limit.deadline), Type::TIMESTAMPTZ),
            (&limit.deadline, Type::INT8),
        ];
        let is_stored = match self.preparation.execute(client, APPEND, &parameters).await {
            // A turn with this id is stored already.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => false,
            stored => stored? > 0,
        };
        let version = Version::new(seen.epoch, finish).with_tip(self.turn.fingerprint());
        Ok(is_stored.then_some(version))
    }
}
