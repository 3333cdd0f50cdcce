//! Files that change while they are open.

use std::{fs, path::PathBuf};

use conversant_core::TurnId;
use conversant_history::{FileIdentity, SqliteFileFault, SqliteFiles};

/// A temporary folder. It is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("files-{}", TurnId::random()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a database of a page, with a write-ahead log or without.
fn database(has_log: bool) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[18..20].fill(if has_log { 2 } else { 1 });
    bytes
}

#[test]
fn a_file_that_is_opened_is_checked_once() {
    let folder = Folder::new();
    let path = folder.0.join("chat.db");
    let cases = [
        (database(true), "", Ok(())),
        (database(true), "log", Ok(())),
        (database(false), "", Ok(())),
        (database(false), "log", Err(SqliteFileFault::ForeignLog)),
        (database(false)[..100].to_vec(), "", Err(SqliteFileFault::Truncated)),
        (Vec::new(), "", Err(SqliteFileFault::Empty)),
        (b"text".to_vec(), "", Err(SqliteFileFault::NotADatabase)),
    ];
    for (number, (bytes, log, expected)) in cases.into_iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        fs::write(folder.0.join("chat.db-wal"), log).unwrap();
        assert_eq!(SqliteFiles::check_new(&path).unwrap(), expected, "{number}");
        // A file that is open is not looked at.
        let files = SqliteFiles::of(&path).unwrap();
        assert_eq!(SqliteFiles::check_new(&path).unwrap(), Ok(()), "{number}");
        drop(files);
        assert_eq!(SqliteFiles::check_new(&path).unwrap(), expected, "{number}");
    }
    assert!(SqliteFiles::check_new(folder.0.join("missing")).is_err());
}

/// To open a file by any name and to close it again would release SQLite's locks.
#[test]
#[cfg(unix)]
fn a_file_that_is_open_is_known_by_all_its_names() {
    let folder = Folder::new();
    let path = folder.0.join("chat.db");
    let files = SqliteFiles::of_or_new(&path).unwrap();
    let [link, symlink] = ["link.db", "symlink.db"].map(|name| folder.0.join(name));
    fs::hard_link(&path, &link).unwrap();
    std::os::unix::fs::symlink(&path, &symlink).unwrap();
    fs::create_dir(folder.0.join("x")).unwrap();
    let names = [path.clone(), link, symlink, folder.0.join("x/../chat.db")];
    for name in &names {
        assert_eq!(SqliteFiles::check_new(name).unwrap(), Ok(()), "{name:?}");
    }
    // Nor is one that is there created anew.
    fs::write(&path, database(true)).unwrap();
    let again = SqliteFiles::of_or_new(&names[2]).unwrap();
    drop(files);
    fs::write(&path, "text").unwrap();
    assert_eq!(SqliteFiles::check_new(&names[1]).unwrap(), Ok(()));
    drop(again);
    for name in &names {
        let found = SqliteFiles::check_new(name).unwrap();
        assert_eq!(found, Err(SqliteFileFault::NotADatabase), "{name:?}");
    }
}

#[test]
fn a_file_that_becomes_smaller_or_odd_is_checked_whole() {
    let folder = Folder::new();
    let path = folder.0.join("chat.db");
    fs::write(&path, [0; 4096]).unwrap();
    let files = SqliteFiles::of(&path).unwrap().with_logs();
    // The size, whether it is whole where that is looked at, and whether it passes.
    for (bytes, is_whole, passes) in [
        (4096, None, true),
        (8192, None, true),
        (9000, Some(false), false),
        (9000, Some(true), true),
        (9000, None, true),
        (9216, None, true),
        (4096, Some(true), true),
        (2048, Some(false), false),
        (2048, Some(false), false),
        (0, None, false),
        (4096, None, true),
    ] {
        fs::write(&path, vec![0; bytes]).unwrap();
        let mut looked = None;
        let checked = files.check_write(|| {
            looked = is_whole;
            is_whole.unwrap()
        });
        assert_eq!((checked.is_ok(), looked), (passes, is_whole), "{bytes}");
    }
    let identity = FileIdentity::of(&path).unwrap();
    assert_eq!(identity, FileIdentity::of_metadata(&path, &fs::metadata(&path).unwrap()));
    assert_eq!(identity.current().unwrap().unwrap().len(), 4096);
    fs::rename(&path, folder.0.join("away.db")).unwrap();
    assert!(!identity.is_current() && identity.current().unwrap().is_none());
    assert_eq!(files.check_read(|| true), Err(SqliteFileFault::Replaced));
}
