//! Moves the tip of a session, lists the turns that follow a point, and forks a session.

use conversant_core::{
    Alternative, Expect, HistoryError, Point, SessionId, SessionInfo, TurnId, Version,
};

use super::{
    empty::Clear,
    scripts::{ALTERNATIVES, Expected, FORK, SET_TIP, corrupt, lifetime, point, tip, version},
};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// Moves the tip of a session to a point.
pub(crate) struct SetTip {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    pub(crate) tip: Point,
    pub(crate) expect: Expect,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for SetTip {
    type Output = Version;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Version, Failure> {
        let Expected { kind, version: seen } = Expected::new(self.expect)?;
        let mut script = SET_TIP.prepare_invoke();
        script.key(&self.keys).arg(limit.0).arg(point(Some(self.tip))?).arg(kind);
        script.arg(seen.epoch).arg(seen.messages).arg(tip(seen));
        script.arg(lifetime(self.lifetime_ms)).arg(self.session.as_str());
        let (is_stale, epoch, messages, tip): (bool, i64, i64, String) =
            script.invoke_async(connection).await?;
        let current = version(epoch, messages, &tip)?;
        if is_stale {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        Ok(current)
    }
}

/// The turns that follow a point.
pub(crate) struct Alternatives {
    pub(crate) keys: SessionKeys,
    pub(crate) point: Point,
}

impl Operation for Alternatives {
    type Output = Vec<Alternative>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<Alternative>, Failure> {
        let mut script = ALTERNATIVES.prepare_invoke();
        script.key(&self.keys).arg(point(Some(self.point))?);
        let found: Vec<(String, String, bool)> = script.invoke_async(connection).await?;
        let id = |text: &str| {
            text.parse::<TurnId>().map_err(|_| corrupt("cannot decode the id of a turn".to_owned()))
        };
        let alternative = |(turn, newest, is_current): (String, String, bool)| {
            Ok(Alternative::new(id(&turn)?, id(&newest)?).with_current(is_current))
        };
        found.into_iter().map(alternative).collect()
    }
}

/// Begins a session with the turns of another one up to a point, which both share.
pub(crate) struct Fork {
    pub(crate) keys: SessionKeys,
    pub(crate) session: SessionId,
    pub(crate) point: Point,
    pub(crate) into_keys: SessionKeys,
    pub(crate) into: SessionId,
    /// A fork that is repeated, because its answer was lost, is the same one.
    pub(crate) id: TurnId,
    pub(crate) lifetime_ms: Option<u64>,
}

impl Operation for Fork {
    type Output = Version;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Version, Failure> {
        loop {
            let mut script = FORK.prepare_invoke();
            script.key(&self.keys).key(&self.into_keys).arg(limit.0).arg(point(Some(self.point))?);
            script.arg(self.session.as_str()).arg(self.into.as_str()).arg(self.id.to_string());
            script.arg(lifetime(self.lifetime_ms)).arg(SessionInfo::MAX_LABELS);
            let forked: Result<Forked, _> = script.invoke_async(connection).await;
            match forked {
                // The new session's time is up, and its keys are in the way.
                Err(error) if error.code() == Some(EXPIRED) => {
                    self.clear(connection, limit).await?;
                }
                forked => return checked(forked?),
            }
        }
    }
}

impl Fork {
    /// Clears the new session, whose time is up.
    pub(super) async fn clear(&self, connection: &mut Link, limit: Limit) -> Result<(), Failure> {
        let (keys, session) = (self.into_keys.clone(), self.into.clone());
        Clear { keys, session, lifetime_ms: self.lifetime_ms }.run(connection, limit).await
    }
}

/// The code with which a script refuses to fork into a session whose time is up.
pub(super) const EXPIRED: &str = "EXPIRED";

/// Whether the new session is not empty, and its version.
pub(super) type Forked = (bool, i64, i64, String);

pub(super) fn checked((is_stale, epoch, messages, tip): Forked) -> Result<Version, Failure> {
    let current = version(epoch, messages, &tip)?;
    if is_stale {
        let expected = Version::new(current.epoch, 0);
        return Err(HistoryError::Stale { expected, current }.into());
    }
    Ok(current)
}
