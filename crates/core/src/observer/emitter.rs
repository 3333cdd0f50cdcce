//! The sender of a call's events.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{
    call_info::{CallId, CallInfo},
    cost::{Cost, PriceList},
    event::{Event, Observer},
    model_description::ModelDescription,
    notify::notify,
    observer_identity::ObserverIdentity,
    purpose::RequestPurpose,
    stopwatch::Stopwatch,
};
use crate::model::{Reply, Usage};

/// The sender of a call's events to its observers.
///
/// A chain puts it into [`CallOptions::events`](crate::CallOptions::events), so that models, layers
/// and tools report what they do: a model that repeats a failed attempt emits
/// [`Event::Retrying`](crate::Event::Retrying). Without observers, which is the default, nothing is
/// allocated, and `emit` does nothing. Clones belong to the same call.
///
/// # Examples
///
/// A custom model that reports its retries:
///
/// ```
/// use std::time::Duration;
/// use conversant_core::{
///     async_trait, ChatModel, ChatRequest, Event, Message, ModelError, Reply,
/// };
///
/// struct Persistent;
///
/// # impl Persistent {
/// #     async fn attempt(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
/// #         Ok(Reply::new(Message::ai("Hello!")))
/// #     }
/// # }
/// #[async_trait]
/// impl ChatModel for Persistent {
///     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
///         match self.attempt(request).await {
///             Err(error) if error.is_retryable() => {
///                 request.options.events.emit(&Event::retrying(1, &error, Duration::ZERO));
///                 self.attempt(request).await
///             }
///             result => result,
///         }
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct EventEmitter {
    inner: Option<Arc<Inner>>,
    /// The request that it is sent with, if that is reported already.
    request: Option<Arc<ReportedRequest>>,
    purpose: RequestPurpose,
}

/// A request whose start observers have seen.
pub(super) struct ReportedRequest {
    /// Its number in the call.
    pub(super) number: u32,
    pub(super) model: ModelDescription,
}

struct Inner {
    call: CallInfo,
    observers: Arc<[Arc<dyn Observer>]>,
    /// The emitter of the call from inside which this one was made.
    parent: EventEmitter,
    prices: Option<Arc<PriceList>>,
    started: Stopwatch,
    progress: Mutex<Progress>,
    next_number: AtomicU32,
}

/// The sums of a call so far, from its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The time of the requests for the answer that have ended.
    pub model_time: Option<Duration>,
    /// From the start of the call to the first piece of an answer.
    pub first_token: Option<Duration>,
    /// The usage of the requests that have ended, those of the memory included.
    pub usage: Option<Usage>,
    /// The cost of the requests that have ended and whose prices are known.
    pub cost: Option<Cost>,
    /// The model of the last request for the answer that has ended: as the server reported it, or
    /// as requested.
    pub model: Option<String>,
    /// The attempts that were repeated.
    pub retries: u32,
    /// The tool calls that have ended.
    pub tool_calls: u32,
    /// The requests that a cache answered.
    pub cache_hits: u32,
}

impl EventEmitter {
    /// Creates an emitter without observers.
    #[must_use]
    pub const fn disabled() -> Self {
        Self { inner: None, request: None, purpose: RequestPurpose::Answer }
    }

    /// Creates the emitter of a call that starts now.
    ///
    /// # Examples
    ///
    /// Observing a model without a chain:
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use conversant_core::{
    ///     CallId, CallInfo, CallOptions, Event, EventEmitter, LanguageModel, Observer, Totals,
    /// };
    /// # use conversant_core::{async_trait, ChatModel, ChatRequest, Message, ModelError, Reply};
    /// # struct Greeter;
    /// # #[async_trait]
    /// # impl ChatModel for Greeter {
    /// #     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
    /// #         Ok(Reply::new(Message::ai("Hello!")))
    /// #     }
    /// # }
    ///
    /// struct Requests(Mutex<u32>);
    ///
    /// impl Observer for Requests {
    ///     fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
    ///         if let Event::ModelEnded { .. } = event {
    ///             *self.0.lock().unwrap() += 1;
    ///         }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ModelError> {
    /// let requests = Arc::new(Requests(Mutex::new(0)));
    /// let call = CallInfo::new(CallId::random());
    /// let events = EventEmitter::new(call, Arc::new([requests.clone() as Arc<dyn Observer>]));
    /// let options = CallOptions::new().with_events(events);
    /// LanguageModel::chat(Greeter).generate("Hi".into(), options).await?;
    /// assert_eq!(*requests.0.lock().unwrap(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(call: CallInfo, observers: Arc<[Arc<dyn Observer>]>) -> Self {
        Self::inside(&Self::disabled(), call, observers, None)
    }

