//! The adapters, seen from outside and over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod answers;
mod bounds;
mod connecting;
mod custom_client;
mod cut_off;
mod dialects;
mod encodings;
mod endpoints;
mod events;
mod faults;
mod fuzz;
mod halves_of_characters;
#[cfg(feature = "http2")]
mod http2;
mod masking;
mod odd_values;
mod proxies;
mod recorded;
mod requests;
mod response_item_names;
mod response_items;
mod response_settings;
mod responses;
mod runtimes;
mod settings;
mod streams;
#[cfg(feature = "tokens")]
mod tokens;
mod tools;
mod usages;
mod waiting;
