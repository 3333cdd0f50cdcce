//! Deletions by labels, which the store has encrypted.

use conversant_core::{ChatHistory, HistoryError, SessionFilter, SessionId};

use crate::{
    codec::Codec,
    listing::{self, PAGE},
    name_record,
};

/// The attempts to delete a session whose labels change meanwhile.
const MAX_ATTEMPTS: usize = 8;

/// Deletes at most `limit` of the sessions that a filter by labels selects, the one that was used
/// last at the end. Once there are no others, a session that it could select as well, or a damaged
/// one, is an error.
pub(crate) async fn delete_selected(
    inner: &impl ChatHistory,
    codec: &Codec,
    filter: &SessionFilter,
    limit: usize,
) -> Result<usize, HistoryError> {
    let (mut selected, mut undecided, mut place) = (Vec::new(), None, None);
    loop {
        let after = place.as_ref();
        let page = listing::list(inner, codec, filter, after, PAGE, &mut undecided).await?;
        selected.extend(page.sessions.into_iter().map(|info| info.session));
        match page.next {
            Some(next) => place = Some(next),
            None => break,
        }
    }
    let mut deleted = 0;
    // Further ones take the places of those that have changed since, or are damaged.
    for session in selected.iter().rev() {
        if deleted == limit {
            break;
        }
        match delete(inner, codec, session, filter).await {
            Err(error @ HistoryError::Corrupt { .. }) => {
                undecided.get_or_insert(error);
            }
            outcome => deleted += usize::from(outcome?),
        }
    }
    match undecided {
        Some(error) if deleted < limit => Err(error),
        _ => Ok(deleted),
    }
}

/// Deletes a session if a filter by labels selects it, and returns whether it did.
async fn delete(
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
        let names = name_record::open(&codec.keys, &stored, session, found);
        if !filter.matches(&names.info) {
            return Ok(false);
        }
        if inner.delete_sessions(&conditions, 1).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
