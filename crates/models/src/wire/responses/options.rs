//! Writes the options of a call of the Responses interface: tools and the format of the answer.

use conversant_core::{CallOptions, ModelError, ResponseFormat, ToolChoice, ToolDefinition};
use serde_json::{Map, Value as Json, json};

use crate::wire::body_writer::BodyWriter;

/// Parameters of the chat endpoint that the interface does not have, and what to do instead.
const ABSENT: &[(&str, &str)] = &[
    ("stop", "cut the answer yourself, or use `OpenAiChat`"),
    ("n", "make several calls"),
    ("seed", "use `OpenAiChat`"),
    ("logit_bias", "use `OpenAiChat`"),
    ("frequency_penalty", "use `OpenAiChat`"),
    ("presence_penalty", "use `OpenAiChat`"),
    ("max_tokens", "use `max_output_tokens`"),
    ("max_completion_tokens", "use `max_output_tokens`"),
    ("response_format", "set it with the `response_format` method"),
    ("reasoning_effort", "set it with the `reasoning_effort` method"),
];

/// Returns the error of a parameter that the interface does not have.
pub(crate) fn absent_parameter(name: &str) -> Option<ModelError> {
    let (name, instead) = ABSENT.iter().find(|(absent, _)| *absent == name)?;
    Some(ModelError::config(format!("cannot send `{name}` to the Responses interface; {instead}")))
}

/// The field of `text` that a call sets.
const FORMAT: &str = "format";

/// Appends the options of the call, or else those of the adapter. `own_text` is what the adapter
/// has of the parameter `text`.
///
/// # Errors
/// [`ModelError::Config`], if the call sets what the interface does not have.
pub(crate) fn push_responses_options(
    body: &mut BodyWriter,
    call: &CallOptions,
    own: &CallOptions,
    own_text: &Map<String, Json>,
) -> Result<(), ModelError> {
    let has_stop = !call.stop.is_empty() || !own.stop.is_empty();
    if let Some(error) = absent_parameter("stop").filter(|_| has_stop) {
        return Err(error);
    }
    let tools = if call.tools.is_empty() { &own.tools } else { &call.tools };
    if !tools.is_empty() {
        push(body, "tools", &tools.iter().map(tool).collect());
        if let Some(choice) = call.tool_choice.as_ref().or(own.tool_choice.as_ref()) {
            push(body, "tool_choice", &tool_choice(choice));
        }
        if let Some(parallel) = call.parallel_tool_calls.or(own.parallel_tool_calls) {
            push(body, "parallel_tool_calls", &parallel.into());
        }
    }
    let format = call.response_format.as_ref().or(own.response_format.as_ref());
    let mut text = Map::new();
    if let Some(format) = format {
        text.insert(FORMAT.to_owned(), text_format(format));
    }
    for (name, value) in own_text {
        text.entry(name).or_insert_with(|| value.clone());
    }
    if !text.is_empty() {
        push(body, "text", &text.into());
    }
    Ok(())
}

fn push(body: &mut BodyWriter, name: &str, value: &Json) {
    body.push_json(name);
    body.push(b":");
    body.push_json(value);
    body.push(b",");
}

/// Writes a tool. `strict` is always there: where it is missing, servers differ.
fn tool(tool: &ToolDefinition) -> Json {
    let mut object = json!({"type": "function", "name": tool.name});
    if let Some(fields) = object.as_object_mut() {
        if let Some(description) = &tool.description {
            fields.insert("description".to_owned(), description.as_str().into());
        }
        fields.insert("parameters".to_owned(), tool.parameters.clone());
        fields.insert("strict".to_owned(), tool.strict.unwrap_or(false).into());
    }
    object
}

fn tool_choice(choice: &ToolChoice) -> Json {
    match choice {
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Tool(name) => json!({"type": "function", "name": name}),
        // A choice that this version does not know is left to the model.
        _ => "auto".into(),
    }
}

fn text_format(format: &ResponseFormat) -> Json {
    match format {
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema { name, schema, strict, .. } => {
            let mut object = json!({"type": "json_schema", "name": name, "schema": schema});
            if let (Some(strict), Some(fields)) = (strict, object.as_object_mut()) {
                fields.insert("strict".to_owned(), (*strict).into());
            }
            object
        }
        _ => json!({"type": "text"}),
    }
}
