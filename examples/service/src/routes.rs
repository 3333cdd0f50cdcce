//! The routes of the service.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{
        IntoResponse, Response, Result,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use conversant_chains::{ChainError, ChainStream, LlmChain};
use conversant_core::{CallOptions, Delta, Totals, TurnId, UsageTotals, vars};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{Sleep, sleep, timeout},
};

use crate::{Service, failure};

/// The greatest size of a request's body.
const MAX_BODY: usize = 2 << 20;

#[derive(Deserialize)]
struct Question {
    message: String,
    /// The id of the turn, if the client may repeat the request.
    turn: Option<TurnId>,
}

/// Returns the router of a service.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/sessions/{id}", get(session))
        .route("/sessions/{id}/turns", post(turn))
        .route("/sessions/{id}/stream", post(stream))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(service.clone(), read_body))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(service)
}

/// Reads the body of a request, which must come within the limit of a call. One that is too large
/// is answered by 413, one that breaks off or is not framed as it should be by 400.
async fn read_body(State(service): State<Service>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), &());
    match timeout(service.limit, whole).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, body.into())).await,
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn turn(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(Question { message, turn }): Json<Question>,
) -> Result<Json<Value>> {
    let (chain, options) = (service.chain(&session)?, service.options(turn));
    service.run(answer(chain, message, options)).await.map_err(failure::of_task)?
}

async fn answer(chain: LlmChain, message: String, options: CallOptions) -> Result<Json<Value>> {
    let outcome = chain.invoke_with(vars! { "message" => message }, options).await;
    let outcome = outcome.map_err(failure::of_call)?;
    let usage = outcome.record.as_ref().and_then(|record| record.usage);
    Ok(Json(json!({"turn": outcome.turn_id, "answer": outcome.text(), "usage": usage})))
}

async fn stream(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(Question { message, turn }): Json<Question>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let chain = service.chain(&session)?;
    let deadline = sleep(service.limit);
    let answer = chain.stream_with(vars! { "message" => message }, service.options(turn)).await;
    let answer = answer.map_err(failure::of_call)?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(forward(answer, sender, deadline, service.ending.subscribe()));
    let events = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Sends the pieces of an answer to a client. If the client leaves, or does not read them before
/// the deadline or the end of the service, or if the answer breaks off, the part that was received
/// is stored, marked as incomplete.
async fn forward(
    mut answer: ChainStream,
    client: mpsc::Sender<Event>,
    deadline: Sleep,
    mut ending: watch::Receiver<bool>,
) {
    tokio::pin!(deadline);
    loop {
        let delta = tokio::select! {
            delta = answer.next() => delta,
            () = client.closed() => break,
            _ = ending.wait_for(|ending| *ending) => break,
        };
        let (event, data) = match &delta {
            None => break,
            Some(Ok(Delta::Text(text))) => ("text", json!(text)),
            Some(Ok(Delta::Done(reply))) => ("done", json!({"usage": reply.usage})),
            Some(Ok(_)) => continue,
            Some(Err(error)) => ("error", json!(failure::log(error))),
        };
        let event = Event::default().event(event).data(data.to_string());
        let is_sent = tokio::select! {
            biased;
            sent = client.send(event) => sent.is_ok(),
            () = &mut deadline => false,
            _ = ending.wait_for(|ending| *ending) => false,
        };
        if !is_sent {
            break;
        }
    }
    // Saves nothing if the turn is saved.
    match answer.save_partial().await {
        Ok(()) | Err(ChainError::NothingToSave { .. }) => {}
        Err(error) => {
            failure::log(&error);
        }
    }
}

/// Returns the last turns of a session, and what all of its turns have cost.
async fn session(
    State(service): State<Service>,
    Path(session): Path<String>,
) -> Result<Json<Value>> {
    let turns = service.turns(&session).await?;
    let UsageTotals { usage, cost, .. } = service.totals(&session).await?;
    let (usage, cost) = (usage.unwrap_or_default(), cost.unwrap_or_default().as_f64());
    let messages = turns.iter().flat_map(|turn| turn.messages().iter());
    let messages =
        messages.map(|message| json!({"role": message.role().type_name(), "text": message.text()}));
    let messages: Vec<_> = messages.collect();
    Ok(Json(json!({"messages": messages, "usage": usage, "cost": cost})))
}

/// Returns the totals of the process in Prometheus' text form.
async fn metrics(State(service): State<Service>) -> String {
    let Totals { calls, failures, cancelled, retries, usage, cost, .. } = service.meter.totals();
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    format!(
        "calls_total {calls}\nfailures_total {failures}\ncancelled_total {cancelled}\n\
         retries_total {retries}\ninput_tokens_total {input}\noutput_tokens_total {output}\n\
         cost_total {cost}\n"
    )
}
