//! A chain that a router chooses for each call.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Event, Reply, Variables, nearest};

use super::{
    kind::impl_kind,
    parts::{MergedSlots, depth_of, other_outputs},
    route::{Route, Router},
    signature::{Signature, impl_signature},
    step_result::{failed, restored_by_any, with_outputs},
};
use crate::{
    answer::Answer,
    answer_type::AnswerType,
    answering::{answering, slots_answering},
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    hints::Hints,
    pending::PendingTurn,
    resumed::Completed,
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// Chains of which a router chooses one for each call (LangChain 0.1.20
/// `chains/router/base.py::MultiRouteChain`).
///
/// Needs the feature `composition`.
///
/// The chosen chain sees the call's variables and the inputs of the [`Route`]. A destination that
/// does not exist is [`ChainError::UnknownDestination`], unless
/// [`unknown_to_default`](RouterChainBuilder::unknown_to_default) is set. A stream has the pieces
/// of the chosen chain. The router gets the call's deadline; the tools are for the chosen chain. If
/// that chain calls tools, a resumed call is not routed again.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use conversant_chains::{FnRouter, LlmChain, Route, RouterChain};
/// use conversant_core::{vars, Value};
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let answer_with = |template: &str, answer: &str| {
///     let prompt = PromptTemplate::from_template(template)?;
///     let model = ScriptedCompletion::new([answer]);
///     Ok::<_, Box<dyn std::error::Error>>(
///         LlmChain::builder().prompt(prompt).model(model).build()?,
///     )
/// };
/// let router = FnRouter::new(["question"], |variables| {
///     let question = variables.get("question").map(Value::to_text).unwrap_or_default();
///     let is_sum = question.contains('+');
///     Ok::<_, Infallible>(if is_sum { Route::to("sums") } else { Route::to_default() })
/// });
/// let chain = RouterChain::builder()
///     .router(router)
///     .destination("sums", answer_with("Add up: {question}", "5")?)
///     .default_chain(answer_with("Answer: {question}", "I see.")?)
///     .build()?;
/// assert_eq!(chain.predict(vars! { "question" => "2 + 3" }).await?, "5");
/// assert_eq!(chain.predict(vars! { "question" => "Hm?" }).await?, "I see.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RouterChain {
    runner: Arc<Runner>,
}

/// A builder of a [`RouterChain`]. A router, a destination and a default chain are required. All
/// chains have the same outputs.
///
/// | setting | default |
/// |---|---|
/// | [`unknown_to_default`](Self::unknown_to_default) | `false`: an unknown destination is an error |
/// | [`inputs`](Self::inputs) | the variables of the router and of all chains |
/// | [`name`](Self::name) | `MultiRouteChain`, as LangChain's |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`RouterChain`].
#[must_use]
#[derive(Clone, Default)]
pub struct RouterChainBuilder {
    router: Option<Arc<dyn Router>>,
    destinations: Vec<(String, Arc<dyn Chain>)>,
    default_chain: Option<Arc<dyn Chain>>,
    unknown_to_default: bool,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(RouterChain, RouterChainBuilder, "MultiRouteChain");

impl RouterChain {
    /// Returns a builder.
    pub fn builder() -> RouterChainBuilder {
        RouterChainBuilder::default()
    }
}

impl RouterChainBuilder {
    /// Sets the router.
    pub fn router(mut self, router: impl Router + 'static) -> Self {
        self.router = Some(Arc::new(router));
        self
    }

    /// Adds a chain under the name by which the router chooses it.
    pub fn destination(mut self, name: impl Into<String>, chain: impl Chain + 'static) -> Self {
        self.destinations.push((name.into(), Arc::new(chain)));
        self
    }

    /// Sets the chain of the calls for which the router chooses no destination.
    pub fn default_chain(mut self, chain: impl Chain + 'static) -> Self {
        self.default_chain = Some(Arc::new(chain));
        self
    }

    /// Sets whether a destination that does not exist is routed to the default chain: LangChain's
    /// `silent_errors`.
    pub fn unknown_to_default(mut self, to_default: bool) -> Self {
        self.unknown_to_default = to_default;
        self
    }

    /// Checks the chains and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault. Without a router or a default chain, the variables are
    /// not checked.
    pub fn build(mut self) -> Result<RouterChain, WiringError> {
        let name = self.take_name();
        let mut faults = self.faults();
        let Self { router, destinations, default_chain, unknown_to_default, settings, .. } = self;
        let chains = || destinations.iter().map(|(_, chain)| chain).chain(&default_chain);
        let default = default_chain
            .iter()
            .map(|chain| (format!("the default chain (`{}`)", chain.name()), chain));
        let named = destinations
            .iter()
            .map(|(name, chain)| (format!("destination `{name}` (`{}`)", chain.name()), chain));
        let parts = default.chain(named);
        faults.extend(other_outputs(parts.map(|(part, chain)| (part, chain.outputs()))));
        faults.extend(WiringFault::of_depth(depth_of(chains())));
        let (Some(router), Some(default_chain)) = (router, default_chain) else {
            return Err(WiringError::new(faults));
        };
        let chains = destinations.iter().map(|(_, chain)| chain).chain([&default_chain]);
        let provided: HashSet<&str> = router.provides().iter().map(AsRef::as_ref).collect();
        let needed = chains.flat_map(|chain| chain.slots());
        let needed = needed.filter(|slot| !provided.contains(slot.name()));
        let slots: MergedSlots = router.slots().iter().chain(needed).collect();
        let slots = slots.into_slots();
        let outputs = default_chain.outputs().to_vec();
        let names = settings.check(&slots, &outputs, faults)?;
        let steps = RouterSteps {
            signature: Signature { name, slots, outputs },
            router,
            destinations,
            default_chain,
            unknown_to_default,
        };
        Ok(RouterChain { runner: Arc::new(settings.runner(steps, names)) })
    }

    /// Returns the faults of the destinations' names, and of what is not set.
    fn faults(&self) -> Vec<WiringFault> {
        let mut faults = Vec::new();
        if self.router.is_none() {
            faults.push(WiringFault::NoPart { part: "router", method: "router" });
        }
        if self.destinations.is_empty() {
            faults.push(WiringFault::NoParts { parts: "destinations", method: "destination" });
        }
        if self.default_chain.is_none() {
            faults.push(WiringFault::NoPart { part: "default chain", method: "default_chain" });
        }
        let names = || self.destinations.iter().map(|(name, _)| name.as_str());
        let mut known = HashSet::new();
        for name in names() {
            if !known.insert(name) {
                let (name, parts) = (name.to_owned(), "destinations");
                faults.push(WiringFault::TwoParts { name, parts });
            }
        }
        let never = |name: &&str| match &self.router {
            Some(router) => !router.can_choose(name),
            None => name.is_empty(),
        };
        for name in names().filter(never) {
            faults.push(WiringFault::NeverChosen { name: name.to_owned() });
        }
        let hints = Hints::default();
        for offered in self.router.iter().flat_map(|router| router.destinations()) {
            if !known.contains(offered.as_str()) {
                let nearest = hints.nearest(offered, names());
                faults.push(WiringFault::NoDestination { name: offered.clone(), nearest });
            }
        }
        faults
    }
}

/// A router and its chains.
struct RouterSteps {
    signature: Signature,
    router: Arc<dyn Router>,
    destinations: Vec<(String, Arc<dyn Chain>)>,
    default_chain: Arc<dyn Chain>,
    unknown_to_default: bool,
}

/// The step of the router. The chains have the steps after it: the default chain, then the
/// destinations.
const ROUTER: usize = 0;
const DEFAULT: usize = 1;

/// The chosen chain of a call.
struct RoutedStep {
    step: usize,
    /// The name of the destination.
    name: String,
    chain: Arc<dyn Chain>,
    /// The inputs that the router has set.
    inputs: Variables,
}

impl RouterSteps {
    async fn choose(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<RoutedStep, ChainError> {
        if let Some(completed) = &context.resumed().completed {
            return Ok(self.chosen(completed.step, completed.variables.clone()));
        }
        let route = self.router.route(variables, &context.intermediate_step(ROUTER)).await;
        let Route { destination, inputs } = match route {
            Ok(route) => route,
            Err(error) => return Err(failed(ROUTER, "router", Variables::new(), error)),
        };
        context.emit(&Event::routed(destination.as_deref(), &inputs));
        let step = match destination.as_deref().filter(|name| !name.is_empty()) {
            None => DEFAULT,
            Some(chosen) => match self.destinations.iter().position(|(name, _)| name == chosen) {
                Some(index) => DEFAULT + 1 + index,
                None if self.unknown_to_default => DEFAULT,
                None => return Err(self.unknown(chosen)),
            },
        };
        Ok(self.chosen(step, inputs))
    }

    /// Returns the chains that a call may be routed to.
    fn chains(&self) -> impl Iterator<Item = &Arc<dyn Chain>> {
        self.destinations.iter().map(|(_, chain)| chain).chain([&self.default_chain])
    }

    /// Returns the chain of a step after the router's.
    fn chosen(&self, step: usize, inputs: Variables) -> RoutedStep {
        let index = step.checked_sub(DEFAULT + 1);
        let named = index.and_then(|index| self.destinations.get(index));
        let (name, chain) = match named {
            Some((name, chain)) => (name.clone(), chain),
            None => ("default chain".to_owned(), &self.default_chain),
        };
        RoutedStep { step, name, chain: Arc::clone(chain), inputs }
    }

    fn unknown(&self, chosen: &str) -> ChainError {
        let names = || self.destinations.iter().map(|(name, _)| name.as_str());
        let nearest = nearest(chosen, names()).map(str::to_owned);
        let destinations = names().map(str::to_owned).collect();
        ChainError::UnknownDestination { name: chosen.to_owned(), nearest, destinations }
    }
}

impl RoutedStep {
    fn variables(&self, variables: &Variables) -> Variables {
        let mut variables = variables.clone();
        variables.extend(self.inputs.clone());
        variables
    }

    /// Checks the answer of the chosen chain.
    fn finish(self, result: Result<Answer, ChainError>) -> Result<Answer, ChainError> {
        let Self { step, name, chain, inputs } = self;
        match with_outputs(result, chain.outputs()) {
            Ok(mut answer) if PendingTurn::is_due(&answer) => {
                let inner = answer.completed.take();
                let completed = Completed { step, variables: inputs, inner };
                answer.completed = Some(Arc::new(completed));
                Ok(answer)
            }
            Ok(answer) => Ok(answer),
            // The second step, after the router.
            Err(error) => Err(failed(1, &name, inputs, error)),
        }
    }
}

#[async_trait]
impl Chain for RouterSteps {
    impl_signature!();

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let chosen = self.choose(variables, context).await?;
        let child = context.final_step(chosen.step);
        let result = chosen.chain.run(&chosen.variables(variables), &child).await;
        chosen.finish(result)
    }

    fn depth(&self) -> usize {
        depth_of(self.chains())
    }

    fn takes_exchange(&self) -> bool {
        self.chains().all(|chain| chain.takes_exchange())
    }

    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        restored_by_any(self.chains(), &reply, context)
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let output = self.signature.outputs.first();
        let default_chain = answering(&self.default_chain, output, answer_type);
        let destinations: Vec<_> = self
            .destinations
            .iter()
            .map(|(name, chain)| (name.clone(), answering(chain, output, answer_type)))
            .collect();
        let pairs = self.destinations.iter().zip(&destinations);
        let pairs = pairs.map(|((_, before), (_, after))| (&**before, &**after));
        let replaced: Vec<_> = pairs.chain([(&*self.default_chain, &*default_chain)]).collect();
        Some(Arc::new(Self {
            signature: Signature {
                slots: slots_answering(&self.signature.slots, &replaced, self.router.slots()),
                ..self.signature.clone()
            },
            router: Arc::clone(&self.router),
            destinations,
            default_chain,
            unknown_to_default: self.unknown_to_default,
        }))
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let chosen = self.choose(variables, context).await?;
        let child = context.final_step(chosen.step);
        match chosen.chain.stream(&chosen.variables(variables), &child).await {
            Ok(streaming) => {
                let chain = Arc::clone(&chosen.chain);
                streaming.map(chain, child, move |result| chosen.finish(result))
            }
            Err(error) => {
                chosen.finish(Err(error)).map(|answer| Streaming::Whole(Box::new(answer)))
            }
        }
    }
}
