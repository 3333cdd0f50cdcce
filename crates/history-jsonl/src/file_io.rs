//! Opening files, and reading and writing them at an offset.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The bytes that nearly every first line has at most.
const START_BYTES: usize = 1024;

/// The bytes at the begin of a line that show what it has.
const LINE_BEGIN_BYTES: usize = 96;

/// The number of last bytes of a line that are compared. They contain its checksum.
pub(crate) const LAST_BYTES: usize = 64;

/// The buffer with which a file is read whole.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

/// Something that is not a file has the name of one. To open or to read a pipe could take for ever.
#[derive(thiserror::Error)]
#[error("cannot open `{}`: it is not a regular file; move it away", path.display())]
pub(crate) struct NotAFile {
    path: PathBuf,
}

conversant_core::debug_as_report!(NotAFile);

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    Ok(open_with(OpenOptions::new().read(true), path)?.0)
}

/// Opens a file. Anything else that has its name is [`NotAFile`].
pub(crate) fn open_with(options: &OpenOptions, path: &Path) -> io::Result<(File, Metadata)> {
    let opened = open_at_once(options, path).and_then(|file| {
        let metadata = file.metadata()?;
        Ok((file, metadata))
    });
    let is_file = match &opened {
        Ok((_, metadata)) => metadata.is_file(),
        // A link that leads nowhere is not a file that could be created.
        Err(error) if error.kind() == ErrorKind::NotFound => !is_link(path),
        Err(_) => fs::metadata(path).map_or(true, |metadata| metadata.is_file()),
    };
    if is_file { opened } else { Err(not_a_file(path)) }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Opens what has a name, without a wait for the other end of a pipe.
#[cfg(target_os = "linux")]
fn open_at_once(options: &OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    options.clone().custom_flags(flags).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_at_once(options: &OpenOptions, path: &Path) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(not_a_file(path)),
        _ => options.open(path),
    }
}

fn not_a_file(path: &Path) -> io::Error {
    io::Error::other(NotAFile { path: path.to_owned() })
}

/// Reads exactly `length` bytes at an offset.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    fill_at(file, offset, &mut bytes)?;
    Ok(bytes)
}

/// Returns whether a file has `expected` at an offset, where it has as many bytes at least.
pub(crate) fn has_at(file: &File, offset: u64, expected: &[u8]) -> io::Result<bool> {
    let mut short = [0; START_BYTES];
    match short.get_mut(..expected.len()) {
        Some(found) => fill_at(file, offset, found).map(|()| found == expected),
        None => read_at(file, offset, expected.len()).map(|found| found == expected),
    }
}

/// Fills a buffer with the bytes at an offset.
fn fill_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)?;
    #[cfg(not(unix))]
    {
        let mut file = file;
        file.seek(SeekFrom::Start(offset))?;
        io::Read::read_exact(&mut file, bytes)?;
    }
    Ok(())
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

/// Reads the begin of the line at an offset, as far as the file has it.
pub(crate) fn begin_at(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    let mut reader = reader_at(file, offset, LINE_BEGIN_BYTES)?;
    reader.by_ref().take(LINE_BEGIN_BYTES as u64).read_to_end(&mut begin)?;
    Ok(begin)
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

/// Returns the last bytes of a line, to be compared.
pub(crate) fn last_bytes(line: &[u8]) -> Vec<u8> {
    line.get(line.len().saturating_sub(LAST_BYTES)..).unwrap_or(line).to_vec()
}
