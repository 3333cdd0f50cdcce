//! Data that models send with their answers goes back to them: through a tool loop, a chain and a
//! SQLite history, with a restart between the turns.

use std::path::Path;

use conversant_chains::LlmChain;
use conversant_core::{ChatHistory, ChatModel, LanguageModel, SessionId, vars};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_memory::BufferMemory;
use conversant_models::{Dialect, OpenAiChat, OpenAiResponses, SendBack};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use conversant_tools::{FnTool, ToolLoop};
use serde_json::{Value as Json, json};

/// A server's way with reasoning.
struct Case {
    name: &'static str,
    /// The message that calls the tool, or the output items.
    call: Json,
    /// The pieces in which a stream brings it.
    pieces: Vec<Json>,
    /// Pointers into the message as it goes back, and the values there.
    back: Json,
}

fn call() -> Json {
    json!({"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}})
}

fn with(mut call: Json, name: &str, value: Json) -> Json {
    call.as_object_mut().unwrap().insert(name.to_owned(), value);
    call
}

fn indexed(call: &Json) -> Json {
    with(call.clone(), "index", 0.into())
}

fn cases() -> Vec<Case> {
    let signature = json!({"google": {"thought_signature": "c2ln"}});
    let signed = with(call(), "extra_content", signature);
    let details = |text: &str, signature: Json| json!({"type": "reasoning.text", "index": 0, "text": text, "signature": signature});
    let thinking =
        |text: &str| json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]});
    vec![
        Case {
            name: "DeepSeek",
            call: json!({"content": "", "reasoning_content": "Ask.", "tool_calls": [call()]}),
            pieces: vec![
                json!({"content": null, "reasoning_content": "As"}),
                json!({"reasoning_content": "k."}),
                json!({"tool_calls": [indexed(&call())]}),
            ],
            back: json!({"/reasoning_content": "Ask."}),
        },
        Case {
            name: "vLLM",
            call: json!({"content": null, "reasoning": "Ask.", "tool_calls": [call()]}),
            pieces: vec![json!({"reasoning": "Ask."}), json!({"tool_calls": [indexed(&call())]})],
            back: json!({"/reasoning": "Ask.", "/reasoning_content": null}),
        },
        Case {
            name: "OpenRouter",
            call: json!({"content": null, "reasoning": "Ask.", "tool_calls": [call()],
                "reasoning_details": [details("Ask.", "sig".into())]}),
            pieces: vec![
                json!({"reasoning": "As", "reasoning_details": [details("As", Json::Null)]}),
                json!({"reasoning": "k.", "reasoning_details": [details("k.", "sig".into())]}),
                json!({"tool_calls": [indexed(&call())]}),
            ],
            back: json!({"/reasoning": "Ask.", "/reasoning_details/0/text": "Ask.",
                "/reasoning_details/0/signature": "sig", "/reasoning_details/1": null}),
        },
        Case {
            name: "Gemini",
            call: json!({"tool_calls": [signed]}),
            pieces: vec![json!({"tool_calls": [indexed(&signed)]})],
            back: json!({
                "/tool_calls/0/extra_content/google/thought_signature": "c2ln", "/content": null,
            }),
        },
        Case {
            name: "Mistral",
            call: json!({"content": [thinking("Ask.")], "tool_calls": [call()]}),
            pieces: vec![
                json!({"content": [thinking("As")]}),
                json!({"content": [thinking("k.")]}),
                json!({"tool_calls": [indexed(&call())]}),
            ],
            back: json!({"/content/0/thinking/0/text": "Ask.", "/content/1": null}),
        },
    ]
}

/// The form of the rows that a conversation is stored in.
#[derive(Debug, Clone, Copy)]
enum Rows {
    Own,
    LangChain,
}

/// The rows of a conversation, and how its model is called.
#[derive(Debug, Clone, Copy)]
struct Way {
    rows: Rows,
    streamed: bool,
}

/// All ways, each with a folder of its own.
fn ways() -> impl Iterator<Item = (Way, tempfile::TempDir)> {
    let rows = [Rows::Own, Rows::LangChain];
    let ways = rows.map(|rows| [false, true].map(|streamed| Way { rows, streamed }));
    ways.into_iter().flatten().map(|way| (way, tempfile::tempdir().unwrap()))
}

/// Runs a turn as a process would: everything is opened, used and closed.
async fn turn(db: &Path, model: impl ChatModel + 'static, question: &str, way: Way) -> String {
    let history: Box<dyn ChatHistory> = match way.rows {
        Rows::Own => Box::new(SqliteHistory::open(db).unwrap()),
        Rows::LangChain => Box::new(LangChainSqliteHistory::open(db).unwrap()),
    };
    let schema = json!({"type": "object", "properties": {}});
    let weather =
        FnTool::new("weather", "The weather.", schema, |_| async move { Ok("sunny".into()) });
    let prompt = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{question}"),
    ));
    let memory = BufferMemory::new()
        .with_history(history, SessionId::new("s").unwrap())
        .with_return_messages(true);
    let chain = LlmChain::builder()
        .prompt(prompt.unwrap())
        .model(LanguageModel::chat(ToolLoop::builder(model).tool(weather).build().unwrap()))
        .memory(memory)
        .build()
        .unwrap();
    let inputs = vars! { "question" => question };
    if !way.streamed {
        return chain.predict(inputs).await.unwrap();
    }
    let stream = chain.stream(inputs).await.unwrap();
    stream.into_outcome().await.unwrap().unwrap().into_text()
}

