//! Appends a turn.

use conversant_core::{Expect, HistoryError, Point, SessionId, Turn, TurnId, UsageTotals, Version};
use conversant_history::langchain::version_to_text;

use super::{
    listing::{millis, totals_text},
    scripts::{APPEND, Expected, Invocation, lifetime, point, tip, version},
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
    /// The number of messages before it, if it is expected, its number of messages, its id, whether
    /// it is incomplete, its base, and its messages.
    text: String,
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
        let count = turn.messages().len();
        let before = match expect {
            Expect::SameEpoch(seen) | Expect::Exactly(seen) => seen.messages.to_string(),
            _ => String::new(),
        };
        Self {
            keys,
            session: session.clone(),
            turn: id,
            count,
            text: format!("{before} {count} {id} {incomplete} {base} {messages}"),
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
        #[cfg(feature = "cluster")]
        if let Some(listing) = &self.listing {
            listing.ensure(connection).await?;
        }
        let [meta, _, turns, ids, _, _, index, floor, listed] = &self.keys;
        let mut script = Invocation::new(&APPEND, &[meta, turns, ids, listed, index, floor]);
        script.arg(limit.0).arg(self.turn.to_string());
        // The server converts few numbers if it gets them as they are stored.
        if kind == 0 {
            script.arg("").arg("").arg("");
        } else {
            script.arg(seen.epoch).arg(seen.messages).arg(tip(seen));
        }
        let finish = seen.messages.saturating_add(self.count as u64);
        script
            .arg(&self.text)
            .arg(finish)
            .arg(format!("{:016x}", self.turn.fingerprint()))
            .arg(self.turn.created_at().map_or_else(String::new, |time| millis(time).to_string()))
            .arg(self.bytes)
            .arg(format!("\n{}", self.session.as_str()))
            .arg(kind)
            .arg(totals_text(self.totals));
        if self.point.is_some() || self.lifetime_ms.is_some() || self.count == 0 {
            script.arg(lifetime(self.lifetime_ms)).arg(point(self.point)?);
        }
        let answer: Option<(i64, i64, i64, Vec<u8>)> = script.run(connection).await?;
        let Some((outcome, epoch, messages, text)) = answer else {
            return Ok(Version::new(seen.epoch, finish).with_tip(self.turn.fingerprint()));
        };
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
        let own =
            self.text.split_once(' ').map_or_else(String::new, |(_, text)| format!("0 {text}"));
        let own = StoredTurn::read(own.into_bytes())?.into_turn()?;
        own.check_stored(&StoredTurn::read(stored)?.into_turn()?)
    }
}
