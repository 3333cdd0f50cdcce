//! The page in a browser.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Expect, LanguageModel, Message, Reply, SessionId, ToolCall, Turn, TurnId,
};
use conversant_harness::Tested;
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, ScriptedChat, ScriptedReply,
};
use futures_util::future::try_join_all;
use serde_json::json;
use thirtyfour::{Key, TypingData};

use crate::{
    browser::Browser,
    dictated::Dictated,
    support::{BrokenLine, Running, Settings},
};

pub(crate) async fn two_turns_are_there_after_a_reload() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Hello, **Ada**!", "Your name is Ada."])).await;
    browser.open(&chat.url()).await;
    browser.shows("#welcome", "What is on your mind?").await;
    browser.ask("My name is Ada.").await;
    browser.shows(".turn:nth-child(1):not(.live) .answer strong", "Ada").await;
    browser.shows("#title", "My name is Ada.").await;
    browser.ask("What is my name?").await;
    browser.shows(".turn:nth-child(2) .answer", "Your name is Ada.").await;
    browser.shows("#sessions a[aria-current]", "My name is Ada.").await;
    browser.reload().await;
    browser.shows(".turn:nth-child(2) .answer", "Your name is Ada.").await;
    assert_eq!(browser.texts(".question").await, ["My name is Ada.", "What is my name?"]);
    assert_eq!(browser.value("document.title").await, "My name is Ada. · conversant");
    browser.end().await;
    Ok(())
}

pub(crate) async fn an_answer_that_is_stopped_keeps_its_part() -> Tested {
    let browser = Browser::start().await?;
    let gate = Gate::new();
    let story = ScriptedReply::pieces(["Once upon ", "a time"]).held_after(1, &gate);
    let nothing = ScriptedReply::hang();
    let chat = Running::start(ScriptedChat::new([story, "Another.".into(), nothing])).await;
    browser.open(&chat.url()).await;
    browser.ask("A story.").await;
    browser.shows(".live .answer", "Once upon").await;
    browser.press(Key::Escape).await;
    browser.shows(".turn .facts", "not complete").await;
    browser.shows("#send", "").await;
    browser.reload().await;
    browser.shows(".turn .facts", "not complete").await;
    assert_eq!(browser.texts(".answer").await, ["Once upon"]);
    // It can be answered again, and the part stays as an alternative.
    browser.click("[aria-label='Answer again']").await;
    browser.shows(".answer", "Another.").await;
    browser.shows(".alternatives", "2/2").await;
    // Stopped before anything has come, the question is back where it was typed.
    browser.ask("Hello?").await;
    browser.shows(".thinking", "Thinking").await;
    browser.click("#stop").await;
    browser.until("document.getElementById('message').value === 'Hello?'").await;
    assert_eq!(browser.texts(".question").await, ["A story."]);
    browser.end().await;
    Ok(())
}

pub(crate) async fn what_is_typed_is_kept() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Fine."])).await;
    browser.open(&chat.url()).await;
    let lines = TypingData::from("One") + Key::Shift + Key::Enter + Key::Null + "two";
    browser.type_in("#message", lines).await;
    browser.reload().await;
    browser.until("document.getElementById('message').value === 'One\\ntwo'").await;
    // Also while another conversation is open.
    browser.click("#new").await;
    browser.until("document.getElementById('message').value === ''").await;
    browser.until("history.back() === undefined").await;
    browser.until("document.getElementById('message').value === 'One\\ntwo'").await;
    browser.press(Key::Enter).await;
    browser.shows(".answer", "Fine.").await;
    assert_eq!(browser.value("document.getElementById('message').value").await, "");
    browser.end().await;
    Ok(())
}

pub(crate) async fn two_windows_show_the_same() -> Tested {
    let browser = Browser::start().await?;
    let model = Dictated::default();
    let mut answer = model.answer();
    let chat = Running::start(LanguageModel::chat(model)).await;
    let url = format!("{}#both", chat.url());
    browser.open(&url).await;
    let first = browser.window().await;
    let second = browser.open_window(&url).await;
    browser.shows("#welcome", "").await;
    browser.go_to(&first).await;
    browser.ask("Say it to both.").await;
    answer.say("To ");
    for window in [&first, &second] {
        browser.go_to(window).await;
        browser.shows(".question", "Say it to both.").await;
        browser.shows(".live .answer", "To").await;
    }
    answer.say("both.");
    answer.end();
    for window in [&first, &second] {
        browser.go_to(window).await;
        browser.shows(".turn:not(.live) .answer", "To both.").await;
    }
    // What one takes back is gone in the other, and can be restored there.
    browser.click("[aria-label='Take back this turn']").await;
    browser.go_to(&first).await;
    browser.shows("#taken-back", "taken back").await;
    browser.click("#restore").await;
    browser.go_to(&second).await;
    browser.shows(".answer", "To both.").await;
    browser.end().await;
    Ok(())
}

