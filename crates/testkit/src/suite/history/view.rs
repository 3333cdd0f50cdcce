//! Views at a point: where they end, and the notes that they store.

use conversant_core::{ChatHistory, Expect, HistoryError, Note, Point, Range, TurnId, Version};

use super::{
    branch::{Tree, is_unknown},
    session_driver::{SessionDriver, exchange, joined, supported},
};
use crate::suite::check::{Checked, ensure};

pub(super) async fn a_repeated_append_moves_the_view(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let (again, next) = (exchange(10), exchange(11));
    let version = tree.append_at(tree.after(0)?, &again).await?;
    // The reply was lost, and the call is repeated by another view.
    let view = tree.at(tree.after(0)?)?;
    let repeated = view.append(tree.session(), &again, Expect::Any).await?;
    ensure!(repeated == version, "the version is {repeated:?} instead of {version:?}");
    let seen = view.load(tree.session(), Range::All).await?;
    ensure!(seen.messages == joined(&[tree.turn(0)?, &again]), "the view ends before the turn");
    view.append(tree.session(), &next, Expect::Exactly(version)).await?;
    tree.driver.holds(&[tree.turn(0)?, &again, &next]).await?;
    // Which point the view is at does not matter: the turn is stored.
    let view = tree.at(Point::After(TurnId::random()))?;
    let repeated = view.append(tree.session(), &again, Expect::Any).await?;
    ensure!(repeated == version, "at an unknown point, the version is {repeated:?}");
    let seen = view.load(tree.session(), Range::All).await?;
    ensure!(seen.messages == joined(&[tree.turn(0)?, &again]), "the view is at another point");
    tree.driver.holds(&[tree.turn(0)?, &again, &next]).await
}

pub(super) async fn a_stale_append_at_a_point_stores_nothing(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let (first, later) = (tree.version(0)?, tree.version(1)?);
    let other = Version::new(first.epoch.wrapping_add(1), first.messages);
    let late = exchange(10);
    for expect in [Expect::Exactly(later), Expect::Exactly(other), Expect::SameEpoch(other)] {
        let outcome = tree.at(tree.after(0)?)?.append(tree.session(), &late, expect).await;
        let is_stale = matches!(outcome, Err(HistoryError::Stale { .. }));
        ensure!(is_stale, "{expect:?} at a point at {first:?}: {outcome:?}");
        tree.driver.holds(&[tree.turn(0)?, tree.turn(1)?, tree.turn(2)?]).await?;
    }
    let view = tree.at(tree.after(0)?)?;
    view.append(tree.session(), &late, Expect::Exactly(first)).await?;
    tree.driver.holds(&[tree.turn(0)?, &late]).await
}

pub(super) async fn a_note_is_stored_at_the_tip(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let fork = SessionDriver::new(history)?;
    let version = history.fork(tree.session(), tree.after(1)?, &fork.session).await?;
    for session in [&fork.session, tree.session()] {
        let note = Note::new("stored", version);
        let put = tree.at(tree.after(1)?)?.put_note(session, "summary", &note).await;
        supported(put, "it has no notes")?;
        let found = history.note(session, "summary").await?;
        let says = found.map(|note| note.body.to_text().into_owned());
        ensure!(says.as_deref() == Some("stored"), "a note at the tip is {says:?}");
        // A view that ends elsewhere leaves the note.
        let other = Note::new("another", tree.version(0)?);
        tree.at(tree.after(0)?)?.put_note(session, "summary", &other).await?;
        let found = history.note(session, "summary").await?;
        let says = found.map(|note| note.body.to_text().into_owned());
        ensure!(says.as_deref() == Some("stored"), "a note of another point is {says:?}");
    }
    let turn = TurnId::random();
    let view = tree.at(Point::After(turn))?;
    let new = SessionDriver::new(history)?;
    for session in [tree.session(), &fork.session, &new.session] {
        let epoch = history.load(session, Range::LastMessages(0)).await?.version.epoch;
        let note = Note::new("lost", Version::new(epoch, 0));
        let put = view.put_note(session, "summary", &note).await;
        ensure!(is_unknown(&put, turn), "a note at an unknown point: {put:?}");
    }
    Ok(())
}

pub(super) async fn a_note_is_replaced_at_the_tip(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let (session, end) = (tree.session(), tree.version(1)?);
    let (first, second) = (Note::new("first", end), Note::new("second", end));
    let stores = async |expected: &Note| -> Checked {
        let found = history.note(session, "summary").await?;
        ensure!(found.as_ref() == Some(expected), "{found:?} is stored instead of {expected:?}");
        Ok(())
    };
    let at_tip = tree.at(tree.after(1)?)?;
    let begun = at_tip.replace_note(session, "summary", None, &first).await;
    ensure!(supported(begun, "it replaces no notes")?, "there is a note at first");
    stores(&first).await?;
    // A view that ends elsewhere compares what it loads, and stores nothing.
    let elsewhere = tree.at(tree.after(0)?)?;
    let other = Note::new("another", tree.version(0)?);
    for (read, expected) in [(None, true), (Some(&first), false)] {
        let is_read = elsewhere.replace_note(session, "summary", read, &other).await?;
        ensure!(is_read == expected, "whether {read:?} was read elsewhere: {is_read}");
        stores(&first).await?;
    }
    let is_read = elsewhere.replace_note(session, "another", None, &other).await?;
    ensure!(is_read, "a note that nobody stored is another one");
    let found = history.note(session, "another").await?;
    ensure!(found.is_none(), "a view at another point stored {found:?}");
    let is_read = at_tip.replace_note(session, "summary", Some(&first), &second).await?;
    ensure!(is_read, "the note at the tip is not the one that was stored");
    stores(&second).await?;
    let turn = TurnId::random();
    let unknown = tree.at(Point::After(turn))?.replace_note(session, "summary", None, &other).await;
    ensure!(is_unknown(&unknown, turn), "a note at an unknown point: {unknown:?}");
    Ok(())
}

/// By the store's identity, a view would be taken for the session that it shows a part of.
pub(super) async fn a_view_has_another_identity(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 1).await?;
    for point in [Point::Start, tree.after(0)?] {
        let view = tree.at(point)?;
        for identity in [view.identity(), view.as_ref().identity()].into_iter().flatten() {
            let is_other = history.identity() != Some(identity);
            ensure!(is_other, "the view at {point} has the identity of its store");
        }
    }
    ensure!(history.identity() == history.identity(), "a history has several identities");
    Ok(())
}
