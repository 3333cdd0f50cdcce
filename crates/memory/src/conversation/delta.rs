//! The difference between a cached part of a conversation and a slice that was loaded after it.

use conversant_core::{Messages, Slice, Version};

/// The way in which a slice continues a cached part of a conversation.
pub(crate) enum Delta {
    /// The slice's messages from this index on follow the cached ones.
    Append(usize),
    /// The conversation was cleared or replaced; these messages are the whole of it.
    Restart(Messages),
    /// The slice does not continue the cached part. The conversation has to be loaded again.
    Gap,
}

impl Delta {
    /// Compares a part that was cached up to `cached` with a slice that was loaded with
    /// [`Range::After`](conversant_core::Range::After) of `asked`.
    ///
    /// The two versions differ if another call of the same memory has updated the cache since. The
    /// conversation may have been moved to another branch between the two loads.
    pub(crate) fn between(cached: Version, asked: Version, slice: &Slice) -> Self {
        let version = slice.version;
        let shrank = version.epoch == asked.epoch && version.messages < asked.messages;
        if shrank || version.epoch < cached.epoch {
            return Self::Gap;
        }
        // A store returns the whole session if the requested version is not one of its own: it was
        // cleared, restored from a backup or replaced.
        let is_whole = slice.start() == 0;
        let was_replaced = is_whole && asked.messages > 0;
        if version.epoch > cached.epoch || was_replaced {
            return if is_whole { Self::Restart(slice.messages.clone()) } else { Self::Gap };
        }
        let is_same_length = version.messages == cached.messages;
        if !version.matches(cached) && (is_same_length || !cached.matches(asked)) {
            return Self::Gap;
        }
        match cached.messages.checked_sub(slice.start()) {
            Some(known) => {
                let known = usize::try_from(known).unwrap_or(usize::MAX);
                Self::Append(known.min(slice.messages.len()))
            }
            None => Self::Gap,
        }
    }
}
