//! Downloads from the Hugging Face hub, or a server that is like it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
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

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 10;

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
        .max_redirects(0)
        .build()
        .into();
    let file = OpenOptions::new().append(true).create(true).open(part);
    let mut file = file.map_err(text)?;
    let mut known = file.metadata().map_err(text)?.len();
    let mut answer = request(&agent, &url, known)?;
    if known > 0 && answer.response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // The file is whole already, or is another one.
        let digest = model.sha256.as_deref().or(answer.digest.as_deref());
        if let Some(digest) = digest
            && has_digest(part, digest).map_err(text)?
        {
            on_received(known, Some(known));
            return Ok(());
        }
        answer = request(&agent, &url, 0)?;
    }
    let Answer { response, digest, size } = answer;
    if !response.status().is_success() {
        return Err(format!("the server answered with status {}", response.status()));
    }
    if is_page(&response) {
        return Err("the server sent a page in place of the file".to_owned());
    }
    let digest = model.sha256.as_deref().map(str::to_owned).or(digest);
    let digest = digest.ok_or("the server sent no digest to check the file by")?;
    let size = size.or(model.is_tried.then_some(model.bytes));
    if known > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        // The part is kept if this is not the file, but a page of a proxy.
        let length = number(&response, "content-length");
        if let (Some(size), Some(length)) = (size, length)
            && size != length
        {
            return Err(format!("the server sent {length} bytes in place of a file of {size}"));
        }
        known = 0;
        file.set_len(0).map_err(text)?;
    }
    // A length that no file has, from a server or a proxy, is as good as none.
    let length = || number(&response, "content-length")?.checked_add(known);
    let total = size.or_else(length);
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

/// The answer to the request of a file.
struct Answer {
    /// The response that has the file.
    response: Response<ureq::Body>,
    /// The digest by which the hub stores a large file.
    digest: Option<String>,
    /// The size of the file, by the hub.
    size: Option<u64>,
}

/// Requests a file, from a byte on. The hub redirects to the server that has it, and says what the
/// file is with the redirect: what the other server says is its own.
fn request(agent: &Agent, url: &str, from: u64) -> Result<Answer, String> {
    let (mut digest, mut size) = (None, None);
    let mut at = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let mut request = agent.get(&at);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let response = request.call().map_err(text)?;
        if origin(&at) == origin(url) {
            digest = linked_digest(&response).or(digest);
            size = number(&response, "x-linked-size").or(size);
        }
        let next = response.headers().get("location").and_then(|next| next.to_str().ok());
        match next.filter(|_| response.status().is_redirection()) {
            Some(next) => at = joined(&at, next),
            None => return Ok(Answer { response, digest, size }),
        }
    }
    Err(format!("the server redirects more than {MAX_REDIRECTS} times"))
}

/// Returns the scheme and the host of an address.
fn origin(url: &str) -> &str {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    url.get(..end).unwrap_or(url)
}

/// Returns the address of a redirect: one of its own, a path, or what comes in place of the file's
/// name.
fn joined(from: &str, to: &str) -> String {
    let is_whole = to.split(['/', '?']).next().is_some_and(|scheme| scheme.ends_with(':'));
    if is_whole {
        return to.to_owned();
    }
    if to.starts_with("//") {
        let scheme = from.split('/').next().unwrap_or_default();
        return format!("{scheme}{to}");
    }
    if to.starts_with('/') {
        return format!("{}{to}", origin(from));
    }
    let path = from.split(['?', '#']).next().unwrap_or(from);
    let folder = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or(path);
    format!("{folder}{to}")
}

/// Returns the number in a header.
fn number(response: &Response<ureq::Body>, name: &str) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// Returns whether a response is a page, such as that of a proxy that asks for a login.
fn is_page(response: &Response<ureq::Body>) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
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
