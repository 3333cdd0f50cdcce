//! Cancellation: futures that are dropped at every point at which they wait.

use std::{
    future::poll_fn,
    task::Poll,
    time::{Duration, Instant},
};

use conversant_core::{ChatHistory, Expect, Range};

use super::session_driver::{SessionDriver, exchange};
use crate::{
    poll_then_drop,
    suite::check::{Checked, MAX_POLLS, ensure},
};

pub(super) async fn a_dropped_append_is_whole_or_not_there(history: &impl ChatHistory) -> Checked {
    let mut settled = Vec::new();
    for polls in 0..MAX_POLLS {
        let driver = SessionDriver::new(history)?;
        let (before, dropped, after) = (exchange(0), exchange(1), exchange(2));
        driver.append(&before).await?;
        let append = history.append(&driver.session, &dropped, Expect::Any);
        let finished = poll_then_drop(append, polls).await.transpose()?;
        // The result of the dropped call is settled before this load, and stays so.
        let found = driver.all().await?.messages.len();
        ensure!(
            found == 2 || found == 4,
            "dropped after {polls} polls, {found} messages were there instead of 2 or 4"
        );
        ensure!(finished.is_none() || found == 4, "appended, and not there");
        driver.append(&after).await?;
        let turns = if found == 4 { vec![before, dropped, after] } else { vec![before, after] };
        driver.holds(&turns.iter().collect::<Vec<_>>()).await?;
        settled.push((driver, turns));
        if finished.is_some() {
            break;
        }
    }
    // Nor does a dropped call take effect later, in the background.
    let begin = Instant::now();
    loop {
        for (driver, turns) in &settled {
            driver.holds(&turns.iter().collect::<Vec<_>>()).await?;
        }
        if begin.elapsed() > BACKGROUND {
            return Ok(());
        }
        pause().await;
    }
}

/// How long the sessions of dropped calls are looked at.
const BACKGROUND: Duration = Duration::from_millis(20);

/// Lets other tasks of the thread run.
async fn pause() {
    let mut is_over = false;
    poll_fn(|context| {
        if is_over {
            return Poll::Ready(());
        }
        is_over = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(super) async fn a_dropped_append_can_be_repeated(history: &impl ChatHistory) -> Checked {
    for polls in 0..MAX_POLLS {
        let driver = SessionDriver::new(history)?;
        let turn = exchange(1);
        let append = history.append(&driver.session, &turn, Expect::Any);
        let finished = poll_then_drop(append, polls).await.transpose()?;
        driver.append(&turn).await?;
        driver.holds(&[&turn]).await?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_load_leaves_no_trace(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let mut turns = vec![exchange(0)];
    for turn in &turns {
        driver.append(turn).await?;
    }
    for polls in 0..MAX_POLLS {
        let load = history.load(&driver.session, Range::All);
        let finished = poll_then_drop(load, polls).await.transpose()?;
        let turn = exchange(polls + 1);
        driver.append(&turn).await?;
        turns.push(turn);
        driver.holds(&turns.iter().collect::<Vec<_>>()).await?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_clear_is_whole_or_not_done(history: &impl ChatHistory) -> Checked {
    for polls in 0..MAX_POLLS {
        let driver = SessionDriver::new(history)?;
        let turns = [exchange(0), exchange(1)];
        for turn in &turns {
            driver.append(turn).await?;
        }
        let before = driver.version().await?.epoch;
        let finished = poll_then_drop(history.clear(&driver.session), polls).await.transpose()?;
        let found = driver.all().await?;
        let (messages, epoch) = (found.messages.len(), found.version.epoch);
        ensure!(
            (messages, epoch) == (4, before) || (messages == 0 && epoch != before),
            "dropped after {polls} polls, {messages} messages were there in epoch {epoch}, from {before}"
        );
        ensure!(finished.is_none() || messages == 0, "cleared, and still there");
        let next = exchange(2);
        driver.append(&next).await?;
        if messages == 0 {
            driver.holds(&[&next]).await?;
        }
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}
