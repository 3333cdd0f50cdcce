//! The turns of other sessions of a user or a group that a search finds.

use std::{collections::HashMap, future::poll_fn, task::Poll};

use conversant_core::{
    ChatHistory, Document, HistoryError, Match, Range, SessionId, Value, Version, Warning,
};

use super::turn_document::{begins_before, number};

/// Removes the turns of other sessions that the history does not have any more: they were cleared
/// or deleted. Of a session that cannot be loaded, they are removed too, and a warning is returned.
pub(super) async fn remove_deleted(
    found: &mut Vec<Match>,
    history: &dyn ChatHistory,
    is_own: impl Fn(&Document) -> bool,
) -> Option<Warning> {
    let session_of = |found: &Match| match found.document.metadata.get("session") {
        Some(Value::Text(session)) if !is_own(&found.document) => {
            number(&found.document, "epoch").map(|_| session.to_string())
        }
        _ => None,
    };
    let mut others: Vec<String> = found.iter().filter_map(session_of).collect();
    others.sort_unstable();
    others.dedup();
    let ends = others.iter().map(async |session| match SessionId::new(session) {
        Ok(id) => version_of(history, &id).await.map(Some),
        Err(_) => Ok(None),
    });
    let ends = join_all(ends).await;
    let (mut known, mut unknown) = (HashMap::new(), None);
    for (session, end) in others.iter().zip(ends) {
        match end {
            Ok(end) => known.extend(end.map(|end| (session.as_str(), end))),
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    found.retain(|found| match session_of(found) {
        Some(session) => known.get(session.as_str()).is_some_and(|end| begins_before(found, *end)),
        None => true,
    });
    let what = "cannot show the turns of another session: it cannot be loaded";
    unknown.map(|error| Warning::new(what, Some(error.into())))
}

/// Returns the version of a session. One that does not exist has no messages.
async fn version_of(
    history: &dyn ChatHistory,
    session: &SessionId,
) -> Result<Version, HistoryError> {
    Ok(history.load(session, Range::LastMessages(0)).await?.version)
}

/// Returns the outputs of futures that run at the same time, in order.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(done) => *output = Some(done),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
