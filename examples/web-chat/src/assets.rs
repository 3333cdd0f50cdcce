//! The files of the page, which are part of the program.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($path:literal $kind:ident $file:literal,)*) => {
        &[$(Asset { path: $path, kind: $kind, text: include_str!(concat!("../assets/", $file)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "/" HTML "index.html",
    "/style.css" CSS "style.css",
    "/icon.svg" SVG "icon.svg",
    "/api.js" JS "api.js",
    "/app.js" JS "app.js",
    "/composer.js" JS "composer.js",
    "/conversation.js" JS "conversation.js",
    "/dom.js" JS "dom.js",
    "/drafts.js" JS "drafts.js",
    "/feed.js" JS "feed.js",
    "/markdown.js" JS "markdown.js",
    "/sidebar.js" JS "sidebar.js",
    "/theme.js" JS "theme.js",
    "/turn.js" JS "turn.js",
};

/// Returns the file at a path.
pub fn asset(path: &str) -> Response {
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => ([(CONTENT_TYPE, asset.kind)], asset.text).into_response(),
        None => (StatusCode::NOT_FOUND, "cannot find the page\n").into_response(),
    }
}

/// Returns the texts of all files, for a fingerprint.
pub fn texts() -> impl Iterator<Item = &'static str> {
    ASSETS.iter().map(|asset| asset.text)
}
