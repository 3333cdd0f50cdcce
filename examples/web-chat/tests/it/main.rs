//! The chat: its service over sockets, and its page in a browser.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    missing_docs
)]

mod access;
mod browser;
mod client;
mod dictated;
mod page;
mod pictures;
mod program;
mod service;
mod support;
mod text;
mod weights;
