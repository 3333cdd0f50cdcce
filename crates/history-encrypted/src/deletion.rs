//! Deletions by labels, which the store has encrypted.

use conversant_core::{ChatHistory, HistoryError, SessionFilter, SessionId};

use crate::{codec::Codec, name_record};

/// The attempts to delete a session whose labels change meanwhile.
const MAX_ATTEMPTS: usize = 8;

/// Deletes a session if a filter by labels selects it, and returns whether it did.
pub(crate) async fn delete_selected(
    inner: &impl ChatHistory,
    codec: &Codec,
    session: &SessionId,
    filter: &SessionFilter,
) -> Result<bool, HistoryError> {
    let stored = codec.session(session)?;
    for _ in 0..MAX_ATTEMPTS {
        let Some(found) = inner.session_info(&stored).await? else { return Ok(false) };
        // No other session has these labels: each is bound to its session. The store compares them,
        // and the times, when it deletes.
        let mut conditions = filter.clone();
        conditions.labels.clone_from(&found.labels);
        let mut info = name_record::open(&codec.keys, &stored, found)?;
        info.session = session.clone();
        if !filter.matches(&info) {
            return Ok(false);
        }
        if inner.delete_sessions(&conditions, 1).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
