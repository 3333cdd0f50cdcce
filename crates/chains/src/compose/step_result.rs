//! The check of a step's answer, its restoration, and the error of a step that failed.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{Reply, Value, Variables, without_reasoning};

use crate::{
    answer::Answer,
    chain::{Chain, RunContext},
    error::{ChainError, FailedBranches, FailedStep},
    pending::PendingTurn,
    refused_answer::{AnswerFault, RefusedAnswer},
};

/// Checks that an answer has the outputs that its chain declares.
pub(super) fn with_outputs(
    result: Result<Answer, ChainError>,
    declared: &[Cow<'static, str>],
) -> Result<Answer, ChainError> {
    let answer = result?;
    match AnswerFault::of_outputs(&answer, declared) {
        None => Ok(answer),
        Some(fault) => Err(ChainError::RefusedAnswer(Box::new(RefusedAnswer::new(fault, answer)))),
    }
}

/// Returns the outputs of a step whose answer other steps use.
pub(super) fn intermediate(
    result: Result<Answer, ChainError>,
    chain: &dyn Chain,
) -> Result<Variables, ChainError> {
    intermediate_answer(result, chain).map(|answer| answer.outputs)
}

/// Returns the answer of a step whose outputs are used.
///
/// The text of a model is used without the reasoning at its start, as a parser would see it.
pub(super) fn intermediate_answer(
    result: Result<Answer, ChainError>,
    chain: &dyn Chain,
) -> Result<Answer, ChainError> {
    let mut answer = with_outputs(result, chain.outputs())?;
    if PendingTurn::is_due(&answer) {
        return Err(ChainError::StepToolCalls(Box::new(answer)));
    }
    let text = answer.reply.as_ref().map(Reply::text).unwrap_or_default();
    if without_reasoning(&text).len() < text.len() {
        for name in chain.outputs() {
            // A sequence may have stripped the text, and a parser have made another value of it.
            let output = answer.outputs.get(name).and_then(Value::as_text);
            if let Some(output) = output.filter(|output| output.trim() == text.trim()) {
                let said = without_reasoning(output).to_owned();
                answer.outputs.insert(name.clone(), said);
            }
        }
    }
    Ok(answer)
}

/// Returns the output of a branch that has ended.
pub(super) fn branch_output(
    result: Result<Answer, ChainError>,
    chain: &dyn Chain,
) -> Result<Value, ChainError> {
    let outputs = intermediate(result, chain)?;
    let output = chain.outputs().first().and_then(|name| outputs.get(name)).cloned();
    Ok(output.unwrap_or_else(|| Value::from("")))
}

/// Returns the answer of branches that have ended, or all of their failures.
pub(super) fn joined(
    results: impl IntoIterator<Item = (Cow<'static, str>, Result<Value, ChainError>)>,
) -> Result<Answer, ChainError> {
    let mut outputs = Variables::new();
    let mut failures = Vec::new();
    for (name, result) in results {
        match result {
            Ok(value) => {
                outputs.insert(name, value);
            }
            Err(error) => failures.push((name.into_owned(), error)),
        }
    }
    if failures.is_empty() {
        Ok(Answer::new(outputs))
    } else {
        Err(ChainError::Branches(Box::new(FailedBranches { failures, outputs })))
    }
}

/// Returns the answer that chains make from a stored one, which one of them has made. `None` if one
/// cannot, or if they make different outputs from it.
pub(super) fn restored_by_any<'c>(
    chains: impl IntoIterator<Item = &'c Arc<dyn Chain>>,
    reply: &Reply,
    context: &RunContext,
) -> Option<Result<Answer, ChainError>> {
    let mut restored: Option<Result<Answer, ChainError>> = None;
    for chain in chains {
        let next = with_outputs(chain.restore(reply.clone(), context)?, chain.outputs());
        match (&restored, &next) {
            (Some(Ok(answer)), Ok(other)) if answer.outputs != other.outputs => return None,
            // A chain that refuses the answer has not made it.
            (None, _) | (Some(Err(_)), Ok(_)) => restored = Some(next),
            _ => {}
        }
    }
    restored
}

/// Returns the error of a step that failed.
pub(super) fn failed(
    step: usize,
    chain: &str,
    outputs: Variables,
    source: ChainError,
) -> ChainError {
    let chain = chain.to_owned();
    ChainError::Step(Box::new(FailedStep { step, chain, outputs, source }))
}
