//! The settings that the builders of callable chains share.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use conversant_core::{Memory, Observer, PriceList, Slot};

use crate::{
    chain::Chain,
    memory_binding::{Maintenance, MemoryBinding},
    observation::Observation,
    runner::Runner,
    verbose::Verbose,
    wiring::{TurnNames, Wiring, WiringError, WiringFault},
};

/// The calls of an `apply` without a memory that run at the same time by default.
pub(crate) const CONCURRENCY: usize = 8;

/// The longest wait of a call for other calls of its conversation by default: 10 minutes, as long
/// as the adapters of `conversant-models` let a call run.
pub(crate) const QUEUE_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) memory: Option<Arc<dyn Memory>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) verbose: bool,
    pub(crate) prices: Option<Arc<PriceList>>,
    pub(crate) store_records: bool,
    pub(crate) inputs: Option<Vec<String>>,
    pub(crate) allow_unused: Vec<String>,
    pub(crate) maintenance: Maintenance,
    pub(crate) queue_timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) prompt_cache_key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: None,
            observers: Vec::new(),
            verbose: false,
            prices: None,
            store_records: false,
            inputs: None,
            allow_unused: Vec::new(),
            maintenance: Maintenance::Inline,
            queue_timeout: QUEUE_TIMEOUT,
            concurrency: CONCURRENCY,
            prompt_cache_key: None,
        }
    }
}

impl Settings {
    /// Checks a chain's wiring, and returns the names of its turns. The error contains `faults`, if
    /// there are any.
    pub(crate) fn check(
        &self,
        slots: &[Slot],
        outputs: &[Cow<'static, str>],
        faults: Vec<WiringFault>,
    ) -> Result<TurnNames, WiringError> {
        let memory = self.memory.as_deref();
        let (declared, allow_unused) = (self.inputs.as_deref(), &*self.allow_unused);
        Wiring { slots, outputs, memory, declared, allow_unused }.check(faults)
    }

    /// Makes a checked chain callable.
    pub(crate) fn runner(self, chain: impl Chain + 'static, names: TurnNames) -> Runner {
        self.runner_of(Arc::new(chain), names)
    }

    /// Makes a checked chain that is shared callable.
    pub(crate) fn runner_of(self, chain: Arc<dyn Chain>, names: TurnNames) -> Runner {
        let mut observers = self.observers;
        if self.verbose {
            observers.insert(0, Arc::new(Verbose::stdout()));
        }
        let provided = self.memory.as_deref().map_or(&[][..], Memory::variables);
        let is_input = |slot: &&Slot| provided.iter().all(|from| from.name() != slot.name());
        let inputs = chain.slots().iter().filter(is_input).cloned().collect();
        let first_output = chain.outputs().first().map(AsRef::as_ref);
        let binding = self.memory.map(|memory| {
            let (maintenance, queue_timeout) = (self.maintenance, self.queue_timeout);
            MemoryBinding::new(memory, names, first_output, maintenance, queue_timeout)
        });
        Runner {
            depth: chain.depth(),
            chain,
            inputs,
            binding,
            observation: Observation {
                observers: observers.into(),
                prices: self.prices,
                stores_records: self.store_records,
            },
            concurrency: self.concurrency,
            prompt_cache_key: self.prompt_cache_key,
            origin: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("inputs", &self.inputs)
            .field("maintenance", &self.maintenance)
            .finish_non_exhaustive()
    }
}

/// Implements the methods of a builder that has a field `settings`.
macro_rules! impl_settings {
    ([$($generics:tt)*] $builder:ty) => {
        impl $($generics)* $builder {
            /// Sets whether the transcript of each call is written to standard output, as in
            /// LangChain's verbose mode. For another sink, add a [`Verbose`](crate::Verbose) with
            /// `observer`.
            pub fn verbose(mut self, verbose: bool) -> Self {
                self.settings.verbose = verbose;
                self
            }

            /// Adds an observer of all calls.
            pub fn observer(mut self, observer: impl conversant_core::Observer + 'static) -> Self {
                self.settings.observers.push(std::sync::Arc::new(observer));
                self
            }

            /// Sets the prices of the models, from which the records of calls have their cost:
            /// [`Prices`](conversant_core::Prices) for all models, or a
            /// [`PriceList`](conversant_core::PriceList).
            pub fn prices(mut self, prices: impl Into<conversant_core::PriceList>) -> Self {
                self.settings.prices = Some(std::sync::Arc::new(prices.into()));
                self
            }

            /// Sets whether each turn is stored with the record of its call: usage, cost, model,
            /// finish reason and times. `false` by default, so that what is stored is what
            /// LangChain stores; a record takes about 130 bytes.
            ///
            /// [`Turn::call_record`](conversant_core::Turn::call_record) reads it, and
            /// [`Totals::of_turns`](conversant_core::Totals::of_turns) sums a session.
            pub fn store_records(mut self, store: bool) -> Self {
                self.settings.store_records = store;
                self
            }

            /// Declares the inputs of each call, so that `build` can check them
            /// against the variables that are used.
            pub fn inputs(
                mut self,
                inputs: impl IntoIterator<Item = impl Into<String>>,
            ) -> Self {
                self.settings.inputs = Some(inputs.into_iter().map(Into::into).collect());
                self
            }

            /// Allows that a declared input is not used, or a variable of the memory, for a memory
            /// that several chains share.
            pub fn allow_unused(mut self, variable: impl Into<String>) -> Self {
                self.settings.allow_unused.push(variable.into());
                self
            }

            /// Sets when the memory's maintenance is done.
            pub fn maintenance(mut self, maintenance: crate::Maintenance) -> Self {
                self.settings.maintenance = maintenance;
                self
            }

            /// Sets the longest time for which a call waits for other calls of its conversation,
            /// also if the call has no deadline: 10 minutes by default. Then it fails with
            /// [`ChainError::QueueTimeout`](crate::ChainError::QueueTimeout).
            ///
            /// A call that something inside the model makes to its own conversation from another
            /// task waits for itself; this limit ends it.
            pub fn queue_timeout(mut self, limit: std::time::Duration) -> Self {
                self.settings.queue_timeout = limit;
                self
            }

            /// Sets the number of calls of an `apply` that run at the same time, if the chain has
            /// no memory. `0` counts as one.
            pub fn concurrency(mut self, calls: usize) -> Self {
                self.settings.concurrency = calls;
                self
            }

            /// Sets the key of the provider's prompt cache for all calls, unless a call's options
            /// have one. A definition of [`Conversations`](crate::Conversations) can derive it from
            /// the session, so that the calls of a conversation are routed to the same cache. The
            /// provider sees the key.
            pub fn prompt_cache_key(mut self, key: impl Into<String>) -> Self {
                self.settings.prompt_cache_key = Some(key.into());
                self
            }
        }
    };
}
pub(crate) use impl_settings;
