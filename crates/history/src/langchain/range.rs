//! Parts of a session whose rows are loaded from its end.

use std::future::Future;

use conversant_core::{BytesLeft, HistoryError, Range, Turn, Version};

use super::row::{Row, turn_starts, turns};

/// The rows to fetch from a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The last rows, at most this many.
    Last(u64),
    /// The rows after a version; all rows if the epoch is another.
    After(Version),
    /// The first rows, at most this many.
    First(u64),
}

/// Rows of a session, in order, and the version that the session has.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The session's version. [`load_range`] sets its tip.
    pub version: Version,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Loads a range by fetching rows from the end. Rows do not tell where turns begin without those
/// before them, so twice as many are fetched until they do.
///
/// # Errors
/// Those of `fetch`, and [`HistoryError::Unsupported`] if the range is unknown.
pub async fn load_range<F, Fut>(range: Range, fetch: F) -> Result<Tail, HistoryError>
where
    F: Fn(Part) -> Fut + Send,
    Fut: Future<Output = Result<Tail, HistoryError>> + Send,
{
    let mut count = match range {
        Range::All => u64::MAX,
        Range::LastMessages(messages) => messages as u64,
        Range::After(seen) => return load_after(seen, &fetch).await,
        Range::LastTurns(turns) => (turns as u64).saturating_mul(3).saturating_add(8),
        Range::LastBytes(_) => 16,
        _ => return Err(HistoryError::Unsupported { what: "this range" }),
    };
    loop {
        let mut tail = fetch_to_end(Part::Last(count.max(1)), &fetch).await?;
        let is_whole = tail.rows.len() as u64 == tail.version.messages;
        if let Some(start) = start(range, &tail.rows, is_whole) {
            tail.rows.drain(..start);
            return Ok(tail);
        }
        count = count.saturating_mul(2);
    }
}

/// Loads the rows after a version, or all rows if the session has another epoch, or another row at
/// the version's end.
async fn load_after<F, Fut>(seen: Version, fetch: &F) -> Result<Tail, HistoryError>
where
    F: Fn(Part) -> Fut + Send,
    Fut: Future<Output = Result<Tail, HistoryError>> + Send,
{
    if seen.messages == 0 {
        return fetch_to_end(Part::After(seen), fetch).await;
    }
    // From the last row seen on, which shows whether this is the conversation that was seen.
    let before = Version { messages: seen.messages - 1, ..seen };
    let mut tail = fetch_to_end(Part::After(before), fetch).await?;
    let wanted = tail.version.messages.saturating_sub(before.messages);
    if tail.version.epoch != seen.epoch || tail.rows.len() as u64 != wanted {
        return Ok(tail);
    }
    match tail.rows.first() {
        Some(last_seen) if seen.tip == 0 || last_seen.tip() == seen.tip => {
            tail.rows.remove(0);
            Ok(tail)
        }
        None if seen.tip == 0 => {
            // It is past the end, and the last row has the tip.
            let mut tail = fetch_to_end(Part::Last(1), fetch).await?;
            if tail.version.epoch == seen.epoch {
                tail.rows.clear();
                return Ok(tail);
            }
            fetch_to_end(Part::Last(u64::MAX), fetch).await
        }
        _ => fetch_to_end(Part::Last(u64::MAX), fetch).await,
    }
}

/// Fetches rows that include the last one, and sets the version's tip by it.
async fn fetch_to_end<F, Fut>(part: Part, fetch: &F) -> Result<Tail, HistoryError>
where
    F: Fn(Part) -> Fut + Send,
    Fut: Future<Output = Result<Tail, HistoryError>> + Send,
{
    let mut tail = fetch(part).await?;
    tail.version.tip = tail.rows.last().map_or(0, Row::tip);
    Ok(tail)
}

/// Loads the turns that begin in a range. It fetches all rows, once, since only they tell which
/// turns there are.
///
/// # Errors
/// As [`load_range`].
pub async fn load_turns<F, Fut>(range: Range, fetch: F) -> Result<Vec<Turn>, HistoryError>
where
    F: Fn(Part) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Tail, HistoryError>> + Send,
{
    let is_known = matches!(
        range,
        Range::All
            | Range::LastMessages(_)
            | Range::LastTurns(_)
            | Range::LastBytes(_)
            | Range::After(_)
    );
    if !is_known {
        return Err(HistoryError::Unsupported { what: "this range" });
    }
    let all = fetch(Part::Last(u64::MAX)).await?;
    let skipped = match range {
        Range::After(seen) => start_after(seen, &all),
        range => start(range, &all.rows, true).unwrap_or_default(),
    };
    let mut next = 0;
    let mut turns = turns(&all.rows);
    turns.retain(|turn| {
        let first = next;
        next += turn.messages().len();
        first >= skipped
    });
    Ok(turns)
}

/// Returns the index at which the rows after a version begin in all rows: the first one if the
/// session has another epoch, or another row at the version's end.
fn start_after(seen: Version, all: &Tail) -> usize {
    let messages = usize::try_from(seen.messages).unwrap_or(usize::MAX);
    let Some(last) = messages.checked_sub(1).filter(|_| all.version.epoch == seen.epoch) else {
        return 0;
    };
    match all.rows.get(last) {
        _ if seen.tip == 0 => messages,
        Some(last_seen) if last_seen.tip() == seen.tip => messages,
        _ => 0,
    }
}

/// Returns the index at which a range begins in the last rows, or `None` if more rows are needed to
/// know it.
fn start(range: Range, rows: &[Row], is_whole: bool) -> Option<usize> {
    match range {
        Range::LastTurns(turns) => {
            let starts = turn_starts(rows);
            match starts.len().checked_sub(turns) {
                // The first row may continue a turn whose begin was not fetched.
                Some(index) if index > 0 || is_whole => {
                    Some(starts.get(index).copied().unwrap_or(rows.len()))
                }
                _ => is_whole.then_some(0),
            }
        }
        Range::LastMessages(messages) => Some(rows.len().saturating_sub(messages)),
        Range::LastBytes(bytes) => {
            let mut left = BytesLeft::new(bytes);
            let fitting = rows.iter().rev().take_while(|row| left.takes(row.bytes()));
            let start = rows.len() - fitting.count();
            (start > 0 || is_whole).then_some(start)
        }
        _ => Some(0),
    }
}
