//! A loop of two tools with a real llama.cpp server, which `CONVERSANT_LLAMA_URL` names. Without
//! it, the test is ignored.
//!
//! Start the server with a template that has tool calls, such as that of Qwen 2.5. The examples in
//! the prompt make even a model of 135 million parameters call both tools.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, missing_docs)]

use std::sync::{Arc, Mutex};

use conversant_chains::LlmChain;
use conversant_core::{
    ChatHistory, LanguageModel, Message, Messages, Range, Role, SessionId, ToolCall, vars,
};
use conversant_harness::{Need, Tested};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_models::{OpenAiChat, OpenAiResponses};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_tools::{FnTool, ToolLoop};
use serde_json::{Value as Json, json};

/// The variable that names the server's base URL, such as `http://127.0.0.1:8080/v1`.
const URL: &str = "CONVERSANT_LLAMA_URL";

/// The tools with the results that they return for each city.
const TOOLS: [(&str, &str); 2] = [("get_weather", "sunny"), ("get_time", "10:15")];

/// Returns a conversation in which both tools are called. One answer is there, so that the model
/// gives one; more of them make a small model repeat results instead of calling tools.
fn examples() -> Messages {
    let mut messages = Messages::new();
    for (city, is_answered) in [("Rome", true), ("Oslo", false), ("Lima", false), ("Bern", false)] {
        messages.push(Message::human(format!("Weather and time in {city}?")));
        let call = |(name, _): (&str, &str)| {
            ToolCall::new(name, json!({"city": city})).with_id(format!("{name} {city}"))
        };
        messages.push(Message::ai("").with_tool_calls(TOOLS.map(call)));
        if !is_answered {
            continue;
        }
        for (name, result) in TOOLS {
            messages.push(Message::tool(result, format!("{name} {city}")).with_name(name));
        }
        messages.push(Message::ai(format!("It is sunny in {city}, and the time is 10:15.")));
    }
    messages
}

fn tool(name: &'static str, result: &'static str, cities: &Arc<Mutex<Vec<String>>>) -> FnTool {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    });
    let cities = Arc::clone(cities);
    FnTool::new(name, name, schema, move |arguments: Json| {
        let city = arguments["city"].as_str().unwrap_or_default();
        cities.lock().unwrap().push(format!("{name} {city}"));
        async move { Ok(result.into()) }
    })
}

async fn a_llama_server_drives_a_loop_of_two_tools() -> Tested {
    let url = Need::Optional.variable(URL, "a llama.cpp server")?;
    for (adapter, streams) in
        [("chat", false), ("chat", true), ("responses", false), ("responses", true)]
    {
        let cities = Arc::default();
        let [weather, time] = TOOLS.map(|(name, result)| tool(name, result, &cities));
        let tools = match adapter {
            "chat" => {
                let model = OpenAiChat::builder("m").base_url(&url).temperature(0.0);
                ToolLoop::builder(model.max_tokens(80).build().unwrap())
            }
            _ => {
                let model = OpenAiResponses::builder("m").base_url(&url).temperature(0.0);
                ToolLoop::builder(model.max_output_tokens(80).build().unwrap())
            }
        };
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("examples"),
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let (history, session) = (InMemoryHistory::new(), SessionId::new("s").unwrap());
        let memory = BufferMemory::new().with_history(history.clone(), session.clone());
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(LanguageModel::chat(tools.tool(weather).tool(time).build().unwrap()))
            .memory(memory.with_input_key("question").with_return_messages(true))
            .build()
            .unwrap();
        let question = "Weather and time in Paris?";
        let inputs = vars! { "examples" => examples(), "question" => question };
        let answer = if streams {
            let stream = chain.stream(inputs).await.unwrap();
            stream.into_outcome().await.unwrap().unwrap().text()
        } else {
            chain.predict(inputs).await.unwrap()
        };
        let called = cities.lock().unwrap().clone();
        let turns = history.turns(&session, Range::All).await.unwrap();
        eprintln!("{adapter}, streams: {streams}: {called:?}: {answer}");
        for (name, _) in TOOLS {
            assert!(called.contains(&format!("{name} Paris")), "{adapter}: {called:?}");
        }
        assert_eq!(turns.len(), 1);
        let messages = turns[0].messages();
        let results = messages.iter().filter(|message| *message.role() == Role::Tool);
        assert_eq!(results.count(), called.len());
        assert_eq!(messages.last().unwrap().text(), answer);
        assert!(!answer.is_empty());
    }
    Ok(())
}

conversant_harness::tests! {
    self { a_llama_server_drives_a_loop_of_two_tools }
}
