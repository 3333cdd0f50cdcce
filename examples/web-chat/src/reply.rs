//! An answer that is being written: from the chain into the feed, with and without readers.

use std::sync::Arc;

use axum::http::StatusCode;
use conversant_chains::{ChainError, ChainStream, LlmChain};
use conversant_core::{
    ChatHistory, Delta, Expect, HistoryError, MemoryError, Point, Range, Report, SessionId,
    ToolCallDelta, Turn, TurnId, vars,
};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use crate::{
    failure::{Failure, line},
    feed::{Feed, Refusal, Running, Unsaved},
    service::{Limits, Service},
    turn_view::{self, MessageView, TurnView},
};

/// A question.
pub struct Question {
    /// The turn that it will be. A question that is sent again has the same one.
    pub turn: TurnId,
    pub message: String,
    /// The place of the question, if it is not the end of the conversation.
    pub after: Option<Point>,
}

/// The state of an answer that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It begins.
    Begun,
    /// It was begun before, and is being written.
    Running,
    /// It is stored.
    Stored,
}

/// Begins an answer, unless it was begun before.
pub async fn begin(
    service: &Service,
    session: SessionId,
    question: Question,
) -> Result<State, Failure> {
    let history = service.history();
    if is_stored(history, &session, question.turn).await? {
        return Ok(State::Stored);
    }
    let chain = service.chain(&session)?;
    let chain = match question.after {
        None => chain,
        Some(point) => chain.at(point).map_err(unsupported)?,
    };
    let (stop, stopped) = watch::channel(false);
    let running = Running {
        turn: question.turn,
        question: question.message.clone(),
        after: question.after.map(turn_view::name),
        stop,
    };
    let (feed, permit) = match service.begin(&session, running) {
        Ok(begun) => begun,
        Err(Refusal::Same) => return Ok(State::Running),
        Err(refusal) => return Err(refused("ask", refusal)),
    };
    let turn = question.turn;
    let reply = Reply { service: service.clone(), session, feed, turn, stopped, _permit: permit };
    tokio::spawn(reply.write(chain, question));
    Ok(State::Begun)
}

/// Returns the failure of a request that cannot be done in the state of the conversation.
pub fn refused(what: &str, refusal: Refusal) -> Failure {
    let (status, reason) = match refusal {
        Refusal::Same | Refusal::Busy => {
            (StatusCode::CONFLICT, "an answer is being written; wait for its end, or stop it")
        }
        Refusal::Unsaved => (StatusCode::CONFLICT, "the last answer is not saved; save it first"),
        Refusal::Held => {
            (StatusCode::CONFLICT, "the conversation is being changed or deleted; try again")
        }
        Refusal::Closed => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many answers are being written, or the service ends; try again",
        ),
    };
    Failure::new(status, format!("cannot {what}: {reason}"))
}

