//! Moves tips, lists alternatives and forks sessions.

use conversant_core::{
    Alternative, Expect, HistoryError, Point, SessionId, SessionInfo, TurnId, Version,
};
use deadpool_postgres::Client;
use tokio_postgres::types::Type;

use super::{
    columns::{column, signed, stored, stored_expectation, stored_point, turn_id, version_of_rows},
    query::Parameter,
};
use crate::{
    error::Failure,
    pool::{Limit, Operation},
};

const SET_TIP: &str = "SELECT conversant_set_tip($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const ALTERNATIVES: &str = "SELECT * FROM conversant_alternatives($1, $2, $3)";

const FORK: &str = "SELECT conversant_fork($1, $2, $3, $4, $5, $6, $7)";

/// A tip to move.
pub(crate) struct SetTip {
    pub(crate) session: SessionId,
    pub(crate) tip: Point,
    pub(crate) expect: Expect,
    pub(crate) lifetime_ms: Option<i64>,
}

/// The turns that follow a point.
pub(crate) struct Alternatives {
    pub(crate) session: SessionId,
    pub(crate) point: Point,
}

/// A session to begin with the turns of another one up to a point.
pub(crate) struct Fork {
    pub(crate) session: SessionId,
    pub(crate) point: Point,
    pub(crate) into: SessionId,
    pub(crate) lifetime_ms: Option<i64>,
}

/// Waits until earlier writes on a session are settled, as any operation on it does.
pub(crate) struct Settle;

impl Operation for SetTip {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (at_point, turn) = stored_point(Some(self.tip))?;
        let (kind, seen) = stored_expectation(self.expect)?;
        let (seen_epoch, seen_messages, seen_tip) = stored(seen);
        let parameters: [Parameter<'_>; 9] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&kind, Type::INT2),
            (&seen_epoch, Type::INT8),
            (&seen_messages, Type::INT8),
            (&seen_tip, Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.deadline, Type::INT8),
        ];
        version_of_rows(&client.query_typed(SET_TIP, &parameters).await?, seen)
    }
}

impl Operation for Alternatives {
    type Output = Vec<Alternative>;

    async fn run(&self, client: &mut Client, _: Limit) -> Result<Vec<Alternative>, Failure> {
        let (at_point, turn) = stored_point(Some(self.point))?;
        let parameters: [Parameter<'_>; 3] =
            [(&self.session.as_str(), Type::TEXT), (&at_point, Type::INT2), (&turn, Type::UUID)];
        let rows = client.query_typed(ALTERNATIVES, &parameters).await?;
        let missing = || {
            let what = "the id of a turn is missing".to_owned();
            Failure::from(HistoryError::Corrupt { what, source: None })
        };
        let alternative = |row| {
            let turn: TurnId = turn_id(row, 0)?.ok_or_else(missing)?;
            let newest = turn_id(row, 1)?.ok_or_else(missing)?;
            Ok(Alternative::new(turn, newest).with_current(column(row, 2)?))
        };
        rows.iter().map(alternative).collect()
    }
}

impl Operation for Fork {
    type Output = Version;

    async fn run(&self, client: &mut Client, limit: Limit) -> Result<Version, Failure> {
        let (at_point, turn) = stored_point(Some(self.point))?;
        let parameters: [Parameter<'_>; 7] = [
            (&self.session.as_str(), Type::TEXT),
            (&at_point, Type::INT2),
            (&turn, Type::UUID),
            (&self.into.as_str(), Type::TEXT),
            (&signed(SessionInfo::MAX_LABELS as u64), Type::INT8),
            (&self.lifetime_ms, Type::INT8),
            (&limit.deadline, Type::INT8),
        ];
        let rows = client.query_typed(FORK, &parameters).await?;
        version_of_rows(&rows, Version::default()).map_err(|failure| match failure {
            // The new session was expected to be empty, in its epoch.
            Failure::Refused(HistoryError::Stale { current, .. }) => {
                let expected = Version::new(current.epoch, 0);
                HistoryError::Stale { expected, current }.into()
            }
            failure => failure,
        })
    }
}

impl Operation for Settle {
    type Output = ();

    async fn run(&self, _: &mut Client, _: Limit) -> Result<(), Failure> {
        Ok(())
    }
}
