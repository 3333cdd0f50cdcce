//! Sessions of the history under test in a list of their own, for checks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{
    ChatHistory, Expect, SessionCursor, SessionFilter, SessionId, SessionInfo, Turn, TurnId,
};

use super::session_driver::supported;
use crate::suite::check::{Checked, Stop, ensure};

/// The label that the sessions of one check have.
pub(super) const LABEL: &str = "suite";

/// Returns a time, some seconds after a fixed one.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

/// Returns a turn that was made at a time.
pub(super) fn made_at(seconds: u64) -> Turn {
    Turn::exchange("a question", "an answer").with_id(TurnId::at(at(seconds)))
}

/// Sessions of the history under test, in a list of their own.
pub(super) struct List<'h, H> {
    history: &'h H,
    pub(super) run: String,
}

impl<'h, H: ChatHistory> List<'h, H> {
    /// Begins a list, or skips the check if the history has no lists.
    pub(super) async fn new(history: &'h H) -> Result<Self, Stop> {
        let run = TurnId::random().to_string();
        let list = Self { history, run };
        supported(history.list_sessions(&list.filter(), None, 1).await, "no lists of sessions")?;
        Ok(list)
    }

    /// Returns the filter that selects the sessions of the list.
    pub(super) fn filter(&self) -> SessionFilter {
        SessionFilter::new().with_label(LABEL, self.run.as_str())
    }

    pub(super) fn id(&self, name: &str) -> Result<SessionId, Stop> {
        Ok(SessionId::new(format!("suite {} {name}", self.run))?)
    }

    /// Begins a session of turns that were made at these times.
    pub(super) async fn session(&self, name: &str, times: &[u64]) -> Result<SessionId, Stop> {
        let id = self.id(name)?;
        for &time in times {
            self.history.append(&id, &made_at(time), Expect::Any).await?;
        }
        self.history.set_label(&id, LABEL, Some(&self.run)).await?;
        Ok(id)
    }

    pub(super) async fn info(&self, session: &SessionId) -> Result<SessionInfo, Stop> {
        let found = self.history.session_info(session).await?;
        found.ok_or_else(|| Stop::Failed(format!("session `{session}` is not listed")))
    }

    /// Returns the ends of the names of all sessions that a filter selects, in pages of a size.
    pub(super) async fn names(
        &self,
        filter: &SessionFilter,
        mut after: Option<SessionCursor>,
        limit: usize,
    ) -> Result<Vec<String>, Stop> {
        let mut names = Vec::new();
        // One page more than there can be, so that a list without an end is noticed.
        for _ in 0..50 {
            let page = self.history.list_sessions(filter, after.as_ref(), limit).await?;
            let found = page.sessions.len();
            ensure!(found <= limit, "{limit} sessions were asked for, and {found} listed");
            names.extend(page.sessions.iter().map(|info| self.name(&info.session)));
            after = page.next;
            if after.is_none() {
                return Ok(names);
            }
        }
        Err(Stop::Failed(format!("the list does not end: {names:?}")))
    }

    fn name(&self, session: &SessionId) -> String {
        session.as_str().trim_start_matches(&format!("suite {} ", self.run)).to_owned()
    }

    /// Checks that a filter selects these sessions, in this order.
    pub(super) async fn lists(&self, filter: &SessionFilter, expected: &[&str]) -> Checked {
        let found = self.names(filter, None, 3).await?;
        ensure!(found == expected, "{filter:?} lists {found:?} instead of {expected:?}");
        Ok(())
    }
}
