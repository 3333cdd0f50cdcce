//! A chain that is a function of variables.

use std::{borrow::Cow, pin::Pin, sync::Arc};

use async_trait::async_trait;
use conversant_core::{BoxError, Slot, Variables};

use super::{
    kind::impl_kind,
    signature::{Signature, impl_signature},
    step_result::with_outputs,
};
use crate::{
    answer::Answer,
    caught,
    chain::{Chain, RunContext},
    error::ChainError,
    runner::Runner,
    settings::Settings,
    wiring::WiringError,
};

/// A function of variables as a chain (LangChain 0.1.20 `chains/transform.py::TransformChain`).
///
/// Needs the feature `composition`.
///
/// The function sees all variables of the call. It returns the declared outputs; other variables
/// that it returns are dropped, and a missing one is [`ChainError::RefusedAnswer`]. Its error is
/// [`ChainError::Custom`], and so is its panic, which would lose what earlier steps have made.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use conversant_chains::TransformChain;
/// use conversant_core::{vars, Value};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shorten = TransformChain::new(["text"], ["start"], |variables| {
///     let text = variables.get("text").map(Value::to_text).unwrap_or_default();
///     let start: String = text.split("\n\n").take(3).collect::<Vec<_>>().join("\n\n");
///     Ok::<_, Infallible>(vars! { "start" => start })
/// })?;
/// assert_eq!(shorten.predict(vars! { "text" => "1\n\n2\n\n3\n\n4" }).await?, "1\n\n2\n\n3");
///
/// let lookup = TransformChain::new_async(["id"], ["text"], |_variables| async {
///     Err::<_, std::io::Error>(std::io::ErrorKind::NotFound.into())
/// })?;
/// let error = lookup.predict(vars! { "id" => 7 }).await.unwrap_err();
/// assert_eq!(error.to_string(), "cannot run the chain");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TransformChain {
    runner: Arc<Runner>,
}

/// A builder of a [`TransformChain`] with more settings than its function.
///
/// | setting | default |
/// |---|---|
/// | [`name`](Self::name) | `TransformChain`, as LangChain's |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use conversant_chains::TransformChain;
/// use conversant_core::{vars, Value};
///
/// let shout = TransformChain::builder(["text"], ["loud"], |variables| {
///     let text = variables.get("text").map(Value::to_text).unwrap_or_default();
///     Ok::<_, Infallible>(vars! { "loud" => text.to_uppercase() })
/// });
/// let chain = shout.name("Shout").verbose(true).build()?;
/// # let _ = chain;
/// # Ok::<(), conversant_chains::WiringError>(())
/// ```
#[must_use]
#[derive(Clone)]
pub struct TransformChainBuilder {
    slots: Vec<Slot>,
    outputs: Vec<Cow<'static, str>>,
    transform: Transform,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(TransformChain, TransformChainBuilder, "TransformChain");

type TransformResult = Result<Variables, BoxError>;
type SyncTransform = dyn Fn(&Variables) -> TransformResult + Send + Sync;
type AsyncTransform =
    dyn Fn(Variables) -> Pin<Box<dyn Future<Output = TransformResult> + Send>> + Send + Sync;

#[derive(Clone)]
enum Transform {
    Sync(Arc<SyncTransform>),
    Async(Arc<AsyncTransform>),
}

impl TransformChain {
    /// Creates a chain from a function, with the names of its inputs and outputs. The function
    /// should not block.
    ///
    /// # Errors
    /// [`WiringError`] if a name is reserved.
    pub fn new<E: Into<BoxError>>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        transform: impl Fn(&Variables) -> Result<Variables, E> + Send + Sync + 'static,
    ) -> Result<Self, WiringError> {
        Self::builder(inputs, outputs, transform).build()
    }

    /// Creates a chain from an async function, with the names of its inputs and outputs.
    ///
    /// # Errors
    /// [`WiringError`] if a name is reserved.
    pub fn new_async<E: Into<BoxError>, F>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        transform: impl Fn(Variables) -> F + Send + Sync + 'static,
    ) -> Result<Self, WiringError>
    where
        F: Future<Output = Result<Variables, E>> + Send + 'static,
    {
        Self::builder_async(inputs, outputs, transform).build()
    }

    /// Returns a builder, for a chain with a memory or observers.
    pub fn builder<E: Into<BoxError>>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        transform: impl Fn(&Variables) -> Result<Variables, E> + Send + Sync + 'static,
    ) -> TransformChainBuilder {
        let transform = move |variables: &Variables| transform(variables).map_err(Into::into);
        TransformChainBuilder::new(inputs, outputs, Transform::Sync(Arc::new(transform)))
    }

    /// Like [`builder`](Self::builder), for an async function.
    pub fn builder_async<E: Into<BoxError>, F>(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        transform: impl Fn(Variables) -> F + Send + Sync + 'static,
    ) -> TransformChainBuilder
    where
        F: Future<Output = Result<Variables, E>> + Send + 'static,
    {
        let transform = move |variables| -> Pin<Box<dyn Future<Output = TransformResult> + Send>> {
            let made = transform(variables);
            Box::pin(async move { made.await.map_err(Into::into) })
        };
        TransformChainBuilder::new(inputs, outputs, Transform::Async(Arc::new(transform)))
    }
}

impl TransformChainBuilder {
    fn new(
        inputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        transform: Transform,
    ) -> Self {
        let slots = inputs.into_iter().map(Slot::text).collect();
        let outputs = outputs.into_iter().map(Into::into).collect();
        Self { slots, outputs, transform, name: None, settings: Settings::default() }
    }

    /// Checks the names and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<TransformChain, WiringError> {
        let name = self.take_name();
        let names = self.settings.check(&self.slots, &self.outputs, Vec::new())?;
        let Self { slots, outputs, transform, settings, .. } = self;
        let steps = TransformSteps { signature: Signature { name, slots, outputs }, transform };
        Ok(TransformChain { runner: Arc::new(settings.runner(steps, names)) })
    }
}

/// The function of a transform.
struct TransformSteps {
    signature: Signature,
    transform: Transform,
}

#[async_trait]
impl Chain for TransformSteps {
    impl_signature!();

    async fn run(&self, variables: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
        let made = match &self.transform {
            Transform::Sync(transform) => caught::call(|| transform(variables)),
            Transform::Async(transform) => caught::wait(|| transform(variables.clone())).await,
        };
        let made = made.unwrap_or_else(|| Err("the function panicked".into()));
        let made = made.map_err(ChainError::Custom)?;
        let answer = with_outputs(Ok(Answer::new(made)), &self.signature.outputs)?;
        let mut outputs = Variables::with_capacity(self.signature.outputs.len());
        for (name, value) in answer.outputs {
            if self.signature.outputs.contains(&name) {
                outputs.insert(name, value);
            }
        }
        Ok(Answer::new(outputs))
    }
}
