//! The events of a conversation, sent to a browser, which takes them up where it was.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use conversant_core::SessionId;
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use crate::{failure::Failure, feed::Reader, service::Service};

/// The time after which a stream ends, and the browser begins another one. A reader that has gone
/// without a word holds its place no longer.
const LIFETIME: Duration = Duration::from_secs(600);

/// The time without events after which a comment is sent, so that a lost connection shows.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub struct Place {
    /// The id of the last event that was received, as `Last-Event-ID`, which scripts cannot set.
    last: Option<String>,
}

/// The place of a browser in a feed.
struct Listener {
    reader: Reader,
    list: watch::Receiver<u64>,
    ending: watch::Receiver<bool>,
    ends_at: Instant,
    _permit: OwnedSemaphorePermit,
}

pub async fn events(
    State(service): State<Service>,
    Path(session): Path<SessionId>,
    Query(place): Query<Place>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let Ok(permit) = service.readers().try_acquire_owned() else {
        let line = "cannot follow the conversation: too many pages are open; close some";
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, line));
    };
    let header = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let mut list = service.list();
    // It may have changed while the browser did not listen.
    list.mark_changed();
    let listener = Listener {
        reader: service.feed(&session).reader(header.or(place.last.as_deref())),
        list,
        ending: service.ending(),
        ends_at: Instant::now() + LIFETIME,
        _permit: permit,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        listener.next().await.map(|event| (Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            event = self.reader.next() => {
                let event = event?;
                let sent = Event::default().event(event.name).id(event.id);
                Some(sent.data(&event.data))
            }
            changed = self.list.changed() => {
                changed.ok()?;
                Some(Event::default().event("list").data("{}"))
            }
            _ = self.ending.wait_for(|ending| *ending) => None,
            () = sleep_until(self.ends_at) => None,
        }
    }
}
