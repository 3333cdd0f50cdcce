//! Reading and writing files at an offset.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
};

/// The bytes that nearly every first line has at most.
const START_BYTES: usize = 1024;

/// Reads exactly `length` bytes at an offset.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, offset)?;
    #[cfg(not(unix))]
    {
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        io::Read::read_exact(&mut file, &mut bytes)?;
    }
    Ok(bytes)
}

/// Writes bytes at an offset.
pub(crate) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)?;
    #[cfg(not(unix))]
    {
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        io::Write::write_all(&mut file, bytes)?;
    }
    Ok(())
}

/// Reads the first line, with its line break if it has one.
pub(crate) fn first_line(file: &File) -> io::Result<Vec<u8>> {
    let mut reader = reader_at(file, 0, START_BYTES)?;
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Returns a reader of the file from an offset on.
pub(crate) fn reader_at(
    mut file: &File,
    offset: u64,
    buffer: usize,
) -> io::Result<BufReader<&File>> {
    file.seek(SeekFrom::Start(offset))?;
    Ok(BufReader::with_capacity(buffer, file))
}
