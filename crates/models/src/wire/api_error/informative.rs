//! Events that report what a server does, which look like errors: both have a message.

use serde_json::{Map, Value as Json};

use super::kind::kind_of_name;

/// The names of what an event is.
const KINDS: &[&str] = &["type", "object", "event"];
/// The names of codes, whose words are errors unless they are known.
const CODES: &[&str] =
    &["code", "status_code", "statusCode", "error_code", "errcode", "Code", "error_type", "__type"];
/// The names that only errors have.
const OF_ERRORS: &[&str] = &[
    "detail",
    "error_message",
    "error_msg",
    "errmsg",
    "err_msg",
    "error_description",
    "exception",
    "fault",
];
/// Parts of the words for errors.
const ERRORS: &[&str] = &[
    "error",
    "exception",
    "fail",
    "fatal",
    "abort",
    "crash",
    "cancel",
    "denied",
    "reject",
    "refus",
    "invalid",
    "forbidden",
    "unauth",
    "exceed",
    "limit",
    "quota",
    "insufficient",
    "too_many",
    "overload",
    "unavailable",
    "not_found",
    "timeout",
    "timed_out",
    "throttl",
    "blocked",
    "unsupported",
];

/// Returns whether an object with a message says of itself that it is something else than an error:
/// by its type, or by a status or code of success. A message alone is an error.
pub(super) fn is_informative(json: &Json) -> bool {
    let Json::Object(fields) = json else { return false };
    let kinds = || words(fields, KINDS);
    let status = fields.get("status").filter(|status| !status.is_null());
    let codes = || CODES.iter().filter_map(|name| fields.get(*name)).filter(|it| !it.is_null());
    let has_failed = ["success", "ok"].iter().any(|name| fields.get(*name) == Some(&false.into()));
    let says_what = kinds().next().is_some() || status.is_some() || codes().next().is_some();
    says_what
        && !has_failed
        && !OF_ERRORS.iter().any(|name| fields.contains_key(*name))
        && !kinds().any(is_error)
        && codes().all(|code| is_success(code, |word| matches!(word, "ok" | "success")))
        && status.is_none_or(|status| is_success(status, |word| !is_error(word)))
}

fn words<'f>(
    fields: &'f Map<String, Json>,
    names: &'f [&str],
) -> impl Iterator<Item = &'f str> + use<'f> {
    names.iter().filter_map(|name| fields.get(*name)?.as_str()).filter(|word| !word.is_empty())
}

fn is_error(word: &str) -> bool {
    let word = word.to_ascii_lowercase().replace([' ', '-'], "_");
    ERRORS.iter().any(|part| word.contains(part)) || kind_of_name(&word).is_some()
}

/// Returns whether a code, a number or a word, is one of success.
fn is_success(code: &Json, is_good: impl Fn(&str) -> bool) -> bool {
    let number = |code: i64| code == 0 || (100..400).contains(&code);
    match code {
        Json::String(word) => match word.trim().parse() {
            Ok(code) => number(code),
            Err(_) => is_good(&word.trim().to_ascii_lowercase()),
        },
        Json::Number(code) => code.as_i64().is_some_and(number),
        Json::Bool(is_good) => *is_good,
        Json::Null => true,
        Json::Array(_) | Json::Object(_) => false,
    }
}
