//! The recorded cases of LangChain 0.1.20, run through the public API.

use conversant_core::{Message, Messages, Prompt, PromptError, Role, Transcript, Value, Variables};
use conversant_prompts::{
    ChatPromptTemplate, FewShotPromptTemplate, LengthBasedSelector, MessageTemplate,
    MessagesPlaceholder, PromptTemplate, TemplateError, TemplateFormat,
};
use serde_json::{Value as Json, json};

#[test]
fn prompts() {
    check(include_str!("../data/prompt.jsonl"), prompt);
}

#[test]
fn adversarial_prompts() {
    check(include_str!("../data/prompt_adversarial.jsonl"), prompt);
}

#[test]
fn chat_prompts() {
    check(include_str!("../data/chat_prompt.jsonl"), chat_prompt);
}

#[test]
fn few_shot_prompts() {
    check(include_str!("../data/few_shot.jsonl"), few_shot);
}

#[test]
fn transcripts() {
    check(include_str!("../data/buffer_string.jsonl"), buffer_string);
}

/// Runs every case of a file whose template format is built, and shows all differences at once.
fn check(cases: &str, run: impl Fn(&Json) -> Result<Json, Refused>) {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let got = match run(&case["in"]) {
            Ok(ok) => json!({"ok": ok}),
            Err(Refused::Kind(kind)) => json!({"err": kind}),
            Err(Refused::NotBuilt) => continue,
        };
        count += 1;
        if got != case["out"] {
            differences.push(format!("{}: {got}\n  not {}", case["id"], case["out"]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(count > 0, "no case was run");
}

enum Refused {
    Kind(&'static str),
    NotBuilt,
}

impl From<TemplateError> for Refused {
    fn from(_: TemplateError) -> Self {
        Self::Kind("invalid_template")
    }
}

impl From<PromptError> for Refused {
    fn from(error: PromptError) -> Self {
        Self::Kind(match error {
            PromptError::MissingVariables { .. } => "missing_variable",
            PromptError::NotMessages { .. } => "not_messages",
            PromptError::Value { .. } => "invalid_template",
            other => panic!("no recorded kind: {other}"),
        })
    }
}

fn prompt(case: &Json) -> Result<Json, Refused> {
    let format = match text(&case["template_format"]) {
        "f-string" => TemplateFormat::FString,
        #[cfg(feature = "jinja")]
        "jinja2" => TemplateFormat::Jinja2,
        #[cfg(feature = "mustache")]
        "mustache" => TemplateFormat::Mustache,
        _ => return Err(Refused::NotBuilt),
    };
    let mut prompt = PromptTemplate::parse(text(&case["template"]), format)?;
    for (name, value) in variables(&case["partial_variables"]) {
        prompt = prompt.with_partial(name, value);
    }
    let value = prompt.format(&variables(&case["values"]))?;
    let mut out = json!({"text": value.to_text()});
    if format == TemplateFormat::FString {
        out["input_variables"] = json!(prompt.input_variables());
    }
    Ok(out)
}

fn chat_prompt(case: &Json) -> Result<Json, Refused> {
    let messages: Vec<_> = list(&case["messages"]).iter().map(message_template).collect();
    let mut prompt = ChatPromptTemplate::from_messages(messages)?;
    for (name, value) in variables(&case["partial_variables"]) {
        prompt = prompt.with_partial(name, value);
    }
    let value = prompt.format(&variables(&case["values"]))?;
    Ok(json!({
        "input_variables": prompt.input_variables(),
        "messages": value.to_messages().iter().map(recorded).collect::<Vec<_>>(),
        "text": value.to_text(),
    }))
}

fn message_template(entry: &Json) -> MessageTemplate {
    if let Some(name) = entry["placeholder"].as_str() {
        let mut placeholder = MessagesPlaceholder::new(name.to_owned());
        if entry["optional"].as_bool() == Some(true) {
            placeholder = placeholder.optional();
        }
        // `n_messages` has no effect: LangChain 0.1.20 ignores it, later versions know it. Here it
        // is `MessagesPlaceholder::last_n`, tested in `chat.rs`.
        return placeholder.into();
    }
    let role = Role::from_name(text(&entry["role"]));
    match entry["content"].as_str() {
        Some(content) => Message::new(role, content).into(),
        None => MessageTemplate::new(role, text(&entry["template"]), TemplateFormat::FString),
    }
}

fn few_shot(case: &Json) -> Result<Json, Refused> {
    let example = PromptTemplate::from_template(text(&case["example_template"]))?;
    let examples: Vec<_> = list(&case["examples"]).iter().map(variables).collect();
    let builder = FewShotPromptTemplate::builder(example.clone())
        .prefix(text(&case["prefix"]))
        .suffix(text(&case["suffix"]))
        .example_separator(text(&case["example_separator"]));
    let builder = match case["max_length_words"].as_u64() {
        Some(limit) => {
            let limit = usize::try_from(limit).unwrap();
            builder.selector(LengthBasedSelector::new(example, examples, limit)?)
        }
        None => builder.examples(examples),
    };
    let value = builder.build()?.format(&variables(&case["values"]))?;
    Ok(json!({"text": value.to_text()}))
}

fn buffer_string(case: &Json) -> Result<Json, Refused> {
    let transcript = Transcript::new(text(&case["human_prefix"]), text(&case["ai_prefix"]));
    Ok(json!({"text": transcript.render(&messages(list(&case["messages"])))}))
}

/// Reads values: a list of stored messages is messages, all else is what it is in JSON.
fn variables(values: &Json) -> Variables {
    let entries = values.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| {
            let value = match value.as_array() {
                Some(items) if items.iter().all(|item| item.get("data").is_some()) => {
                    Value::from(messages(items))
                }
                _ => Value::from(value.clone()),
            };
            (name.clone(), value)
        })
        .collect()
}

fn messages(items: &[Json]) -> Messages {
    items.iter().map(|item| Message::from_stored(item.clone()).unwrap()).collect()
}

/// Writes a message in the short form of the recorded cases.
fn recorded(message: &Message) -> Json {
    let mut data = json!({"content": message.content()});
    if let Role::Chat(role) = message.role() {
        data["role"] = json!(role);
    }
    if let Some(id) = message.tool_call_id() {
        data["tool_call_id"] = json!(id);
    }
    if let Some(name) = message.name() {
        data["name"] = json!(name);
    }
    if !message.tool_calls().is_empty() {
        data["tool_calls"] = json!(message.tool_calls());
    }
    json!({"type": message.role().type_name(), "data": data})
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap()
}

fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap()
}
