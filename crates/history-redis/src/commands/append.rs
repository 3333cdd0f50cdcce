//! Appends a turn.

use conversant_core::{Expect, HistoryError, Point, SessionId, Turn, TurnId, UsageTotals, Version};
use conversant_history::langchain::version_to_text;

use super::{
    listing::{millis, totals_text},
    scripts::{APPEND, Expected, Invocation, point, tip, version},
    stored_turn::StoredTurn,
};
use crate::{
    error::Failure,
    keys::SessionKeys,
    link::Link,
    pool::{Limit, Operation},
};

/// The first number that the script returns if the session is not in the expected state.
const STALE: i64 = 1;

/// The first number that the script returns if the turn's id is stored already.
const REPEATED: i64 = 2;

/// An encoded turn to append.
pub(crate) struct Append {
    keys: SessionKeys,
    session: SessionId,
    turn: TurnId,
    count: usize,
    /// Its id, whether it is incomplete, its base, and its messages.
    body: String,
    /// The point that it follows. `None` is the tip.
    point: Option<Point>,
    expect: Expect,
    lifetime_ms: Option<u64>,
    /// The bytes of the messages.
    bytes: usize,
    totals: UsageTotals,
    #[cfg(feature = "cluster")]
    listing: Option<crate::cluster::Listing>,
}

impl Append {
    /// Encodes a turn whose messages are encoded as JSON already.
    pub(crate) fn new(
        keys: SessionKeys,
        session: &SessionId,
        point: Option<Point>,
        turn: &Turn,
        messages: &str,
        expect: Expect,
        lifetime_ms: Option<u64>,
    ) -> Self {
        let (id, incomplete) = (turn.id(), u8::from(turn.is_incomplete()));
        let base = turn.base().map_or("-".to_owned(), version_to_text);
        Self {
            keys,
            session: session.clone(),
            turn: id,
            count: turn.messages().len(),
            body: format!("{id} {incomplete} {base} {messages}"),
            point,
            expect,
            lifetime_ms,
            bytes: messages.len(),
            totals: UsageTotals::of_turn(turn),
            #[cfg(feature = "cluster")]
            listing: None,
        }
    }

    /// Ensures that the session is listed, in a cluster.
    #[cfg(feature = "cluster")]
    pub(crate) fn with_listing(mut self, listing: Option<crate::cluster::Listing>) -> Self {
        self.listing = listing;
        self
    }
}

impl Operation for Append {
    type Output = Version;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Version, Failure> {
        let Expected { kind, version: seen } = Expected::new(self.expect)?;
        let point = point(self.point)?;
        #[cfg(feature = "cluster")]
        if let Some(listing) = &self.listing {
            listing.ensure(connection).await?;
        }
        let mut script = Invocation::new(&APPEND, &self.keys);
        script
            .arg(limit.0)
            .arg(self.turn.to_string())
            .arg(kind)
            .arg(seen.epoch)
            .arg(seen.messages)
            .arg(tip(seen))
            .arg(self.lifetime_ms.map_or_else(String::new, |lifetime| lifetime.to_string()))
            .arg(self.count)
            .arg(&self.body)
            .arg(self.session.as_str())
            .arg(format!("{:016x}", self.turn.fingerprint()))
            .arg(point)
            .arg(self.turn.created_at().map_or_else(String::new, |time| millis(time).to_string()))
            .arg(self.bytes)
            .arg(totals_text(self.totals));
        let (outcome, epoch, messages, text): (i64, i64, i64, Vec<u8>) =
            script.run(connection).await?;
        if outcome == REPEATED {
            self.check_stored(text)?;
            return Ok(version(epoch, messages, "")?.with_tip(self.turn.fingerprint()));
        }
        let current = version(epoch, messages, str::from_utf8(&text).unwrap_or_default())?;
        if outcome == STALE {
            return Err(HistoryError::Stale { expected: seen, current }.into());
        }
        Ok(current)
    }
}

impl Append {
    /// Checks that the turn that is stored under the id is this one.
    fn check_stored(&self, stored: Vec<u8>) -> Result<(), HistoryError> {
        let own = format!("0 {} {}", self.count, self.body);
        let own = StoredTurn::read(own.into_bytes())?.into_turn()?;
        own.check_stored(&StoredTurn::read(stored)?.into_turn()?)
    }
}
