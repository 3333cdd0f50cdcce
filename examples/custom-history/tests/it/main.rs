//! The shelf keeps the contract of a history.
#![allow(clippy::unwrap_used, missing_docs)]

use conversant_testkit::{block_on, suite};
use custom_history::Shelf;

#[test]
fn it_keeps_the_contract() {
    block_on(suite::history(Shelf::default)).unwrap();
}
