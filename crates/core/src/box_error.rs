//! Boxed errors.

/// A boxed error, for causes whose type this crate does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
