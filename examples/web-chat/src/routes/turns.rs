//! The turns of a conversation: reading, asking, stopping, and going to another branch.

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
    http::StatusCode,
};
use conversant_core::{Expect, Point, SessionId, TurnId, TurnIdError};
use serde::Deserialize;
use serde_json::json;

use crate::{
    failure::Failure,
    feed::Refusal,
    input::Input,
    reply::{self, Question, State},
    service::Service,
    session_list,
    turn_view::{self, Page},
};

#[derive(Deserialize)]
pub struct Before {
    before: Option<String>,
}

pub async fn page(
    Shared(service): Shared<Service>,
    Path(session): Path<SessionId>,
    Query(Before { before }): Query<Before>,
) -> Result<Json<Page>, Failure> {
    let before = before.as_deref().map(point).transpose()?;
    let history = service.history();
    let mut page = turn_view::page(history, &session, before, turn_view::PAGE).await?;
    if before.is_none() {
        page.title = Some(session_list::title(history, &session).await?);
    }
    Ok(Json(page))
}

#[derive(Deserialize)]
pub struct Asked {
    id: TurnId,
    message: String,
    after: Option<String>,
}

/// Begins an answer. A question that was received before, by its id, is not asked again.
pub async fn ask(
    Shared(service): Shared<Service>,
    Path(session): Path<SessionId>,
    Input(Asked { id, message, after }): Input<Asked>,
) -> Result<(StatusCode, Json<State>), Failure> {
    if message.trim().is_empty() {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "cannot ask: the message is empty"));
    }
    let after = after.as_deref().map(point).transpose()?;
    let question = Question { turn: id, message, after };
    let state = reply::begin(&service, session, question).await?;
    let status = match state {
        State::Begun => StatusCode::ACCEPTED,
        State::Running | State::Stored => StatusCode::OK,
    };
    Ok((status, Json(state)))
}

#[derive(Deserialize)]
pub struct Stopped {
    turn: TurnId,
}

/// Ends an answer that is being written. The part that has come is kept.
pub async fn stop(
    Shared(service): Shared<Service>,
    Path(session): Path<SessionId>,
    Input(Stopped { turn }): Input<Stopped>,
) -> StatusCode {
    match service.feed(&session).stop(turn) {
        true => StatusCode::ACCEPTED,
        // It has ended by itself.
        false => StatusCode::OK,
    }
}

/// Saves an answer that could not be saved.
pub async fn save(
    Shared(service): Shared<Service>,
    Path(session): Path<SessionId>,
) -> Result<StatusCode, Failure> {
    reply::save(&service, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub struct Tip {
    after: String,
}

/// Goes to another branch of a conversation, or takes back the turns after a point. Nothing is
/// deleted.
pub async fn set_tip(
    Shared(service): Shared<Service>,
    Path(session): Path<SessionId>,
    Input(Tip { after }): Input<Tip>,
) -> Result<StatusCode, Failure> {
    let after = point(&after)?;
    let feed = service.feed(&session);
    let refused = |refusal| reply::refused("change the conversation", refusal);
    let _hold = feed.hold().map_err(refused)?;
    if feed.unsaved().is_some() {
        return Err(refused(Refusal::Unsaved));
    }
    service.history().set_tip(&session, after, Expect::Any).await?;
    // The chain's memory has seen the other branch.
    service.conversations().evict(&session);
    feed.add("changed", &json!({}));
    service.list_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a point: `start`, or the turn before it.
fn point(text: &str) -> Result<Point, Failure> {
    match text {
        "start" => Ok(Point::Start),
        turn => {
            turn.parse().map(Point::After).map_err(|error: TurnIdError| Failure::invalid(error))
        }
    }
}
