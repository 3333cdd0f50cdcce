//! The rows of branches: where each leaves another, and the removal of those that nothing needs.
//!
//! The turns of a session are a tree. Its first branch has the session's key; another branch has
//! the turns that follow a point of its parent, with the numbers that they have in the path. A fork
//! is a session whose first branch leaves a branch of another session. A session without other
//! branches has no rows here.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use conversant_core::HistoryError;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    session_row::Session,
    turn_row::{MAX_TURNS, last_of, remove_from},
};
use crate::{
    checksum::Checksum,
    error::{inconsistent, row_error, sqlite_error},
    statement::execute,
};

/// The owner of a branch whose session was cleared or deleted, and whose turns forks share.
const NOBODY: i64 = 0;

const DAMAGED: &str = "the row of a branch is damaged";

fn damaged(error: rusqlite::Error) -> HistoryError {
    row_error(error, || DAMAGED.to_owned())
}

/// The columns of a branch, which [`Branch::read`] reads.
macro_rules! branch_columns {
    () => {
        "key, session, parent, turns, messages, created, touched, sum"
    };
}

/// A branch.
#[derive(Clone, Copy)]
pub(super) struct Branch {
    pub(super) key: i64,
    /// The key of the session that it belongs to, or [`NOBODY`].
    pub(super) session: i64,
    /// The branch with the turn before the first own one. `None`: it begins at the start.
    pub(super) parent: Option<i64>,
    /// The numbers of turns and messages before the first own turn.
    pub(super) turns: u64,
    pub(super) messages: u64,
    /// The number of turns that the branches of the session had got when it was created, and when
    /// its last turn was stored. Only their order matters.
    pub(super) created: u64,
    pub(super) touched: u64,
}

impl Branch {
    /// The first branch of a session that begins at the start.
    const fn first(session: i64) -> Self {
        Self { key: session, session, parent: None, turns: 0, messages: 0, created: 0, touched: 0 }
    }

    /// Reads [`branch_columns`].
    fn read(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let branch = Self {
            key: row.get(0)?,
            session: row.get(1)?,
            parent: row.get(2)?,
            turns: row.get(3)?,
            messages: row.get(4)?,
            created: row.get(5)?,
            touched: row.get(6)?,
        };
        Ok((branch, row.get(7)?))
    }

    fn checksum(&self) -> i64 {
        Checksum::default()
            .number(self.key)
            .number(self.session)
            .option(self.parent)
            .number(self.turns.cast_signed())
            .number(self.messages.cast_signed())
            .number(self.created.cast_signed())
            .number(self.touched.cast_signed())
            .finish_signed()
    }

    fn checked((branch, sum): (Self, i64)) -> Result<Self, HistoryError> {
        if branch.checksum() == sum { Ok(branch) } else { Err(inconsistent(DAMAGED)) }
    }

    /// Loads a branch. One without a row is the first of its session.
    pub(super) fn load(connection: &Connection, key: i64) -> Result<Self, HistoryError> {
        let select = concat!("SELECT ", branch_columns!(), " FROM branches WHERE key = ?1");
        let found = connection
            .prepare_cached(select)
            .and_then(|mut select| select.query_row([key], Self::read).optional())
            .map_err(damaged)?;
        found.map_or_else(|| Ok(Self::first(key)), Self::checked)
    }

    /// Loads the branches of a session that have rows, in the order of their creation.
    pub(super) fn of_session(
        connection: &Connection,
        session: i64,
    ) -> Result<Vec<Self>, HistoryError> {
        let select = concat!(
            "SELECT ",
            branch_columns!(),
            " FROM branches WHERE session = ?1 ORDER BY created"
        );
        Self::select(connection, select, session)
    }

    /// Loads the branches, of any session, that leave a branch.
    fn of_parent(connection: &Connection, parent: i64) -> Result<Vec<Self>, HistoryError> {
        let select = concat!("SELECT ", branch_columns!(), " FROM branches WHERE parent = ?1");
        Self::select(connection, select, parent)
    }

    fn select(connection: &Connection, select: &str, key: i64) -> Result<Vec<Self>, HistoryError> {
        let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
        let rows = select.query_map([key], Self::read).map_err(sqlite_error)?;
        rows.map(|row| Self::checked(row.map_err(damaged)?)).collect()
    }

    /// Writes the row.
    fn store(&self, connection: &Connection) -> Result<(), HistoryError> {
        let statement = "INSERT OR REPLACE INTO branches
                         (key, session, parent, turns, messages, created, touched, sum)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            self.key,
            self.session,
            self.parent,
            self.turns,
            self.messages,
            self.created,
            self.touched,
            self.checksum(),
        ];
        execute(connection, statement, row).map(drop)
    }
}

