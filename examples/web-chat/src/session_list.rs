//! The list of conversations: titles, order and search.

use conversant_core::{ChatHistory, HistoryError, Note, Range, SessionId, TurnId, Version};
use serde::Serialize;

use crate::turn_view::millis;

/// The name of the note that has a conversation's title.
const TITLE: &str = "title";

/// The longest title that is made of a question, in characters.
const MADE_TITLE: usize = 80;

/// A page of the list.
#[derive(Debug, Serialize)]
pub struct Page {
    pub sessions: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A conversation in the list.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub id: SessionId,
    pub title: String,
    /// The time of the last turn, in milliseconds since 1970.
    pub used: Option<u64>,
}

/// Returns a page of the conversations that have some words, those that were used last first.
pub async fn page(
    history: &dyn ChatHistory,
    search: &str,
    _after: Option<&str>,
) -> Result<Page, HistoryError> {
    let mut found: Vec<(Option<TurnId>, Entry)> = Vec::new();
    let mut last: Option<SessionId> = None;
    let search = search.to_lowercase();
    loop {
        let page = history.sessions(last.as_ref(), 100).await?;
        for session in &page {
            let title = title(history, session).await?;
            if title.to_lowercase().contains(&search) {
                let turns = history.turns(session, Range::LastTurns(1)).await?;
                let turn = turns.last().map(|turn| turn.id());
                let used = turn.and_then(|turn| turn.created_at()).map(millis);
                found.push((turn, Entry { id: session.clone(), title, used }));
            }
        }
        match page.last() {
            Some(session) if page.len() == 100 => last = Some(session.clone()),
            _ => break,
        }
    }
    found.sort_by_key(|(turn, _)| std::cmp::Reverse(*turn));
    Ok(Page { sessions: found.into_iter().map(|(_, entry)| entry).collect(), next: None })
}

/// Returns the title of a conversation: the one that it was given, or its first words.
pub async fn title(history: &dyn ChatHistory, session: &SessionId) -> Result<String, HistoryError> {
    let note = history.note(session, TITLE).await?;
    if let Some(title) = note.as_ref().and_then(|note| note.body.as_text()) {
        return Ok(title.to_owned());
    }
    let first = history.first(session, 1).await?;
    let words = first.and_then(|first| first.iter().next().map(|one| one.text().into_owned()));
    let words = words.unwrap_or_default();
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(line.chars().take(MADE_TITLE).collect())
}

/// Renames a conversation.
pub async fn rename(
    history: &dyn ChatHistory,
    session: &SessionId,
    title: &str,
) -> Result<(), HistoryError> {
    let version = history.load(session, Range::LastMessages(0)).await?.version;
    // It covers the beginning, which every branch of the conversation has.
    let note = Note::new(title, Version::new(version.epoch, 0));
    history.put_note(session, TITLE, &note).await
}
