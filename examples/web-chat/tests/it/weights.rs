//! The page with real weights. This test is run by `cargo xtask ci --only weights`.

use conversant_harness::{Need, Tested};

use crate::{browser::Browser, program::start};

pub(crate) async fn a_model_on_this_machine_remembers_a_name() -> Tested {
    let file = Need::Optional.variable("CONVERSANT_MODEL_FILE", "the weights of SmolLM2-135M")?;
    let browser = Browser::start().await?;
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let arguments = ["--model-file", &file, "--db", db.to_str().unwrap(), "--max-tokens", "30"];
    let (_child, address) = start(&arguments).await;
    browser.open(&format!("http://{address}/")).await;
    browser.ask("My name is Ada.").await;
    browser.until("document.querySelectorAll('.turn:not(.live) .facts').length === 1").await;
    browser.ask("What is my name?").await;
    browser.shows(".turn:nth-child(2):not(.live) .answer", "Ada").await;
    browser.shows(".turn:nth-child(2) .facts", "tokens").await;
    browser.end().await;
    Ok(())
}
