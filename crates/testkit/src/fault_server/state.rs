//! The state that the connections of a listener share.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::fault::Fault;
use crate::counter::Counter;

pub(super) struct State {
    pub(super) fault: Fault,
    /// The host and port of the bystander.
    pub(super) bystander: String,
    pub(super) connections: Counter,
    pub(super) attempts: Counter,
    pub(super) disconnects: Counter,
    requests: Mutex<Vec<Bytes>>,
}

impl State {
    pub(super) fn new(fault: Fault, bystander: String) -> Self {
        Self {
            fault,
            bystander,
            connections: Counter::default(),
            attempts: Counter::default(),
            disconnects: Counter::default(),
            requests: Mutex::default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<Bytes> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn record(&self, request: Bytes) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}
