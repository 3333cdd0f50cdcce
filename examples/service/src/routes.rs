//! The routes of the service.

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{
        Result,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use conversant_chains::ChainStream;
use conversant_core::{Delta, Totals, vars};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Service, failure};

#[derive(Deserialize)]
struct Question {
    message: String,
}

/// Returns the router of a service.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/sessions/{id}", get(session))
        .route("/sessions/{id}/turns", post(turn))
        .route("/sessions/{id}/stream", post(stream))
        .route("/metrics", get(metrics))
        .with_state(service)
}

async fn turn(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(Question { message }): Json<Question>,
) -> Result<Json<Value>> {
    let chain = service.chain(&session)?;
    let outcome = chain.invoke_with(vars! { "message" => message }, service.options()).await;
    let outcome = outcome.map_err(failure::of_call)?;
    let usage = outcome.record.as_ref().and_then(|record| record.usage);
    Ok(Json(json!({"turn": outcome.turn_id, "answer": outcome.text(), "usage": usage})))
}

async fn stream(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(Question { message }): Json<Question>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let chain = service.chain(&session)?;
    let answer = chain.stream_with(vars! { "message" => message }, service.options()).await;
    let answer = answer.map_err(failure::of_call)?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(forward(answer, sender));
    let events = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Sends the pieces of an answer to a client. If the client leaves, the part that it was sent is
/// stored, marked as incomplete.
async fn forward(mut answer: ChainStream, client: mpsc::Sender<Event>) {
    loop {
        let delta = tokio::select! {
            delta = answer.next() => delta,
            () = client.closed() => break,
        };
        let (event, data) = match delta {
            None => return,
            Some(Ok(Delta::Text(text))) => ("text", json!(text)),
            Some(Ok(Delta::Done(reply))) => ("done", json!({"usage": reply.usage})),
            Some(Ok(_)) => continue,
            Some(Err(error)) => ("error", json!(failure::log(&error))),
        };
        if client.send(Event::default().event(event).data(data.to_string())).await.is_err() {
            break;
        }
    }
    if let Err(error) = answer.save_partial().await {
        failure::log(&error);
    }
}

/// Returns the last turns of a session, and what they cost.
async fn session(
    State(service): State<Service>,
    Path(session): Path<String>,
) -> Result<Json<Value>> {
    let turns = service.turns(&session).await?;
    let totals = Totals::of_turns(&turns);
    let messages = turns.iter().flat_map(|turn| turn.messages().iter());
    let messages =
        messages.map(|message| json!({"role": message.role().type_name(), "text": message.text()}));
    let messages: Vec<_> = messages.collect();
    Ok(Json(json!({"messages": messages, "usage": totals.usage, "cost": totals.cost.as_f64()})))
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
