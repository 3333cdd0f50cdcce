//! Titles of conversations.

use conversant_core::{ChatHistory, HistoryError, SessionId};

/// The name of the note in which earlier versions kept a title.
const NOTE: &str = "title";

/// Returns the title of a conversation, if it was given one.
pub async fn title(
    history: &dyn ChatHistory,
    session: &SessionId,
) -> Result<Option<String>, HistoryError> {
    let info = history.session_info(session).await?;
    match info.and_then(|info| info.title) {
        Some(title) => Ok(Some(title)),
        None => noted(history, session).await,
    }
}

/// Returns the title that an earlier version gave a conversation.
pub async fn noted(
    history: &dyn ChatHistory,
    session: &SessionId,
) -> Result<Option<String>, HistoryError> {
    let note = history.note(session, NOTE).await?;
    Ok(note.and_then(|note| Some(note.body.as_text()?.to_owned())))
}
