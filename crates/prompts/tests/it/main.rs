//! Tests of the prompt templates through their public API.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod chat;
#[cfg(feature = "macros")]
mod checked;
mod errors;
#[cfg(feature = "few-shot")]
mod few_shot;
mod fuzz;
#[cfg(feature = "jinja")]
mod hostile;
mod jinja;
#[cfg(all(feature = "jinja", feature = "mustache"))]
mod langchain;
mod limits;
#[cfg(all(feature = "jinja", feature = "load", feature = "mustache"))]
mod loading;
mod messages;
#[cfg(feature = "mustache")]
mod mustache;
mod partials;
mod properties;
mod recorded;
mod semantic;
mod snapshots;
mod strings;
