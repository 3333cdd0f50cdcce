//! Downloads from the Hugging Face hub, or a server that is like it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::Path,
    time::Duration,
};

use ureq::{
    Agent,
    http::{Response, StatusCode},
    tls::{RootCerts, TlsConfig},
};

use super::{catalog::KnownModel, checked_file::has_digest};

/// The time that a server may take to accept a connection and to begin its answer. It is short: the
/// hub is out of reach for some, and the next source is at hand.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that a download may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// The size of a piece that is written at once, in bytes.
const PIECE: usize = 1 << 16;

/// The address of Hugging Face.
pub(super) const HUGGING_FACE: &str = "https://huggingface.co";

/// Returns the address of the hub that the environment names in `HF_ENDPOINT`.
pub(super) fn of_environment() -> Option<String> {
    std::env::var("HF_ENDPOINT").ok().filter(|url| !url.is_empty())
}

/// Downloads the file of a model to `part`, which may have the beginning of it already, and checks
/// it. The error is the reason, for people to read.
pub(super) fn download(
    endpoint: &str,
    model: &KnownModel,
    part: &Path,
    on_received: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), String> {
    let KnownModel { repository, revision, file, .. } = model;
    let url = format!("{endpoint}/{repository}/resolve/{revision}/{file}");
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(ANSWER_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_recv_body(Some(BODY_TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let file = OpenOptions::new().append(true).create(true).open(part);
    let mut file = file.map_err(text)?;
    let mut known = file.metadata().map_err(text)?.len();
    let mut response = request(&agent, &url, known)?;
    if known > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        // The server sends the whole file, or has another one.
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            response = request(&agent, &url, 0)?;
        }
        known = 0;
        file.set_len(0).and_then(|()| file.rewind()).map_err(text)?;
    }
    if !response.status().is_success() {
        return Err(format!("the server answered with status {}", response.status()));
    }
    let digest = model.sha256.map(str::to_owned).or_else(|| linked_digest(&response));
    let digest = digest.ok_or("the server sent no digest to check the file by")?;
    let length = response.headers().get("content-length").and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    // A length that no file has, from a server or a proxy, is as good as none.
    let total = length.and_then(|length| length.checked_add(known));
    copy(&mut response.into_body().into_reader(), &mut file, known, total, on_received)?;
    file.sync_all().map_err(text)?;
    match has_digest(part, &digest).map_err(text)? {
        true => Ok(()),
        false => {
            // What is wrong cannot be continued.
            file.set_len(0).map_err(text)?;
            Err("the file has another digest than it should have".to_owned())
        }
    }
}

fn request(agent: &Agent, url: &str, from: u64) -> Result<Response<ureq::Body>, String> {
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header("range", format!("bytes={from}-"));
    }
    request.call().map_err(text)
}

/// Returns the digest by which the hub stores a large file.
fn linked_digest(response: &Response<ureq::Body>) -> Option<String> {
    let tag = response.headers().get("x-linked-etag").or_else(|| response.headers().get("etag"))?;
    let digest = tag.to_str().ok()?.trim_start_matches("W/").trim_matches('"');
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| digest.to_owned())
}

fn copy(
    from: &mut dyn Read,
    to: &mut File,
    mut received: u64,
    total: Option<u64>,
    on_received: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), String> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).map_err(text)?;
        if read == 0 {
            break;
        }
        to.write_all(piece.get(..read).unwrap_or_default()).map_err(text)?;
        received += u64::try_from(read).unwrap_or(0);
        on_received(received, total);
    }
    match total.filter(|total| *total != received) {
        Some(total) => Err(format!("the connection ended after {received} of {total} bytes")),
        None => Ok(()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
