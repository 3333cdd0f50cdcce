//! The routes of the service.

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    response::sse::{Event, KeepAlive, Sse},
    routing::{get, post},
};
use conversant_chains::ChainStream;
use conversant_core::{Delta, Report, vars};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{failure::Failure, service::Service};

/// The largest request, in bytes.
const MAX_BODY_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
struct Question {
    message: String,
}

/// Returns the router of a service.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/sessions/{id}", get(messages))
        .route("/sessions/{id}/turns", post(turn))
        .route("/sessions/{id}/stream", post(stream))
        .route("/totals", get(totals))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(service)
}

async fn turn(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(question): Json<Question>,
) -> Result<Json<Value>, Failure> {
    let chain = service.chain(&session)?;
    let inputs = vars! { "message" => question.message };
    let outcome = chain.invoke_with(inputs, service.options()).await?;
    let usage = outcome.reply.as_ref().and_then(|reply| reply.usage);
    Ok(Json(json!({"turn": outcome.turn_id, "answer": outcome.text(), "usage": usage})))
}

async fn stream(
    State(service): State<Service>,
    Path(session): Path<String>,
    Json(question): Json<Question>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let chain = service.chain(&session)?;
    let inputs = vars! { "message" => question.message };
    let answer = chain.stream_with(inputs, service.options()).await?;
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
        let event = match delta {
            None => return,
            Some(Ok(Delta::Text(text))) => {
                Event::default().event("text").data(json!(text).to_string())
            }
            Some(Ok(Delta::Done(reply))) => {
                Event::default().event("done").data(json!({"usage": reply.usage}).to_string())
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                let failure = Failure::from(error);
                Event::default().event("error").data(json!(failure.text()).to_string())
            }
        };
        if client.send(event).await.is_err() {
            break;
        }
    }
    if let Err(error) = answer.save_partial().await {
        eprintln!("service: {}", Report::new(&error));
    }
}

async fn messages(
    State(service): State<Service>,
    Path(session): Path<String>,
) -> Result<Json<Value>, Failure> {
    let messages = service.messages(&session).await?;
    let messages: Vec<_> = messages
        .iter()
        .map(|message| json!({"role": message.role().type_name(), "text": message.text()}))
        .collect();
    Ok(Json(json!({"messages": messages})))
}

async fn totals(State(service): State<Service>) -> Json<Value> {
    Json(service.totals().to_json())
}
