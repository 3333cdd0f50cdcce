//! A model.

/// A model: its name and its threads.
pub(crate) type Model = (&'static str, fn());
