//! Fills in placeholders of a script: addresses, the request's key, the time.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

/// The largest offset of a date, a hundred years, since HTTP dates end with the year 9999.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The values of the placeholders on a connection.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) own: SocketAddr,
    pub(super) bystander: &'a str,
    pub(super) key: &'a str,
}

/// Returns `text` with its placeholders filled in; see [`Step::SendFilled`](super::Step).
pub(super) fn fill(text: &str, known: &Known<'_>) -> String {
    let bystander_port = known.bystander.rsplit(':').next().unwrap_or_default();
    let text = text
        .replace("{self}", &known.own.to_string())
        .replace("{port}", &known.own.port().to_string())
        .replace("{bystander}", known.bystander)
        .replace("{bystander_port}", bystander_port)
        .replace("{key}", known.key);
    let Some((before, rest)) = text.split_once("{date+") else {
        return text;
    };
    let Some((seconds, after)) = rest.split_once('}') else {
        return text;
    };
    let wait = Duration::from_secs(seconds.parse().unwrap_or(0)).min(LONGEST_WAIT);
    // Rounded up, since a date has no fractions of a second and the wait must not be shorter.
    let date = SystemTime::now() + wait + Duration::from_secs(1);
    format!("{before}{}{after}", httpdate::fmt_http_date(date))
}
