//! Notes, where the history has them.

use std::time::Duration;

use conversant_core::{ChatHistory, HistoryError, Messages, Note, SessionId, Value, Version};
use serde_json::json;

use super::session_driver::{SessionDriver, exchange, supported};
use crate::{
    join_all::join_all,
    suite::check::{CANARY, Checked, ODD_TEXTS, Stop, ensure, withholds},
};

/// Begins a session if the history has notes.
async fn with_notes<H: ChatHistory>(history: &H) -> Result<SessionDriver<'_, H>, Stop> {
    let driver = SessionDriver::new(history)?;
    let note = supported(history.note(&driver.session, "summary").await, "no notes")?;
    ensure!(note.is_none(), "a new session has a note");
    Ok(driver)
}

/// Checks the content of a note and the version it covers.
async fn says<H: ChatHistory>(
    driver: &SessionDriver<'_, H>,
    name: &str,
    note: Option<&Note>,
) -> Checked {
    let found = driver.history.note(&driver.session, name).await?;
    let same = found.as_ref().map(|found| (found.body.to_text(), found.covers))
        == note.map(|note| (note.body.to_text(), note.covers));
    ensure!(same, "the note {name:?} is {found:?} instead of {note:?}");
    Ok(())
}

pub(super) async fn a_note_is_loaded_as_it_was_put(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let covers = driver.append(&exchange(1)).await?;
    let data = Value::from(json!({"people": {"Ada": ["met", 2.5, null, true]}}));
    let bodies = [Value::from("a summary"), Value::from(7), Value::from(0.5), data];
    let messages = [Value::from(exchange(2).messages().clone()), Value::from(Messages::new())];
    let texts = ODD_TEXTS.iter().map(|text| Value::from(*text));
    for body in bodies.into_iter().chain(messages).chain(texts) {
        let note = Note::new(body, covers);
        history.put_note(&driver.session, "summary", &note).await?;
        says(&driver, "summary", Some(&note)).await?;
        let found = history.note(&driver.session, "summary").await?;
        let kinds = (found.map(|found| found.body.kind()), note.body.kind());
        ensure!(kinds.0 == Some(kinds.1), "the body of the note {note:?} is of {:?}", kinds.0);
    }
    Ok(())
}

