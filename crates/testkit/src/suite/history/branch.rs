//! Branches: several turns that follow one point.

use std::sync::Arc;

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Note, Point, Range, SessionId, Turn, TurnId,
    Version,
};

use super::session_driver::{SessionDriver, exchange, joined, supported};
use crate::{
    join_all::join_all,
    suite::check::{Checked, Stop, ensure},
};

/// A session of the history under test, and its branches.
pub(super) struct Tree<'h, H> {
    pub(super) driver: SessionDriver<'h, H>,
    /// The turns of the first branch, and the versions after them.
    turns: Vec<Turn>,
    versions: Vec<Version>,
}

impl<'h, H: ChatHistory> Tree<'h, H> {
    /// Begins a session of some turns.
    pub(super) async fn grown(history: &'h H, count: usize) -> Result<Self, Stop> {
        let driver = SessionDriver::new(history)?;
        let (mut turns, mut versions) = (Vec::new(), Vec::new());
        for number in 0..count {
            let turn = exchange(number);
            versions.push(driver.append(&turn).await?);
            turns.push(turn);
        }
        Ok(Self { driver, turns, versions })
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.driver.session
    }

    pub(super) fn turn(&self, number: usize) -> Result<&Turn, Stop> {
        self.turns.get(number).ok_or_else(|| Stop::Failed(format!("there is no turn {number}")))
    }

    pub(super) fn version(&self, number: usize) -> Result<Version, Stop> {
        let version = self.versions.get(number).copied();
        version.ok_or_else(|| Stop::Failed(format!("there is no version {number}")))
    }

    pub(super) fn after(&self, number: usize) -> Result<Point, Stop> {
        Ok(Point::After(self.turn(number)?.id()))
    }

    /// Returns the view at a point.
    pub(super) fn at(&self, point: Point) -> Result<Arc<dyn ChatHistory>, Stop> {
        let view = self.driver.history.at(point);
        view.ok_or_else(|| Stop::Failed("the history has no view at a point".to_owned()))
    }

    /// Appends a turn at a point.
    pub(super) async fn append_at(&self, point: Point, turn: &Turn) -> Result<Version, Stop> {
        Ok(self.at(point)?.append(self.session(), turn, Expect::Any).await?)
    }

    pub(super) async fn set_tip(&self, tip: Point) -> Result<Version, HistoryError> {
        self.driver.history.set_tip(self.session(), tip, Expect::Any).await
    }

    /// Checks the turns that follow a point.
    async fn follow(&self, point: Point, expected: &[Alternative]) -> Checked {
        let found = self.driver.history.alternatives(self.session(), point).await?;
        ensure!(found == expected, "after {point}: {found:?} instead of {expected:?}");
        Ok(())
    }
}

pub(super) fn is_unknown<T>(outcome: &Result<T, HistoryError>, turn: TurnId) -> bool {
    matches!(outcome, Err(HistoryError::UnknownTurn { turn: found }) if *found == turn)
}

pub(super) async fn an_answer_is_given_again(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let (first, second, third) = (tree.turn(0)?, tree.turn(1)?, tree.turn(2)?);
    let view = tree.at(tree.after(0)?)?;
    let seen = view.load(tree.session(), Range::All).await?;
    ensure!(seen.messages == joined(&[first]), "the view shows {} messages", seen.messages.len());
    ensure!(seen.version == tree.version(0)?, "the view is at {:?}", seen.version);

    let again = exchange(10);
    let version = view.append(tree.session(), &again, Expect::Exactly(seen.version)).await?;
    let expected = Version::new(seen.version.epoch, 4).with_tip(again.id().fingerprint());
    ensure!(version == expected, "the version is {version:?} instead of {expected:?}");
    let next = exchange(11);
    view.append(tree.session(), &next, Expect::Exactly(version)).await?;
    tree.driver.holds(&[first, &again, &next]).await?;
    let alternatives = [
        Alternative::new(second.id(), third.id()),
        Alternative::new(again.id(), next.id()).with_current(true),
    ];
    tree.follow(tree.after(0)?, &alternatives).await
}

pub(super) async fn the_first_question_is_asked_again(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let again = exchange(10);
    tree.append_at(Point::Start, &again).await?;
    tree.driver.holds(&[&again]).await?;
    let alternatives = [
        Alternative::new(tree.turn(0)?.id(), tree.turn(1)?.id()),
        Alternative::new(again.id(), again.id()).with_current(true),
    ];
    tree.follow(Point::Start, &alternatives).await?;
    let first = tree.driver.history.first(tree.session(), 1).await?;
    let expected = again.messages().slice(..1);
    ensure!(first.is_none_or(|first| first == expected), "it begins with the other question");
    Ok(())
}

