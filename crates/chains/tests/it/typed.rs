//! Answers of Rust types: the schema goes to the server or into the prompt, and the type is
//! checked.

use std::sync::Arc;

use conversant_chains::{
    Chain, ChainError, Conversations, Correction, FallbackChain, FnRouter, LlmChain, ParallelChain,
    Route, RouterChain, SequentialChain, SimpleSequentialChain, TransformChain, WiringError,
    WithMemory,
};
use conversant_core::{
    FinishReason, LanguageModel, Message, ModelError, Reply, SessionId, ToolCall, Value, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory, SimpleMemory};
use conversant_models::{OpenAi, OpenAiChat, OpenAiResponses};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, PromptTemplate};
use conversant_testkit::{
    OpenAiServer, ScriptedChat, ScriptedCompletion, ScriptedReply, ServerAnswer, block_on,
};
use serde_json::json;

use crate::support::{Enforcing, TestHistory, chain, chat_prompt, memory};

/// A verdict.
#[derive(Debug, PartialEq, schemars::JsonSchema, serde::Deserialize)]
struct Verdict {
    /// Whether it is so.
    yes: bool,
    because: Option<String>,
}

fn verdict(yes: bool) -> Verdict {
    Verdict { yes, because: None }
}

fn stored(history: &TestHistory) -> String {
    block_on(history.transcript())
}

