//! The observation of a call: its identity, its times, and the record of it.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    CallId, CallInfo, CallOptions, CallRecord, CallResult, Event, EventEmitter, Observer,
    PriceList, Saved, Timings, TurnId, clock::SystemTime,
};

use crate::{answer::Answer, chain::Chain, error::ChainError, memory_binding::MemoryBinding};

/// The settings of a chain's observation. With the defaults, and without an observed call around
/// it, a call is not observed.
#[derive(Clone, Default)]
pub(crate) struct Observation {
    pub(crate) observers: Arc<[Arc<dyn Observer>]>,
    pub(crate) prices: Option<Arc<PriceList>>,
    /// Whether turns are stored with the records of their calls.
    pub(crate) stores_records: bool,
}

/// The observation of one call. Dropped before the call's end, it ends as cancelled.
pub(crate) struct CallObservation {
    events: EventEmitter,
    prices: Option<Arc<PriceList>>,
    stores_records: bool,
    started_at: SystemTime,
    pub(crate) timings: Timings,
    /// The record of the turn's earlier calls, if it is resumed.
    earlier: Option<Box<CallRecord>>,
    has_ended: bool,
}

impl Observation {
    /// Starts the observation of a call, and puts its emitter into the options.
    pub(crate) fn start(
        &self,
        chain: &dyn Chain,
        binding: Option<&MemoryBinding>,
        turn_id: Option<TurnId>,
        options: &mut CallOptions,
        earlier: Option<Box<CallRecord>>,
    ) -> Option<Box<CallObservation>> {
        let is_needed = !self.observers.is_empty()
            || self.prices.is_some()
            || self.stores_records
            || options.events.is_enabled();
        if !is_needed {
            return None;
        }
        let mut call = CallInfo::new(CallId::random()).with_chain(chain.name());
        call.turn_id = turn_id;
        if let Some((_, session)) = binding.and_then(|binding| binding.memory().stored_in()) {
            call = call.with_session(session.clone());
        }
        let (observers, prices) = (Arc::clone(&self.observers), self.prices.clone());
        let events = EventEmitter::inside(&options.events, call, observers, prices);
        options.events = events.clone();
        events.emit(&Event::call_started());
        Some(Box::new(CallObservation {
            events,
            prices: self.prices.clone(),
            stores_records: self.stores_records,
            started_at: SystemTime::now(),
            timings: Timings::default(),
            earlier,
            has_ended: false,
        }))
    }
}

impl CallObservation {
    /// Returns the time since the call started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.events.elapsed()
    }

    /// Returns the record of the call up to now.
    pub(crate) fn record(&self, answer: Option<&Answer>) -> CallRecord {
        let reply = answer.and_then(|answer| answer.reply.as_ref());
        let progress = self.events.progress();
        let mut record = CallRecord::new();
        record.usage = progress.usage.or_else(|| reply?.usage);
        record.cost = progress.cost.or_else(|| {
            let prices = self.prices.as_deref()?.of(reply?.model.as_deref())?;
            record.usage.map(|usage| prices.cost(&usage))
        });
        record.model = reply.and_then(|reply| reply.model.clone()).or(progress.model);
        record.finish_reason = reply.and_then(|reply| reply.finish_reason.clone());
        record.started_at = Some(self.started_at);
        record.retries = progress.retries;
        record.tool_calls = progress.tool_calls;
        record.cache_hits = progress.cache_hits;
        record.timings = self.timings;
        record.timings.model = progress.model_time;
        record.timings.first_token = progress.first_token;
        record.timings.total = Some(self.elapsed());
        record
    }

    /// Returns the record to store with the turn.
    pub(crate) fn stored_record(&self, answer: &Answer) -> Option<Box<CallRecord>> {
        self.stores_records.then(|| self.turn_record(answer))
    }

    /// Returns the record of all calls of the turn so far.
    pub(crate) fn turn_record(&self, answer: &Answer) -> Box<CallRecord> {
        let record = self.record(Some(answer));
        Box::new(match &self.earlier {
            Some(earlier) => record.after(earlier),
            None => record,
        })
    }

    /// Ends the observation of maintenance that the caller asked for.
    pub(crate) fn end_maintenance(&mut self, maintained: Result<&Saved, &ChainError>) {
        match maintained {
            Ok(saved) => {
                for warning in &saved.warnings {
                    self.events.emit(&Event::warned(warning));
                }
                self.end(CallResult::Maintained, None);
            }
            Err(error) => {
                self.end(CallResult::failed(error, error.class()), None);
            }
        }
    }

    /// Ends the observation, and returns the record of the call.
    pub(crate) fn end(
        &mut self,
        result: CallResult<'_>,
        answer: Option<&Answer>,
    ) -> Box<CallRecord> {
        let record = Box::new(self.record(answer));
        if !std::mem::replace(&mut self.has_ended, true) {
            self.events.emit(&Event::call_ended(result, &record));
        }
        record
    }
}

impl Drop for CallObservation {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(CallResult::Cancelled, None);
        }
    }
}