/// Connections end all the time, and the page shows each piece once.
pub(crate) async fn a_lost_connection_is_taken_up_where_it_was() -> Tested {
    let browser = Browser::start().await?;
    let model = Dictated::default();
    let mut answer = model.answer();
    let line = BrokenLine::default();
    let settings = Settings { line: Some(line.clone()), ..Settings::default() };
    let chat = Running::with(LanguageModel::chat(model), settings).await;
    browser.open(&chat.url()).await;
    browser.ask("Count to five.").await;
    let mut said = String::new();
    for number in 1..=5 {
        answer.say(&format!("{number} "));
        said.push_str(&format!("{number} "));
        browser.shows(".live .answer", said.trim()).await;
        line.break_off();
    }
    answer.end();
    browser.shows(".turn:not(.live) .answer", "1 2 3 4 5").await;
    assert_eq!(browser.texts(".answer").await, ["1 2 3 4 5"]);
    // One that was there from the beginning, and one after each break.
    assert!(line.streams() > 5, "{}", line.streams());
    browser.end().await;
    Ok(())
}

pub(crate) async fn a_question_waits_for_the_service() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Hi."])).await;
    browser.open(&chat.url()).await;
    browser.ask("Hello.").await;
    browser.shows(".answer", "Hi.").await;
    let (address, folder) = (chat.address, chat.stopped().await);
    browser.shows("#notice", "The connection is lost").await;
    browser.ask("Are you there?").await;
    browser.shows(".turn .error", "cannot be reached").await;
    let settings = Settings { port: address.port(), ..Settings::default() };
    let model = ScriptedChat::new(["I am."]);
    let chat = Running::again(folder, model.clone(), settings).await;
    browser.shows(".turn:nth-child(2) .answer", "I am.").await;
    browser.hides(".turn .error").await;
    assert_eq!((model.requests().len(), chat.address), (1, address));
    browser.end().await;
    Ok(())
}

pub(crate) async fn a_model_that_fails_is_asked_again() -> Tested {
    let browser = Browser::start().await?;
    let refused = conversant_core::ModelError::custom("the model is out", false, None);
    let nothing = ScriptedReply::pieces([""; 0]).then_error(refused);
    let chat = Running::start(ScriptedChat::new([nothing, "Here.".into()])).await;
    browser.open(&chat.url()).await;
    browser.ask("Hello?").await;
    browser.shows(".turn .error", "the model is out").await;
    // The question outlives the page.
    browser.reload().await;
    browser.shows(".turn .error", "no answer yet").await;
    browser.click(".turn .error button").await;
    browser.shows(".answer", "Here.").await;
    browser.reload().await;
    browser.shows(".answer", "Here.").await;
    browser.hides(".turn .error").await;
    browser.end().await;
    Ok(())
}

pub(crate) async fn an_answer_that_is_not_saved_is_shown_and_saved_again() -> Tested {
    let browser = Browser::start().await?;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
    let full = || conversant_core::HistoryError::Full { source: "no space left".into() };
    let store = FailingHistory::new(store).always(HistoryCall::Append, FailureMode::fail(full));
    let store = Arc::new(store);
    let model = ScriptedChat::new(["Paid for."]);
    let chat = Running::over(folder, Arc::clone(&store) as _, model, Settings::default()).await;
    browser.open(&chat.url()).await;
    browser.ask("Hello?").await;
    browser.shows(".turn .error", "the store is full").await;
    browser.shows(".answer", "Paid for.").await;
    browser.reload().await;
    browser.shows(".answer", "Paid for.").await;
    store.clear_failures();
    browser.click(".turn .error button").await;
    browser.shows(".facts", "").await;
    browser.hides(".turn .error").await;
    browser.reload().await;
    browser.shows(".answer", "Paid for.").await;
    browser.hides(".turn .error").await;
    browser.end().await;
    Ok(())
}

