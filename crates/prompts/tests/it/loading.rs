//! Loading and saving: each file of `tests/data/load`, read, shown, written and read again.

use std::{error::Error, fmt::Write, fs, path::Path};

use conversant_core::{Message, Messages, Prompt, Role, Value, vars};
use conversant_prompts::{
    ChatPromptTemplate, Example, ExampleSelector, FewShotPromptTemplate, LoadError, LoadedPrompt,
    MessageTemplate, PartTemplate, PromptTemplate, load_prompt,
};
use serde_json::{Value as Json, json};

#[test]
fn every_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/load");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut shown = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        writeln!(shown, "=== {name}").unwrap();
        match load_prompt(&file) {
            Ok(prompt) => {
                assert!(!name.starts_with("err_"), "{name} was loaded");
                let slots: Vec<_> = prompt
                    .slots()
                    .iter()
                    .map(|slot| {
                        let mark = if slot.is_required() { "" } else { "?" };
                        format!("{}{mark}: {}", slot.name(), slot.kind())
                    })
                    .collect();
                writeln!(shown, "{}\n{:#}", slots.join(", "), saved(&prompt)).unwrap();
                let again = LoadedPrompt::from_value(saved(&prompt)).unwrap();
                assert_eq!(saved(&again), saved(&prompt), "{name} changed on its way");
                assert_eq!(again.slots(), prompt.slots(), "{name} changed on its way");
            }
            Err(error) => {
                assert!(name.starts_with("err_"), "{name}: {error}");
                writeln!(shown, "{}", chain(&error)).unwrap();
            }
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn only_files_of_known_kinds_are_read() {
    for path in ["prompt.py", "prompt", "/etc/passwd"] {
        assert!(matches!(load_prompt(path), Err(LoadError::FileType)), "{path}");
    }
    assert!(matches!(load_prompt("no/such/file.json"), Err(LoadError::File(_))));
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.json");
    fs::File::create(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    let error = chain(&load_prompt(large).unwrap_err());
    assert!(error.ends_with("it has more than 16 MiB"), "{error}");
}

#[test]
fn prompts_are_read_by_serde_as_their_own_type() {
    let chat = ChatPromptTemplate::from_messages([("human", "{x}")]).unwrap();
    let written = serde_json::to_string(&chat).unwrap();
    assert!(serde_json::from_str::<ChatPromptTemplate>(&written).is_ok());
    let error = serde_json::from_str::<PromptTemplate>(&written).unwrap_err();
    assert_eq!(error.to_string(), "the prompt is not a string prompt");
    let error = serde_json::from_str::<PromptTemplate>(r#"{"template": "{"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot load the prompt: invalid template: this `{` is never closed, at line 1, column 1"
    );
}

#[test]
fn what_is_code_cannot_be_written() {
    struct None;
    impl ExampleSelector for None {
        fn select(
            &self,
            _: &conversant_core::Variables,
        ) -> Result<Vec<Example>, conversant_core::PromptError> {
            Ok(Vec::new())
        }
    }
    let template = PromptTemplate::from_template("{x}").unwrap();
    let with_function = template.clone().with_partial_fn("x", || "y");
    let few_shot = FewShotPromptTemplate::builder(template).selector(None).build().unwrap();
    assert_eq!(
        serde_json::to_string(&with_function).unwrap_err().to_string(),
        "a partial function cannot be written"
    );
    assert_eq!(
        serde_json::to_string(&few_shot).unwrap_err().to_string(),
        "a selector's examples cannot be written"
    );
}

/// JSON has no form for some values: written, they would be read as others.
#[test]
fn values_that_would_change_cannot_be_written() {
    let stored = json!([{"type": "human", "data": {"content": "x"}}]);
    let table = [
        (Value::from(f64::NAN), false),
        (Value::from(f64::INFINITY), false),
        (Value::from(Messages::new()), false),
        (Value::from(stored), false),
        (Value::from(Messages::from(vec![Message::human("x")])), true),
        (Value::from(-0.0), true),
        (Value::from(1e300), true),
        (Value::from(u64::MAX), true),
        (Value::from(json!({"a": [1, null, "x"]})), true),
    ];
    for (value, is_written) in table {
        let template = PromptTemplate::from_template("{x}").unwrap();
        let examples = [vars! { "x" => value.clone() }];
        let few_shot = FewShotPromptTemplate::builder(template.clone()).examples(examples);
        let partial = serde_json::to_string(&template.with_partial("x", value.clone()));
        let few_shot = serde_json::to_string(&few_shot.build().unwrap());
        assert_eq!(partial.is_ok(), is_written, "{value:?}");
        assert_eq!(few_shot.is_ok(), is_written, "{value:?}");
    }
}

#[test]
fn a_template_of_a_tools_message_cannot_be_written() {
    for (role, is_written) in [(Role::Tool, false), (Role::Chat("judge".into()), true)] {
        let template = PromptTemplate::from_template("{x}").unwrap();
        let message = MessageTemplate::from_prompt(role, template);
        let prompt = ChatPromptTemplate::from_messages((message,)).unwrap();
        assert_eq!(serde_json::to_string(&prompt).is_ok(), is_written);
    }
}

#[test]
fn partial_variables_of_a_chat_are_written() {
    let prompt = ChatPromptTemplate::from_messages((MessageTemplate::human("{place} {question}"),));
    let prompt = prompt.unwrap().with_partial("place", "Lisbon");
    let written = serde_json::to_value(&prompt).unwrap();
    assert_eq!(written["kwargs"]["partial_variables"], json!({ "place": "Lisbon" }));
}

/// LangChain fills in only the variables that a part lists.
#[test]
fn variables_of_parts_are_written() {
    let image = PartTemplate::image_url("http://{host}/{a}.png").with_detail("{detail}{a}");
    let parts = [PartTemplate::text("look {a}"), image, PartTemplate::image_url("http://x")];
    let message = MessageTemplate::human_parts(parts);
    let prompt = ChatPromptTemplate::from_messages((message,)).unwrap();
    let prompt = prompt.with_partial("host", "x");
    let written = serde_json::to_value(&prompt).unwrap();
    let parts = &written["kwargs"]["messages"][0]["kwargs"]["prompt"];
    let names = [0, 1, 2].map(|part| parts[part]["kwargs"]["input_variables"].clone());
    assert_eq!(names, [json!(["a"]), json!(["a", "detail", "host"]), json!([])]);
    assert!(serde_json::from_value::<ChatPromptTemplate>(written).is_ok());
}

#[test]
fn literal_messages_are_written_as_langchains_classes() {
    for (message, class) in [
        (Message::system("x"), "SystemMessage"),
        (Message::human("x"), "HumanMessage"),
        (Message::ai("x"), "AIMessage"),
        (Message::tool("x", "call"), "ToolMessage"),
        (Message::new(Role::from_name("editor"), "x"), "ChatMessage"),
    ] {
        let prompt = ChatPromptTemplate::from_messages((message,)).unwrap();
        let written = serde_json::to_value(&prompt).unwrap();
        let id = &written["kwargs"]["messages"][0]["id"];
        assert_eq!(*id, json!(["langchain", "schema", "messages", class]));
    }
}

#[test]
fn results_that_answer_no_call_cannot_be_written() {
    for role in [Role::Tool, Role::Function] {
        let prompt = ChatPromptTemplate::from_messages((Message::new(role, "x"),)).unwrap();
        let error = serde_json::to_string(&prompt).unwrap_err().to_string();
        assert!(error.starts_with("the result of a tool or function cannot be written"), "{error}");
    }
}

/// The fields of a literal message in a file are kept.
#[test]
fn literal_messages_of_a_file_are_whole() {
    let call = json!({"name": "look", "arguments": "{}"});
    let file = json!({"_type": "chat", "messages": [
        {"type": "ai", "content": "x", "name": "ada", "additional_kwargs": {"function_call": call}},
        {"type": "tool", "content": "y", "tool_call_id": "c1"},
    ]});
    let LoadedPrompt::Chat(prompt) = LoadedPrompt::from_value(file).unwrap() else { panic!() };
    let messages = prompt.format_messages(&vars! {}).unwrap();
    let message = messages.get(0).unwrap();
    assert_eq!(message.name(), Some("ada"));
    assert_eq!(message.to_stored()["data"]["additional_kwargs"]["function_call"], call);
    assert_eq!(messages.get(1).unwrap().tool_call_id(), Some("c1"));
}

fn saved(prompt: &LoadedPrompt) -> Json {
    match prompt {
        LoadedPrompt::String(prompt) => serde_json::to_value(prompt),
        LoadedPrompt::FewShot(prompt) => serde_json::to_value(prompt),
        LoadedPrompt::Chat(prompt) => serde_json::to_value(prompt),
        _ => panic!("no other type is known"),
    }
    .unwrap()
}

fn chain(error: &LoadError) -> String {
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(shown, "\n  caused by: {cause}").unwrap();
        source = cause.source();
    }
    shown
}

#[test]
fn what_would_explode_or_nest_without_end_is_refused() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        laughs.push_str(&format!("a{level}: &a{level} [{before} *a{}]\n", level - 1));
    }
    let texts = [laughs, "[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)];
    for text in texts {
        assert!(LoadedPrompt::from_yaml(&text).is_err());
        assert!(LoadedPrompt::from_json(&text).is_err());
    }
    let nested =
        r#"{"_type": "few_shot", "suffix": "", "example_prompt": "#.repeat(60) + &"}".repeat(60);
    assert!(LoadedPrompt::from_json(&nested).is_err());
}