/// Returns a key that neither a session nor a branch has.
pub(super) fn next_key(connection: &Connection) -> Result<i64, HistoryError> {
    let select = "SELECT max(coalesce((SELECT max(key) FROM sessions), 0),
                             coalesce((SELECT max(key) FROM branches), 0)) + 1";
    connection
        .prepare_cached(select)
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map_err(sqlite_error)
}

/// Returns the branch in which the turn of a number is stored, of a path to a branch's end.
pub(super) fn with_turn(
    connection: &Connection,
    head: i64,
    number: u64,
) -> Result<Branch, HistoryError> {
    let mut branch = Branch::load(connection, head)?;
    while number < branch.turns {
        branch = parent_of(connection, &branch)?;
    }
    Ok(branch)
}

/// Loads the branch that a branch leaves.
pub(super) fn parent_of(connection: &Connection, branch: &Branch) -> Result<Branch, HistoryError> {
    let lost = || inconsistent("a branch is missing");
    let parent = Branch::load(connection, branch.parent.ok_or_else(lost)?)?;
    // The turns before it are fewer with each step, so that this ends.
    if parent.turns < branch.turns { Ok(parent) } else { Err(lost()) }
}

/// Returns the branch in which a session's first turns are: its own, or that which it shares.
pub(super) fn root(connection: &Connection, session: &Session) -> Result<Branch, HistoryError> {
    with_turn(connection, session.key, 0)
}

/// Returns the number of a branch's turns that belong to a session: all of its own branches, and
/// those before the fork of shared ones.
pub(super) fn limit(
    connection: &Connection,
    session: &Session,
    key: i64,
) -> Result<u64, HistoryError> {
    if key == session.key || Branch::load(connection, key)?.session == session.key {
        return Ok(MAX_TURNS);
    }
    let mut branch = Branch::load(connection, session.key)?;
    while branch.turns > 0 {
        let parent = parent_of(connection, &branch)?;
        if parent.key == key {
            return Ok(branch.turns);
        }
        branch = parent;
    }
    Ok(0)
}

/// A branch of a session's tree.
pub(super) struct Part {
    pub(super) branch: Branch,
    /// The number of turns up to which the branch belongs to the session ([`limit`]).
    pub(super) limit: u64,
}

/// Returns the branches of a session, in the order of their creation: those that it shares, and its
/// own. The first one that it has itself is left out while it has no turns.
pub(super) fn tree(connection: &Connection, session: &Session) -> Result<Vec<Part>, HistoryError> {
    let mut own = Branch::of_session(connection, session.key)?;
    let mut first = Branch::first(session.key);
    match own.iter().position(|branch| branch.key == session.key) {
        Some(index) => first = own.remove(index),
        None if own.is_empty() => {}
        None => return Err(inconsistent("a branch is missing")),
    }
    let mut tree = Vec::with_capacity(own.len() + 1);
    let has_turns =
        session.earlier > 0 || last_of(connection, first.key, first.turns, MAX_TURNS)?.is_some();
    let mut shared = first;
    if has_turns {
        tree.push(Part { branch: first, limit: MAX_TURNS });
    }
    while shared.turns > 0 {
        let limit = shared.turns;
        // The order is that of the session that has them. Turns of its own come later.
        shared = Branch { touched: 0, ..parent_of(connection, &shared)? };
        tree.push(Part { branch: shared, limit });
    }
    tree.reverse();
    tree.extend(own.into_iter().map(|branch| Part { branch, limit: MAX_TURNS }));
    Ok(tree)
}

/// Creates a branch of a session that leaves another one.
pub(super) fn create(
    connection: &Connection,
    session: &Session,
    parent: i64,
    turns: u64,
    messages: u64,
) -> Result<i64, HistoryError> {
    begin(connection, session)?;
    let count = next_touch(connection, session)?;
    let key = next_key(connection)?;
    let branch = Branch {
        key,
        session: session.key,
        parent: (turns > 0).then_some(parent),
        turns,
        messages,
        created: count,
        touched: count,
    };
    branch.store(connection)?;
    Ok(key)
}

/// Makes the first branch of an empty session one that leaves a branch of another session.
pub(super) fn fork(
    connection: &Connection,
    session: &Session,
    parent: i64,
    turns: u64,
    messages: u64,
) -> Result<(), HistoryError> {
    let parent = (turns > 0).then_some(parent);
    Branch { parent, turns, messages, ..Branch::first(session.key) }.store(connection)
}

/// Writes the row of a session's first branch, if there is none. Where a session has branches, this
/// is one of them.
pub(super) fn begin(connection: &Connection, session: &Session) -> Result<(), HistoryError> {
    let statement = "INSERT INTO branches
                     (key, session, parent, turns, messages, created, touched, sum)
                     VALUES (?1, ?1, NULL, 0, 0, 0, 0, ?2) ON CONFLICT (key) DO NOTHING";
    let sum = Branch::first(session.key).checksum();
    execute(connection, statement, params![session.key, sum]).map(drop)
}

