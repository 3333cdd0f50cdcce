//! The turns that forks share with the session that they leave.
//!
//! A fork's first line names a turn and the file that has it. That file is the origin's own, under
//! a second name that it keeps when the origin is cleared or deleted. Then it is rewritten with the
//! turns that forks need, and it is removed with the last of them.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, TurnId};

use crate::{
    error::{in_file, io_error, read_error},
    file_io,
    header::{Base, Header},
    index::Index,
    lines::Lines,
    lock::{LockFile, SessionLock},
    paths::{EXTENSION, SHARED_EXTENSION, SessionPaths, shared, sync_folder},
    rewrite::Rewritten,
    shared_file::{missing, open, starts_with},
    turn_tree::{Place, TurnEntry, TurnTree},
};

/// The name of the file that is locked while shared files are removed, rewritten or begun with.
const LOCK: &str = "forks.lock";

/// The turns that a fork is begun with.
pub(crate) struct SharedTurns {
    pub(crate) base: Base,
    start: Vec<u8>,
}

impl SharedTurns {
    /// Returns whether the turns are still there. The caller has locked the shared files.
    pub(crate) fn is_there(&self, paths: &SessionPaths) -> bool {
        starts_with(&paths.shared(self.base.file), &self.start)
    }
}

/// Locks the shared files of a folder.
pub(crate) fn lock(folder: &Path, deadline: Option<Instant>) -> Result<SessionLock, HistoryError> {
    LockFile::wait(&folder.join(LOCK), deadline)
}

/// Gives the file of a turn the name under which forks find it, and returns where the turn is.
pub(crate) fn share(
    paths: &SessionPaths,
    index: &Index,
    place: Place,
) -> Result<SharedTurns, HistoryError> {
    let entry = index.turns.entry(place).ok_or_else(missing)?;
    let base = |file| Base {
        file,
        after: entry.id,
        turns: TurnTree::count(Some(place)),
        messages: entry.end(),
        end: entry.span.offset + entry.span.bytes as u64 + 1,
    };
    if let Some(number) = entry.span.file.checked_sub(1) {
        let shared = index.shared.get(number).ok_or_else(missing)?;
        return Ok(SharedTurns { base: base(shared.base.file), start: shared.start.clone() });
    }
    let path = paths.shared(index.header.file);
    if !starts_with(&path, index.start()) {
        // An unfinished deletion may have rewritten the shared file without the newest turns.
        let new = path.with_extension("link");
        let link = || {
            let _ = fs::remove_file(&new);
            // Not every file system has links.
            fs::hard_link(paths.file(), &new).or_else(|_| {
                fs::copy(paths.file(), &new).and_then(|_| File::open(&new)?.sync_all())
            })?;
            fs::rename(&new, &path)?;
            sync_folder(paths.folder())
        };
        link().map_err(io_error)?;
    }
    Ok(SharedTurns { base: base(index.header.file), start: index.start().to_vec() })
}

/// The work that is left once a session's file was replaced.
pub(crate) struct Release<'p> {
    folder: &'p Path,
    base: Base,
    _lock: SessionLock,
}

/// Prepares the replacement of a session's file: forks of it keep the turns that they need. Returns
/// `None` if the session shares no turns itself, or still does for its forks.
pub(crate) fn prepare<'p>(
    paths: &'p SessionPaths,
    header: &Header,
    deadline: Option<Instant>,
) -> Result<Option<Release<'p>>, HistoryError> {
    let own = paths.shared(header.file);
    let is_shared = own.exists();
    if !is_shared && header.base.is_none() {
        return Ok(None);
    }
    let lock = lock(paths.folder(), deadline)?;
    if is_shared
        && settle(paths.folder(), &Heads::read(paths.folder(), Some(&paths.file()))?, header.file)?
    {
        return Ok(None);
    }
    let release = |base| Release { folder: paths.folder(), base, _lock: lock };
    Ok(header.base.map(release))
}

impl Release<'_> {
    /// Removes the turns that no session needs any more.
    pub(crate) fn finish(self) -> Result<(), HistoryError> {
        let mut next = Some(self.base);
        while let Some(base) = next {
            let path = shared(self.folder, base.file);
            if !path.exists() {
                break;
            }
            let heads = Heads::read(self.folder, None)?;
            let header = Index::begin(&open(&path)?)?.header;
            if release(self.folder, &heads, &header, base.file)? != Released::Orphan {
                break;
            }
            next = header.base;
        }
        Ok(())
    }
}