pub(super) async fn a_turn_is_undone_and_done_again(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let (first, second, third) = (tree.turn(0)?, tree.turn(1)?, tree.turn(2)?);
    let undone = tree.set_tip(tree.after(1)?).await?;
    ensure!(undone == tree.version(1)?, "the version is {undone:?}");
    tree.driver.holds(&[first, second]).await?;
    tree.follow(tree.after(1)?, &[Alternative::new(third.id(), third.id())]).await?;

    let other = exchange(10);
    tree.driver.append(&other).await?;
    tree.driver.holds(&[first, second, &other]).await?;
    let redone = tree.set_tip(tree.after(2)?).await?;
    ensure!(redone == tree.version(2)?, "the version is {redone:?}");
    tree.driver.holds(&[first, second, third]).await?;

    tree.set_tip(Point::Start).await?;
    tree.driver.holds(&[]).await?;
    let last = tree.driver.load(Range::LastTurns(1)).await?;
    ensure!(last.messages.is_empty(), "an undone session shows its last turn");
    Ok(())
}

pub(super) async fn an_unknown_turn_is_an_error(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 1).await?;
    let turn = TurnId::random();
    let point = Point::After(turn);
    let view = tree.at(point)?;
    let session = tree.session();
    let loaded = view.load(session, Range::All).await;
    ensure!(is_unknown(&loaded, turn), "load: {loaded:?}");
    let appended = view.append(session, &exchange(2), Expect::Any).await;
    ensure!(is_unknown(&appended, turn), "append: {appended:?}");
    let moved = tree.set_tip(point).await;
    ensure!(is_unknown(&moved, turn), "set_tip: {moved:?}");
    let listed = history.alternatives(session, point).await;
    ensure!(is_unknown(&listed, turn), "alternatives: {listed:?}");
    let forked = history.fork(session, point, &SessionId::from(TurnId::random())).await;
    ensure!(is_unknown(&forked, turn), "fork: {forked:?}");
    let noted = view.note(session, "summary").await;
    let has_notes = !matches!(noted, Err(HistoryError::Unsupported { .. }));
    ensure!(!has_notes || is_unknown(&noted, turn), "note: {noted:?}");
    // Nor is a turn of another session known.
    let other = Tree::grown(history, 1).await?;
    let foreign = other.set_tip(tree.after(0)?).await;
    ensure!(is_unknown(&foreign, tree.turn(0)?.id()), "of another session: {foreign:?}");
    tree.driver.holds(&[tree.turn(0)?]).await
}

pub(super) async fn a_stale_tip_is_not_moved(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let to = tree.after(0)?;
    let stale = history.set_tip(tree.session(), to, Expect::Exactly(tree.version(1)?)).await;
    ensure!(matches!(stale, Err(HistoryError::Stale { .. })), "set_tip: {stale:?}");
    tree.driver.holds(&[tree.turn(0)?, tree.turn(1)?, tree.turn(2)?]).await?;
    history.set_tip(tree.session(), to, Expect::Exactly(tree.version(2)?)).await?;
    tree.driver.holds(&[tree.turn(0)?]).await
}

pub(super) async fn after_a_version_of_another_branch_comes_all(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let other = exchange(10);
    tree.append_at(tree.after(1)?, &other).await?;
    let (first, epoch) = (tree.version(0)?, tree.version(0)?.epoch);
    let at_first = tree.at(tree.after(0)?)?;
    for (version, expected, of_first) in [
        (first, 4, 0),
        (tree.version(1)?, 2, 2),
        (tree.version(2)?, 6, 2),
        (Version::default(), 6, 2),
        (Version::new(epoch, 0), 6, 2),
        (Version::new(epoch.wrapping_add(7), 0), 6, 2),
        (Version::new(epoch.wrapping_add(7), 4), 6, 2),
    ] {
        let range = Range::After(version);
        let found = tree.driver.load(range).await?.messages.len();
        ensure!(found == expected, "after {version:?}: {found} messages, not {expected}");
        let found = at_first.load(tree.session(), range).await?.messages.len();
        ensure!(
            found == of_first,
            "at the first turn, after {version:?}: {found} messages, not {of_first}"
        );
    }
    Ok(())
}

