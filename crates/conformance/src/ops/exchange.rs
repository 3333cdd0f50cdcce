//! `exchange`: several calls of an adapter, and what it sends back of the answers.

use conversant_core::{Message, Messages};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    adapter::{Adapter, Kind},
    raw_server::{RawServer, Response},
    reply::failure,
};
use crate::{
    case,
    difference::{Mismatch, first_mismatch},
    failure::Failure,
};

#[derive(Deserialize)]
struct Input {
    adapter: Kind,
    #[serde(default = "version")]
    base_url_suffix: String,
    #[serde(default)]
    stream: bool,
    messages: Vec<Json>,
    replies: Vec<Response>,
    #[serde(default)]
    then: Vec<Vec<Json>>,
}

fn version() -> String {
    "/v1".to_owned()
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let calls = input.replies.len();
    let server = RawServer::start(input.replies).map_err(|error| Failure::broken(&error))?;
    let url = server.url(&input.base_url_suffix);
    let adapter = Adapter::new(input.adapter, &url, input.stream)?;
    let mut messages = Vec::new();
    for message in input.messages {
        messages.push(read(message, None)?);
    }
    for call in 0..calls {
        let reply =
            adapter.ask(Messages::from(messages.clone())).map_err(|error| failure(&error))?;
        messages.push(reply.message.clone());
        for message in input.then.get(call).into_iter().flatten() {
            messages.push(read(message.clone(), Some(&reply.message))?);
        }
    }
    Ok(json!({ "requests": server.requests() }))
}

/// Reads a message. A tool result for `@n` answers call n of the reply before.
fn read(mut stored: Json, reply: Option<&Message>) -> Result<Message, Failure> {
    let id = stored.pointer("/data/tool_call_id").and_then(Json::as_str);
    let index =
        id.and_then(|id| id.strip_prefix('@')).and_then(|index| index.parse::<usize>().ok());
    if let Some(index) = index {
        let call = reply.and_then(|reply| reply.tool_calls().get(index));
        let id = call.and_then(|call| call.id.clone());
        if let Some(known) = stored.pointer_mut("/data/tool_call_id") {
            *known = id.map_or(Json::Null, Json::String);
        }
    }
    Message::from_stored(stored).map_err(|error| Failure::broken(&error))
}

pub(crate) fn compare(expected: &Json, got: &Json) -> Option<Mismatch> {
    let (Some(wanted), Some(requests)) =
        (expected.get("requests"), got.get("requests").and_then(Json::as_array))
    else {
        return first_mismatch(expected, got);
    };
    let wanted = wanted.as_array().cloned().unwrap_or_default();
    if wanted.len() != requests.len() {
        return first_mismatch(&json!(wanted.len()), &json!(requests.len()));
    }
    let mut found = Vec::new();
    for (wanted, request) in wanted.iter().zip(requests) {
        found.push(met(wanted, request));
    }
    first_mismatch(&json!(wanted), &json!(found))
}

/// Returns the expected parts of a request, with the actual values.
fn met(wanted: &Json, request: &Json) -> Json {
    let field = |name: &str| request.get(name).cloned().unwrap_or_default();
    let body = &field("body");
    let mut found = Map::new();
    for (rule, value) in wanted.as_object().into_iter().flatten() {
        let got = match rule.as_str() {
            "path" => field("path"),
            "has" => {
                let pointers = value.as_object().into_iter().flatten();
                let has = |(pointer, _): (&String, &Json)| {
                    (pointer.clone(), body.pointer(pointer).cloned().unwrap_or_default())
                };
                Json::Object(pointers.map(has).collect())
            }
            "lacks" => texts(value, |pointer| body.pointer(pointer).is_none()),
            "lacks_text" => {
                let text = body.to_string();
                texts(value, |word| !text.contains(word))
            }
            "same" => {
                let pairs = value.as_array().into_iter().flatten();
                let is_same = |pair: &&Json| {
                    let at = |index: usize| body.pointer(pair.get(index)?.as_str()?)?.as_str();
                    at(0).is_some_and(|text| !text.is_empty()) && at(0) == at(1)
                };
                pairs.filter(is_same).cloned().collect()
            }
            _ => Json::Null,
        };
        found.insert(rule.clone(), got);
    }
    Json::Object(found)
}

/// Returns the texts of a list for which a rule holds.
fn texts(list: &Json, rule: impl Fn(&str) -> bool) -> Json {
    let items = list.as_array().into_iter().flatten();
    items.filter(|item| item.as_str().is_some_and(&rule)).cloned().collect()
}
