//! The page for people who do not see it, or use no mouse.

use conversant_harness::Tested;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use thirtyfour::{Key, TypingData};

use crate::{
    browser::{Browser, axe},
    pictures::fill,
    support::Running,
};

pub(crate) async fn the_page_is_accessible() -> Tested {
    let axe = axe()?;
    let browser = Browser::start().await?;
    let gate = Gate::new();
    let held = ScriptedReply::pieces(["Being ", "written"]).held_after(1, &gate);
    let chat = Running::start(ScriptedChat::new(["Again.".into(), held])).await;
    let session = fill(&*chat.history).await;
    browser.open(&chat.url()).await;
    browser.shows("#sessions", "A name for a cat").await;
    browser.load(&axe).await;
    browser.passes_axe("a new conversation").await;
    browser.open(&format!("{}#{session}", chat.url())).await;
    browser.reload().await;
    browser.shows(".answer", "Three things").await;
    browser.click(".turn:last-child [aria-label='Take back this turn']").await;
    browser.shows("#taken-back", "taken back").await;
    browser.load(&axe).await;
    browser.passes_axe("turns that were taken back").await;
    browser.click("#restore").await;
    browser.shows(".turn:last-child .answer", "Three things").await;
    browser.click(".turn:last-child [aria-label='Answer again']").await;
    browser.shows(".alternatives", "2/2").await;
    browser.click("[aria-label='Edit the message']").await;
    browser.shows("#editing", "").await;
    browser.passes_axe("alternatives and editing").await;
    browser.click("#cancel-editing").await;
    browser.ask("More.").await;
    browser.shows(".live .answer", "Being").await;
    for theme in ["light", "dark"] {
        browser.until(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
        for width in [1180, 768, 360] {
            browser.resize(width, 720).await;
            browser.passes_axe(&format!("{theme} at {width} pixels")).await;
        }
    }
    browser.click("#open-sidebar").await;
    browser.shows("#sessions", "A name for a cat").await;
    browser.passes_axe("the list on a narrow screen").await;
    browser.press(Key::Escape).await;
    browser.click("#rename").await;
    browser.passes_axe("a dialog").await;
    gate.open();
    browser.end().await;
    Ok(())
}

pub(crate) async fn all_is_done_with_the_keyboard() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["One.", "Two."])).await;
    browser.open(&chat.url()).await;
    // The message has the focus when the page opens.
    browser.until("document.activeElement.id === 'message'").await;
    browser.press(TypingData::from("First") + Key::Enter).await;
    browser.shows(".turn:not(.live) .answer", "One.").await;
    // Up brings back the last message.
    browser.press(Key::Up).await;
    browser.until("document.getElementById('message').value === 'First'").await;
    browser.press(Key::Escape).await;
    browser.until("document.getElementById('message').value === ''").await;
    // The list, by a shortcut, the arrows and Enter.
    browser.press(Key::Control + "k").await;
    browser.until("document.activeElement.id === 'search'").await;
    browser.press(Key::Control + (Key::Shift + "o")).await;
    browser.until("document.activeElement.id === 'message'").await;
    browser.press(TypingData::from("Second") + Key::Enter).await;
    browser.shows(".turn:not(.live) .answer", "Two.").await;
    browser.until("document.querySelectorAll('#sessions a').length === 2").await;
    browser.until("document.querySelector('#sessions a').focus() === undefined").await;
    browser.press(Key::Down).await;
    browser.press(Key::Enter).await;
    browser.shows(".answer", "One.").await;
    browser.until("document.activeElement.id === 'message'").await;
    // Where the focus is can be seen.
    browser.press(Key::Shift + Key::Tab).await;
    browser.until("document.activeElement.matches('button:focus-visible')").await;
    browser.end().await;
    Ok(())
}
