//! The turns that forks share with the session that they leave.
//!
//! A fork's first line names a turn and the file that has it. That file is the origin's own, under
//! a second name that it keeps when the origin is cleared or deleted. Then it is rewritten with the
//! turns that forks need, and it is removed with the last of them.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::ErrorKind,
    iter,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, TurnId};
use conversant_history::FileIdentity;

use crate::{
    error::{in_file, io_error, read_error},
    file_io,
    header::{Base, Header},
    index::Index,
    lines::Lines,
    lock::{LockFile, PAUSES, SessionLock},
    paths::{EXTENSION, SHARED_EXTENSION, SessionPaths, shared, sync_folder},
    rewrite::Rewritten,
    shared_file::{has_parts, missing, open},
    turn_tree::{Place, TurnEntry, TurnTree},
};

/// The name of the file that is locked while shared files are removed, rewritten or begun with.
const LOCK: &str = "forks.lock";

/// The turns that a fork is begun with.
pub(crate) struct SharedTurns {
    pub(crate) base: Base,
    /// The fingerprint of the last turn that has messages.
    pub(crate) tip: u64,
    start: Vec<u8>,
    /// The last bytes of the last turn's line, with their offset. A copy of the file that was made
    /// before the turn was written lacks them.
    last: (u64, Vec<u8>),
}

impl SharedTurns {
    /// Describes the turns up to `entry`, whose line is in `file`, which has the first line `start`
    /// and the id `id`.
    fn new(
        file: &File,
        start: &[u8],
        id: TurnId,
        place: Place,
        entry: &TurnEntry,
    ) -> Result<Self, HistoryError> {
        let end = entry.span.offset + entry.span.bytes as u64;
        let length = entry.span.bytes.min(file_io::LAST_BYTES);
        let offset = end - length as u64;
        let last = file_io::read_at(file, offset, length).map_err(io_error)?;
        let (turns, messages) = (TurnTree::count(Some(place)), entry.end());
        let base = Base { file: id, after: entry.id, turns, messages, end: end + 1 };
        Ok(Self { base, tip: entry.tip, start: start.to_vec(), last: (offset, last) })
    }

    /// Returns whether the turns are there. The caller has locked the shared files, or the session
    /// whose file they are in.
    pub(crate) fn is_there(&self, paths: &SessionPaths) -> bool {
        let (offset, last) = &self.last;
        has_parts(&paths.shared(self.base.file), &[(0, &self.start), (*offset, last)])
    }
}

/// Locks the shared files of a folder.
pub(crate) fn lock(folder: &Path, deadline: Option<Instant>) -> Result<SessionLock, HistoryError> {
    LockFile::wait(&folder.join(LOCK), deadline)
}

/// Gives the file of a turn, which is `own` if it is the session's, the name under which forks find
/// it, and returns where the turn is. Returns `None` if that name belongs to a file with turns that
/// the session's file does not have: forks may need them.
pub(crate) fn share(
    paths: &SessionPaths,
    own: &File,
    index: &Index,
    place: Place,
) -> Result<Option<SharedTurns>, HistoryError> {
    let entry = index.turns.entry(place).ok_or_else(missing)?;
    if let Some(number) = entry.span.file.checked_sub(1) {
        let shared = index.shared.get(number).ok_or_else(missing)?;
        let (file, id) = (shared.open()?, shared.base.file);
        return SharedTurns::new(&file, &shared.start, id, place, entry).map(Some);
    }
    let id = index.header.file;
    let (path, turns) = (paths.shared(id), SharedTurns::new(own, index.start(), id, place, entry)?);
    if is_link(&path, own) || turns.is_there(paths) {
        return Ok(Some(turns));
    }
    // A copy of the folder has copies of the files instead of links, which lack the newest turns.
    // An unfinished deletion may have rewritten the shared file without them.
    if path.exists() && !covers(index, paths.folder(), &path) {
        return Ok(None);
    }
    let new = path.with_extension("link");
    let link = || {
        let _ = fs::remove_file(&new);
        // Not every file system has links.
        fs::hard_link(paths.file(), &new)
            .or_else(|_| fs::copy(paths.file(), &new).and_then(|_| File::open(&new)?.sync_all()))?;
        fs::rename(&new, &path)?;
        sync_folder(paths.folder())
    };
    link().map_err(io_error)?;
    Ok(Some(turns))
}

/// Returns whether a path is another name of a file. Not every system can say it.
fn is_link(path: &Path, file: &File) -> bool {
    let is_current = |metadata| FileIdentity::of_metadata(path, &metadata).is_current();
    cfg!(unix) && file.metadata().is_ok_and(is_current)
}

