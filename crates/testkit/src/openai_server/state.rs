//! The state that the connections share: the script, the recorded requests, the counters.

use std::sync::{Mutex, PoisonError};

use super::{
    Answer, RecordedRequest,
    builder::{Settings, Source},
};
use crate::counter::Counter;

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) connections: Counter,
    pub(super) received: Counter,
    pub(super) disconnects: Counter,
    /// Numbers the answers, for ids.
    pub(super) answered: Counter,
    source: Mutex<Source>,
    given: Counter,
    requests: Mutex<Vec<RecordedRequest>>,
}

impl State {
    pub(super) fn new(source: Source, settings: Settings) -> Self {
        Self {
            settings,
            connections: Counter::default(),
            received: Counter::default(),
            disconnects: Counter::default(),
            answered: Counter::default(),
            source: Mutex::new(source),
            given: Counter::default(),
            requests: Mutex::default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn record(&self, request: RecordedRequest) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        self.received.add();
    }

    /// Returns the next answer, or how many were given when the script is used up.
    pub(super) fn next_answer(&self, request: &RecordedRequest) -> Result<Answer, usize> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match &mut *source {
            Source::Handler(handler) => Some(handler(request)),
            Source::Script { answers, repeat_last: true } if answers.len() == 1 => {
                answers.front().cloned()
            }
            Source::Script { answers, .. } => answers.pop_front(),
        };
        match answer {
            Some(answer) => {
                self.given.add();
                Ok(answer)
            }
            None => Err(self.given.count()),
        }
    }
}