pub(super) async fn a_turn_of_a_branch_that_was_left_follows_it(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let seen = tree.version(1)?;
    tree.set_tip(tree.after(0)?).await?;
    let late = exchange(10);
    let refused = tree.driver.append_if(&late, Expect::Exactly(seen)).await;
    ensure!(matches!(refused, Err(HistoryError::Stale { .. })), "exactly: {refused:?}");
    let version = tree.driver.append_if(&late, Expect::SameEpoch(seen)).await?;
    let expected = Version::new(seen.epoch, 6).with_tip(late.id().fingerprint());
    ensure!(version == expected, "the version is {version:?} instead of {expected:?}");
    tree.driver.holds(&[tree.turn(0)?]).await?;
    tree.set_tip(Point::After(late.id())).await?;
    tree.driver.holds(&[tree.turn(0)?, tree.turn(1)?, &late]).await
}

pub(super) async fn a_turn_of_another_branch_is_stored_once(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let other = exchange(10);
    let version = tree.append_at(tree.after(0)?, &other).await?;
    let again = tree.driver.append(tree.turn(1)?).await?;
    ensure!(again == tree.version(1)?, "a repeated append returned {again:?}");
    tree.driver.holds(&[tree.turn(0)?, &other]).await?;
    let again = tree.append_at(tree.after(0)?, &other).await?;
    ensure!(again == version, "a repeated append at a point returned {again:?}");
    let alternatives = history.alternatives(tree.session(), tree.after(0)?).await?;
    ensure!(alternatives.len() == 2, "{} turns follow the first", alternatives.len());
    Ok(())
}

pub(super) async fn another_turn_of_an_id_is_refused_on_any_branch(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    let other = exchange(10);
    tree.append_at(tree.after(0)?, &other).await?;
    // The tip is on the branch of `other`.
    for stored in [tree.turn(0)?, tree.turn(1)?, &other] {
        let turn = exchange(20).with_id(stored.id());
        tree.driver.refuses("another turn", &turn, Expect::Any).await?;
        for point in [Point::Start, tree.after(0)?] {
            let outcome = tree.append_at(point, &turn).await;
            ensure!(outcome.is_err(), "another turn was appended at {point}: {outcome:?}");
        }
    }
    tree.driver.holds(&[tree.turn(0)?, &other]).await?;
    let into = SessionDriver::new(history)?;
    history.fork(tree.session(), tree.after(1)?, &into.session).await?;
    let turn = exchange(20).with_id(tree.turn(0)?.id());
    into.refuses("another turn", &turn, Expect::Any).await?;
    let again = into.append(tree.turn(0)?).await?;
    ensure!(again.messages == 2, "a repeated append to a fork returned {again:?}");
    into.holds(&[tree.turn(0)?, tree.turn(1)?]).await
}

pub(super) async fn ranges_are_of_one_path(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 4).await?;
    let (a, b) = (exchange(10), exchange(11));
    tree.append_at(tree.after(1)?, &a).await?;
    tree.append_at(Point::After(a.id()), &b).await?;
    let path = [tree.turn(0)?, tree.turn(1)?, &a, &b];
    for count in 0..=5 {
        let expected = joined(path.get(path.len().saturating_sub(count)..).unwrap_or_default());
        let turns = tree.driver.load(Range::LastTurns(count)).await?;
        ensure!(turns.messages == expected, "the last {count} turns are others");
        let messages = tree.driver.load(Range::LastMessages(2 * count)).await?;
        ensure!(messages.messages == expected, "the last {} messages are others", 2 * count);
        ensure!(turns.version == messages.version, "the versions of two ranges differ");
    }
    let view = tree.at(tree.after(2)?)?;
    let left = view.load(tree.session(), Range::LastTurns(2)).await?;
    ensure!(left.messages == joined(&[tree.turn(1)?, tree.turn(2)?]), "the view shows others");
    let Some(whole) = tree.driver.turns().await? else { return Ok(()) };
    ensure!(whole.iter().eq(path), "the turns are others");
    let left = view.turns(tree.session(), Range::LastTurns(1)).await?;
    ensure!(left.iter().eq([tree.turn(2)?]), "the view has other turns");
    Ok(())
}

