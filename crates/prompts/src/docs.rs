//! Longer texts: recipes, and where this crate differs from LangChain.

#[doc = include_str!("../docs/snapshots.md")]
pub mod snapshots {}

#[doc = include_str!("../docs/compatibility.md")]
pub mod compatibility {}
