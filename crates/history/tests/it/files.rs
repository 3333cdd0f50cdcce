//! Files that change while they are open.

use std::fs;

use conversant_history::{FileIdentity, SqliteFileFault, SqliteFiles};

/// Returns a database of pages of 512 bytes, with a write-ahead log or without.
fn database(pages: u32, has_log: bool) -> Vec<u8> {
    let mut bytes = vec![0; 512 * pages as usize];
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[16..18].copy_from_slice(&512_u16.to_be_bytes());
    bytes[18..20].fill(if has_log { 2 } else { 1 });
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    bytes
}

#[test]
fn a_file_that_grows_or_is_compacted_is_the_same() {
    let folder = std::env::temp_dir().join(format!("files-{}", conversant_core::TurnId::random()));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("chat.db");
    fs::write(&path, database(8, true)).unwrap();
    let files = SqliteFiles::of(&path).unwrap();
    // Each state of the file after the one before, and whether it is one that SQLite can leave.
    let states = [
        (database(8, true), true),
        (database(9, true), true),
        (database(4, true), true),
        (database(4, true)[..1024].to_vec(), false),
        (Vec::new(), false),
        (database(4, true), true),
        (database(5, false), false),
        (vec![0; 4096], false),
        (database(4, true), true),
    ];
    for (number, (bytes, is_whole)) in states.into_iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        for _ in 0..2 {
            let checked = files.check_write();
            match is_whole {
                true => assert_eq!(checked, Ok(()), "{number}"),
                false => assert_eq!(checked, Err(SqliteFileFault::Overwritten), "{number}"),
            }
        }
    }
    let identity = FileIdentity::of(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!identity.is_current());
    assert_eq!(files.check_read(), Err(SqliteFileFault::Replaced));
    fs::remove_dir_all(&folder).unwrap();
}