    /// Creates the emitter of a call that starts now, from inside another call. The other call's
    /// observers receive its events by
    /// [`on_nested_event`](crate::Observer::on_nested_event), and only so if they are observers of
    /// this call too. The prices are for [`progress`](Self::progress), and for that of the other
    /// call where it knows no prices of a model.
    #[must_use]
    pub fn inside(
        parent: &Self,
        mut call: CallInfo,
        observers: Arc<[Arc<dyn Observer>]>,
        prices: Option<Arc<PriceList>>,
    ) -> Self {
        call.parent = parent.call().map(|call| call.id);
        let observers = parent.without_own(observers);
        let inner = Arc::new(Inner {
            call,
            observers,
            parent: parent.clone(),
            prices,
            started: Stopwatch::start(),
            progress: Mutex::default(),
            next_number: AtomicU32::new(0),
        });
        Self { inner: Some(inner), request: None, purpose: RequestPurpose::Answer }
    }

    /// Omits the observers that receive the events of calls inside this one.
    fn without_own(&self, observers: Arc<[Arc<dyn Observer>]>) -> Arc<[Arc<dyn Observer>]> {
        let Some(inner) = self.inner.as_deref() else { return observers };
        let is_own = |observer: &Arc<dyn Observer>| {
            observer.identity().is_some_and(|identity| inner.has_observer(identity))
        };
        if !observers.iter().any(is_own) {
            return observers;
        }
        observers.iter().filter(|observer| !is_own(observer)).cloned().collect()
    }

    /// Returns the emitter for a request that is reported, so that a model around a model does not
    /// report it a second time.
    pub(super) fn in_request(&self, request: &Arc<ReportedRequest>) -> Self {
        Self { request: Some(Arc::clone(request)), ..self.clone() }
    }

    /// Returns the emitter for requests of another purpose than the call's answer.
    #[must_use]
    pub fn with_purpose(&self, purpose: RequestPurpose) -> Self {
        Self { purpose, ..self.clone() }
    }

    /// Returns the purpose of requests that are sent with this emitter.
    #[must_use]
    pub const fn purpose(&self) -> RequestPurpose {
        self.purpose
    }

    pub(super) const fn reports_requests(&self) -> bool {
        self.inner.is_some() && self.request.is_none()
    }

