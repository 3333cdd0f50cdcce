//! Chains made of chains.

mod after_tools;
mod behaviours;
mod failures;
mod nesting;
mod resuming;
mod routing;
mod streaming;
mod wiring;

use std::{borrow::Cow, sync::Arc};

use conversant_chains::{Answer, Chain, ChainError, LlmChain, RunContext};
use conversant_core::{LanguageModel, Slot, Value, Variables, async_trait};
use conversant_prompts::PromptTemplate;

/// A chain whose outputs are its inputs, joined by a space, and a plus sign.
struct Joining {
    slots: Vec<Slot>,
    outputs: Vec<Cow<'static, str>>,
}

impl Joining {
    /// Reads a chain from its inputs and outputs, such as `a b -> c`.
    fn parse(names: &str) -> Self {
        let (inputs, outputs) = names.split_once("->").unwrap();
        let words = |names: &str| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        Self {
            slots: words(inputs).into_iter().map(Slot::text).collect(),
            outputs: words(outputs).into_iter().map(Cow::Owned).collect(),
        }
    }

    /// Reads chains that are separated by semicolons.
    fn parse_all(names: &str) -> Vec<Self> {
        names.split(';').filter(|names| !names.trim().is_empty()).map(Self::parse).collect()
    }
}

#[async_trait]
impl Chain for Joining {
    fn name(&self) -> &str {
        "Joining"
    }

    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.outputs
    }

    async fn run(&self, variables: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
        let given = self.slots.iter().filter_map(|slot| variables.get(slot.name()));
        let joined = given.map(Value::to_text).collect::<Vec<_>>().join(" ") + "+";
        Ok(Answer::new(self.outputs.iter().map(|name| (name.clone(), joined.clone())).collect()))
    }
}

/// Reads variables such as `a=1 b=2`.
fn variables(text: &str) -> Variables {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Writes variables, sorted by their names.
fn written(variables: &Variables) -> String {
    let mut pairs: Vec<_> =
        variables.iter().map(|(name, value)| format!("{name}={}", value.to_text())).collect();
    pairs.sort();
    pairs.join(", ")
}

fn llm(template: &str, model: impl Into<LanguageModel>, output_key: &'static str) -> LlmChain {
    let prompt = PromptTemplate::from_template(template).unwrap();
    LlmChain::builder().prompt(prompt).model(model).output_key(output_key).build().unwrap()
}

/// A chain without its type.
fn boxed(chain: impl Chain + 'static) -> Arc<dyn Chain> {
    Arc::new(chain)
}
