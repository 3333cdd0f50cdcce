//! A chat in the browser: kept conversations, streams that survive a lost connection, branches,
//! and tools.
//!
//! | route | answer |
//! |---|---|
//! | `GET /api/about` | the model, the place of the conversations, the tools |
//! | `GET /api/sessions?search=…&after=…` | a page of the list of conversations |
//! | `PATCH /api/sessions/{id}` with `{"title": …}` | renames a conversation |
//! | `DELETE /api/sessions/{id}` | deletes a conversation |
//! | `GET /api/sessions/{id}/turns?before=…` | a page of turns, the last ones first |
//! | `POST /api/sessions/{id}/turns` with `{"id", "message", "after"}` | begins an answer |
//! | `POST /api/sessions/{id}/stop` with `{"turn"}` | ends the answer, and keeps its part |
//! | `POST /api/sessions/{id}/save` | saves an answer again that could not be saved |
//! | `POST /api/sessions/{id}/tip` with `{"after"}` | goes to a branch, or takes back turns |
//! | `GET /api/sessions/{id}/events` | what happens in a conversation, as server-sent events |
//!
//! An answer belongs to the server, not to the tab that asked: its pieces are in the [`feed`] of
//! its conversation, which any number of tabs read, each from where it was.
//!
//! After Ctrl-C or SIGTERM, answers that are being written end, and their parts are kept. If the
//! store cannot write, this takes up to 22 seconds, and what is not saved is printed: a supervisor
//! must wait longer before it kills.

#![allow(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::print_stderr,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "a program"
)]

pub mod arguments;
pub mod assets;
pub mod failure;
pub mod feed;
pub mod guard;
pub mod input;
pub mod listener;
pub mod reply;
pub mod routes;
pub mod service;
pub mod session_list;
pub mod tools;
pub mod turn_view;