    /// Returns whether events are sent. If not, work that is only done for an event can be omitted.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.inner.is_some()
    }

    /// Returns the call, if events are sent.
    #[must_use]
    pub fn call(&self) -> Option<&CallInfo> {
        self.inner.as_deref().map(|inner| &inner.call)
    }

    /// Returns the time since the call started, or zero if no events are sent.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.inner.as_deref().map(|inner| inner.started.elapsed()).unwrap_or_default()
    }

    /// Returns the sums of the call so far, those of the calls inside it included.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.inner.as_deref().map(|inner| inner.progress().clone()).unwrap_or_default()
    }

    /// Sends an event to every observer. A panic of an observer is caught, so that it costs neither
    /// the answer nor the turn. An observer that runs on this thread already is left out.
    ///
    /// It adds the request that the emitter was sent with to an
    /// [`Event::Retrying`](crate::Event::Retrying) and an
    /// [`Event::AnswerRejected`](crate::Event::AnswerRejected): a model does not know its number.
    pub fn emit(&self, event: &Event<'_>) {
        let Some(inner) = self.inner.as_deref() else { return };
        let event = &self.with_request(*event);
        inner.add(event, inner);
        for observer in inner.observers.iter() {
            notify(&**observer, || observer.on_event(&inner.call, event));
        }
        let mut outer = inner.parent.inner.as_deref();
        let mut priced = inner;
        while let Some(parent) = outer {
            if priced.prices.is_none() {
                priced = parent;
            }
            parent.add(event, priced);
            for observer in parent.observers.iter() {
                notify(&**observer, || observer.on_nested_event(&inner.call, event));
            }
            outer = parent.parent.inner.as_deref();
        }
    }

    /// Returns an event with the request to which it belongs.
    fn with_request<'e>(&'e self, mut event: Event<'e>) -> Event<'e> {
        let request = self.request.as_deref();
        match &mut event {
            Event::Retrying { number, model, purpose, .. } => {
                *number = request.map(|request| request.number);
                (*model, *purpose) = (request.map(|request| &request.model), self.purpose);
            }
            Event::AnswerRejected { number, .. } => *number = request.map(|it| it.number),
            _ => {}
        }
        event
    }

    /// Returns the next number for a request or a tool call of this call, by which observers pair
    /// its start and its end.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        let next = self.inner.as_deref().map(|inner| &inner.next_number);
        next.map(|next| next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default()
    }

    /// Returns the id of the call, if events are sent.
    #[must_use]
    pub fn call_id(&self) -> Option<CallId> {
        self.call().map(|call| call.id)
    }
}

impl Inner {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether this call or one around it has an observer.
    fn has_observer(&self, identity: ObserverIdentity) -> bool {
        let mut call = Some(self);
        while let Some(inner) = call {
            if inner.observers.iter().any(|other| other.identity() == Some(identity)) {
                return true;
            }
            call = inner.parent.inner.as_deref();
        }
        false
    }

    /// Adds an event to the sums. Another call may know prices that this call does not.
    fn add(&self, event: &Event<'_>, other: &Self) {
        let mut sums = self.progress();
        match event {
            Event::Retrying { .. } => sums.retries = sums.retries.saturating_add(1),
            Event::ToolEnded { .. } => sums.tool_calls = sums.tool_calls.saturating_add(1),
            Event::ModelEnded { model, purpose, result, time, first_token, .. } => {
                let is_answer = !purpose.is_memory();
                if is_answer {
                    let before = sums.model_time.unwrap_or_default();
                    sums.model_time = Some(before.saturating_add(*time));
                }
                if let Some(first) = first_token.filter(|_| is_answer && sums.first_token.is_none())
                {
                    let before = self.started.elapsed().saturating_sub(*time);
                    sums.first_token = Some(before.saturating_add(first));
                }
                let Ok(reply) = result else { return };
                sums.cache_hits = sums.cache_hits.saturating_add(reply.from_cache.into());
                self.add_reply(&mut sums, model, reply, is_answer, other);
            }
            Event::AnswerRejected { model, purpose, reply, .. } => {
                self.add_reply(&mut sums, model, reply, !purpose.is_memory(), other);
            }
            _ => {}
        }
    }

    /// Adds the model and the usage of a reply.
    fn add_reply(
        &self,
        sums: &mut Progress,
        model: &ModelDescription,
        reply: &Reply,
        is_answer: bool,
        other: &Self,
    ) {
        let names = [reply.model.as_deref(), model.name.as_deref()];
        if is_answer {
            sums.model = names.into_iter().flatten().next().map(str::to_owned);
        }
        let Some(usage) = reply.usage else { return };
        sums.usage = Some(sums.usage.unwrap_or_default() + usage);
        let prices_of = |call: &Self| call.prices.as_deref()?.of_first(&names);
        if let Some(prices) = prices_of(self).or_else(|| prices_of(other)) {
            sums.cost = Some(sums.cost.unwrap_or_default() + prices.cost(&usage));
        }
    }
}

impl PartialEq for EventEmitter {
    /// Returns whether the two belong to the same call, or both have no observers.
    fn eq(&self, other: &Self) -> bool {
        self.call_id() == other.call_id()
    }
}

impl fmt::Debug for EventEmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventEmitter").field(&self.call_id()).finish()
    }
}
