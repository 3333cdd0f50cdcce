//! Finds the wait that a server asks for in its error, where no header does.

use std::time::Duration;

use serde_json::Value as Json;

/// The words before the wait in a message.
const BEFORE: &[&str] = &["try again in ", "retry in ", "retry after "];

/// Returns the wait that a message asks for: "try again in 1.2s", "in 1m26.4s", "in 20 seconds".
pub(super) fn in_message(message: &str) -> Option<Duration> {
    BEFORE.iter().find_map(|before| duration(message.split_once(before)?.1))
}

/// Returns the wait in the details of an error of Google's: `{"@type": "…RetryInfo", "retryDelay":
/// "34s"}`.
pub(super) fn in_details(error: &Json) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| duration(detail.get("retryDelay")?.as_str()?))
}

/// Returns the duration that a text begins with.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = None;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let (Ok(number), Some(unit)) = (number.parse::<f64>(), seconds_of(unit)) else { break };
        *seconds.get_or_insert(0.0) += number * unit;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds?).ok().filter(|wait| !wait.is_zero())
}

/// Returns the seconds of a unit of time.
fn seconds_of(unit: &str) -> Option<f64> {
    match unit {
        "ms" | "millisecond" | "milliseconds" => Some(0.001),
        "s" | "sec" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "minute" | "minutes" => Some(60.0),
        "h" | "hour" | "hours" => Some(3600.0),
        _ => None,
    }
}