/// An object as LangChain serialises it.
fn object(id: &Json, kwargs: &Json) -> Json {
    json!({ "lc": 1, "type": "constructor", "id": id, "kwargs": kwargs })
}

fn prompt_id(class: &str) -> Json {
    json!(["langchain", "prompts", "chat", class])
}

/// Returns a chat prompt that repeats a message.
fn chat_of(message: &Json, count: usize) -> String {
    let messages = vec![message.to_string(); count].join(",");
    let before = object(&prompt_id("ChatPromptTemplate"), &json!({ "messages": "@" })).to_string();
    before.replace("\"@\"", &format!("[{messages}]"))
}

/// The errors of hostile objects are short.
#[test]
fn hostile_constructors_are_refused() {
    let long = "x".repeat(1 << 20);
    let human =
        |kwargs: Json| object(&json!(["langchain", "schema", "messages", "HumanMessage"]), &kwargs);
    let chat = |message: Json| chat_of(&message, 1);
    let prompt = |kwargs: Json| {
        object(&json!(["langchain", "prompts", "prompt", "PromptTemplate"]), &kwargs).to_string()
    };
    let id = |id: Json| object(&id, &json!({ "template": "x" })).to_string();
    let nested = |open: &str, close: &str| {
        prompt(json!({ "template": "@" }))
            .replace("\"@\"", &format!("{}{}", open.repeat(100_000), close.repeat(100_000)))
    };
    let table = [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        nested("{\"lc\":1,\"type\":\"constructor\",\"id\":[],\"kwargs\":", "}"),
        id(json!(["langchain", "llms", "openai", "OpenAI"])),
        id(json!(["langchain", "prompts", "loading", "load_prompt"])),
        id(json!(["os", "system"])),
        id(json!(["langchain", "prompts", "prompt", "PromptTemplate", "format"])),
        id(json!(["langchain", "prompts", "PromptTemplate", null])),
        id(json!([])),
        id(json!("PromptTemplate")),
        id(json!({ "langchain": "prompts" })),
        id(json!([1, 2, 3])),
        id(json!(vec!["langchain"; 1_000_000])),
        id(json!(["langchain", "prompts", long])),
        json!({ "lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"] }).to_string(),
        json!({ "lc": 1, "type": "not_implemented", "id": ["x"] }).to_string(),
        json!({ "lc": 1, "type": long, "id": ["x"] }).to_string(),
        json!({ "lc": 1, "type": 1, "id": ["x"] }).to_string(),
        json!({ "lc": long }).to_string(),
        json!({ "_type": long }).to_string(),
        json!({ "_type": "prompt", "template": "x", (long.as_str()): 1 }).to_string(),
        json!({ "_type": "prompt", "template": "x", (format!("{long}_path")): 1 }).to_string(),
        prompt(json!([])),
        prompt(json!("x")),
        prompt(json!({ "template": 1 })),
        prompt(json!({ "template": { "a": 1 } })),
        prompt(json!({ "template": "x", "template_format": long })),
        prompt(json!({ "template": "x", "template_path": "/etc/passwd" })),
        prompt(json!({ "template": "x", "partial_variables": [1] })),
        chat(json!(1)),
        chat(json!([])),
        chat(object(&prompt_id("ChatPromptTemplate"), &json!({ "messages": [] }))),
        chat(object(&prompt_id("MessagesPlaceholder"), &json!({ "variable_name": 1 }))),
        chat(object(
            &prompt_id("MessagesPlaceholder"),
            &json!({ "variable_name": "x", "n_messages": -1 }),
        )),
        chat(object(&prompt_id("HumanMessagePromptTemplate"), &json!({ "prompt": [[[]]] }))),
        chat(human(json!({ "content": { "a": 1 } }))),
        chat(human(json!({ "content": [1, null] }))),
        chat(human(json!({ "content": "x", "id": [] }))),
        chat(human(json!([]))),
    ];
    for text in table {
        let start: String = text.chars().take(200).collect();
        let error = LoadedPrompt::from_json(&text).map(drop).expect_err(&start);
        let shown = format!("{} {error:?}", chain(&error));
        assert!(shown.len() < 2000, "{start}: {} bytes", shown.len());
        assert!(!shown.contains("/etc/passwd"), "{shown}");
    }
}

#[test]
fn a_prompt_of_many_messages_is_read() {
    let message =
        object(&json!(["langchain", "schema", "messages", "AIMessage"]), &json!({ "content": "" }));
    let prompt = LoadedPrompt::from_json(&chat_of(&message, 100_000)).unwrap();
    let formatted = prompt.format(&conversant_core::Variables::new()).unwrap();
    assert_eq!(formatted.as_messages().unwrap().len(), 100_000);
}
