//! Sessions with names that stores have confused.

use conversant_core::{ChatHistory, Turn, TurnId};

use super::session_driver::{SessionDriver, exchange};
use crate::suite::check::{Checked, Stop, ensure};

/// Names that differ slightly, or have a meaning elsewhere.
const NAMES: &[&str] = &[
    "a",
    "A",
    "a ",
    " a",
    "a\n",
    "\t",
    "a/b",
    "a\\b",
    "../a",
    "/etc/passwd",
    ".",
    "..",
    "a:b",
    "a_b",
    "a-b",
    "a:",
    ":a",
    "%",
    "a%",
    "_",
    "*",
    "[a]",
    "?",
    "'",
    "\"",
    "`",
    ";",
    "--",
    "a' OR 'a'='a",
    "{a}",
    "{",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{1f600}",
    "\u{130}",
    "i",
    "I",
    "\u{131}",
    "\u{df}",
    "ss",
    "\u{feff}a",
    "\u{200b}a",
    "\u{fffd}",
    "\u{10ffff}",
    "CON",
    "nul",
    "0",
    "00",
    "1e0",
    "null",
    "default",
];

/// Begins a session for each name, and one with the longest valid name.
fn sessions<H: ChatHistory>(history: &H) -> Result<Vec<(SessionDriver<'_, H>, Turn)>, Stop> {
    // The names are made new by what comes after them, which keeps the differences.
    let run = TurnId::random();
    let mut talks = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        talks.push((SessionDriver::named(history, &format!("{run}{name}"))?, exchange(number)));
        talks.push((
            SessionDriver::named(history, &format!("{name}{run}"))?,
            exchange(1_000 + number),
        ));
    }
    let long = format!("{run}{}", "x".repeat(512 - run.to_string().len()));
    talks.push((SessionDriver::named(history, &long)?, exchange(2_000)));
    let one_less = long.strip_suffix('x').unwrap_or(&long);
    talks.push((SessionDriver::named(history, one_less)?, exchange(2_001)));
    Ok(talks)
}

pub(super) async fn sessions_never_mix(history: &impl ChatHistory) -> Checked {
    let talks = sessions(history)?;
    for (driver, turn) in &talks {
        driver.append(turn).await?;
    }
    for (driver, turn) in &talks {
        let found = driver.all().await?;
        ensure!(
            found.messages == *turn.messages(),
            "session {:?} has {} messages, not its own two",
            driver.session.as_str(),
            found.messages.len()
        );
    }
    Ok(())
}

pub(super) async fn clearing_one_session_leaves_the_others(history: &impl ChatHistory) -> Checked {
    let talks = sessions(history)?;
    for (driver, turn) in &talks {
        driver.append(turn).await?;
    }
    for (driver, _) in talks.iter().step_by(2) {
        driver.clear().await?;
    }
    for (number, (driver, _)) in talks.iter().enumerate() {
        let expected = if number % 2 == 0 { 0 } else { 2 };
        let found = driver.all().await?.messages.len();
        ensure!(
            found == expected,
            "session {:?} has {found} messages instead of {expected}",
            driver.session.as_str()
        );
    }
    Ok(())
}
