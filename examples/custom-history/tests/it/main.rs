//! The shelf keeps the contract of a history.
#![allow(clippy::unwrap_used, missing_docs)]

use conversant_core::{ChatHistory, Expect, SessionId, Turn, Version};
use conversant_testkit::{block_on, suite};
use custom_history::Shelf;

#[test]
fn it_keeps_the_contract() {
    block_on(suite::history(Shelf::default)).unwrap();
}

/// An append to a conversation that is not there any more leaves nothing.
#[test]
fn an_append_that_is_refused_leaves_no_session() {
    let shelf = Shelf::default();
    let (session, turn) = (SessionId::new("ada").unwrap(), Turn::exchange("Hi", "Hello!"));
    let expect = Expect::Exactly(Version::new(3, 4));
    assert!(block_on(shelf.append(&session, &turn, expect)).is_err());
    assert_eq!(format!("{shelf:?}"), format!("{:?}", Shelf::default()));
}