/// Returns the next number of [`Branch::touched`].
fn next_touch(connection: &Connection, session: &Session) -> Result<u64, HistoryError> {
    let select = concat!(
        "SELECT ",
        branch_columns!(),
        " FROM branches WHERE session = ?1 ORDER BY touched DESC LIMIT 1"
    );
    let last = Branch::select(connection, select, session.key)?;
    Ok(last.first().map_or(0, |branch| branch.touched) + 1)
}

/// Notes that a branch has got the session's newest turn.
pub(super) fn touch(
    connection: &Connection,
    session: &Session,
    key: i64,
) -> Result<(), HistoryError> {
    begin(connection, session)?;
    let touched = next_touch(connection, session)?;
    Branch { touched, ..Branch::load(connection, key)? }.store(connection)
}

/// Removes the branches of a session with their turns, except for the turns that forks share.
/// Returns whether the session's key is that of a branch that stays.
pub(super) fn remove(connection: &Connection, session: &Session) -> Result<bool, HistoryError> {
    let mut own = Branch::of_session(connection, session.key)?;
    if !own.iter().any(|branch| branch.key == session.key) {
        own.push(Branch::first(session.key));
    }
    let by_key: HashMap<i64, Branch> = own.iter().map(|branch| (branch.key, *branch)).collect();
    let parents = own.iter().filter_map(|branch| branch.parent);
    let shared: Vec<_> = parents.filter(|key| !by_key.contains_key(key)).collect();
    // The number of turns of each branch that others need.
    let mut needed: HashMap<i64, u64> = HashMap::new();
    let mut open = Vec::new();
    for branch in &own {
        let children = Branch::of_parent(connection, branch.key)?;
        open.extend(children.into_iter().filter(|child| child.session != session.key));
    }
    while let Some(child) = open.pop() {
        let Some(parent) = child.parent.and_then(|key| by_key.get(&key)) else { continue };
        match needed.entry(parent.key) {
            Entry::Occupied(mut turns) => {
                let turns = turns.get_mut();
                *turns = child.turns.max(*turns);
            }
            Entry::Vacant(turns) => {
                turns.insert(child.turns);
                // What it needs itself does not depend on its children.
                open.push(*parent);
            }
        }
    }
    for branch in &own {
        match needed.get(&branch.key) {
            Some(&turns) => {
                remove_from(connection, branch.key, turns)?;
                Branch { session: NOBODY, ..*branch }.store(connection)?;
            }
            None => remove_whole(connection, branch.key)?,
        }
    }
    for key in shared {
        release(connection, key)?;
    }
    Ok(needed.contains_key(&session.key))
}

/// Returns the keys of the branches of a session whose turns are not those of another session.
pub(super) fn own(connection: &Connection, session: &Session) -> Result<Vec<i64>, HistoryError> {
    let branches = Branch::of_session(connection, session.key)?;
    let mut keys: Vec<_> = branches.iter().map(|branch| branch.key).collect();
    if !keys.contains(&session.key) {
        keys.push(session.key);
    }
    Ok(keys)
}

/// Adds the keys of the sessions that have a turn of a branch: the branch's own, and forks.
pub(super) fn sessions_with(
    connection: &Connection,
    key: i64,
    number: u64,
    sessions: &mut HashSet<i64>,
) -> Result<(), HistoryError> {
    let own = Branch::load(connection, key)?.session;
    if own != NOBODY {
        sessions.insert(own);
    }
    let mut open = vec![key];
    while let Some(key) = open.pop() {
        for child in Branch::of_parent(connection, key)? {
            if child.turns > number {
                sessions.insert(child.session);
                open.push(child.key);
            }
        }
    }
    sessions.remove(&NOBODY);
    Ok(())
}

fn remove_whole(connection: &Connection, key: i64) -> Result<(), HistoryError> {
    remove_from(connection, key, 0)?;
    execute(connection, "DELETE FROM branches WHERE key = ?1", [key]).map(drop)
}

/// Removes the turns of branches that belong to no session and that no fork shares any more.
fn release(connection: &Connection, key: i64) -> Result<(), HistoryError> {
    let mut key = Some(key);
    while let Some(branch) = key.map(|key| Branch::load(connection, key)).transpose()? {
        if branch.session != NOBODY {
            break;
        }
        let children = Branch::of_parent(connection, branch.key)?;
        if let Some(turns) = children.iter().map(|child| child.turns).max() {
            remove_from(connection, branch.key, turns)?;
            break;
        }
        remove_whole(connection, branch.key)?;
        key = branch.parent;
    }
    Ok(())
}
