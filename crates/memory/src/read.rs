//! What a memory has read of its conversation already, so that it reads each message once.

use conversant_core::{Messages, Slice, Version};

/// How a part of a conversation that was read just now goes on from what was read before.
pub(crate) enum News {
    /// The slice's messages from this index on follow.
    More(usize),
    /// The conversation was cleared in between: these messages are all there is.
    Restart(Messages),
    /// The two don't meet. It has to be read from its start.
    Gap,
}

/// Tells what a slice adds to a conversation that was read up to `seen`.
///
/// The slice was loaded with [`Range::After`](conversant_core::Range::After) of `asked`. Both may differ if another call on
/// the same memory came first.
pub(crate) fn news(seen: Version, asked: Version, slice: &Slice) -> News {
    let went_back = slice.version.epoch == asked.epoch && slice.version.messages < asked.messages;
    if went_back || slice.version.epoch < seen.epoch {
        return News::Gap;
    }
    if slice.version.epoch > seen.epoch {
        let is_whole = slice.start() == 0;
        return if is_whole { News::Restart(slice.messages.clone()) } else { News::Gap };
    }
    match seen.messages.checked_sub(slice.start()) {
        Some(known) => {
            let known = usize::try_from(known).unwrap_or(usize::MAX);
            News::More(known.min(slice.messages.len()))
        }
        None => News::Gap,
    }
}

/// A conversation from its start, as far as it was read.
#[derive(Default)]
pub(crate) struct Read(Slice);

impl Read {
    pub(crate) const fn version(&self) -> Version {
        self.0.version
    }

    /// Adds what was read after `asked`, and returns the whole; `None` if the two don't meet.
    pub(crate) fn take_in(&mut self, asked: Version, slice: &Slice) -> Option<Slice> {
        match news(self.0.version, asked, slice) {
            News::More(known) if known == slice.messages.len() => {}
            News::More(known) if self.0.messages.is_empty() => {
                self.0 = Slice::new(slice.messages.slice(known..), slice.version);
            }
            News::More(known) => {
                self.0.messages.extend(slice.messages.iter_shared().skip(known).cloned());
                self.0.version = slice.version;
            }
            News::Restart(all) => self.0 = Slice::new(all, slice.version),
            News::Gap => return None,
        }
        Some(self.0.clone())
    }

    /// Starts again with the whole.
    pub(crate) fn replace(&mut self, whole: Slice) -> Slice {
        self.0 = whole;
        self.0.clone()
    }
}
