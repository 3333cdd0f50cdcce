//! Memories: what of a conversation a prompt sees.
