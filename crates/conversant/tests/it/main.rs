//! The promises of `conversant`: all items by one name, and a README that can be pasted.
#![allow(clippy::unwrap_used, clippy::string_slice, missing_docs)]

mod globs;
mod guide;
#[cfg(feature = "macros")]
mod macros;
mod names;
mod readme;
