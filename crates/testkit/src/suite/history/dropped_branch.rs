//! Cancellation of the operations of branches: each is whole or not done.

use conversant_core::{ChatHistory, Expect, HistoryError};

use super::{
    branch::Tree,
    session_driver::{SessionDriver, exchange},
};
use crate::{
    poll_then_drop,
    suite::check::{Checked, MAX_POLLS, ensure},
};

pub(super) async fn a_dropped_append_at_a_point_is_whole_or_not_there(
    history: &impl ChatHistory,
) -> Checked {
    for polls in 0..MAX_POLLS {
        let tree = Tree::grown(history, 2).await?;
        let (view, again) = (tree.at(tree.after(0)?)?, exchange(10));
        let append = view.append(tree.session(), &again, Expect::Any);
        let finished = poll_then_drop(append, polls).await.transpose()?;
        let found = history.alternatives(tree.session(), tree.after(0)?).await?;
        let is_there = found.iter().any(|alternative| alternative.turn == again.id());
        ensure!(is_there || finished.is_none(), "appended at a point, and not there");
        let last = if is_there { &again } else { tree.turn(1)? };
        tree.driver.holds(&[tree.turn(0)?, last]).await?;
        // The call is repeated by another view.
        tree.append_at(tree.after(0)?, &again).await?;
        tree.driver.holds(&[tree.turn(0)?, &again]).await?;
        let found = history.alternatives(tree.session(), tree.after(0)?).await?.len();
        ensure!(found == 2, "an append that was repeated left {found} alternatives of 2");
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_move_of_the_tip_is_whole_or_not_done(
    history: &impl ChatHistory,
) -> Checked {
    for polls in 0..MAX_POLLS {
        let tree = Tree::grown(history, 3).await?;
        let finished = poll_then_drop(tree.set_tip(tree.after(1)?), polls).await.transpose()?;
        let found = tree.driver.all().await?.messages.len();
        ensure!(
            found == 4 || found == 6,
            "dropped after {polls} polls, a session of 6 messages that moves to 4 has {found}"
        );
        ensure!(finished.is_none() || found == 4, "the tip was moved, and is where it was");
        let next = exchange(10);
        tree.driver.append(&next).await?;
        let turns = [tree.turn(0)?, tree.turn(1)?, tree.turn(2)?];
        let before = turns.split_at(found / 2).0;
        tree.driver.holds(&[before, &[&next]].concat()).await?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_fork_is_whole_or_not_there(history: &impl ChatHistory) -> Checked {
    let tree = Tree::grown(history, 3).await?;
    let turns = [tree.turn(0)?, tree.turn(1)?];
    for polls in 0..MAX_POLLS {
        let fork = SessionDriver::new(history)?;
        let forking = history.fork(tree.session(), tree.after(1)?, &fork.session);
        let finished = poll_then_drop(forking, polls).await.transpose()?;
        let found = fork.all().await?.messages.len();
        ensure!(
            found == 0 || found == 4,
            "dropped after {polls} polls, a fork of 4 messages has {found}"
        );
        ensure!(finished.is_none() || found == 4, "forked, and not there");
        let repeated = history.fork(tree.session(), tree.after(1)?, &fork.session).await;
        let is_stale = matches!(repeated, Err(HistoryError::Stale { .. }));
        ensure!(is_stale == (found == 4), "of {found} messages, it is forked again: {repeated:?}");
        fork.holds(&turns).await?;
        if finished.is_some() {
            break;
        }
    }
    tree.driver.holds(&[turns.as_slice(), &[tree.turn(2)?]].concat()).await
}
