//! The texts of errors, which quote nothing.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, SessionFilter, Turn, Value, Version,
};
use serde_json::{Value as Json, json};

use super::session_driver::SessionDriver;
use crate::suite::check::{CANARY, Checked, ODD_TEXTS, withholds};

/// Errors reach logs by many ways.
pub(super) async fn errors_withhold_what_was_said(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let (session, covers) = (&driver.session, driver.version().await?);
    let said = |text: &str| Turn::exchange(format!("{CANARY} {text}"), format!("{text} {CANARY}"));
    let odd: Vec<String> = ODD_TEXTS.iter().map(|text| format!("{CANARY} {text}")).collect();
    let messages: Vec<Message> = odd.iter().map(|text| Message::human(text.as_str())).collect();
    is_withheld(history.append(session, &Turn::new(messages), Expect::Any).await)?;
    let nested = (0..200).fold(json!(CANARY), |inner, _| json!([inner]));
    for message in [
        Message::human(CANARY).with_extra("nested", nested.clone()),
        // Of no call.
        Message::tool(CANARY, ""),
        Message::human(CANARY).with_name("\0"),
    ] {
        is_withheld(history.check(session, std::slice::from_ref(&message)))?;
        is_withheld(history.append(session, &Turn::new(vec![message]), Expect::Any).await)?;
    }
    for body in [Json::from(odd.clone()), nested] {
        let note = Note::new(Value::from(body), covers);
        is_withheld(history.put_note(session, "summary", &note).await)?;
        is_withheld(history.replace_note(session, "summary", None, &note).await)?;
    }
    // Turns that are refused: one under the id of another, and one of another state.
    let first = said("first");
    let seen = history.append(session, &first, Expect::Any).await?;
    let second = said("second").with_id(first.id());
    is_withheld(history.append(session, &second, Expect::Any).await)?;
    let other = Expect::SameEpoch(Version::new(seen.epoch.wrapping_add(1), seen.messages));
    is_withheld(history.append(session, &said("third"), other).await)?;
    // Titles, labels and what is looked for.
    let (odd, long) = (odd.join(" "), CANARY.repeat(1_000));
    let many: String = (0..100).map(|word| format!("{CANARY}{word} ")).collect();
    for text in [&odd, &long, &format!("{CANARY}\n")] {
        is_withheld(history.set_title(session, Some(text)).await)?;
    }
    for (name, value) in [("user", long.as_str()), (&long, "ada"), (CANARY, "\n"), ("\0", CANARY)] {
        is_withheld(history.set_label(session, name, Some(value)).await)?;
    }
    for text in [&odd, &long, &many, &format!("{CANARY} C++ ' \" * \0 %")] {
        let filter = SessionFilter::new().with_text(text);
        is_withheld(history.list_sessions(&filter, None, 1).await)?;
    }
    Ok(())
}

fn is_withheld<T>(outcome: Result<T, HistoryError>) -> Checked {
    outcome.map_or_else(|error| withholds(&error), |_| Ok(()))
}
