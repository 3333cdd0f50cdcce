//! Checks of the content of messages.

use conversant_core::{
    CallRecord, ChatHistory, Content, HistoryError, InvalidToolCall, Message, Part, ToolCall, Turn,
    Usage,
};
use serde_json::json;

use super::session_driver::{SessionDriver, exchange};
use crate::suite::check::{CANARY, Checked, ODD_TEXTS, ensure, withholds};

pub(super) async fn odd_texts_come_back_as_they_were(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    for text in ODD_TEXTS {
        driver.append(&Turn::exchange(*text, *text)).await?;
    }
    let loaded = driver.all().await?.messages;
    ensure!(loaded.len() == 2 * ODD_TEXTS.len(), "{} messages were found", loaded.len());
    for (message, text) in loaded.iter().zip(ODD_TEXTS.iter().flat_map(|text| [text, text])) {
        let found = message.text();
        ensure!(found == *text, "{text:?} came back as {found:?}");
    }
    Ok(())
}

pub(super) async fn every_kind_of_message_comes_back_as_it_was(
    history: &impl ChatHistory,
) -> Checked {
    let driver = SessionDriver::new(history)?;
    let mut invalid = InvalidToolCall::default();
    invalid.name = Some("weather".to_owned());
    invalid.args = Some("{\"city\":".to_owned());
    let image = Part::image_url("data:image/png;base64,AAAA").with_detail("low");
    let messages = vec![
        Message::system("Be terse."),
        Message::human(Content::from(vec![Part::text("What is this?"), image])),
        Message::human("named").with_name("Ada").with_id("message-1"),
        Message::ai("").with_tool_calls([
            ToolCall::new("weather", json!({"city": "Paris", "days": [1, 2.5, null]}))
                .with_id("c1"),
            ToolCall::new("weather", json!({})),
        ]),
        Message::tool("rain", "c1"),
        Message::ai("").with_invalid_tool_calls([invalid]),
        Message::function("42", "answer"),
        Message::chat("critic", "I disagree."),
        Message::ai("more").with_extra("reasoning", json!({"steps": ["a", "b"], "\u{e9}": true})),
        Message::ai("no").with_extra(
            "additional_kwargs",
            json!({"refusal": null, "audio": {"id": "a-1", "expires_at": 1.5}}),
        ),
        Message::ai("").with_tool_calls([ToolCall::new(
            "order",
            json!({"id": 9_007_199_254_740_993_i64, "by": [-9_007_199_254_740_995_i64]}),
        )
        .with_id("c2")]),
        Message::ai("").with_tool_calls([ToolCall::new(
            "divide",
            json!({"share": 0.1, "by": 1.234_567_890_123_456_7}),
        )
        .with_id("c3")]),
        Message::tool("rain", "c3")
            .with_extra("artifact", json!({"mm": [0.1, null]}))
            .with_extra("status", json!("error")),
        Message::human(Content::from(vec![Part::text("A list of one part.")])),
        Message::ai("counted").with_extra(
            "usage_metadata",
            json!({"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}),
        ),
        Message::ai("shown").with_extra("example", json!(true)),
        Message::ai("void").with_extra("nothing", json!(null)),
        Message::ai("recorded")
            .with_call_record(&CallRecord::new().with_model("m").with_usage(Usage::new(8, 17))),
    ];
    for message in messages {
        let turn = Turn::new(vec![message.clone()]);
        driver.append(&turn).await?;
        let found = driver.all().await?.messages;
        ensure!(
            found.last() == Some(&message),
            "{} came back as {}",
            message.to_stored(),
            found.last().map(Message::to_stored).unwrap_or_default()
        );
    }
    Ok(())
}

pub(super) async fn a_turn_of_many_messages_is_whole(history: &impl ChatHistory) -> Checked {
    let driver = SessionDriver::new(history)?;
    let mut messages = vec![Message::human("Compare the weather of a hundred cities.")];
    for city in 0..100 {
        let call = ToolCall::new("weather", json!({"city": city})).with_id(format!("call-{city}"));
        messages.push(Message::ai("").with_tool_calls([call]));
        messages.push(Message::tool("rain", format!("call-{city}")));
    }
    messages.push(Message::ai("It rains everywhere."));
    let (long, short) = (Turn::new(messages), exchange(1));
    driver.append(&long).await?;
    driver.append(&short).await?;
    driver.holds(&[&long, &short]).await
}

pub(super) async fn a_large_message_comes_back_or_is_refused(
    history: &impl ChatHistory,
) -> Checked {
    // Packets, documents and columns of servers have limits of 4 and 16 MB.
    for megabytes in [3, 5, 17] {
        let driver = SessionDriver::new(history)?;
        let mut text = "0123456789 caf\u{e9}\n".repeat(megabytes * 200_000 / 3);
        text.push_str(CANARY);
        let large = Turn::exchange(text.as_str(), "That is long.");
        // A chain asks before it pays for an answer.
        let messages: Vec<Message> = large.messages().iter().cloned().collect();
        let checked = history.check(&driver.session, &messages);
        match driver.append(&large).await {
            Ok(_) => {
                let is_ok = checked.is_ok();
                ensure!(is_ok, "it was checked to be refused, and is stored: {checked:?}");
                driver.holds(&[&large]).await?;
            }
            Err(error @ HistoryError::TooLarge { .. }) => {
                withholds(&error)?;
                let is_refused = matches!(checked, Err(HistoryError::TooLarge { .. }));
                ensure!(is_refused, "it is refused, and was checked to be stored: {checked:?}");
                driver.holds(&[]).await?;
            }
            Err(error) => ensure!(false, "a message of {megabytes} MB: {error}"),
        }
        let small = exchange(1);
        driver.append(&small).await?;
        let last = driver.all().await?.messages.last_n(2);
        ensure!(last == *small.messages(), "the turn after a large one was not found");
    }
    Ok(())
}
