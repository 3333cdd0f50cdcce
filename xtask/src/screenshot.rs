//! The README's picture of the chat in the browser. Its test makes the picture, and another test
//! fails if the page has changed since.

use crate::{verdict::Verdict, workspace};

/// The picture.
const FILE: &str = "examples/web-chat/screenshot.png";

/// Makes the picture anew.
pub(crate) fn run() -> Verdict {
    let mut test = workspace::command("cargo");
    test.args(["test", "--package", "web-chat", "--all-features", "--test", "it", "pictures"]);
    test.env("CONVERSANT_SCREENSHOT", workspace::root().join(FILE));
    test.env("CONVERSANT_REQUIRE_BROWSER", "1");
    let is_made = test.status()?.success();
    if is_made {
        println!("screenshot: look at {FILE}");
    }
    Ok(is_made)
}
