//! The state that the connections share: the script, the recorded requests, the counters.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

use super::{answer::ServerAnswer, request::RecordedRequest, settings::Settings};
use crate::counter::Counter;

/// The source of answers.
pub(super) enum Source {
    Script { answers: VecDeque<ServerAnswer>, repeat_last: bool },
    Handler(Box<dyn Fn(&RecordedRequest) -> ServerAnswer + Send + Sync>),
}

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

    /// Returns the next answer, or the number of answers so far if the script has ended.
    pub(super) fn next_answer(&self, request: &RecordedRequest) -> Result<ServerAnswer, usize> {
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

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { answers, repeat_last } => f
                .debug_struct("Script")
                .field("answers", answers)
                .field("repeat_last", repeat_last)
                .finish(),
            Self::Handler(_) => f.write_str("Handler"),
        }
    }
}
