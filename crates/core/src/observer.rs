//! Observers of calls: the trait, the events, and what they say of a call.

mod call_info;
mod call_record;
mod cost;
mod emitter;
mod event;
mod meter;
mod model_call;
mod model_description;
mod notify;
mod observer_identity;
mod purpose;
mod stopwatch;
mod stored_record;
mod totals;

pub use self::{
    call_info::{CallId, CallInfo},
    call_record::{CallRecord, Timings},
    cost::{Cost, CostError, PriceList, Prices},
    emitter::{EventEmitter, Progress},
    event::{CallResult, Event, ModelRequest, Observer},
    meter::Meter,
    model_call::{
        observe_chat, observe_chat_stream, observe_completion, observe_completion_stream,
    },
    model_description::ModelDescription,
    observer_identity::ObserverIdentity,
    purpose::RequestPurpose,
    totals::Totals,
};
