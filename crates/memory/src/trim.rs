//! Trimming a conversation at the front.

pub(crate) mod low_water;
mod rule;
pub(crate) mod sizes;
pub(crate) mod token_budget;
pub(crate) mod truncate;

pub use self::{rule::Trim, truncate::Oversized};
