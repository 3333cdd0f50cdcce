//! Lists sessions, and completes the index of their names.

use conversant_core::{HistoryError, SessionId, TurnId};
use redis::aio::ConnectionManager;

use super::{
    scan::Scan,
    scripts::{INDEX_ADD, INDEX_BEGIN, INDEX_END, SESSIONS},
};
use crate::{
    error::Failure,
    keys::Keys,
    pool::{Limit, Operation},
};

/// The number of names that one script examines. The server does nothing else meanwhile.
const PAGE: usize = 500;

/// The sessions after one, in byte order.
pub(crate) struct List {
    pub(crate) keys: Keys,
    pub(crate) after: Option<SessionId>,
    pub(crate) limit: usize,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(
        &self,
        connection: &mut ConnectionManager,
        _: Limit,
    ) -> Result<Vec<SessionId>, Failure> {
        let (mut sessions, mut is_writable) = (Vec::new(), true);
        let mut after = self.after.as_ref().map_or_else(String::new, SessionId::to_string);
        while sessions.len() < self.limit {
            let mut script = SESSIONS.prepare_invoke();
            script
                .key(self.keys.index())
                .arg(&after)
                .arg(PAGE)
                .arg(self.limit - sessions.len())
                .arg(self.keys.prefix());
            let (names, last, is_complete): (Vec<String>, Option<String>, bool) =
                script.invoke_async(connection).await?;
            if !is_complete && is_writable {
                match self.complete(connection).await {
                    // What the index has is listed.
                    Err(Failure::Refused(
                        HistoryError::Full { .. } | HistoryError::ReadOnly { .. },
                    )) => is_writable = false,
                    completed => completed?,
                }
                continue;
            }
            for name in names {
                sessions.push(SessionId::new(name).map_err(|error| HistoryError::Corrupt {
                    what: "found an invalid session name".to_owned(),
                    source: Some(error.into()),
                })?);
            }
            let Some(last) = last else { break };
            after = last;
        }
        Ok(sessions)
    }
}

impl List {
    /// Adds all sessions to the index, which the server has evicted or a version of this crate has
    /// written that did not mark it as complete. Other processes may do the same at once.
    async fn complete(&self, connection: &mut ConnectionManager) -> Result<(), Failure> {
        let (index, mark) = (self.keys.index(), TurnId::random().to_string());
        let mut begin = INDEX_BEGIN.prepare_invoke();
        begin.key(&index).arg(&mark).invoke_async::<i64>(connection).await?;
        let mut scan = Scan::new(self.keys.pattern_of_sessions(), None);
        while let Some(keys) = scan.next(connection).await? {
            let names: Vec<String> =
                keys.iter().filter_map(|key| self.keys.session_of(key)).collect();
            let mut add = INDEX_ADD.prepare_invoke();
            // If the index was evicted meanwhile, the caller finds it incomplete.
            if !add.key(&index).arg(&mark).arg(names).invoke_async::<bool>(connection).await? {
                return Ok(());
            }
        }
        let mut end = INDEX_END.prepare_invoke();
        end.key(&index).arg(&mark).invoke_async::<i64>(connection).await?;
        Ok(())
    }
}
