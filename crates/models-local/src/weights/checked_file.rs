//! Checks a file by its digest.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

/// The size of a piece that is read at once, in bytes.
const PIECE: usize = 1 << 16;

/// Returns whether a file has a SHA-256 digest, in hexadecimal digits.
pub(super) fn has_digest(path: &Path, expected: &str) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(piece.get(..read).unwrap_or_default());
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digest.eq_ignore_ascii_case(expected))
}
