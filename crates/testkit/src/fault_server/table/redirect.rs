//! Row 56: redirects, of every status to every place.

use std::borrow::Cow;

use crate::fault_server::{fault::Fault, step::Step};

use Step::WaitForRequest;

/// Where to: a name and a `Location`.
const TARGETS: &[(&str, &str)] = &[
    ("same_server", "http://{self}/v1/other"),
    ("other_port", "http://{bystander}/v1/chat/completions"),
    ("other_host", "http://localhost:{bystander_port}/v1/chat/completions"),
    ("relative", "/v1/other"),
    ("no_scheme", "//{bystander}/v1/chat/completions"),
    ("user", "http://user:password@{bystander}/v1/chat/completions?key=secret"),
    ("loop", "/v1/chat/completions"),
    ("file", "file:///etc/passwd"),
    ("data", "data:application/json,{}"),
    ("garbage", "http://[::bad"),
    ("empty", ""),
];

pub(super) fn faults() -> Vec<Fault> {
    let everywhere = TARGETS.iter().map(|(name, to)| (307, *name, *to));
    let statuses = [301, 302, 303, 308]
        .into_iter()
        .flat_map(|status| TARGETS.iter().take(2).map(move |(name, to)| (status, *name, *to)));
    let mut faults: Vec<Fault> = everywhere
        .chain(statuses)
        .map(|(status, name, to)| {
            let head = format!("HTTP/1.1 {status} Status\r\nlocation: {to}\r\n");
            redirect(format!("redirect_{status}_{name}"), &head)
        })
        .collect();
    let nowhere = |status| {
        let head = format!("HTTP/1.1 {status} Status\r\n");
        redirect(format!("redirect_{status}_nowhere"), &head)
    };
    faults.extend([nowhere(300), nowhere(304), nowhere(307)]);
    faults
}

fn redirect(name: String, head: &str) -> Fault {
    let response = Step::SendFilled(format!("{head}content-length: 0\r\n\r\n"));
    Fault { row: 56, ..Fault::new(Cow::Owned(name), [WaitForRequest, response]) }
}
