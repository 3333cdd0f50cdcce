//! Calls of several chains on one conversation, which overlap.

use conversant_core::{Memory, Turn, Variables};

use super::steps::{Overlap, converse, load, overlap, same, turn, view};
use crate::suite::check::{Checked, MAX_POLLS, Stop, ensure};

pub(super) async fn turns_that_are_saved_at_once_are_both_there<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let [first, second] = [turn(1), turn(2)];
    let seen_after = async |turns: &[Turn]| -> Result<Variables, Stop> {
        let memory = make();
        converse(&memory, turns).await?;
        Ok(view(&memory).await?)
    };
    let both = [[first.clone(), second.clone()], [second.clone(), first.clone()]];
    let both = [seen_after(&both[0]).await?, seen_after(&both[1]).await?];
    for polls in 0..MAX_POLLS {
        let memory = make();
        let ticket = load(&memory).await?.ticket;
        let save = memory.save(&first, ticket.clone());
        let saved = overlap(save, polls, memory.save(&second, ticket)).await;
        let found = view(&memory).await?;
        let is_right = match (saved.first, saved.second) {
            (Ok(_), Ok(_)) => both.contains(&found),
            (Ok(_), Err(_)) => found == seen_after(std::slice::from_ref(&first)).await?,
            (Err(_), Ok(_)) => found == seen_after(std::slice::from_ref(&second)).await?,
            (Err(error), Err(_)) => return Err(error.into()),
        };
        ensure!(
            is_right,
            "of two turns that were saved at once, not all that were saved are there"
        );
        if saved.is_serial {
            break;
        }
    }
    Ok(())
}

pub(super) async fn a_turn_that_is_saved_during_maintenance_is_there<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let turns: Vec<Turn> = (0..6).map(turn).collect();
    let late = turn(6);
    // What is there if the two do not overlap, or if maintenance gives up or tries again.
    let mut possible = Vec::new();
    for (before, after) in [(true, false), (false, true), (true, true), (false, false)] {
        let memory = make();
        converse(&memory, &turns).await?;
        if before {
            memory.maintain().await?;
        }
        converse(&memory, std::slice::from_ref(&late)).await?;
        if after {
            memory.maintain().await?;
        }
        possible.push(view(&memory).await?);
    }
    for polls in 0..MAX_POLLS {
        let memory = make();
        converse(&memory, &turns).await?;
        let ticket = load(&memory).await?.ticket;
        // Maintenance that fails loses nothing.
        let Overlap { second: saved, is_serial, .. } =
            overlap(memory.maintain(), polls, memory.save(&late, ticket)).await;
        saved?;
        let is_right = possible.contains(&view(&memory).await?);
        ensure!(
            is_right,
            "a turn that was saved after {polls} polls of maintenance is not as it was"
        );
        if is_serial {
            break;
        }
    }
    Ok(())
}

pub(super) async fn maintenance_during_a_clear_leaves_nothing<M: Memory>(
    make: &impl Fn() -> M,
) -> Checked {
    let turns: Vec<Turn> = (0..6).map(turn).collect();
    let (fresh, next) = (make(), turn(7));
    let before = view(&fresh).await?;
    converse(&fresh, std::slice::from_ref(&next)).await?;
    let after = view(&fresh).await?;
    for polls in 0..MAX_POLLS {
        let memory = make();
        converse(&memory, &turns).await?;
        let Overlap { second: cleared, is_serial, .. } =
            overlap(memory.maintain(), polls, memory.clear()).await;
        cleared?;
        same("cleared during maintenance", &view(&memory).await?, &before)?;
        converse(&memory, std::slice::from_ref(&next)).await?;
        same("a turn after that", &view(&memory).await?, &after)?;
        if is_serial {
            break;
        }
    }
    Ok(())
}
