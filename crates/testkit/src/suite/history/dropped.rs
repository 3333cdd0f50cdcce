//! Cancellation: futures that are dropped at every point at which they wait.

use conversant_core::{ChatHistory, Expect, Range};

use super::talk::{Talk, exchange};
use crate::{
    poll_then_drop,
    suite::check::{Checked, ensure},
};

/// A future that waits more often than this is not tried further.
const MOST_POLLS: usize = 64;

pub(super) async fn a_dropped_append_is_whole_or_not_there(history: &impl ChatHistory) -> Checked {
    for polls in 0..MOST_POLLS {
        let talk = Talk::new(history)?;
        let (before, dropped, after) = (exchange(0), exchange(1), exchange(2));
        talk.append(&before).await?;
        let append = history.append(&talk.session, &dropped, Expect::Any);
        let finished = poll_then_drop(append, polls).await.transpose()?;
        // Whatever became of it is settled before this load, and stays so.
        let found = talk.all().await?.messages.len();
        ensure!(
            found == 2 || found == 4,
            "dropped after {polls} polls, {found} messages were there instead of 2 or 4"
        );
        ensure!(finished.is_none() || found == 4, "appended, and not there");
        talk.append(&after).await?;
        if found == 4 {
            talk.holds(&[&before, &dropped, &after]).await?;
        } else {
            talk.holds(&[&before, &after]).await?;
        }
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_append_can_be_repeated(history: &impl ChatHistory) -> Checked {
    for polls in 0..MOST_POLLS {
        let talk = Talk::new(history)?;
        let turn = exchange(1);
        let append = history.append(&talk.session, &turn, Expect::Any);
        let finished = poll_then_drop(append, polls).await.transpose()?;
        talk.append(&turn).await?;
        talk.holds(&[&turn]).await?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_load_leaves_no_trace(history: &impl ChatHistory) -> Checked {
    let talk = Talk::new(history)?;
    let mut turns = vec![exchange(0)];
    for turn in &turns {
        talk.append(turn).await?;
    }
    for polls in 0..MOST_POLLS {
        let load = history.load(&talk.session, Range::All);
        let finished = poll_then_drop(load, polls).await.transpose()?;
        let turn = exchange(polls + 1);
        talk.append(&turn).await?;
        turns.push(turn);
        talk.holds(&turns.iter().collect::<Vec<_>>()).await?;
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_dropped_clear_is_whole_or_not_done(history: &impl ChatHistory) -> Checked {
    for polls in 0..MOST_POLLS {
        let talk = Talk::new(history)?;
        let turns = [exchange(0), exchange(1)];
        for turn in &turns {
            talk.append(turn).await?;
        }
        let before = talk.version().await?.epoch;
        let finished = poll_then_drop(history.clear(&talk.session), polls).await.transpose()?;
        let found = talk.all().await?;
        let (messages, epoch) = (found.messages.len(), found.version.epoch);
        ensure!(
            (messages, epoch) == (4, before) || (messages == 0 && epoch != before),
            "dropped after {polls} polls, {messages} messages were there in epoch {epoch}, from {before}"
        );
        ensure!(finished.is_none() || messages == 0, "cleared, and still there");
        let next = exchange(2);
        talk.append(&next).await?;
        if messages == 0 {
            talk.holds(&[&next]).await?;
        }
        if finished.is_some() {
            break;
        }
    }
    Ok(())
}
