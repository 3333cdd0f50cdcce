//! Counts how often the files of a folder are opened.

use std::{mem::MaybeUninit, path::Path};

use rustix::{
    fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init},
    io::Errno,
};

/// Returns how often files of a folder are opened while an operation runs.
pub(crate) fn of(folder: &Path, run: impl FnOnce()) -> usize {
    let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    add_watch(&events, folder, WatchFlags::OPEN).unwrap();
    run();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(&events, &mut buffer);
    let mut opened = 0;
    loop {
        match reader.next() {
            Ok(event) => opened += usize::from(event.events().contains(ReadFlags::OPEN)),
            Err(Errno::AGAIN) => return opened,
            Err(error) => panic!("{error}"),
        }
    }
}
