//! Lists sessions, and completes the index of their names.

use std::collections::BTreeSet;

use conversant_core::{HistoryError, SessionId, TurnId};

use super::{
    completion::{Completion, cannot_write},
    scan::Scan,
    scripts::{INDEX_ADD, INDEX_BEGIN, INDEX_END, SESSIONS},
};
use crate::{
    error::Failure,
    keys::Keys,
    link::Link,
    pool::{Limit, Operation},
};

/// The number of names that one script examines. The server does nothing else meanwhile.
const PAGE: usize = 500;

/// The sessions after one, in byte order.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) keys: Keys,
    pub(crate) after: Option<SessionId>,
    pub(crate) limit: usize,
    pub(crate) completion: Completion,
}

impl Operation for List {
    type Output = Vec<SessionId>;

    async fn run(&self, connection: &mut Link, _: Limit) -> Result<Vec<SessionId>, Failure> {
        let (index, mut sessions, mut is_writable) = (self.keys.index(), Vec::new(), true);
        let mut after = self.after.as_ref().map_or_else(String::new, SessionId::to_string);
        while sessions.len() < self.limit {
            let page = Page::load(self, &index, &after, sessions.len(), connection).await?;
            if !page.is_complete && is_writable {
                let (keys, link) = (self.keys.clone(), connection.clone());
                match self.completion.run(|| complete(keys, link)).await {
                    // What the index has is listed.
                    Err(failure) if cannot_write(&failure) => is_writable = false,
                    completed => completed?,
                }
                continue;
            }
            sessions.extend(page.sessions);
            let Some(last) = page.last else { break };
            after = last;
        }
        Ok(sessions)
    }
}

/// A part of an index.
pub(super) struct Page {
    pub(super) sessions: Vec<SessionId>,
    /// The last name examined, if there may be more.
    pub(super) last: Option<String>,
    is_complete: bool,
}

impl Page {
    /// Loads the part of an index that follows a name, for a list that has `found` names.
    pub(super) async fn load(
        list: &List,
        index: &str,
        after: &str,
        found: usize,
        connection: &mut Link,
    ) -> Result<Self, Failure> {
        let mut script = SESSIONS.prepare_invoke();
        script.key(index).arg(after).arg(PAGE).arg(list.limit.saturating_sub(found));
        script.arg(list.keys.prefix());
        let (names, last, is_complete): (Vec<String>, Option<String>, bool) =
            script.invoke_async(connection).await?;
        let session = |name| {
            SessionId::from_stored(name).map_err(|error| HistoryError::Corrupt {
                what: "found an invalid session name".to_owned(),
                source: Some(error.into()),
            })
        };
        let sessions = names.into_iter().map(session).collect::<Result<_, _>>()?;
        Ok(Self { sessions, last, is_complete })
    }
}

/// Adds all sessions to the index, which the server has evicted or a version of this crate has
/// written that did not mark it as complete. Other processes may do the same at once.
async fn complete(keys: Keys, mut link: Link) -> Result<(), Failure> {
    let (index, mark) = (keys.index(), TurnId::random().to_string());
    let mut begin = INDEX_BEGIN.prepare_invoke();
    begin.key(&index).arg(&mark).invoke_async::<i64>(&mut link).await?;
    let mut scan = Scan::new(keys.pattern_of_sessions(), None);
    while let Some(found) = scan.next(&mut link).await? {
        let names: BTreeSet<_> = found.iter().filter_map(|key| keys.session_of(key)).collect();
        let mut add = INDEX_ADD.prepare_invoke();
        // If the index was evicted meanwhile, the caller finds it incomplete.
        if !add.key(&index).arg(&mark).arg(names).invoke_async::<bool>(&mut link).await? {
            return Ok(());
        }
    }
    let mut end = INDEX_END.prepare_invoke();
    end.key(&index).arg(&mark).invoke_async::<i64>(&mut link).await?;
    Ok(())
}
