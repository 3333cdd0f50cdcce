//! Forks a session in a cluster, where the new one is on another node.

use conversant_core::{Range, SessionInfo, Version};

use super::{
    branch::{EXPIRED, Fork, Forked, checked},
    listing::{Info, labels_text},
    load::{Load, Loaded},
    scripts::{STAGE, TAKE_COPY, lifetime, tip},
};
use crate::{
    cluster::Listing,
    error::Failure,
    link::Link,
    pool::{Limit, Operation},
};

/// The bytes of the turns that are copied by one script, unless one turn has more.
const PAGE: usize = 1024 * 1024;

/// The number of turns that are copied by one script.
const MAX_TURNS: usize = 500;

/// The time in milliseconds after which copies that were not completed are removed: an hour.
const ABANDONED_MS: u64 = 60 * 60 * 1000;

/// A fork whose turns are copied.
pub(crate) struct CopyFork {
    pub(crate) fork: Fork,
    pub(crate) listing: Listing,
}

impl Operation for CopyFork {
    type Output = Version;

    async fn run(&self, connection: &mut Link, limit: Limit) -> Result<Version, Failure> {
        let Fork { keys, session, point, into_keys, into, id, lifetime_ms } = &self.fork;
        let load = Load { keys: keys.clone(), range: Range::All, point: Some(*point) };
        let Loaded { version: source, turns, .. } = load.run(connection, limit).await?;
        let info = Info { keys: keys.clone(), session: session.clone() };
        let labels = info.run(connection, limit).await?.as_ref().map(labels_text);
        let labels = labels.unwrap_or_default();
        self.listing.ensure(connection).await?;
        let mut copied = 0;
        while let Some(rest) = turns.get(copied..).filter(|rest| !rest.is_empty()) {
            let mut stage = STAGE.prepare_invoke();
            stage.key(into_keys).arg(id.to_string()).arg(copied).arg(ABANDONED_MS);
            let mut bytes = 0;
            for turn in rest.iter().take(MAX_TURNS) {
                bytes += turn.text().len();
                if bytes > PAGE && bytes > turn.text().len() {
                    break;
                }
                stage.arg(turn.text());
            }
            // What was copied may have been evicted meanwhile.
            copied = stage.invoke_async(connection).await?;
        }
        loop {
            let mut take = TAKE_COPY.prepare_invoke();
            take.key(into_keys).arg(limit.0).arg(into.as_str()).arg(id.to_string());
            take.arg(turns.len()).arg(source.messages).arg(tip(source));
            take.arg(lifetime(*lifetime_ms)).arg(&labels).arg(SessionInfo::MAX_LABELS);
            let taken: Result<Forked, _> = take.invoke_async(connection).await;
            match taken {
                Err(error) if error.code() == Some(EXPIRED) => {
                    self.fork.clear(connection, limit).await?;
                }
                taken => return checked(taken?),
            }
        }
    }
}
