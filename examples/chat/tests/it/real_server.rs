//! A real llama.cpp server, if there is one: both interfaces, whole and streamed, tools, reasoning
//! and embeddings.
//!
//! Each test needs a server that was started for it, with any small model:
//!
//! | variable, a base URL | server |
//! |---|---|
//! | `CONVERSANT_LLAMA_URL` | `llama-server -m MODEL` |
//! | `CONVERSANT_LLAMA_TOOLS_URL` | with `--jinja --chat-template-file Qwen-Qwen2.5-7B-Instruct.jinja` |
//! | `CONVERSANT_LLAMA_REASONING_URL` | with `--jinja --chat-template-file deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja` |
//! | `CONVERSANT_LLAMA_EMBEDDINGS_URL` | with `--embeddings --pooling mean` |
//!
//! A small model is brought to call tools and to reason by examples in the conversation.

use std::{io::Write, sync::Arc, time::Duration};

use conversant_chains::LlmChain;
use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, Embeddings, FinishReason,
    LanguageModel, Message, ModelError, Reply, ReplyStream, SessionId, vars,
};
use conversant_harness::{Missing, Need, Tested};
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::BufferMemory;
use conversant_models::{OpenAi, OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_tools::{FnTool, ToolLoop};
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(300);

/// Returns the URL in a variable.
fn server(variable: &str) -> Result<String, Missing> {
    Need::Optional.variable(variable, "a llama.cpp server")
}

fn note(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Returns a model of each interface.
fn models(url: &str, tokens: u32) -> [(&'static str, Arc<dyn ChatModel>); 2] {
    let chat = OpenAiChat::builder("smollm2").base_url(url).timeout(TIMEOUT).temperature(0.0);
    let responses =
        OpenAiResponses::builder("smollm2").base_url(url).timeout(TIMEOUT).temperature(0.0);
    [
        ("chat", Arc::new(chat.max_tokens(tokens).stream_usage(true).build().unwrap())),
        ("responses", Arc::new(responses.max_output_tokens(tokens).build().unwrap())),
    ]
}

/// Reads a stream, and checks that its pieces are the answer.
async fn read(mut stream: ReplyStream) -> Result<Reply, ModelError> {
    let (mut text, mut reasoning) = (String::new(), String::new());
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::Done(reply) => {
                assert_eq!(reply.text(), text);
                assert_eq!(reply.reasoning().unwrap_or_default(), reasoning);
                return Ok(*reply);
            }
            _ => {}
        }
    }
    panic!("the stream has no end");
}

async fn ask(
    model: &impl ChatModel,
    messages: Vec<Message>,
    streamed: bool,
) -> Result<Reply, ModelError> {
    let request = ChatRequest::new(messages);
    match streamed {
        true => read(model.stream(&request).await?).await,
        false => model.generate(&request).await,
    }
}

pub(crate) async fn text() -> Tested {
    let url = server("CONVERSANT_LLAMA_URL")?;
    for (name, model) in models(&url, 24) {
        let mut texts = Vec::new();
        for streamed in [false, true] {
            let question = vec![Message::human("What is the capital of France?")];
            let reply = ask(&model, question, streamed).await.unwrap();
            let usage = reply.usage.unwrap();
            assert!(usage.input_tokens > 0 && usage.output_tokens > 0, "{usage:?}");
            assert!(reply.finish_reason.is_some());
            note(&format!("{name} {streamed}: {:?} {usage:?}", reply.text()));
            texts.push(reply.text().into_owned());
        }
        assert!(!texts[0].is_empty() && texts[0] == texts[1], "{texts:?}");
    }
    let model = OpenAi::builder("smollm2").base_url(&url).timeout(TIMEOUT).temperature(0.0);
    let model = model.max_tokens(16).stop(["\n"]).build().unwrap();
    let request = CompletionRequest::new("The capital of France is");
    let whole = model.generate(&request).await.unwrap();
    let streamed = read(model.stream(&request).await.unwrap()).await.unwrap();
    assert_eq!(whole.text(), streamed.text());
    note(&format!("completion: {:?} {:?}", whole.text(), whole.usage));
    assert!(!model.models().await.unwrap().is_empty());
    Ok(())
}

/// Examples of calls, in the form in which the template writes them.
fn examples() -> Vec<Message> {
    let example = |city: &str| {
        let call = json!({"name": "get_weather", "arguments": {"city": city}});
        [
            Message::human(format!("Weather in {city}?")),
            Message::ai(format!("<tool_call>\n{call}\n</tool_call>")),
        ]
    };
    ["Rome", "Oslo", "Lima"].into_iter().flat_map(example).collect()
}

pub(crate) async fn a_tool_loop() -> Tested {
    let url = server("CONVERSANT_LLAMA_TOOLS_URL")?;
    for (name, model) in models(&url, 48) {
        for streamed in [false, true] {
            let schema = json!({"type": "object", "properties": {"city": {"type": "string"}},
                "required": ["city"]});
            let weather = FnTool::new("get_weather", "weather", schema, |_| async {
                Ok("18 degrees and sunny".into())
            });
            let model = ToolLoop::builder(Arc::clone(&model)).tool(weather).max_rounds(1);
            let mut messages = examples();
            messages.push(Message::human("Weather in Paris?"));
            let reply = ask(&model.build().unwrap(), messages, streamed).await.unwrap();
            let [call, result, ..] = &*Vec::from_iter(reply.intermediate.iter()) else {
                panic!("no call: {}", reply.message)
            };
            assert_eq!(call.tool_calls()[0].name, "get_weather");
            assert_eq!(call.tool_calls()[0].args, json!({"city": "Paris"}));
            assert_eq!(result.tool_call_id(), call.tool_calls()[0].id.as_deref());
            note(&format!(
                "{name} {streamed}: {} -> {:?}",
                call.tool_calls()[0].args,
                reply.text()
            ));
        }
    }
    Ok(())
}

pub(crate) async fn reasoning_over_two_turns_and_a_restart() -> Tested {
    let url = server("CONVERSANT_LLAMA_REASONING_URL")?;
    let question = "Finish each line like the first.\nTwo and two is four.</think>Four.\nOne and one \
                    is two.</think>Two.\nThree and one is";
    for (name, model) in models(&url, 16) {
        for streamed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut tokens = Vec::new();
            for _ in 0..2 {
                // As a process would: everything is opened, used and closed.
                let history = SqliteHistory::open(folder.path().join("chat.db")).unwrap();
                let memory = BufferMemory::new()
                    .with_history(history, SessionId::new("s").unwrap())
                    .with_return_messages(true);
                let prompt = ChatPromptTemplate::from_messages((
                    MessagesPlaceholder::new("history"),
                    MessageTemplate::human("{question}"),
                ));
                let chain = LlmChain::builder()
                    .prompt(prompt.unwrap())
                    .model(LanguageModel::chat(Arc::clone(&model)))
                    .memory(memory)
                    .build()
                    .unwrap();
                let inputs = vars! { "question" => question };
                let outcome = match streamed {
                    true => {
                        let stream = chain.stream(inputs).await.unwrap();
                        stream.into_outcome().await.unwrap().unwrap()
                    }
                    false => chain.invoke(inputs).await.unwrap(),
                };
                let reply = outcome.reply.unwrap();
                note(&format!(
                    "{name} {streamed}: {:?} after {:?}",
                    reply.text(),
                    reply.reasoning()
                ));
                assert!(reply.reasoning().is_some_and(|text| !text.trim().is_empty()));
                tokens.push(reply.usage.map_or(0, |usage| usage.input_tokens));
            }
            assert!(tokens[1] > tokens[0], "{tokens:?}");
        }
    }
    Ok(())
}

