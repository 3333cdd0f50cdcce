//! The list of conversations: titles, order and search.

use chat::title;
use conversant_core::{
    ChatHistory, HistoryError, SessionCursor, SessionFilter, SessionId, SessionInfo, clock::millis,
};
use serde::Serialize;

/// The number of conversations on a page.
const PAGE: usize = 50;

/// The longest title that is made of a question, in characters.
const MADE_TITLE: usize = 80;

/// A page of the list.
#[derive(Debug, Serialize)]
pub struct Page {
    pub sessions: Vec<Entry>,
    /// The place of the next page, if there is one.
    pub next: Option<SessionCursor>,
}

/// A conversation in the list.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub id: SessionId,
    pub title: String,
    /// The time of the last turn, in milliseconds since 1970.
    pub used: u64,
    pub turns: u64,
}

/// Returns a page of the conversations that have some words, those that were used last first.
pub async fn page(
    history: &dyn ChatHistory,
    words: &str,
    after: Option<&SessionCursor>,
) -> Result<Page, HistoryError> {
    let filter = match words.trim() {
        "" => SessionFilter::new(),
        words => SessionFilter::new().with_text(words),
    };
    let page = history.list_sessions(&filter, after, PAGE).await?;
    let mut sessions = Vec::with_capacity(page.sessions.len());
    for info in page.sessions {
        let SessionInfo { session: id, title, last_used_at, turns, .. } = info;
        let title = match title {
            Some(title) => title,
            None => title_without_one(history, &id).await?,
        };
        sessions.push(Entry { id, title, used: millis(last_used_at), turns });
    }
    Ok(Page { sessions, next: page.next })
}

/// Returns the title of a conversation: the one that it was given, or its first words.
pub async fn title(history: &dyn ChatHistory, session: &SessionId) -> Result<String, HistoryError> {
    let info = history.session_info(session).await?;
    match info.and_then(|info| info.title) {
        Some(title) => Ok(title),
        None => title_without_one(history, session).await,
    }
}

async fn title_without_one(
    history: &dyn ChatHistory,
    session: &SessionId,
) -> Result<String, HistoryError> {
    if let Some(title) = title::noted(history, session).await? {
        return Ok(title);
    }
    let first = history.first(session, 1).await?;
    let words = first.and_then(|first| first.iter().next().map(|one| one.text().into_owned()));
    let words = words.unwrap_or_default();
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(line.chars().take(MADE_TITLE).collect())
}
