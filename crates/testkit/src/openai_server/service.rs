//! Serves one connection: reads requests, records them, and turns answers into responses.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpStream;

use super::{
    answer::{Content, ServerAnswer},
    body::{AnswerBody, Unfinished},
    completion::{self, Wording},
    endpoint::{Endpoint, RequestOptions},
    request::RecordedRequest,
    settings::ServerDialect,
    state::State,
};
use crate::stop_sequences;

const JSON: &str = "application/json";

pub(super) async fn serve(state: Arc<State>, stream: TcpStream) {
    let connection = state.connections.add();
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(respond(&state, connection, request).await) }
    });
    // An error of a connection usually means that its client has disconnected.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    state: &Arc<State>,
    connection: usize,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // The client disconnected within its request and does not read this.
        let unfinished = Unfinished::new(Arc::clone(state));
        return Response::new(AnswerBody::whole(Bytes::new(), unfinished));
    };
    let bytes = body.to_bytes();
    let request = RecordedRequest {
        connection,
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: readable(&head.headers),
        json: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes,
    };
    state.record(request.clone());
    // From here on, a missing answer counts as broken off.
    let unfinished = Unfinished::new(Arc::clone(state));
    let mut answer = answer_to(state, &request);
    let options = RequestOptions::read(&request);
    let hold = answer.hold.take();
    let streamed = match &answer.content {
        Content::Said(_) => options.stream,
        Content::Chunks(_) => true,
        Content::Embeddings(_) | Content::Body(_) => false,
    };
    let hold = match hold {
        Some(hold) if !streamed || hold.after == 0 => {
            hold.gate.pass().await;
            None
        }
        hold => hold,
    };
    let (content_type, payload) = payload(state, Endpoint::of(request.path()), &options, &answer);
    let body = match payload {
        Payload::Whole(body) => AnswerBody::whole(body, unfinished),
        Payload::Chunks(chunks) => AnswerBody::streamed(chunks, hold, unfinished),
    };
    with_head(state, &answer, content_type, body)
}

/// Returns the script's next answer, or the server's error for a request or a script that cannot be
/// served.
fn answer_to(state: &State, request: &RecordedRequest) -> ServerAnswer {
    let (method, path) = (request.method(), request.path());
    let refuse = |status, kind, code, message: &str| {
        let error = completion::error(state.settings.dialect, status, kind, code, message);
        ServerAnswer::json(&error).with_status(status)
    };
    let fault_of_script = |code, message: &str| {
        // A retry would get the same error.
        refuse(500, "server_error", Some(code), message).with_header("x-should-retry", "false")
    };
    let invalid = "invalid_request_error";
    let Some(endpoint) = Endpoint::of(path) else {
        return refuse(404, invalid, None, &format!("Invalid URL ({method} {path})"));
    };
    if method != endpoint.method() {
        return refuse(405, invalid, None, &format!("Not allowed to {method} on {path}"));
    }
    if let Some(key) = &state.settings.key {
        let brought =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if brought != Some(&key.0) {
            let message = match brought {
                Some(wrong) => format!("Incorrect API key provided: {wrong}."),
                None => "You didn't provide an API key.".to_owned(),
            };
            return refuse(401, invalid, Some("invalid_api_key"), &message);
        }
    }
    if endpoint == Endpoint::Models {
        return ServerAnswer::json(&completion::models(
            &state.settings.models,
            state.settings.dialect,
        ));
    }
    if !request.json().is_object() {
        return refuse(400, invalid, None, "the body of the request is not a JSON object");
    }
    match state.next_answer(request) {
        Ok(answer) => match misfit(endpoint, &answer) {
            None => answer,
            Some(message) => fault_of_script("script_invalid", &message),
        },
        Err(given) => {
            let replies = if given == 1 { "reply" } else { "replies" };
            let message = format!("script exhausted after {given} {replies}");
            fault_of_script("script_exhausted", &message)
        }
    }
}

/// Returns the reason for which an answer cannot be sent on this endpoint.
fn misfit(endpoint: Endpoint, answer: &ServerAnswer) -> Option<String> {
    let content = match (&answer.content, endpoint) {
        (Content::Said(choices), Endpoint::Completion) => choices
            .iter()
            .any(|choice| choice.refusal.is_some() || !choice.tool_calls.is_empty())
            .then_some("a text completion has no place for tool calls and refusals"),
        (Content::Said(_), Endpoint::Embeddings) => Some("embeddings were requested, not words"),
        (Content::Embeddings(_), Endpoint::Chat | Endpoint::Completion | Endpoint::Responses) => {
            Some("words were requested, not embeddings")
        }
        _ => None,
    };
    let header = || {
        let (name, _) = answer.headers.iter().find(|(name, value)| {
            HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err()
        })?;
        Some(format!("HTTP does not allow the header `{name}`"))
    };
    let status = || {
        let fault = StatusCode::from_u16(answer.status).err();
        fault.map(|_| format!("HTTP does not allow the status {}", answer.status))
    };
    content.map(str::to_owned).or_else(header).or_else(status)
}

enum Payload {
    Whole(Bytes),
    Chunks(Vec<Bytes>),
}

fn payload(
    state: &State,
    endpoint: Option<Endpoint>,
    options: &RequestOptions,
    answer: &ServerAnswer,
) -> (Option<&'static str>, Payload) {
    let json = |value: Value| (Some(JSON), Payload::Whole(value.to_string().into()));
    match &answer.content {
        Content::Body(body) => (None, Payload::Whole(body.clone())),
        Content::Chunks(chunks) => (None, Payload::Chunks(chunks.clone())),
        Content::Embeddings(vectors) => json(completion::embeddings(vectors, options)),
        Content::Said(choices) => {
            let endpoint = endpoint.unwrap_or(Endpoint::Chat);
            let mut choices = choices.clone();
            for text in choices.iter_mut().filter_map(|choice| choice.text.as_mut()) {
                stop_sequences::cut(text, &options.stop);
            }
            // One choice is repeated for the requested number.
            let choices = match choices.as_slice() {
                [only] => std::iter::repeat_n(only, options.choices).collect(),
                several => several.iter().collect(),
            };
            let wording = Wording {
                endpoint,
                dialect: state.settings.dialect,
                options,
                choices,
                finish_reason: answer.finish_reason.as_deref(),
                usage: answer.usage,
                number: state.answered.add(),
            };
            if options.stream {
                let events = match state.settings.dialect {
                    ServerDialect::OpenAi => "text/event-stream; charset=utf-8",
                    ServerDialect::LlamaCpp => "text/event-stream",
                };
                let chunks = match endpoint {
                    Endpoint::Responses => wording.response_stream(),
                    _ => wording.streamed(),
                };
                (Some(events), Payload::Chunks(chunks))
            } else if endpoint == Endpoint::Responses {
                json(wording.response())
            } else {
                json(wording.whole())
            }
        }
    }
}

fn with_head(
    state: &State,
    answer: &ServerAnswer,
    content_type: Option<&'static str>,
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert("content-type", HeaderValue::from_static(content_type));
    }
    if state.settings.dialect == ServerDialect::LlamaCpp {
        headers.insert("server", HeaderValue::from_static("llama.cpp"));
    }
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Ok(status) = StatusCode::from_u16(answer.status) {
        *response.status_mut() = status;
    }
    response
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, text)| (name.as_str().to_owned(), value(text))).collect()
}
