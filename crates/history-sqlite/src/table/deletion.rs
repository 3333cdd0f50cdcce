//! Deletions of several sessions. One that is damaged keeps no other.

use std::collections::HashSet;

use conversant_core::{HistoryError, SessionFilter, SessionId};
use rusqlite::Connection;

use super::{
    branch,
    failed::Failed,
    in_order::Order,
    label,
    selection::Selection,
    session,
    session_row::Session,
    turn_row::{bodies, decode},
};
use crate::{
    error::in_session,
    statement::{execute, transaction},
};

/// Sessions that were deleted.
#[derive(Default)]
pub(crate) struct Deleted {
    pub(crate) count: usize,
    /// The first error of one that is damaged and was passed over.
    failed: Option<HistoryError>,
}

impl Deleted {
    /// Adds what was deleted since, or the error of what was chosen.
    pub(crate) fn add(&mut self, count: usize, failed: Option<HistoryError>) {
        self.count += count;
        self.failed = self.failed.take().or(failed);
    }

    /// Adds what was deleted since.
    pub(crate) fn and(&mut self, later: Self) {
        self.add(later.count, later.failed);
    }

    /// Returns the number of sessions that were deleted. A damaged one is an error once there are
    /// fewer others than the limit.
    pub(crate) fn finish(self, limit: usize) -> Result<usize, HistoryError> {
        match self.failed {
            Some(error) if self.count < limit => Err(error),
            _ => Ok(self.count),
        }
    }
}

/// Sessions to delete, and the first error of one that is damaged and was passed over.
pub(crate) struct Chosen {
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) failed: Option<HistoryError>,
}

/// Deletes at most `limit` sessions that a filter without a text selects, least recently used
/// first.
pub(crate) fn delete(
    connection: &Connection,
    filter: &SessionFilter,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Deleted, HistoryError> {
    let selection = Selection::new(filter, Order::OldestFirst, time_to_live);
    let (mut count, mut passed, mut failed) = (0, HashSet::new(), Failed::Kept(None));
    while count < limit {
        // Those that were passed over are found again.
        let wanted = (limit - count).saturating_add(passed.len());
        let found = selection.find(connection, wanted, &mut failed)?;
        let is_last = found.len() < wanted;
        for (session, id) in found {
            if passed.contains(&session.key) {
                continue;
            }
            let run = || session::delete(connection, &id, time_to_live).map(|()| true);
            match whole(connection, &id, &mut failed, run)? {
                true => count += 1,
                false => {
                    passed.insert(session.key);
                }
            }
        }
        if is_last {
            break;
        }
    }
    Ok(Deleted { count, failed: failed.kept() })
}

/// Chooses at most `limit` sessions that a filter with a text selects, least recently used first,
/// apart from some. Other writers do not wait for the search.
pub(crate) fn choose(
    connection: &Connection,
    filter: &SessionFilter,
    limit: usize,
    except: &HashSet<SessionId>,
    time_to_live: Option<i64>,
) -> Result<Chosen, HistoryError> {
    transaction(connection, "BEGIN", || {
        let selection = Selection::new(filter, Order::OldestFirst, time_to_live);
        let (mut sessions, mut failed) = (Vec::new(), Failed::Kept(None));
        for (session, id) in selection.find(connection, usize::MAX, &mut failed)? {
            if sessions.len() == limit {
                break;
            }
            if except.contains(&id) {
                continue;
            }
            let has_words = has_words(connection, &session, &id, filter);
            if failed.session(has_words)? == Some(true) {
                sessions.push(id);
            }
        }
        Ok(Chosen { sessions, failed: failed.kept() })
    })
}

/// Deletes those of some sessions that a filter with a text still selects.
pub(crate) fn delete_chosen(
    connection: &Connection,
    chosen: &[SessionId],
    filter: &SessionFilter,
    time_to_live: Option<i64>,
) -> Result<Deleted, HistoryError> {
    each(connection, chosen, |id| {
        let Some(found) = session::find(connection, id, time_to_live)?.session else {
            return Ok(false);
        };
        let selection = Selection::new(filter, Order::OldestFirst, time_to_live);
        let selection = Selection { key: Some(found.key), ..selection };
        if selection.read(connection, 1, &mut Failed::Ends)?.is_empty()
            || !has_words(connection, &found, id, filter)?
        {
            return Ok(false);
        }
        session::delete(connection, id, time_to_live).map(|()| true)
    })
}

/// Chooses at most `limit` expired sessions, in the order of their ids, after one if it is given.
pub(crate) fn choose_expired(
    connection: &Connection,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Chosen, HistoryError> {
    let mut failed = Failed::Kept(None);
    let sessions = session::expired(connection, after, limit, time_to_live, &mut failed)?;
    Ok(Chosen { sessions, failed: failed.kept() })
}

/// Deletes those of some sessions that have still expired.
pub(crate) fn sweep(
    connection: &Connection,
    chosen: &[SessionId],
    time_to_live: Option<i64>,
) -> Result<Deleted, HistoryError> {
    each(connection, chosen, |id| {
        let is_wanted = session::has_expired(connection, id, time_to_live)?;
        if is_wanted {
            session::delete(connection, id, time_to_live)?;
        }
        Ok(is_wanted)
    })
}

fn each(
    connection: &Connection,
    chosen: &[SessionId],
    run: impl Fn(&SessionId) -> Result<bool, HistoryError>,
) -> Result<Deleted, HistoryError> {
    let (mut count, mut failed) = (0, Failed::Kept(None));
    for id in chosen {
        count += usize::from(whole(connection, id, &mut failed, || run(id))?);
    }
    Ok(Deleted { count, failed: failed.kept() })
}

/// Runs the deletion of one session of several. Returns whether it was deleted. One that is damaged
/// is passed over, and nothing of it is changed.
fn whole(
    connection: &Connection,
    id: &SessionId,
    failed: &mut Failed,
    run: impl FnOnce() -> Result<bool, HistoryError>,
) -> Result<bool, HistoryError> {
    execute(connection, "SAVEPOINT session", [])?;
    let outcome = run().map_err(|error| in_session(error, Some(id)));
    let deleted = failed.session(outcome)?;
    if deleted.is_none() {
        execute(connection, "ROLLBACK TO session", [])?;
    }
    execute(connection, "RELEASE session", [])?;
    Ok(deleted == Some(true))
}

/// Returns whether the title or the turns of a session have all words of a filter, without regard
/// to case. The index finds more: it splits words at what is neither a letter nor a digit for it,
/// such as the vowel signs of many scripts, and what it finds by a part is not to be deleted.
///
/// All turns of a file with an index are in the table of the present version.
fn has_words(
    connection: &Connection,
    session: &Session,
    id: &SessionId,
    filter: &SessionFilter,
) -> Result<bool, HistoryError> {
    let find = || {
        let mut words = filter.finder();
        let (title, _) = label::load(connection, session)?;
        let mut found = words.find(title.as_deref().unwrap_or_default());
        for part in branch::tree(connection, session)? {
            if found {
                break;
            }
            bodies(connection, part.branch.key, |header, body| {
                if header.number < part.limit {
                    let messages = decode(&header, body)?;
                    found = messages.iter().any(|message| words.find(&message.text()));
                }
                Ok(!found)
            })?;
        }
        Ok(found)
    };
    find().map_err(|error| in_session(error, Some(id)))
}