/// Removes the shared turns that no session needs, which an interrupted deletion has left.
pub(crate) fn sweep(folder: &Path, lock_timeout: Duration) -> Result<(), HistoryError> {
    let mut names = fs::read_dir(folder).map_err(|error| read_error(folder, error))?;
    if !names.any(|entry| entry.is_ok_and(|entry| shared_id(&entry.path()).is_some())) {
        return Ok(());
    }
    let _lock = lock(folder, Instant::now().checked_add(lock_timeout))?;
    loop {
        let heads = Heads::read(folder, None)?;
        let mut removed = false;
        for (path, header) in &heads.0 {
            let Some(file) = shared_id(path) else { continue };
            removed |= release(folder, &heads, header, file)? == Released::Orphan;
        }
        // A file that was removed may have been the last to need another one.
        if !removed {
            return Ok(());
        }
    }
}

fn shared_id(path: &Path) -> Option<TurnId> {
    let is_shared = path.extension().is_some_and(|extension| extension == SHARED_EXTENSION);
    path.file_stem().filter(|_| is_shared)?.to_str()?.parse().ok()
}

/// The first lines of the folder's files.
struct Heads(Vec<(PathBuf, Header)>);

impl Heads {
    /// Reads the first lines, except for that of a file that is being replaced.
    fn read(folder: &Path, replaced: Option<&Path>) -> Result<Self, HistoryError> {
        let mut heads = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| read_error(folder, error))? {
            let path = entry.map_err(io_error)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let is_replaced = replaced == Some(path.as_path());
            if is_replaced || !matches!(extension, Some(EXTENSION | SHARED_EXTENSION)) {
                continue;
            }
            let line = match File::open(&path).and_then(|file| file_io::first_line(&file)) {
                Ok(line) => line,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(read_error(&path, error)),
            };
            // A fork that cannot be read may need any turn.
            let header = Header::read(&line).map_err(|error| in_file(&path, error))?;
            heads.push((path, header));
        }
        Ok(Self(heads))
    }

    /// Returns whether the session that wrote a shared file still has it as its own.
    fn has_owner(&self, header: &Header, file: TurnId) -> bool {
        header.session.is_some()
            && self.0.iter().any(|(path, own)| own.file == file && shared_id(path).is_none())
    }

    /// Returns the turns of a shared file that forks continue.
    fn needed(&self, file: TurnId) -> Vec<TurnId> {
        let bases = self.0.iter().filter_map(|(_, header)| header.base);
        bases.filter(|base| base.file == file).map(|base| base.after).collect()
    }
}

/// The outcome of [`release`].
#[derive(PartialEq, Eq)]
enum Released {
    Kept,
    /// The session that wrote the file still has it as its own, under another name.
    Owned,
    /// The file was removed, and with it a need for the turns that it shares itself.
    Orphan,
}

/// Removes from a shared file what no session needs.
fn release(
    folder: &Path,
    heads: &Heads,
    header: &Header,
    file: TurnId,
) -> Result<Released, HistoryError> {
    if heads.has_owner(header, file) {
        if heads.needed(file).is_empty() {
            remove(folder, file)?;
        }
        return Ok(Released::Owned);
    }
    Ok(if settle(folder, heads, file)? { Released::Kept } else { Released::Orphan })
}

fn remove(folder: &Path, file: TurnId) -> Result<(), HistoryError> {
    fs::remove_file(shared(folder, file)).and_then(|()| sync_folder(folder)).map_err(io_error)
}

/// Rewrites a shared file, whose session does not need it, with the turns that forks need. Removes
/// it if there are none. Returns whether it is still there.
fn settle(folder: &Path, heads: &Heads, file: TurnId) -> Result<bool, HistoryError> {
    let path = shared(folder, file);
    let needed = heads.needed(file);
    if needed.is_empty() {
        remove(folder, file)?;
        return Ok(false);
    }
    let opened = open(&path)?;
    let mut index = Index::begin(&opened)?;
    let header = index.header.clone();
    index.read_shared(folder)?;
    index.read_rest(&opened)?;
    let own = |entry: &&TurnEntry| entry.span.file == 0;
    let mut entries: Vec<&TurnEntry> = Vec::new();
    let mut seen = HashSet::new();
    for after in needed {
        let last = index.turns.find(after).ok_or_else(missing)?;
        let path = index.turns.newest_first(Some(last)).filter(own);
        entries.extend(path.take_while(|entry| seen.insert(entry.id)));
    }
    if header.session.is_none() && entries.len() == index.turns.count_in(0) {
        return Ok(true);
    }
    entries.sort_by_key(|entry| entry.span.offset);
    let mut rewritten = Rewritten::begin(&Header::new(None, header.epoch).with_base(header.base))?;
    for entry in entries {
        let before = index.turns.find(entry.id).and_then(|place| index.turns.before(place));
        let turns = Lines::new(Some(&opened), &index.shared).turns(&[entry])?;
        for turn in &turns {
            rewritten.add(turn, index.branch_point(before))?;
        }
    }
    let new = path.with_extension("rewritten");
    let write = || {
        fs::write(&new, &rewritten.bytes)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &path)?;
        sync_folder(folder)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        io_error(error)
    })?;
    Ok(true)
}
