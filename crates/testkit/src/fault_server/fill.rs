//! Fills in what a script can't know beforehand: addresses, the request's key, the time.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What is known while a connection is served.
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
    let wait = Duration::from_secs(seconds.parse().unwrap_or(0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Rounded up: a date has no fractions, and what it asks for should not be less than said.
    let whole = now.as_secs() + u64::from(now.subsec_nanos() > 0);
    format!("{before}{}{after}", http_date(whole.saturating_add(wait.as_secs())))
}

/// Returns a number of seconds since 1970 as an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// The days are counted as in Howard Hinnant's `civil_from_days`.
pub(super) fn http_date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era_day = shifted % 146_097;
    let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let shifted_month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 2 } else { shifted_month - 10 };
    let year = shifted / 146_097 * 400 + era_year + u64::from(month < 2);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        name(&WEEKDAYS, days % 7),
        name(&MONTHS, month),
        time / 3_600,
        time / 60 % 60,
        time % 60,
    )
}

#[cfg(test)]
mod tests;