/// Returns whether a turn is stored, on any branch.
async fn is_stored(
    history: &dyn ChatHistory,
    session: &SessionId,
    turn: TurnId,
) -> Result<bool, HistoryError> {
    let turns = match history.at(turn.into()) {
        Some(view) => view.turns(session, Range::LastTurns(1)).await,
        None => history.turns(session, Range::LastTurns(1)).await,
    };
    match turns {
        Ok(turns) => Ok(turns.last().is_some_and(|last| last.id() == turn)),
        Err(HistoryError::UnknownTurn { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unsupported(error: ChainError) -> Failure {
    Failure::new(StatusCode::NOT_IMPLEMENTED, line(error))
}

/// An answer that is being written.
struct Reply {
    service: Service,
    session: SessionId,
    feed: Arc<Feed>,
    turn: TurnId,
    stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

/// The end of an answer.
enum End {
    /// The turn is stored.
    Stored,
    /// It was stopped.
    Stopped(Option<ChainStream>),
    /// It failed.
    Failed(ChainError, Option<ChainStream>),
}

impl Reply {
    /// Writes the answer, and ends it with one event:
    ///
    /// - `done` with the turn that is stored, which may be the part that came before a stop or an
    ///   error;
    /// - `stopped`, or `failed` with the error, if nothing is stored; an answer that can never be
    ///   stored is in the event, and nowhere else;
    /// - `unsaved` with the turn that could not be stored.
    async fn write(mut self, chain: LlmChain, question: Question) {
        let after = question.after;
        let (stream, error) = match self.pieces(chain, question).await {
            End::Stored => return self.stored(None).await,
            End::Stopped(stream) => (stream, None),
            End::Failed(error, stream) => (stream, Some(error)),
        };
        if let Some(turn) = unsaved(error.as_ref()) {
            return self.unsaved(turn, after, error);
        }
        // The part of an answer is kept with its mark.
        let kept = match stream {
            Some(stream) => stream.save_partial().await.map(|()| true),
            None => Ok(false),
        };
        match (kept, error) {
            (Ok(true), error) => self.stored(error).await,
            (Err(unkept), error) => match unsaved(Some(&unkept)) {
                Some(turn) => self.unsaved(turn, after, Some(unkept)),
                // There was nothing to keep.
                None => self.nothing(error),
            },
            (Ok(false), error) => self.nothing(error),
        }
    }

    async fn stored(&self, error: Option<ChainError>) {
        let error = error.map(line);
        let history = self.service.history();
        // If it cannot be read, or is not the last one any more, the page loads all again.
        let view = turn_view::last(history, &self.session, self.turn).await.ok().flatten();
        self.feed.end(self.turn, "done", &json!({"turn": view, "error": error}), None);
        self.service.list_changed();
    }

    fn nothing(&self, error: Option<ChainError>) {
        let turn = self.turn;
        match error {
            None => self.feed.end(turn, "stopped", &json!({"id": turn}), None),
            Some(error) => {
                log(&error);
                let data = json!({"id": turn, "error": line(error)});
                self.feed.end(turn, "failed", &data, None);
            }
        }
    }

    fn unsaved(&self, turn: Turn, after: Option<Point>, error: Option<ChainError>) {
        let is_lasting = error.as_ref().is_some_and(is_lasting);
        error.iter().for_each(log);
        let error = error.map(line).unwrap_or_default();
        let data = json!({"id": turn.id(), "turn": TurnView::from(&turn), "error": error});
        if is_lasting {
            // To save it again would fail again, and nothing else could be asked.
            return self.feed.end(self.turn, "failed", &data, None);
        }
        self.feed.end(self.turn, "unsaved", &data, Some(Unsaved { turn, after }));
    }

    async fn pieces(&mut self, chain: LlmChain, question: Question) -> End {
        let options = self.service.options().with_turn_id(question.turn);
        let inputs = vars! { "human_input" => question.message };
        let begun = tokio::select! {
            begun = chain.stream_with(inputs, options) => begun,
            () = stopped(&mut self.stopped) => return End::Stopped(None),
        };
        let mut stream = match begun {
            Ok(stream) => stream,
            Err(error) => return End::Failed(error, None),
        };
        loop {
            let delta = tokio::select! {
                delta = stream.next() => delta,
                () = stopped(&mut self.stopped) => return End::Stopped(Some(stream)),
            };
            match delta {
                None => return End::Stored,
                Some(Ok(delta)) => self.piece(&delta),
                Some(Err(error)) => return End::Failed(error, Some(stream)),
            }
        }
    }

    fn piece(&self, delta: &Delta) {
        match delta {
            Delta::Text(text) | Delta::Refusal(text) => self.feed.add("text", &json!(text)),
            Delta::Reasoning(text) => self.feed.add("reasoning", &json!(text)),
            Delta::ToolCall(ToolCallDelta { index, id, name, arguments, .. }) => {
                let call = json!({"index": index, "id": id, "name": name, "arguments": arguments});
                self.feed.add("call", &call);
            }
            Delta::ToolResult(result) => {
                self.feed.add("result", &json!(MessageView::from(&result.message)));
            }
            _ => {}
        }
    }
}

impl Drop for Reply {
    /// Ends an answer whose task did not come to its end, because it panicked.
    fn drop(&mut self) {
        let error = "cannot write the answer: the service failed; try again";
        self.feed.end(self.turn, "failed", &json!({"id": self.turn, "error": error}), None);
    }
}

/// Logs an error without the words of a server, which may quote the prompt: the person at the
/// browser sees them, and others who read the log do not.
fn log(error: &ChainError) {
    eprintln!("web-chat: {}", Report::new(error));
}

/// Returns the turn that was answered and not saved.
fn unsaved(error: Option<&ChainError>) -> Option<Turn> {
    Some(error?.not_saved()?.turn.clone())
}

/// Returns whether no save of a turn can succeed.
fn is_lasting(error: &ChainError) -> bool {
    let unsaved = error.not_saved();
    unsaved.is_some_and(|unsaved| {
        let is_too_large =
            matches!(unsaved.source, MemoryError::History(HistoryError::TooLarge { .. }));
        is_too_large || unsaved.is_id_in_use()
    })
}

/// Waits for the request to stop.
async fn stopped(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        // Nothing can ask for it any more.
        std::future::pending::<()>().await;
    }
}

/// Saves an answer that could not be saved. Returns false if there is none.
pub async fn save(service: &Service, session: &SessionId) -> Result<bool, Failure> {
    let feed = service.feed(session);
    if feed.unsaved().is_none() {
        return Ok(false);
    }
    // Else a deletion could come in between, and the conversation would be back.
    let _hold = feed.hold().map_err(|refusal| refused("save the answer", refusal))?;
    let Some(Unsaved { turn, after }) = feed.unsaved() else { return Ok(false) };
    let history = service.history();
    match after.and_then(|point| history.at(point)) {
        Some(view) => view.append(session, &turn, Expect::Any).await?,
        None => history.append(session, &turn, Expect::Any).await?,
    };
    let view = turn_view::last(history, session, turn.id()).await.ok().flatten();
    feed.saved(turn.id(), &json!({"turn": view}));
    service.list_changed();
    Ok(true)
}

/// Ends the service: no answers begin, those that are being written are stopped and their parts are
/// kept, and streams end. The conversations do not wait for each other. Prints what is not saved.
pub async fn end(service: &Service, print: impl Fn(String)) {
    let feeds = service.close();
    for running in feeds.iter().filter_map(|(_, feed)| feed.running()) {
        running.stop.send_replace(true);
    }
    join_all(feeds.iter().map(|(session, feed)| end_answer(service, session, feed, &print))).await;
    service.end_readers();
}

/// Waits for the end of an answer, and saves one that could not be saved, or prints it.
async fn end_answer(service: &Service, session: &SessionId, feed: &Feed, print: &impl Fn(String)) {
    let Limits { answer_end, last_save, .. } = *service.limits();
    if timeout(answer_end, feed.idle()).await.is_err()
        && let Some((question, text)) = feed.part()
    {
        let fault = format!("cannot end an answer of session `{session}` within {answer_end:?}");
        return print(format!("{fault}; this is its part:\nHuman: {question}\nAI: {text}"));
    }
    let fault = match timeout(last_save, save(service, session)).await {
        Ok(Ok(_)) => return,
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("cannot save the answer within {last_save:?}"),
    };
    if let Some(Unsaved { turn, .. }) = feed.unsaved() {
        let messages = turn.messages().iter();
        let lines =
            messages.map(|message| format!("\n{}: {}", message.role().label(), message.text()));
        let lines: String = lines.collect();
        print(format!("{fault}; this is the turn of session `{session}`:{lines}"));
    }
}