pub(crate) async fn questions_are_edited_and_branches_chosen() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["A.", "B.", "Other A."])).await;
    browser.open(&chat.url()).await;
    for (question, answer) in [("First", "A."), ("Second", "B.")] {
        browser.ask(question).await;
        browser.shows(".turn:not(.live) .answer", answer).await;
    }
    browser.type_in("#message", "A draft").await;
    browser.click(".turn:nth-child(1) [aria-label='Edit the message']").await;
    browser.shows("#editing", "the earlier one's place").await;
    // Also after a reload, it is an edit, and the draft is set aside.
    browser.reload().await;
    browser.until("document.getElementById('message').value === 'First'").await;
    browser.type_in("#message", " again").await;
    browser.press(Key::Enter).await;
    browser.shows(".answer", "Other A.").await;
    browser.until("document.getElementById('message').value === 'A draft'").await;
    assert_eq!(browser.texts(".question").await, ["First again"]);
    browser.shows(".alternatives", "2/2").await;
    browser.click("[aria-label='Show the previous alternative']").await;
    browser.shows(".turn:nth-child(2) .answer", "B.").await;
    assert_eq!(browser.texts(".question").await, ["First", "Second"]);
    browser.click("[aria-label='Show the next alternative']").await;
    browser.shows(".answer", "Other A.").await;
    assert_eq!(browser.texts(".question").await, ["First again"]);
    browser.end().await;
    Ok(())
}

pub(crate) async fn tools_and_reasoning_are_shown_where_they_happen() -> Tested {
    let browser = Browser::start().await?;
    let call = ToolCall::new("current_time", json!({})).with_id("call_1");
    let asks = Reply::new(Message::ai("").with_tool_calls([call]));
    let chat = Running::with(
        ScriptedChat::new([ScriptedReply::from(asks), "It is late.".into()]),
        Settings { has_tools: true, ..Settings::default() },
    )
    .await;
    browser.open(&chat.url()).await;
    browser.shows("#about", "scripted, with tools").await;
    browser.ask("What time is it?").await;
    browser.shows(".turn:not(.live) .answer", "It is late.").await;
    browser.shows("details.call summary", "Tool current_time").await;
    browser.click("details.call summary").await;
    browser.shows("details.call", "GMT").await;
    browser.end().await;

    let browser = Browser::start().await?;
    let model = Dictated::default();
    let mut answer = model.answer();
    let chat = Running::start(LanguageModel::chat(model)).await;
    browser.open(&chat.url()).await;
    browser.ask("Why?").await;
    answer.think("Let me think.");
    browser.shows(".live details.reasoning summary", "Reasoning").await;
    // It is folded.
    browser.hides("details.reasoning > div").await;
    answer.say("Because.");
    browser.shows(".live .answer", "Because.").await;
    browser.click("details.reasoning summary").await;
    browser.shows("details.reasoning > div", "Let me think.").await;
    answer.end();
    browser.end().await;
    Ok(())
}

pub(crate) async fn two_hundred_conversations_are_listed_and_searched() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new([ScriptedReply::text("")])).await;
    for number in 0..200 {
        let session = SessionId::new(format!("session {number}/ü?#")).unwrap();
        let turn = Turn::exchange(format!("Question {number}."), format!("Answer {number}."));
        chat.history.append(&session, &turn, Expect::Any).await.unwrap();
    }
    browser.open(&chat.url()).await;
    // The one that was used last is the first.
    browser.shows("#sessions li:first-child", "Question 199.").await;
    let last = "document.querySelector('#sessions li:last-child a')";
    browser
        .until(&format!(
            "{last}?.scrollIntoView(), document.querySelectorAll('#sessions li').length === 200"
        ))
        .await;
    browser.type_in("#search", "Question 42").await;
    browser.until("document.querySelectorAll('#sessions li').length === 1").await;
    browser.click("#sessions a").await;
    browser.shows(".answer", "Answer 42.").await;
    browser.type_in("#search", " nowhere").await;
    browser.shows("#no-sessions", "No conversation has these words.").await;
    browser.type_in("#search", Key::Escape + "").await;
    browser.shows("#sessions li:first-child", "Question 199.").await;

    browser.click("#rename").await;
    browser.type_in("#new-title", TypingData::from("The answer") + Key::Enter).await;
    browser.shows("#title", "The answer").await;
    browser.type_in("#search", "the ans").await;
    browser.shows("#sessions a[aria-current]", "The answer").await;
    browser.until("document.querySelectorAll('#sessions li').length === 1").await;
    browser.click("#delete").await;
    browser.click("#delete-dialog [value=ok]").await;
    browser.shows("#notice", "was deleted").await;
    browser.shows("#no-sessions", "No conversation has these words.").await;
    browser.end().await;
    Ok(())
}