/// Returns whether a session's own file has all turns of a shared file that can be read.
fn covers(index: &Index, folder: &Path, shared: &Path) -> bool {
    let Ok((_, shared)) = read(folder, shared) else { return false };
    let found = |tree: &TurnTree, turn: TurnId| {
        let place = tree.find(turn)?;
        let before = tree.before(place).and_then(|before| tree.entry(before));
        let entry = tree.entry(place)?;
        Some((entry.first, entry.count, before.map(|before| before.id)))
    };
    let mut turns = shared.turns.all().filter(|entry| entry.span.file == 0);
    turns.all(|entry| found(&index.turns, entry.id) == found(&shared.turns, entry.id))
}

/// Opens and indexes a shared file.
fn read(folder: &Path, path: &Path) -> Result<(File, Index), HistoryError> {
    let file = open(path)?;
    let mut index = Index::begin(&file)?;
    index.read_shared(folder)?;
    index.read_rest(&file)?;
    Ok((file, index))
}

/// Opens and indexes a shared file, up to the turns that forks need if what follows is damaged.
fn read_needed(
    folder: &Path,
    path: &Path,
    needed: &[TurnId],
) -> Result<(File, Index), HistoryError> {
    match read(folder, path) {
        Err(HistoryError::Corrupt { .. }) => {}
        read => return read,
    }
    let file = open(path)?;
    let mut index = Index::begin(&file)?;
    index.read_shared(folder)?;
    needed.iter().try_for_each(|turn| index.read_to(&file, *turn))?;
    Ok((file, index))
}

/// The work that is left once a session's file was replaced.
pub(crate) struct Release<'p> {
    folder: &'p Path,
    base: Base,
    _lock: SessionLock,
}

/// Prepares the replacement of a session's file `file`: forks of it keep the turns that they need.
/// Returns `None` if the session shares no turns itself, or still does for its forks.
pub(crate) fn prepare<'p>(
    paths: &'p SessionPaths,
    file: Option<&File>,
    index: &Index,
    deadline: Option<Instant>,
) -> Result<Option<Release<'p>>, HistoryError> {
    let header = &index.header;
    let own = paths.shared(header.file);
    if !own.exists() && header.base.is_none() {
        return Ok(None);
    }
    let lock = lock(paths.folder(), deadline)?;
    // Until it was locked, another process may have removed it.
    if own.exists() {
        let heads = Heads::read(paths.folder(), Some(&paths.file()))?;
        // A copy of the folder may have the newest turns in the session's file alone.
        let newest = file.filter(|file| !is_link(&own, file)).map(|file| (file, index));
        if settle(paths.folder(), &heads, header.file, newest)? {
            return Ok(None);
        }
    }
    let release = |base| Release { folder: paths.folder(), base, _lock: lock };
    Ok(header.base.map(release))
}

impl Release<'_> {
    /// Removes the turns that no session needs any more.
    pub(crate) fn finish(self) -> Result<(), HistoryError> {
        let mut heads = Heads::read(self.folder, None)?;
        let mut next = Some(self.base);
        while let Some(base) = next {
            next = release(self.folder, &mut heads, base.file)?;
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
    let mut next = None;
    loop {
        let locked = lock(folder, Instant::now().checked_add(lock_timeout))?;
        let mut heads = Heads::read(folder, None)?;
        let all = || heads.0.iter().filter_map(|(shared, _)| *shared).collect::<Vec<_>>();
        let left = next.get_or_insert_with(all);
        let started = Instant::now();
        while started.elapsed() < HOLD {
            let Some(file) = left.pop() else { return Ok(()) };
            // A file that was removed may have been the last to need another one.
            left.extend(release(folder, &mut heads, file)?.map(|base| base.file));
        }
        drop(locked);
        // Those that wait look at the lock from time to time.
        thread::sleep(PAUSES.1 * 2);
    }
}

/// How long a sweep keeps others from the shared files at a time.
const HOLD: Duration = Duration::from_millis(50);

fn shared_id(path: &Path) -> Option<TurnId> {
    let is_shared = path.extension().is_some_and(|extension| extension == SHARED_EXTENSION);
    path.file_stem().filter(|_| is_shared)?.to_str()?.parse().ok()
}

/// The first lines of the folder's files, with the id in the name of each shared file.
struct Heads(Vec<(Option<TurnId>, Header)>);

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
            let line = match file_io::open(&path).and_then(|file| file_io::first_line(&file)) {
                Ok(line) => line,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(read_error(&path, error)),
            };
            // A fork that cannot be read may need any turn.
            let header = Header::read(&line).map_err(|error| in_file(&path, error))?;
            heads.push((shared_id(&path), header));
        }
        Ok(Self(heads))
    }

    /// Returns the first line of a shared file.
    fn shared(&self, file: TurnId) -> Option<&Header> {
        let found = self.0.iter().find(|(shared, _)| *shared == Some(file));
        found.map(|(_, header)| header)
    }

    fn remove_shared(&mut self, file: TurnId) {
        self.0.retain(|(shared, _)| *shared != Some(file));
    }

    /// Returns whether the session that wrote a shared file still has it as its own.
    fn has_owner(&self, header: &Header, file: TurnId) -> bool {
        header.session.is_some()
            && self.0.iter().any(|(shared, own)| own.file == file && shared.is_none())
    }

    /// Returns the turns of a shared file that forks continue.
    fn needed(&self, file: TurnId) -> Vec<TurnId> {
        let bases = self.0.iter().filter_map(|(_, header)| header.base);
        bases.filter(|base| base.file == file).map(|base| base.after).collect()
    }
}

