//! Longer texts: recipes.

#[doc = include_str!("../docs/snapshots.md")]
pub mod snapshots {}
