//! Notes, where the history has them.

use conversant_core::{ChatHistory, HistoryError, Note, Value};
use serde_json::json;

use super::talk::{Talk, exchange, supported};
use crate::suite::check::{Checked, ODD_TEXTS, Stop, ensure};

/// Begins a session if the history has notes.
async fn with_notes<H: ChatHistory>(history: &H) -> Result<Talk<'_, H>, Stop> {
    let talk = Talk::new(history)?;
    let note = supported(history.note(&talk.session, "summary").await, "no notes")?;
    ensure!(note.is_none(), "a new session has a note");
    Ok(talk)
}

/// Checks what a note says, and how far it covers.
async fn says<H: ChatHistory>(talk: &Talk<'_, H>, name: &str, note: Option<&Note>) -> Checked {
    let found = talk.history.note(&talk.session, name).await?;
    let same = found.as_ref().map(|found| (found.body.to_text(), found.covers))
        == note.map(|note| (note.body.to_text(), note.covers));
    ensure!(same, "the note {name:?} is {found:?} instead of {note:?}");
    Ok(())
}

pub(super) async fn a_note_is_loaded_as_it_was_put(history: &impl ChatHistory) -> Checked {
    let talk = with_notes(history).await?;
    let covers = talk.append(&exchange(1)).await?;
    let data = Value::from(json!({"people": {"Ada": ["met", 2.5, null, true]}}));
    let bodies = [Value::from("a summary"), Value::from(7), Value::from(0.5), data];
    let texts = ODD_TEXTS.iter().map(|text| Value::from(*text));
    for body in bodies.into_iter().chain(texts) {
        let note = Note::new(body, covers);
        history.put_note(&talk.session, "summary", &note).await?;
        says(&talk, "summary", Some(&note)).await?;
    }
    Ok(())
}

pub(super) async fn notes_are_told_apart_by_name_and_session(
    history: &impl ChatHistory,
) -> Checked {
    let (talk, other) = (with_notes(history).await?, Talk::new(history)?);
    let names = ["summary", "Summary", "summary ", "", "a/b", "%", "'", "\u{e9}", "e\u{301}"];
    let covers = talk.version().await?;
    for name in names {
        let note = Note::new(format!("named {name}"), covers);
        history.put_note(&talk.session, name, &note).await?;
    }
    for name in names {
        let note = Note::new(format!("named {name}"), covers);
        says(&talk, name, Some(&note)).await?;
        says(&other, name, None).await?;
    }
    Ok(())
}

pub(super) async fn a_note_is_no_message(history: &impl ChatHistory) -> Checked {
    let talk = with_notes(history).await?;
    let turn = exchange(1);
    let covers = talk.append(&turn).await?;
    history.put_note(&talk.session, "summary", &Note::new("a summary", covers)).await?;
    talk.holds(&[&turn]).await?;
    let version = talk.all().await?.version;
    ensure!(version == covers, "a note moved the version from {covers:?} to {version:?}");
    Ok(())
}

pub(super) async fn clearing_takes_the_notes(history: &impl ChatHistory) -> Checked {
    let (talk, other) = (with_notes(history).await?, Talk::new(history)?);
    let note = Note::new("a summary", other.append(&exchange(1)).await?);
    history.put_note(&other.session, "summary", &note).await?;
    let covers = talk.append(&exchange(2)).await?;
    history.put_note(&talk.session, "summary", &Note::new("a summary", covers)).await?;
    talk.clear().await?;
    says(&talk, "summary", None).await?;
    says(&other, "summary", Some(&note)).await
}

pub(super) async fn a_note_of_an_old_epoch_is_not_stored(history: &impl ChatHistory) -> Checked {
    let talk = with_notes(history).await?;
    let old = talk.append(&exchange(1)).await?;
    talk.clear().await?;
    // Stores may say so or keep quiet.
    match history.put_note(&talk.session, "summary", &Note::new("late", old)).await {
        Ok(()) | Err(HistoryError::Stale { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    says(&talk, "summary", None).await
}