/// Removes from a shared file what no session needs, if the file is there. Returns the turns that
/// it shared itself, if the file was removed and they may not be needed any more.
fn release(folder: &Path, heads: &mut Heads, file: TurnId) -> Result<Option<Base>, HistoryError> {
    let Some(header) = heads.shared(file) else { return Ok(None) };
    // The session that wrote the file still has it as its own, under another name.
    let (base, is_owned) = (header.base, heads.has_owner(header, file));
    if is_owned && !heads.needed(file).is_empty() {
        return Ok(None);
    }
    if is_owned {
        remove(folder, file)?;
    } else if settle(folder, heads, file, None)? {
        return Ok(None);
    }
    heads.remove_shared(file);
    Ok(base.filter(|_| !is_owned))
}

fn remove(folder: &Path, file: TurnId) -> Result<(), HistoryError> {
    match fs::remove_file(shared(folder, file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(folder)).map_err(io_error),
    }
}

/// Rewrites a shared file, whose session does not need it, with the turns that forks need. Those
/// that it lacks are taken from `newest`, the session's own file. Removes the shared file if no
/// fork needs a turn. Returns whether it is still there.
fn settle(
    folder: &Path,
    heads: &Heads,
    file: TurnId,
    newest: Option<(&File, &Index)>,
) -> Result<bool, HistoryError> {
    let path = shared(folder, file);
    let needed = heads.needed(file);
    if needed.is_empty() {
        remove(folder, file)?;
        return Ok(false);
    }
    let (opened, index) = match read_needed(folder, &path, &needed) {
        // The file stays as it is: reading the fork is an error.
        Err(HistoryError::Corrupt { .. }) if newest.is_none() => return Ok(true),
        found => found.map_err(|error| in_file(&path, error))?,
    };
    let header = &index.header;
    let mut seen = HashSet::new();
    // A turn that neither file has was lost before: reading the fork is an error.
    let (needed, others): (Vec<_>, Vec<_>) =
        needed.into_iter().partition(|after| index.turns.find(*after).is_some());
    let kept = own_turns(&index, &needed, &mut seen);
    let added = newest.map(|(file, index)| (file, index, own_turns(index, &others, &mut seen)));
    let is_added = added.as_ref().is_some_and(|(.., turns)| !turns.is_empty());
    if header.session.is_none() && kept.len() == index.turns.count_in(0) && !is_added {
        return Ok(true);
    }
    let mut rewritten = Rewritten::begin(&Header::new(None, header.epoch).with_base(header.base))?;
    for (file, index, entries) in iter::once((&opened, &index, kept)).chain(added) {
        let mut lines = Lines::new(Some(file), &index.shared);
        for entry in entries {
            let before = index.turns.find(entry.id).and_then(|place| index.turns.before(place));
            for turn in &lines.turns(&[entry])? {
                rewritten.add(turn, index.branch_point(before))?;
            }
        }
    }
    let new = path.with_extension("rewritten");
    let write = || {
        let _ = fs::remove_file(&new);
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

/// Returns the turns of a file on the paths to some turns, in the order of the file, apart from
/// those that were seen.
fn own_turns<'i>(
    index: &'i Index,
    last: &[TurnId],
    seen: &mut HashSet<TurnId>,
) -> Vec<&'i TurnEntry> {
    let mut entries: Vec<&TurnEntry> = Vec::new();
    for place in last.iter().filter_map(|turn| index.turns.find(*turn)) {
        let path = index.turns.newest_first(Some(place)).filter(|entry| entry.span.file == 0);
        entries.extend(path.take_while(|entry| seen.insert(entry.id)));
    }
    entries.sort_by_key(|entry| entry.span.offset);
    entries
}
