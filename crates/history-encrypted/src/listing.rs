//! Lists of sessions, whose titles, labels and blinded ids are encrypted.

use conversant_core::{
    ChatHistory, HistoryError, Range, SessionCursor, SessionFilter, SessionId, SessionPage,
};

use crate::{
    codec::Codec,
    error::{DecryptionFault, Record},
    name_record,
};

/// The number of sessions of the store that are read at a time.
pub(crate) const PAGE: usize = 256;

/// Returns the id of a session by its id in the store. `None` if it is blinded and the session has
/// no turns: its id is encrypted with them.
pub(crate) async fn own_session(
    inner: &impl ChatHistory,
    codec: &Codec,
    stored: &SessionId,
) -> Result<Option<SessionId>, HistoryError> {
    if codec.blinding.is_none() {
        return Ok(Some(stored.clone()));
    }
    let slice = inner.load(stored, Range::LastMessages(1)).await?;
    let at = |fault: DecryptionFault| fault.in_session(Record::SessionId, stored);
    let opened = codec.open_last(stored, &slice).map_err(at)?;
    let Some(opened) = opened else { return Ok(None) };
    let session = opened.binding.session.ok_or_else(|| at(DecryptionFault::Mismatch))?;
    if codec.session(&session)? != *stored {
        return Err(at(DecryptionFault::Mismatch));
    }
    Ok(Some(session))
}

/// Lists sessions. `undecided` gets the error of the first one that the filter could select and
/// whose id or labels cannot be decrypted.
pub(crate) async fn list(
    inner: &impl ChatHistory,
    codec: &Codec,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
    limit: usize,
    undecided: &mut Option<HistoryError>,
) -> Result<SessionPage, HistoryError> {
    if filter.words().next().is_some() {
        return Err(HistoryError::Unsupported { what: "search in encrypted sessions" });
    }
    let mut stored_filter = filter.clone();
    stored_filter.labels.clear();
    let mut found = Vec::new();
    let mut place = after.map(|after| codec.stored_cursor(after)).transpose()?;
    // One more than the limit shows that there is a next page.
    while found.len() <= limit {
        let page = limit.saturating_add(1).clamp(1, PAGE);
        let page = inner.list_sessions(&stored_filter, place.as_ref(), page).await?;
        for info in page.sessions {
            let stored = info.session.clone();
            let session = match own_session(inner, codec, &stored).await {
                Ok(Some(session)) => session,
                Ok(None) => continue,
                Err(error @ HistoryError::Decryption { .. }) => {
                    undecided.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let names = name_record::open(&codec.keys, &stored, &session, info);
            if !filter.matches(&names.info) {
                if let Some(error) = names.undecided(filter) {
                    undecided.get_or_insert(error);
                }
            } else if found.len() <= limit {
                found.push(names.info);
            }
        }
        match page.next {
            Some(next) => place = Some(next),
            None => break,
        }
    }
    Ok(SessionPage::of(found, limit))
}
