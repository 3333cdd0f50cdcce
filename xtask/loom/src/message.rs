//! The message of the segments, which do not read it.

#[derive(Debug)]
pub(crate) struct Message(pub(crate) usize);
