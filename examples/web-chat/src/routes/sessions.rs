//! The list of conversations.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use conversant_core::{SessionCursor, SessionId};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    failure::Failure,
    input::Input,
    service::Service,
    session_list::{self, Page},
};

/// The time within which an answer that is being written ends, after it was stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

#[derive(Deserialize)]
pub struct Filter {
    #[serde(default)]
    search: String,
    after: Option<SessionCursor>,
}

pub async fn list(
    State(service): State<Service>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page>, Failure> {
    let Filter { search, after } = filter;
    Ok(Json(session_list::page(service.history(), &search, after.as_ref()).await?))
}

#[derive(Deserialize)]
pub struct Name {
    title: String,
}

pub async fn rename(
    State(service): State<Service>,
    Path(session): Path<SessionId>,
    Input(Name { title }): Input<Name>,
) -> Result<StatusCode, Failure> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() || title.chars().count() > MAX_TITLE {
        let line = format!("cannot rename the conversation: a title has 1 to {MAX_TITLE} letters");
        return Err(Failure::new(StatusCode::BAD_REQUEST, line));
    }
    service.history().set_title(&session, Some(&title)).await?;
    service.list_changed();
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a conversation. An answer that is being written is stopped before.
pub async fn delete(
    State(service): State<Service>,
    Path(session): Path<SessionId>,
) -> Result<StatusCode, Failure> {
    let feed = service.feed(&session);
    if let Some(running) = feed.running() {
        running.stop.send_replace(true);
        if timeout(STOP_TIMEOUT, feed.idle()).await.is_err() {
            let line = "cannot delete the conversation: an answer does not end; try again";
            return Err(Failure::new(StatusCode::CONFLICT, line));
        }
    }
    let Ok(_hold) = feed.hold() else {
        let line = "cannot delete the conversation: an answer begins, or another request changes \
                    it; try again";
        return Err(Failure::new(StatusCode::CONFLICT, line));
    };
    service.history().delete(&session).await?;
    service.conversations().evict(&session);
    feed.deleted();
    service.list_changed();
    Ok(StatusCode::NO_CONTENT)
}
