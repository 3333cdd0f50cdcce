//! Lists sessions.

use conversant_core::{HistoryError, SessionId};
use redis::aio::ConnectionManager;

use super::scripts::SESSIONS;
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
        let mut sessions = Vec::new();
        let mut after = self.after.as_ref().map(|session| session.as_str().to_owned());
        while sessions.len() < self.limit {
            let mut script = SESSIONS.prepare_invoke();
            script
                .key(self.keys.index())
                .arg(after.unwrap_or_default())
                .arg(PAGE)
                .arg(self.limit - sessions.len())
                .arg(self.keys.prefix());
            let (names, last): (Vec<String>, Option<String>) =
                script.invoke_async(connection).await?;
            for name in names {
                sessions.push(SessionId::new(name).map_err(|error| HistoryError::Corrupt {
                    what: "found an invalid session name".to_owned(),
                    source: Some(error.into()),
                })?);
            }
            if last.is_none() {
                break;
            }
            after = last;
        }
        Ok(sessions)
    }
}