fn answer(case: &Case, streamed: bool) -> ServerAnswer {
    let choice = |name: &str, message: &Json, reason: Json| json!({"choices": [{"index": 0, name: message, "finish_reason": reason}]});
    if !streamed {
        return ServerAnswer::json(&choice("message", &case.call, "tool_calls".into()));
    }
    let mut events: Vec<_> =
        case.pieces.iter().map(|piece| choice("delta", piece, Json::Null).to_string()).collect();
    events.push(choice("delta", &json!({}), "tool_calls".into()).to_string());
    events.push("[DONE]".to_owned());
    ServerAnswer::events(events)
}

pub(crate) async fn reasoning_goes_back_after_a_restart() {
    for case in cases() {
        for (way, folder) in ways() {
            let db = folder.path().join("chat.db");
            let server = OpenAiServer::builder()
                .reply(answer(&case, way.streamed))
                .reply("It is sunny.")
                .reply("You asked for the weather.")
                .reply("elsewhere")
                .start()
                .unwrap();
            let model = || OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
            let said = turn(&db, model(), "How is it outside?", way).await;
            assert_eq!(said, "It is sunny.", "{}", case.name);
            turn(&db, model(), "What did I ask?", way).await;
            // In the loop, and in the next turn of another process.
            for request in [1, 2] {
                let sent = server.requests()[request].json()["messages"][1].clone();
                assert_eq!(sent["tool_calls"][0]["id"], "c1", "{} {way:?}: {sent}", case.name);
                for (pointer, value) in case.back.as_object().unwrap() {
                    let found = sent.pointer(pointer).cloned().unwrap_or_default();
                    assert_eq!(
                        &found, value,
                        "{} {way:?} {request}: {pointer} in {sent}",
                        case.name
                    );
                }
            }
            let elsewhere = OpenAiServer::start(["ok"]).unwrap();
            let model = OpenAiChat::builder("m").base_url(elsewhere.base_url()).build().unwrap();
            turn(&db, model, "And now?", way).await;
            let sent = elsewhere.requests()[0].json()["messages"][1].to_string();
            for mark in ["reason", "Ask.", "c2ln", "thinking", "signature"] {
                assert!(!sent.contains(mark), "{}: {sent}", case.name);
            }
        }
    }
}

pub(crate) async fn output_items_go_back_after_a_restart() {
    let output = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather",
            "arguments": "{}", "status": "completed"},
    ]);
    let response = json!({"status": "completed", "output": output});
    let events = [
        json!({"type": "response.output_item.done", "output_index": 0, "item": output[0]}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": output[1]}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": null}}),
    ];
    for (way, folder) in ways() {
        let db = folder.path().join("chat.db");
        let first = match way.streamed {
            true => ServerAnswer::events(events.iter().map(Json::to_string)),
            false => ServerAnswer::json(&response),
        };
        let server = OpenAiServer::builder()
            .reply(first)
            .reply("It is sunny.")
            .reply("You asked for the weather.")
            .start()
            .unwrap();
        let model = || OpenAiResponses::builder("m").base_url(server.base_url()).build().unwrap();
        assert_eq!(turn(&db, model(), "How is it?", way).await, "It is sunny.");
        turn(&db, model(), "What did I ask?", way).await;
        for request in [1, 2] {
            let sent = server.requests()[request].json()["input"].clone();
            assert_eq!(
                sent.as_array().unwrap().get(1..4).unwrap(),
                [
                    json!({"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}),
                    json!({"type": "function_call", "call_id": "c1", "name": "weather",
                        "arguments": "{}"}),
                    json!({"type": "function_call_output", "call_id": "c1", "output": "sunny"}),
                ]
            );
        }
        // Encrypted reasoning goes to no other endpoint, by neither interface.
        let elsewhere = OpenAiServer::start(["ok", "ok"]).unwrap();
        let model = OpenAiResponses::builder("m").base_url(elsewhere.base_url()).build().unwrap();
        turn(&db, model, "And now?", way).await;
        let model = OpenAiChat::builder("m").base_url(elsewhere.base_url()).build().unwrap();
        turn(&db, model, "And then?", way).await;
        for request in elsewhere.requests() {
            let sent = request.json().to_string();
            assert!(sent.contains("weather") && sent.contains("sunny"), "{way:?}: {sent}");
            assert!(!sent.contains("gAAA") && !sent.contains("reasoning"), "{way:?}: {sent}");
        }
    }
}

pub(crate) async fn tool_calls_of_another_model_get_empty_reasoning_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("chat.db");
    let first = OpenAiServer::builder()
        .reply(ServerAnswer::tool_call("c1", "weather", "{}"))
        .reply("It is sunny.")
        .start()
        .unwrap();
    let model = OpenAiChat::builder("m").base_url(first.base_url()).build().unwrap();
    let way = Way { rows: Rows::Own, streamed: false };
    turn(&db, model, "How is it?", way).await;
    let second = OpenAiServer::start(["ok"]).unwrap();
    let mut dialect = Dialect::default();
    dialect.reasoning = SendBack::EmptyOnToolCalls;
    let model = OpenAiChat::builder("m").base_url(second.base_url()).dialect(dialect).build();
    turn(&db, model.unwrap(), "What did I ask?", way).await;
    let messages = second.requests()[0].json()["messages"].clone();
    assert_eq!(messages[1]["reasoning_content"], "");
    assert_eq!(messages[3].get("reasoning_content"), None);
}
