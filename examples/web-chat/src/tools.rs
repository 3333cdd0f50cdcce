//! Tools that a chat model may call.

use std::{sync::Arc, time::SystemTime};

use chat::failure::Failure;
use conversant_core::{ChatHistory, LanguageModel, ToolError};
use conversant_tools::{FnTool, ToolLoop};
use serde_json::json;

use crate::session_list;

/// The names of the tools.
pub const NAMES: [&str; 2] = ["current_time", "find_conversations"];

/// Returns a chat model that calls the tools. A completion model calls none.
pub fn with_tools(
    model: LanguageModel,
    history: Arc<dyn ChatHistory>,
) -> Result<LanguageModel, Failure> {
    let LanguageModel::Chat(model) = model else {
        return Err(Failure::Usage(
            "cannot use tools: a completion model calls none; leave out --tools, or --completion"
                .to_owned(),
        ));
    };
    let [time, find] = NAMES;
    let nothing = json!({"type": "object", "properties": {}});
    let time = FnTool::new(time, "The current date and time, in UTC.", nothing, |_| async {
        Ok(httpdate::fmt_http_date(SystemTime::now()).into())
    });
    let words = json!({
        "type": "object",
        "properties": {"words": {"type": "string", "description": "Words of the conversation."}},
        "required": ["words"],
    });
    let about = "Titles of earlier conversations that have these words.";
    let find = FnTool::new(find, about, words, move |arguments| {
        let history = Arc::clone(&history);
        async move {
            let words = arguments.get("words").and_then(|words| words.as_str()).unwrap_or_default();
            let found = session_list::page(&*history, words, None).await;
            let found = found.map_err(|error| {
                ToolError::failed("cannot search the conversations", Some(error.into()))
            })?;
            let titles = found.sessions.iter().map(|session| session.title.as_str());
            Ok(titles.collect::<Vec<_>>().join("\n").into())
        }
    });
    let tools = ToolLoop::builder(model).tool(time).tool(find).build();
    Ok(LanguageModel::chat(tools.map_err(Failure::other)?))
}