/// Messages that a note does not cover are shown with it. A note that covered more would hide them.
pub(super) async fn a_note_covers_what_it_says(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let covers = driver.append(&exchange(1)).await?;
    driver.append(&exchange(2)).await?;
    let note = Note::new("of the first turn", covers);
    history.put_note(&driver.session, "summary", &note).await?;
    says(&driver, "summary", Some(&note)).await?;
    driver.append(&exchange(3)).await?;
    says(&driver, "summary", Some(&note)).await?;
    match history.replace_note(&driver.session, "summary", Some(&note), &note).await {
        Ok(replaced) => ensure!(replaced, "the note that was read is another one"),
        Err(HistoryError::Unsupported { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    says(&driver, "summary", Some(&note)).await
}

pub(super) async fn a_large_note_is_stored(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let covers = driver.append(&exchange(1)).await?;
    let mut kept = None;
    // Packets, documents and columns of servers have limits of 4 and 16 MB. An encrypted note is
    // larger by a third.
    for kilobytes in [5, 70, 1_100, 11_000, 17_000] {
        let text = CANARY.repeat(kilobytes * 1024 / CANARY.len());
        let may_be_refused = text.len() as u64 > Note::MAX_BYTES;
        let note = Note::new(text, covers);
        match history.put_note(&driver.session, "summary", &note).await {
            Ok(()) => kept = Some(note),
            Err(error @ HistoryError::TooLarge { .. }) if may_be_refused => {
                withholds(&error)?;
            }
            Err(error) => {
                return Err(Stop::Failed(format!("a note of {kilobytes} KB: {error}")));
            }
        }
        let found = history.note(&driver.session, "summary").await?;
        ensure!(found == kept, "after a note of {kilobytes} KB, {found:?} is stored");
    }
    Ok(())
}

pub(super) async fn a_note_of_what_is_not_there_is_stale(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let seen = driver.append(&exchange(1)).await?;
    let later = Version::new(seen.epoch, seen.messages + 2);
    // In a store whose versions name their last turn, it names one that is not there.
    let tip = if seen.tip == 0 { 0 } else { seen.tip ^ 0xf0f0 };
    let late = Note::new("late", later.with_tip(tip));
    is_stale("a note", &history.put_note(&driver.session, "summary", &late).await)?;
    says(&driver, "summary", None).await?;
    match history.replace_note(&driver.session, "summary", None, &late).await {
        Err(HistoryError::Unsupported { .. }) => {}
        replaced => is_stale("a replacement", &replaced)?,
    }
    says(&driver, "summary", None).await
}

/// Checks that what a note covers is not in the session.
fn is_stale<T: std::fmt::Debug>(what: &str, outcome: &Result<T, HistoryError>) -> Checked {
    let is_stale = matches!(outcome, Err(HistoryError::Stale { .. }));
    ensure!(is_stale, "{what} that covers what is not there: {outcome:?}");
    Ok(())
}

pub(super) async fn notes_are_told_apart_by_name_and_session(
    history: &impl ChatHistory,
) -> Checked {
    let (driver, other) = (with_notes(history).await?, SessionDriver::new(history)?);
    let names = ["summary", "Summary", "summary ", "", "a/b", "%", "'", "\u{e9}", "e\u{301}"];
    let covers = driver.version().await?;
    for name in names {
        let note = Note::new(format!("named {name}"), covers);
        history.put_note(&driver.session, name, &note).await?;
    }
    for name in names {
        let note = Note::new(format!("named {name}"), covers);
        says(&driver, name, Some(&note)).await?;
        says(&other, name, None).await?;
    }
    Ok(())
}

pub(super) async fn a_note_is_no_message(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let turn = exchange(1);
    let covers = driver.append(&turn).await?;
    history.put_note(&driver.session, "summary", &Note::new("a summary", covers)).await?;
    driver.holds(&[&turn]).await?;
    let version = driver.all().await?.version;
    ensure!(version == covers, "a note moved the version from {covers:?} to {version:?}");
    Ok(())
}

pub(super) async fn clearing_takes_the_notes(history: &impl ChatHistory) -> Checked {
    let (driver, other) = (with_notes(history).await?, SessionDriver::new(history)?);
    let note = Note::new("a summary", other.append(&exchange(1)).await?);
    history.put_note(&other.session, "summary", &note).await?;
    let covers = driver.append(&exchange(2)).await?;
    history.put_note(&driver.session, "summary", &Note::new("a summary", covers)).await?;
    driver.clear().await?;
    says(&driver, "summary", None).await?;
    says(&other, "summary", Some(&note)).await
}

pub(super) async fn a_note_of_an_old_epoch_is_not_stored(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let old = driver.append(&exchange(1)).await?;
    driver.clear().await?;
    let late = Note::new("late", old);
    is_stale("a note", &history.put_note(&driver.session, "summary", &late).await)?;
    says(&driver, "summary", None).await
}

pub(super) async fn a_session_without_turns_has_notes(history: &impl ChatHistory) -> Checked {
    let SessionDriver { session, .. } = with_notes(history).await?;
    // The id of such a session is reserved for memories, and stores take it as any other.
    let session = SessionId::from_stored(format!("conversant:{session}"))?;
    let driver = SessionDriver { history, session };
    let lease = history.lease(&driver.session, Duration::from_secs(600)).await?;
    for body in ["known", "known better"] {
        let note = Note::new(body, driver.all().await?.version);
        history.put_note(&driver.session, "facts", &note).await?;
        says(&driver, "facts", Some(&note)).await?;
    }
    if let Some(lease) = &lease {
        history.release(lease).await?;
    }
    driver.holds(&[]).await?;
    // The session can be used as any other.
    let turn = exchange(1);
    driver.append(&turn).await?;
    driver.holds(&[&turn]).await
}

/// Replaces the note "summary" if it is the one that was read, which a history need not be able to.
async fn replaces<H: ChatHistory>(
    driver: &SessionDriver<'_, H>,
    read: Option<&Note>,
    note: &Note,
) -> Result<bool, Stop> {
    let replaced = driver.history.replace_note(&driver.session, "summary", read, note).await;
    supported(replaced, "no replacing of notes")
}

pub(super) async fn a_note_is_replaced_if_it_is_the_one_that_was_read(
    history: &impl ChatHistory,
) -> Checked {
    let driver = with_notes(history).await?;
    let other = Note::new("another", driver.version().await?);
    ensure!(
        !replaces(&driver, Some(&other), &other).await?,
        "a note that was not there is replaced"
    );
    says(&driver, "summary", None).await?;
    let covers = driver.append(&exchange(1)).await?;
    let bodies =
        [Value::from("first"), Value::from(json!({"b": [1.5, null], "a": "x"})), "".into()];
    let mut read: Option<Note> = None;
    for body in bodies {
        let note = Note::new(body, covers);
        ensure!(replaces(&driver, read.as_ref(), &note).await?, "{read:?} was not replaced");
        says(&driver, "summary", Some(&note)).await?;
        let earlier = Note::new(note.body.clone(), other.covers);
        for wrong in [None, Some(&other), Some(&earlier), read.as_ref()] {
            let replaced = replaces(&driver, wrong, &Note::new("late", covers)).await?;
            ensure!(!replaced, "{note:?} was replaced, and {wrong:?} was read");
            says(&driver, "summary", Some(&note)).await?;
        }
        read = history.note(&driver.session, "summary").await?;
    }
    driver.clear().await?;
    // It is another note than was read, and covers what is not there: a store says either.
    let late = Note::new("late", covers);
    match history.replace_note(&driver.session, "summary", read.as_ref(), &late).await {
        Ok(false) | Err(HistoryError::Stale { .. }) => {}
        Ok(true) => ensure!(false, "a note that was cleared is replaced"),
        Err(error) => return Err(error.into()),
    }
    let replaced = history.replace_note(&driver.session, "summary", None, &late).await;
    is_stale("a replacement", &replaced)?;
    says(&driver, "summary", None).await
}

pub(super) async fn one_of_many_replacements_wins(history: &impl ChatHistory) -> Checked {
    let driver = with_notes(history).await?;
    let covers = driver.append(&exchange(1)).await?;
    let mut read = None;
    for round in 0..2 {
        let note = |number: usize| Note::new(format!("{round}: {number}"), covers);
        let notes: Vec<Note> = (0..16).map(note).collect();
        let outcomes = join_all(notes.iter().map(|note| replaces(&driver, read.as_ref(), note)));
        let mut won = Vec::new();
        for (note, outcome) in notes.iter().zip(outcomes.await) {
            won.extend(outcome?.then_some(note));
        }
        let count = won.len();
        ensure!(count == 1, "{count} of 16 replacements of one note succeeded");
        read = won.first().map(|note| (*note).clone());
        says(&driver, "summary", read.as_ref()).await?;
    }
    Ok(())
}
