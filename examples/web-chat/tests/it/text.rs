//! Texts of models and people on the page: hostile ones, and Markdown.

use conversant_core::{ChatHistory, Expect, SessionId, Turn};
use conversant_harness::Tested;
use conversant_testkit::ScriptedChat;

use crate::{browser::Browser, support::Running};

/// A text that would take the page over. None of it runs, and all of it is seen.
const HOSTILE: &str = "<script>window.taken = true</script>\n\n\
    <img src=x onerror=\"window.taken = true\">\n\n\
    [a link](javascript:window.taken=true) and [another](data:text/html,hi), \
    [a third](JaVaScRiPt:window.taken=true), <a href=\"javascript:window.taken=true\">fourth</a>, \
    [\"onmouseover=\"window.taken=true](https://example.com/\"onmouseover=\"x)\n\n\
    `<b>code</b>` and **<i>bold</i>** &lt;entity&gt;\n\n\
    ```html\n<script>window.taken = true</script>\n```\n\n\
    ```\nif access != \"user\u{202e} \u{2066}// Check if admin\u{2069} \u{2066}\" {\n```\n\n\
    \u{202e}turned round";

pub(crate) async fn hostile_text_is_text() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new([HOSTILE])).await;
    let hostile = SessionId::new("<img src=x onerror=window.taken=true>").unwrap();
    let turn = Turn::exchange(HOSTILE, HOSTILE);
    chat.history.append(&hostile, &turn, Expect::Any).await.unwrap();
    browser.open(&chat.url()).await;
    browser.ask("<script>window.taken = true</script>").await;
    browser.shows(".turn:not(.live) .answer", "turned round").await;
    browser.shows(".answer", "<script>window.taken = true</script>").await;
    browser.shows(".answer", "<img src=x onerror=").await;
    browser.shows(".answer code", "<b>code</b>").await;
    browser.shows(".answer strong", "<i>bold</i>").await;
    browser.shows(".answer", "&lt;entity&gt;").await;
    // What changes the direction of code is seen.
    assert_eq!(browser.texts(".code .direction").await, ["U+202E", "U+2066", "U+2069", "U+2066"]);
    browser.click("#sessions li:last-child a").await;
    browser.shows(".turn .question", "turned round").await;
    let made = "document.querySelectorAll('main script, main img, main i, main [onmouseover], \
                main [onerror], aside img').length";
    assert_eq!(browser.value(made).await, 0);
    let links = "[...document.querySelectorAll('main a')].map((a) => a.protocol)";
    let links: Vec<String> = serde_json::from_value(browser.value(links).await).unwrap();
    assert!(links.iter().all(|protocol| protocol == "https:"), "{links:?}");
    assert_eq!(browser.value("typeof window.taken").await, "undefined");
    // Even a fault of the page's own could not make text into code.
    let policy = "(() => { try { document.body.innerHTML = '<b></b>'; return 'set'; } \
                  catch (error) { return error.name; } })()";
    assert_eq!(browser.value(policy).await, "TypeError");
    browser.end().await;
    Ok(())
}

/// A text whose pieces are too many for the arguments of a function would hide the conversation,
/// and so would a text for which the page takes too long.
pub(crate) async fn long_texts_are_shown_like_short_ones() -> Tested {
    let browser = Browser::start().await?;
    let chat = Running::start(ScriptedChat::new(["Hi!"])).await;
    let session = SessionId::new("long").unwrap();
    let code = "let a = 1;\n".repeat(14_000);
    let blanks = " ".repeat(1_000_000);
    for text in [
        "First.".to_owned(),
        format!("```rust\n{code}\u{202e}\n```"),
        "**a ".repeat(10_000),
        format!("~~~{blanks}`\n~~~\n\n```{blanks}`"),
    ] {
        let turn = Turn::exchange("Go on.", format!("{text}\n\nThe end."));
        chat.history.append(&session, &turn, Expect::Any).await.unwrap();
    }
    browser.open(&chat.url()).await;
    browser.shows("#sessions li:last-child", "Go on.").await;
    browser.click("#sessions li:last-child a").await;
    browser.shows(".turn:last-child .answer", "The end.").await;
    assert_eq!(browser.value("document.querySelectorAll('.turn').length").await, 4);
    assert_eq!(browser.texts(".code .direction").await, ["U+202E"]);
    browser.end().await;
    Ok(())
}

pub(crate) async fn markdown_is_shown_as_elements() -> Tested {
    let browser = Browser::start().await?;
    let text = include_str!("../data/markdown.md");
    let chat = Running::start(ScriptedChat::new([text])).await;
    browser.open(&chat.url()).await;
    browser.ask("All of it.").await;
    browser.shows(".turn:not(.live) .answer", "The end.").await;
    let outline = "(() => { const of = (node) => node.nodeType === 3 ? node.data : \
        node.localName === 'button' ? '' : \
        `<${node.localName}${node.href ? ' ' + node.href : ''}>${[...node.childNodes].map(of).join('')}</>`; \
        return [...document.querySelector('.answer .text').children].map(of).join('\\n'); })()";
    let outline = browser.value(outline).await;
    insta::assert_snapshot!(outline.as_str().unwrap());
    browser.end().await;
    Ok(())
}