pub(super) async fn a_fork_is_a_session_of_its_own(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let fork = SessionDriver::new(history)?;
    let version = history.fork(tree.session(), tree.after(1)?, &fork.session).await?;
    ensure!(version.messages == 4, "the fork is at {version:?}");
    fork.holds(&[tree.turn(0)?, tree.turn(1)?]).await?;
    if let Some(turns) = fork.turns().await? {
        ensure!(turns.iter().eq([tree.turn(0)?, tree.turn(1)?]), "the fork has other turns");
    }

    let (here, there) = (exchange(10), exchange(11));
    tree.driver.append(&here).await?;
    fork.append_if(&there, Expect::Exactly(version)).await?;
    fork.holds(&[tree.turn(0)?, tree.turn(1)?, &there]).await?;
    fork.append(tree.turn(1)?).await?;
    fork.holds(&[tree.turn(0)?, tree.turn(1)?, &there]).await?;
    let occupied = history.fork(tree.session(), tree.after(0)?, &fork.session).await;
    ensure!(matches!(occupied, Err(HistoryError::Stale { .. })), "into a session: {occupied:?}");

    // A fork of a fork, and a branch of it.
    let second = SessionDriver::new(history)?;
    history.fork(&fork.session, Point::After(there.id()), &second.session).await?;
    for (point, turn) in [(Point::Start, 0), (tree.after(0)?, 1)] {
        let found = history.alternatives(&second.session, point).await?;
        let expected = Alternative::new(tree.turn(turn)?.id(), there.id()).with_current(true);
        ensure!(found == [expected], "of a fork of a fork, after {point}: {found:?}");
    }
    tree.driver.clear().await?;
    tree.driver.holds(&[]).await?;
    fork.holds(&[tree.turn(0)?, tree.turn(1)?, &there]).await?;
    history.set_tip(&second.session, tree.after(0)?, Expect::Any).await?;
    let other = exchange(12);
    second.append(&other).await?;
    second.holds(&[tree.turn(0)?, &other]).await?;
    fork.holds(&[tree.turn(0)?, tree.turn(1)?, &there]).await
}

pub(super) async fn a_fork_outlives_its_source(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let fork = SessionDriver::new(history)?;
    history.fork(tree.session(), tree.after(1)?, &fork.session).await?;
    match history.delete(tree.session()).await {
        Err(HistoryError::Unsupported { .. }) => tree.driver.clear().await?,
        deleted => deleted?,
    }
    fork.holds(&[tree.turn(0)?, tree.turn(1)?]).await?;
    // The source begins again, with turns of the same ids.
    tree.driver.append(tree.turn(2)?).await?;
    tree.driver.append(tree.turn(0)?).await?;
    tree.driver.holds(&[tree.turn(2)?, tree.turn(0)?]).await?;
    fork.holds(&[tree.turn(0)?, tree.turn(1)?]).await
}

pub(super) async fn clearing_takes_all_branches(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 2).await?;
    tree.append_at(Point::Start, &exchange(10)).await?;
    tree.driver.clear().await?;
    tree.follow(Point::Start, &[]).await?;
    let gone = tree.set_tip(tree.after(0)?).await;
    ensure!(is_unknown(&gone, tree.turn(0)?.id()), "a cleared turn: {gone:?}");
    tree.driver.append(tree.turn(1)?).await?;
    tree.driver.holds(&[tree.turn(1)?]).await
}

pub(super) async fn a_note_of_a_branch_that_was_left_is_not_loaded(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let note = Note::new("the third turn", tree.version(2)?);
    match history.put_note(tree.session(), "summary", &note).await {
        Err(HistoryError::Unsupported { .. }) => {
            return Err(Stop::Skipped("it has no notes".to_owned()));
        }
        put => put?,
    }
    tree.set_tip(tree.after(1)?).await?;
    let found = history.note(tree.session(), "summary").await?;
    ensure!(found.is_none(), "after an undo: {found:?}");
    let left = history.put_note(tree.session(), "summary", &note).await;
    ensure!(matches!(left, Err(HistoryError::Stale { .. })), "of an undone turn: {left:?}");
    let (other, next) = (exchange(10), exchange(11));
    tree.driver.append(&other).await?;
    tree.driver.append(&next).await?;
    let found = history.note(tree.session(), "summary").await?;
    ensure!(found.is_none(), "on another branch: {found:?}");
    tree.set_tip(tree.after(2)?).await?;
    let found = history.note(tree.session(), "summary").await?;
    ensure!(found.as_ref() == Some(&note), "on its own branch: {found:?}");

    let unknown = history.note(tree.session(), "another").await?;
    let at_point = tree.at(tree.after(0)?)?.note(tree.session(), "another").await?;
    ensure!(unknown.is_none() && at_point.is_none(), "an unknown note: {unknown:?}, {at_point:?}");

    // A note of turns that both branches have.
    let shared = Note::new("the second turn", tree.version(1)?.with_tip(0));
    history.put_note(tree.session(), "summary", &shared).await?;
    tree.set_tip(Point::After(next.id())).await?;
    let found = history.note(tree.session(), "summary").await?;
    ensure!(found.as_ref() == Some(&shared), "of shared turns: {found:?}");
    tree.set_tip(tree.after(0)?).await?;
    let found = history.note(tree.session(), "summary").await?;
    ensure!(found.is_none(), "of turns that were undone: {found:?}");
    Ok(())
}