pub(crate) async fn a_limit_is_a_finish_reason() -> Tested {
    let url = server("CONVERSANT_LLAMA_URL")?;
    let [(_, chat), (_, responses)] = models(&url, 4);
    for streamed in [false, true] {
        let question = || vec![Message::human("Count to one hundred.")];
        let reply = ask(&chat, question(), streamed).await.unwrap();
        assert_eq!(reply.finish_reason, Some(FinishReason::Length));
        // llama.cpp says that a response is completed.
        ask(&responses, question(), streamed).await.unwrap();
        let long = || vec![Message::human("word ".repeat(20_000))];
        for model in [&chat, &responses] {
            let error = ask(model, long(), streamed).await.unwrap_err();
            assert!(error.is_context_length(), "{error:?}");
        }
    }
    Ok(())
}

pub(crate) async fn embeddings() -> Tested {
    let url = server("CONVERSANT_LLAMA_EMBEDDINGS_URL")?;
    let model =
        OpenAiEmbeddings::builder("smollm2").base_url(url).timeout(TIMEOUT).build().unwrap();
    let vectors = model.embed(&["Paris".to_owned(), "Rome".to_owned()]).await.unwrap();
    note(&format!("embeddings: {} of {}", vectors.len(), vectors[0].len()));
    assert!(vectors.len() == 2 && vectors[0] != vectors[1]);
    Ok(())
}
