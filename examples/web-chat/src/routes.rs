//! The routes of the service.

mod events;
mod sessions;
mod turns;

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, Uri},
    middleware::from_fn_with_state,
    routing::{get, patch, post},
};

use crate::{
    assets,
    failure::Failure,
    guard::{Guard, guard},
    input::MAX_BODY,
    service::{About, Service},
};

/// Returns the router of a service that listens at an address.
pub fn router(service: Service, address: SocketAddr) -> Router {
    let api = Router::new()
        .route("/about", get(about))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", patch(sessions::rename).delete(sessions::delete))
        .route("/sessions/{id}/turns", get(turns::page).post(turns::ask))
        .route("/sessions/{id}/stop", post(turns::stop))
        .route("/sessions/{id}/save", post(turns::save))
        .route("/sessions/{id}/tip", post(turns::set_tip))
        .route("/sessions/{id}/events", get(events::events))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "cannot find the route"))
        .with_state(service);
    Router::new()
        .nest("/api", api)
        .fallback_service(get(async |uri: Uri| assets::asset(uri.path())))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Guard::new(address), guard))
}

async fn about(State(service): State<Service>) -> Json<About> {
    Json(service.about().clone())
}