#[test]
fn the_schema_goes_to_the_server_or_into_the_prompt() {
    let script = || ScriptedChat::new([r#"{"yes": true, "because": null}"#]);
    let chat = |model: LanguageModel, template: &str| {
        let prompt = ChatPromptTemplate::from_messages((
            MessageTemplate::system("Be brief."),
            MessageTemplate::human(template),
        ));
        LlmChain::builder().prompt(prompt.unwrap()).model(model).build().unwrap()
    };
    let mut seen = Vec::new();
    for template in ["Is {n} prime?", "Is {n} prime? {format_instructions}"] {
        for enforces in [true, false] {
            let model = script();
            let language_model = match enforces {
                true => LanguageModel::chat(Enforcing(model.clone())),
                false => model.clone().into(),
            };
            let chain = chat(language_model, template);
            let answer = block_on(chain.predict_as::<Verdict>(vars! { "n" => 7 })).unwrap();
            assert_eq!(answer, verdict(true));
            let request = &model.requests()[0];
            let prompt = conversant_core::PromptValue::from(request.messages.clone());
            let format = serde_json::to_string(&request.options.response_format).unwrap();
            seen.push(format!(
                "# {template}, enforced: {enforces}\n{prompt:#}\nformat: {format}\n"
            ));
        }
    }
    let model = ScriptedCompletion::new([r#"{"yes": true, "because": null}"#]);
    let prompt = PromptTemplate::from_template("Is {n} prime?\nAnswer:").unwrap();
    let chain = LlmChain::builder().prompt(prompt).model(model.clone()).build().unwrap();
    assert_eq!(block_on(chain.predict_as::<Verdict>(vars! { "n" => 7 })).unwrap(), verdict(true));
    seen.push(format!("# completion\n{}\n", model.requests()[0].prompt));
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn an_answer_that_does_not_fit_names_the_field_and_no_word_of_the_answer() {
    #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
    #[allow(dead_code)]
    struct Shop {
        parts: Vec<Part>,
        prices: std::collections::BTreeMap<String, u32>,
    }
    #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Part {
        in_stock: u32,
    }
    let parser = conversant_chains::TypedParser::<Shop>::json();
    for (answer, place) in [
        (r#"{"parts": [{"inStock": 1}, {"inStock": "few"}]}"#, " at `parts[1].inStock`"),
        (r#"{"parts": [{"stock": 1}]}"#, " at `parts[0]`: missing field `inStock`"),
        (r#"{"parts": []}"#, ": missing field `prices`"),
        (r#"{"parts": [], "prices": {"secret": "high"}}"#, " at `prices.…`"),
        (r#"{"parts": {"secret": 1}, "prices": {}}"#, " at `parts`"),
        ("[7]", " at `[0]`"),
    ] {
        let error = parser.parse_as(answer).unwrap_err().to_string();
        let expected = format!("cannot parse the answer: it does not fit the type `Shop`{place}");
        assert_eq!(error, expected, "{answer}");
    }
}

#[test]
fn answers_of_a_type_are_kept_whole_or_not_at_all() {
    let cut_off = |text: &str| {
        ScriptedReply::from(Reply::new(Message::ai(text)).with_finish_reason(FinishReason::Length))
    };
    let refused = ModelError::Refused { text: "I would rather not.".into() };
    let rows: Vec<(&str, ScriptedReply)> = vec![
        ("bare", r#"{"yes": true}"#.into()),
        ("fenced", "Sure:\n```json\n{\"yes\": true}\n```\nBye.".into()),
        ("fenced without a language", "```\n{\"yes\": true}\n```".into()),
        ("in prose", "I think {\"yes\": true} is it.".into()),
        ("after reasoning", "<think>{\"yes\": false}?</think>{\"yes\": true}".into()),
        ("the first that fits", "{\"no\": 1} {\"yes\": true} {\"yes\": false}".into()),
        ("whole, at the token limit", cut_off(r#"{"yes": true}"#)),
        ("of another form", r#"{"yes": "perhaps"}"#.into()),
        ("a field is missing", r#"{"because": "of you"}"#.into()),
        ("without JSON", "Yes.".into()),
        ("empty", ScriptedReply::text(" ")),
        ("only reasoning", "<think>hm".into()),
        ("cut off", r#"{"yes": true, "because": "it"#.into()),
        ("cut off at the token limit", cut_off(r#"{"yes": true, "because": "it"#)),
        ("refused", refused.into()),
    ];
    let lines: Vec<String> = rows
        .into_iter()
        .map(|(name, reply)| {
            let (model, history) = (ScriptedChat::new([reply]), TestHistory::default());
            let chain = chain(&model, &history);
            let answer = block_on(chain.predict_as::<Verdict>(vars! { "human_input" => "?" }));
            let kept = stored(&history);
            assert_eq!(answer.is_ok(), !kept.is_empty(), "{name}");
            let said = match answer {
                Ok(answer) => {
                    assert_eq!(answer, verdict(true), "{name}");
                    format!("kept as {kept:?}")
                }
                Err(ChainError::Parse { source, answers, .. }) => {
                    assert_eq!(answers.len(), 1, "{name}");
                    format!("{source}; for the model: {}", source.fault())
                }
                Err(error) => format!("{error:?}"),
            };
            format!("{name}: {said}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_callable_chain_answers_in_a_type() {
    let script = || ScriptedChat::new([r#"{"yes": true}"#]);
    let inputs = || vars! { "human_input" => "?" };
    let history = TestHistory::default();
    block_on(async {
        let llm = LlmChain::builder().prompt(chat_prompt()).model(script()).build().unwrap();
        let with_memory = WithMemory::new(llm, memory(&history)).unwrap();
        assert_eq!(with_memory.predict_as::<Verdict>(inputs()).await.unwrap(), verdict(true));

        let in_memory = InMemoryHistory::new();
        let conversations = Conversations::new(move |session| {
            let memory = BufferMemory::new()
                .with_memory_key("chat_history")
                .with_return_messages(true)
                .with_history(in_memory.clone(), session.clone());
            LlmChain::builder().prompt(chat_prompt()).model(script()).memory(memory).build()
        })
        .unwrap();
        let ada = conversations.chain(&SessionId::new("ada").unwrap()).unwrap();
        assert_eq!(ada.predict_as::<Verdict>(inputs()).await.unwrap(), verdict(true));
    });
    assert_eq!(stored(&history), "Human: ?\nAI: {\"yes\": true}");
}

#[test]
fn types_of_other_kinds_are_read_too() {
    let ask = |answer: &str| {
        let prompt = PromptTemplate::from_template("List.").unwrap();
        LlmChain::builder().prompt(prompt).model(ScriptedChat::new([answer])).build().unwrap()
    };
    block_on(async {
        let list = ask("Here: [1, 2]").predict_as::<Vec<u32>>(vars! {}).await.unwrap();
        assert_eq!(list, [1, 2]);
        let number = ask("```\n3.5\n```").predict_as::<f64>(vars! {}).await.unwrap();
        assert!((number - 3.5).abs() < f64::EPSILON);
        let text = ask("\"quoted\"").predict_as::<String>(vars! {}).await.unwrap();
        assert_eq!(text, "quoted");
        let json = ask("{\"a\": [1]}").predict_as::<serde_json::Value>(vars! {}).await.unwrap();
        assert_eq!(json, json!({"a": [1]}));
    });
}

#[test]
fn a_correction_shows_the_model_the_place_of_the_fault() {
    let model = ScriptedChat::new([r#"{"yes": "perhaps"}"#, r#"{"yes": true}"#]);
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("Is {n} prime?").unwrap())
        .model(LanguageModel::chat(Enforcing(model.clone())))
        .correction(Correction::retry(1))
        .build()
        .unwrap();
    assert_eq!(block_on(chain.predict_as::<Verdict>(vars! { "n" => 7 })).unwrap(), verdict(true));
    let request = &model.requests()[1];
    assert!(request.options.response_format.is_some());
    insta::assert_snapshot!(request.messages.last().unwrap().text());
}

#[test]
fn an_answer_that_calls_tools_is_returned_as_its_turn() {
    let call = ToolCall::new("clock", json!({})).with_id("1");
    let reply = Reply::new(Message::ai("").with_tool_calls([call]));
    let (model, history) = (ScriptedChat::new([reply]), TestHistory::default());
    let answer =
        block_on(chain(&model, &history).predict_as::<Verdict>(vars! { "human_input" => "?" }));
    assert!(matches!(answer, Err(ChainError::ToolCalls(_))));
}

#[derive(Debug, Default, PartialEq, schemars::JsonSchema, serde::Deserialize)]
#[serde(default)]
struct Recipe {
    name: String,
    steps: Vec<String>,
}

#[test]
fn a_stream_has_ever_more_complete_values() {
    let pieces = [
        "<think>a soup",
        "?</think>Here: {\"na",
        "me\": \"So",
        "up\", \"steps\": [\"Bo",
        "il.\", ",
        "\"Eat.\"]}",
    ];
    let (model, history) =
        (ScriptedChat::new([ScriptedReply::pieces(pieces)]), TestHistory::default());
    let chain = chain(&model, &history);
    block_on(async {
        let mut values = chain.stream_as::<Recipe>(vars! { "human_input" => "?" }).await.unwrap();
        let mut seen = Vec::new();
        while let Some(recipe) = values.next().await {
            let Recipe { name, steps } = recipe.unwrap();
            seen.push(format!("{name} {steps:?}"));
        }
        assert_eq!(
            seen,
            ["So []", "Soup [\"Bo\"]", "Soup [\"Boil.\"]", "Soup [\"Boil.\", \"Eat.\"]"]
        );
        assert!(values.outcome().is_some());
    });
    assert_eq!(stored(&history), format!("Human: ?\nAI: {}", pieces.concat()));
}

#[test]
fn a_stream_whose_answer_does_not_fit_ends_with_an_error_and_stores_nothing() {
    let script = [ScriptedReply::pieces(["{\"yes\": true", ", \"because\": 7}"])];
    let (model, history) = (ScriptedChat::new(script), TestHistory::default());
    let chain = chain(&model, &history);
    block_on(async {
        let mut values = chain.stream_as::<Verdict>(vars! { "human_input" => "?" }).await.unwrap();
        assert_eq!(values.next().await.unwrap().unwrap(), verdict(true));
        assert!(matches!(values.next().await, Some(Err(ChainError::Parse { .. }))));
        assert!(values.next().await.is_none());
    });
    assert_eq!(stored(&history), "");
}

/// The schema as the adapters send it, and what their servers' refusals and limits become.
#[tokio::test]
async fn adapters_send_the_schema_where_their_server_enforces_it() {
    let ask = |answer: ServerAnswer, adapter: &str| {
        let server = OpenAiServer::start([answer]).unwrap();
        let model: LanguageModel = match adapter {
            "chat" => OpenAiChat::builder("m")
                .base_url(server.base_url())
                .api_key("k")
                .build()
                .unwrap()
                .into(),
            "responses" => OpenAiResponses::builder("m")
                .base_url(server.base_url())
                .api_key("k")
                .build()
                .unwrap()
                .into(),
            _ => OpenAi::builder("m")
                .base_url(server.base_url())
                .api_key("k")
                .build()
                .unwrap()
                .into(),
        };
        let prompt = PromptTemplate::from_template("Is {n} prime?").unwrap();
        (server, LlmChain::builder().prompt(prompt).model(model).build().unwrap())
    };
    let answer = || ServerAnswer::text(r#"{"yes": true, "because": null}"#);
    let rows = [
        ("chat", "/response_format/json_schema/name"),
        ("responses", "/text/format/name"),
        ("completion", ""),
    ];
    for (adapter, name) in rows {
        let (server, chain) = ask(answer(), adapter);
        let typed = chain.predict_as::<Verdict>(vars! { "n" => 7 }).await.unwrap();
        assert_eq!(typed, verdict(true), "{adapter}");
        let requests = server.requests();
        let body = requests[0].json();
        if name.is_empty() {
            assert!(body["prompt"].to_string().contains("JSON Schema"));
        } else {
            assert_eq!(body.pointer(name), Some(&json!("Verdict")), "{adapter}");
        }
    }
    let refusal = ServerAnswer::refusal("I would rather not.");
    let (_server, chain) = ask(refusal, "chat");
    match chain.predict_as::<Verdict>(vars! { "n" => 7 }).await {
        Err(ChainError::Model(ModelError::Refused { text })) => {
            assert_eq!(text.as_str(), "I would rather not.");
        }
        other => panic!("{other:?}"),
    }
    let cut_off = ServerAnswer::text(r#"{"yes": tr"#).with_finish_reason("length");
    let (_server, chain) = ask(cut_off, "chat");
    match chain.predict_as::<Verdict>(vars! { "n" => 7 }).await {
        Err(ChainError::Parse { answers, .. }) => assert_eq!(answers[0].text(), r#"{"yes": tr"#),
        other => panic!("{other:?}"),
    }
}

/// A model that answers with a verdict in three pieces, and whose server enforces schemas.
fn enforcing() -> Enforcing {
    Enforcing(ScriptedChat::with_handler(|_| {
        ScriptedReply::pieces(["{\"yes\": tr", "ue, \"because\"", ": null}"])
    }))
}

fn ask(template: &str, model: &Enforcing, output: &'static str) -> LlmChain {
    let prompt = PromptTemplate::from_template(template).unwrap();
    let model = LanguageModel::chat(model.clone());
    LlmChain::builder().prompt(prompt).model(model).output_key(output).build().unwrap()
}

/// Chains that contain a chain which asks a server for the type. All have the input `input`.
fn compositions(model: &Enforcing) -> Vec<(&'static str, Arc<dyn Chain>)> {
    let judge = || ask("Judge {input}", model, "text");
    let think = || {
        let thought = ScriptedChat::with_handler(|_| ScriptedReply::text("thought"));
        let prompt = PromptTemplate::from_template("Think of {input}").unwrap();
        LlmChain::builder().prompt(prompt).model(thought).output_key("thought").build().unwrap()
    };
    let route = |to: Route| {
        FnRouter::new(["input"], move |_: &_| Ok::<_, std::convert::Infallible>(to.clone()))
    };
    let router = |to| {
        let builder = RouterChain::builder().router(route(to)).destination("there", judge());
        builder.default_chain(judge()).build().unwrap()
    };
    let length = TransformChain::new(["text"], ["length"], |variables| {
        let text = variables.get("text").map(Value::to_text).unwrap_or_default();
        Ok::<_, std::convert::Infallible>(vars! { "length" => text.len() as i64 })
    });
    let alike = TransformChain::new(["text"], ["other"], |_: &_| {
        Ok::<_, std::convert::Infallible>(vars! { "other" => r#"{"yes": false}"# })
    });
    let broken = ScriptedChat::with_handler(|_| ModelError::custom("broken", true, None).into());
    let prompt = PromptTemplate::from_template("{input}").unwrap();
    let broken = LlmChain::builder().prompt(prompt).model(broken).build().unwrap();
    let facts = SimpleMemory::new(vars! { "facts" => "f" });
    let with_facts = ask("Judge {input} by {facts}", model, "text");
    let instructed = ask("Judge {thought}. {format_instructions}", model, "text");
    let sequence = SequentialChain::builder();
    let simple = SimpleSequentialChain::builder().chain(think());
    vec![
        ("a sequence", boxed(sequence.clone().chain(think()).chain(judge()).build())),
        (
            "a sequence whose last prompt has the instructions",
            boxed(sequence.clone().chain(think()).chain(instructed).build()),
        ),
        (
            "a sequence whose first output is that of an earlier step",
            boxed(sequence.clone().chain(judge()).chain(length.unwrap()).outputs(["text"]).build()),
        ),
        (
            "a sequence whose first output is that of an earlier step, and whose last answers alike",
            boxed(sequence.chain(judge()).chain(alike.unwrap()).outputs(["text"]).build()),
        ),
        ("a simple sequence", boxed(simple.clone().chain(ask("Judge {x}", model, "text")).build())),
        (
            "a simple sequence that strips",
            boxed(simple.chain(ask("{x}", model, "text")).strip_outputs(true).build()),
        ),
        ("a route", Arc::new(router(Route::to("there")))),
        ("the default route", Arc::new(router(Route::to_default()))),
        ("a fallback", boxed(FallbackChain::builder(broken).fallback(judge()).build())),
        (
            "the first branch",
            boxed(ParallelChain::builder().branch("a", judge()).branch("b", think()).build()),
        ),
        ("a memory", boxed(WithMemory::new(with_facts, facts))),
        (
            "a sequence in a route in a fallback",
            boxed(
                FallbackChain::builder(
                    SequentialChain::builder().chain(router(Route::to("there"))).build().unwrap(),
                )
                .fallback(judge())
                .build(),
            ),
        ),
    ]
}

fn boxed<C: Chain + 'static>(chain: Result<C, WiringError>) -> Arc<dyn Chain> {
    Arc::new(chain.unwrap())
}

/// The model that makes the first output is asked for the type, by its server's own mode, whole and
/// streamed; the turn has the answer as the model gave it.
#[test]
fn chains_of_chains_ask_the_model_for_the_type() {
    for index in 0..compositions(&enforcing()).len() {
        for streams in [false, true] {
            let (model, history) = (enforcing(), TestHistory::default());
            let (name, chain) = compositions(&model).swap_remove(index);
            let output = chain.outputs()[0].clone().into_owned();
            let memory = memory(&history).with_input_key("input").with_output_key(output);
            let chain =
                WithMemory::builder(chain, memory).allow_unused("chat_history").build().unwrap();
            block_on(async {
                let inputs = vars! { "input" => "7" };
                let seen = if streams {
                    let mut values = chain.stream_as::<Verdict>(inputs).await.unwrap();
                    let mut seen = Vec::new();
                    while let Some(value) = values.next().await {
                        seen.push(value.unwrap());
                    }
                    seen
                } else {
                    vec![chain.predict_as::<Verdict>(inputs).await.unwrap()]
                };
                assert!(
                    !seen.is_empty() && seen.iter().all(|value| *value == verdict(true)),
                    "{name}"
                );
            });
            let formats = model.0.requests().into_iter().map(|request| {
                let instructed = request.messages.to_string().contains("JSON Schema");
                (request.options.response_format.is_some(), instructed)
            });
            let instructed = name.contains("instructions");
            assert_eq!(formats.collect::<Vec<_>>(), [(true, instructed)], "{name}");
            // The reply of a step is in the turn only where it is the chain's reply.
            let is_reply = !name.contains("earlier step") && !name.contains("branch");
            let raw = r#"{"yes": true, "because": null}"#;
            let raw =
                if is_reply { raw.to_owned() } else { raw.replace(": ", ":").replace(", ", ",") };
            assert_eq!(stored(&history), format!("Human: 7\nAI: {raw}"), "{name}");
        }
    }
}

/// The output of a chain without a model is parsed.
#[test]
fn the_output_of_a_function_is_parsed() {
    let said = |answer: &'static str| {
        TransformChain::new(["q"], ["text"], move |_: &_| {
            Ok::<_, std::convert::Infallible>(vars! { "text" => answer })
        })
        .unwrap()
    };
    block_on(async {
        let fits = said("so: {\"yes\": true}").predict_as::<Verdict>(vars! { "q" => 1 }).await;
        assert_eq!(fits.unwrap(), verdict(true));
        let other = said("no").predict_as::<Verdict>(vars! { "q" => 1 }).await;
        assert!(matches!(other, Err(ChainError::Parse { .. })));
    });
}