pub(super) async fn a_note_without_a_tip_is_of_the_branch_that_had_it(
    history: &impl ChatHistory,
) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let (session, epoch) = (tree.session(), tree.version(2)?.epoch);
    // At the end of a turn, and inside of one.
    let counts = 1..=6;
    let note = |count: u64| Note::new(format!("of {count} messages"), Version::new(epoch, count));
    let loaded = async |view: &dyn ChatHistory, expected: u64, place: &str| -> Checked {
        for count in counts.clone() {
            let found = view.note(session, &count.to_string()).await?;
            let expected = (count <= expected).then(|| note(count));
            ensure!(found == expected, "{place}: {found:?} instead of {expected:?}");
        }
        Ok(())
    };
    for count in counts.clone() {
        let put = history.put_note(session, &count.to_string(), &note(count)).await;
        supported(put, "it has no notes")?;
    }
    loaded(history, 6, "on its own branch").await?;
    for number in 10..13 {
        tree.driver.append(&exchange(number)).await?;
    }
    loaded(history, 6, "after more turns").await?;
    let others: Vec<Turn> = (20..25).map(exchange).collect();
    let mut point = tree.after(0)?;
    for other in &others {
        tree.append_at(point, other).await?;
        point = Point::After(other.id());
    }
    loaded(history, 2, "on another branch").await?;
    loaded(&*tree.at(tree.after(1)?)?, 4, "at the second turn").await?;
    // It is replaced by one of this branch, which is not one of the other.
    let read = history.note(session, "5").await?;
    ensure!(read.is_none(), "of the turn that was left: {read:?}");
    history.put_note(session, "5", &note(5)).await?;
    let found = history.note(session, "5").await?;
    ensure!(found == Some(note(5)), "of the other branch: {found:?}");
    tree.set_tip(tree.after(2)?).await?;
    let found = history.note(session, "5").await?;
    ensure!(found.is_none(), "of the branch that was left: {found:?}");
    let found = history.note(session, "6").await?;
    ensure!(found == Some(note(6)), "on its own branch again: {found:?}");
    Ok(())
}

pub(super) async fn two_writers_at_one_point_both_branch(history: &impl ChatHistory) -> Checked {
    const WRITERS: usize = 20;
    let tree = Tree::grown(history, 2).await?;
    let point = tree.after(0)?;
    let turns: Vec<Turn> = (10..10 + WRITERS).map(exchange).collect();
    let appends = turns.iter().map(|turn| tree.append_at(point, turn));
    for version in join_all(appends).await {
        let version = version?;
        ensure!(version.messages == 4, "an append returned {version:?}");
    }
    let found = history.alternatives(tree.session(), point).await?;
    let mut ids: Vec<TurnId> = found.iter().map(|found| found.turn).collect();
    ensure!(ids.first() == Some(&tree.turn(1)?.id()), "the first turn after the point is another");
    ids.sort();
    let mut expected: Vec<TurnId> = turns.iter().map(Turn::id).collect();
    expected.push(tree.turn(1)?.id());
    expected.sort();
    ensure!(ids == expected, "{} turns follow the point", ids.len());
    let current: Vec<_> = found.iter().filter(|found| found.is_current).collect();
    ensure!(current.len() == 1, "{} of them are current", current.len());
    let tip = turns.iter().find(|turn| current.iter().any(|found| found.turn == turn.id()));
    let Some(tip) = tip else { return Err(Stop::Failed("the tip is the old turn".to_owned())) };
    tree.driver.holds(&[tree.turn(0)?, tip]).await
}
