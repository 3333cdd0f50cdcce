//! Adds turns and titles that were stored before there was a search to its index, some at a time.

use conversant_core::HistoryError;
use tokio::sync::Mutex;

use crate::{
    pool::Database,
    statements::{IndexTitles, Place, Unindexed},
};

/// The number of turns or titles that are added at once.
const AT_ONCE: usize = 1_000;

/// Where the next call goes on. The default is the start: before all titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Titles come first: those of sessions after this key are left.
    Titles(i64),
    Turns(Place),
}

impl Default for Progress {
    fn default() -> Self {
        Self::Titles(i64::MIN)
    }
}

/// Adds at most `max` turns and titles, and returns their number. It is 0 only if none are left.
pub(crate) async fn index(
    database: &Database,
    progress: &Mutex<Progress>,
    max: usize,
) -> Result<usize, HistoryError> {
    let mut progress = progress.lock().await;
    let mut is_from_start = *progress == Progress::default();
    let (mut added, mut damage) = (0, None);
    while added < max {
        let wanted = (max - added).min(AT_ONCE);
        match *progress {
            Progress::Titles(after) => {
                let (titles, end) = database.change(IndexTitles { after, max: wanted }).await?;
                added += titles;
                *progress = end.map_or(Progress::Turns(Place::default()), Progress::Titles);
            }
            Progress::Turns(after) => {
                let Some(page) = database.run(Unindexed { after, max: wanted }).await? else {
                    *progress = Progress::default();
                    if added > 0 || is_from_start {
                        break;
                    }
                    // Turns that were stored since the last call may be before its place.
                    is_from_start = true;
                    continue;
                };
                let (end, turns) = (page.end, page.len());
                let (indexed, error) = page.decoded();
                for turns in indexed {
                    database.change(turns).await?;
                }
                damage = damage.or(error);
                added += turns;
                *progress = Progress::Turns(end);
            }
        }
    }
    damage.map_or(Ok(added), Err)
}

/// Adds all titles to the index of a search that was created.
pub(crate) async fn index_titles(database: &Database) -> Result<(), HistoryError> {
    let mut after = i64::MIN;
    while let (_, Some(end)) = database.change(IndexTitles { after, max: AT_ONCE }).await? {
        after = end;
    }
    Ok(())
}
