//! Chains whose first output is of a type.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Slot, Value, Variables};

use crate::{
    answer::Answer,
    answer_type::AnswerType,
    caught,
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    pending::PendingTurn,
};

/// Returns a chain whose output is of a type: the model is asked for it, or else the output is
/// parsed. The output is the chain's first by default.
pub(crate) fn answering(
    chain: &Arc<dyn Chain>,
    output: Option<&Cow<'static, str>>,
    answer_type: &AnswerType,
) -> Arc<dyn Chain> {
    let first = chain.outputs().first();
    let output = output.or(first);
    let asked = if output == first { chain.answering_as(answer_type) } else { None };
    asked.unwrap_or_else(|| {
        let (chain, output) = (Arc::clone(chain), output.cloned().unwrap_or_default());
        Arc::new(Parsed { chain, output, answer_type: answer_type.clone() })
    })
}

/// Returns the slots of a chain of chains after some of its chains were replaced by chains that
/// answer in a type: without those that only the replaced ones had, such as the instructions of a
/// parser. `kept` are the slots of the others.
#[cfg(feature = "composition")]
pub(crate) fn slots_answering<'s>(
    slots: &[Slot],
    replaced: &[(&dyn Chain, &dyn Chain)],
    kept: impl IntoIterator<Item = &'s Slot>,
) -> Vec<Slot> {
    let has = |chain: &dyn Chain, name: &str| chain.slots().iter().any(|slot| slot.name() == name);
    let kept: Vec<&str> = kept.into_iter().map(Slot::name).collect();
    let is_needed = |name: &str| {
        kept.contains(&name)
            || replaced.iter().all(|(before, _)| !has(*before, name))
            || replaced.iter().any(|(_, after)| has(*after, name))
    };
    slots.iter().filter(|slot| is_needed(slot.name())).cloned().collect()
}

/// A chain of which an output is parsed.
struct Parsed {
    chain: Arc<dyn Chain>,
    output: Cow<'static, str>,
    answer_type: AnswerType,
}

#[async_trait]
impl Chain for Parsed {
    fn name(&self) -> &str {
        self.chain.name()
    }

    fn slots(&self) -> &[Slot] {
        self.chain.slots()
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        self.chain.outputs()
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let answer = self.chain.run(variables, context).await?;
        parsed(answer, &self.output, &self.answer_type)
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let streaming = self.chain.stream(variables, context).await?;
        let (output, answer_type) = (self.output.clone(), self.answer_type.clone());
        streaming.map(Arc::clone(&self.chain), context.clone(), move |result| {
            parsed(result?, &output, &answer_type)
        })
    }

    fn takes_exchange(&self) -> bool {
        self.chain.takes_exchange()
    }
}

/// Replaces an output by its value of a type.
fn parsed(
    mut answer: Answer,
    output: &str,
    answer_type: &AnswerType,
) -> Result<Answer, ChainError> {
    // An answer that calls tools is not the one to parse.
    if PendingTurn::is_due(&answer) {
        return Ok(answer);
    }
    let text = answer.outputs.get(output).map(Value::to_text).unwrap_or_default();
    match caught::parse(answer_type.parser(), &text) {
        Ok(value) => {
            answer.outputs.insert(output.to_owned(), value);
            Ok(answer)
        }
        Err(error) => Err(ChainError::unparsed(error, answer.reply)),
    }
}