pub(crate) async fn a_conversation_of_ten_thousand_turns_opens_at_its_end() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Yes."])).await;
    let session = SessionId::new("long").unwrap();
    let turns = (0..10_000).map(|number| {
        Turn::exchange(format!("Question {number}."), format!("Answer {number}, in a few words."))
    });
    let turns: Vec<_> = turns.collect();
    // At the same time, in their order: the store commits them together.
    for turns in turns.chunks(500) {
        let append = turns.iter().map(|turn| chat.history.append(&session, turn, Expect::Any));
        try_join_all(append).await.unwrap();
    }
    browser.open(&format!("{}#long", chat.url())).await;
    browser.shows(".turn:last-child .answer", "Answer 9999").await;
    let is_seen = "document.querySelector('.turn:last-child').getBoundingClientRect().bottom \
                   <= innerHeight";
    browser.until(is_seen).await;
    assert_eq!(browser.value("document.querySelectorAll('.turn').length").await, 50);
    // Earlier turns come as they are scrolled to, and what is read stays where it is.
    for count in [100, 150] {
        browser.until("document.getElementById('scroller').scrollTop = 400").await;
        browser.until(&format!("document.querySelectorAll('.turn').length >= {count}")).await;
        browser.until("document.getElementById('scroller').scrollTop > 400").await;
    }
    let questions = browser.texts(".question").await;
    let expected: Vec<_> =
        (10_000 - questions.len()..10_000).map(|number| format!("Question {number}.")).collect();
    assert_eq!(questions, expected);
    browser.ask("Is this the end?").await;
    browser.shows(".turn:last-child .answer", "Yes.").await;
    browser.until(is_seen).await;
    browser.end().await;
    Ok(())
}

/// The ids of turns begin with their times, which the page makes itself.
pub(crate) async fn a_turn_has_its_time() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Now."])).await;
    let before = TurnId::random();
    browser.open(&format!("{}#time", chat.url())).await;
    browser.ask("When?").await;
    browser.shows(".turn:not(.live) .answer", "Now.").await;
    let session = SessionId::new("time").unwrap();
    let turns = chat.history.turns(&session, conversant_core::Range::All).await.unwrap();
    let id = turns[0].id();
    assert!(
        before.created_at() <= id.created_at() && id.created_at() <= TurnId::random().created_at()
    );
    browser.end().await;
    Ok(())
}

pub(crate) async fn texts_are_copied_as_they_were_written() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Use **this**:\n\n```sh\nls -l\n```"])).await;
    browser.open(&chat.url()).await;
    browser.ask("How do I *list*?").await;
    browser.shows(".turn:not(.live) .answer pre", "ls -l").await;
    // Without a screen there is no clipboard to look at.
    let clipboard = "Object.defineProperty(navigator, 'clipboard', \
                     { value: { writeText: async (text) => { window.copied = text; } } }) && true";
    browser.until(clipboard).await;
    for (button, text) in [
        ("Copy the message", "How do I *list*?"),
        ("Copy the answer", "Use **this**:\n\n```sh\nls -l\n```"),
        ("Copy the code", "ls -l"),
    ] {
        browser.click(&format!("[aria-label='{button}']")).await;
        browser.until(&format!("window.copied === {}", json!(text))).await;
        browser.shows(&format!("[aria-label='{button}'], [aria-label='Copied']"), "").await;
    }
    browser.end().await;
    Ok(())
}

/// Another window deletes the conversation, and another program adds to it.
pub(crate) async fn what_others_do_is_shown() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["One.", "Three."])).await;
    let url = format!("{}#shared", chat.url());
    browser.open(&url).await;
    browser.ask("First").await;
    browser.shows(".turn:not(.live) .answer", "One.").await;
    let session = SessionId::new("shared").unwrap();
    let turn = Turn::exchange("Second", "Two.");
    chat.history.append(&session, &turn, Expect::Any).await.unwrap();
    browser.ask("Third").await;
    browser.shows(".turn:not(.live) .answer", "Three.").await;
    browser.shows(".turn:nth-child(2) .answer", "Two.").await;
    assert_eq!(browser.texts(".question").await, ["First", "Second", "Third"]);

    let first = browser.window().await;
    browser.open_window(&url).await;
    browser.shows(".turn:nth-child(3) .answer", "Three.").await;
    browser.click("#delete").await;
    browser.click("#delete-dialog [value=ok]").await;
    browser.go_to(&first).await;
    browser.shows("#notice", "was deleted").await;
    browser.shows("#welcome", "").await;
    browser.shows("#no-sessions", "No conversations yet.").await;
    browser.end().await;
    Ok(())
}

pub(crate) async fn the_theme_is_kept() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new([ScriptedReply::text("")])).await;
    browser.open(&chat.url()).await;
    let theme = "document.documentElement.dataset.theme";
    let before = browser.until(theme).await;
    browser.click("#theme").await;
    browser.until(&format!("{theme} !== {before}")).await;
    browser.reload().await;
    browser.until(&format!("{theme} !== {before}")).await;
    browser.end().await;
    Ok(())
}
