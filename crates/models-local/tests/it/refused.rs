//! Calls and settings that are refused, each with its text.

use candle_core::quantized::gguf_file::Value;
use conversant_core::{
    CallOptions, Content, LanguageModel, Message, Messages, ModelError, Part, Report,
    ResponseFormat, ToolChoice, ToolDefinition,
};
use conversant_models_local::{LocalModel, LocalModelBuilder};
use pollster::block_on;
use serde_json::json;

use crate::tiny::{TinyFile, letters};

fn refused(file: &TinyFile, messages: impl Into<Messages>, options: CallOptions) -> ModelError {
    let model = LanguageModel::chat(file.model(|builder| builder));
    block_on(model.generate(messages.into().into(), options)).unwrap_err()
}

#[test]
fn calls_that_a_local_model_cannot_answer() {
    let hi = || Message::human("Hi");
    let none = CallOptions::new;
    let tool = ToolDefinition::new("clock", json!({"type": "object"}));
    let template =
        |text: &str| letters().set("tokenizer.chat_template", Value::String(text.to_owned()));
    let picture = Content::Parts(vec![Part::image_url("https://example.com/a.png")]);
    let errors = [
        refused(&letters(), hi(), none().with_tools([tool.clone()])),
        refused(&letters(), hi(), none().with_response_format(ResponseFormat::JsonObject)),
        refused(&letters(), Message::human(picture), none()),
        refused(&letters(), Message::human("x".repeat(600)), none()),
        refused(&template("{{ raise_exception('roles') }}"), hi(), none()),
        // An error says why, and does not quote a message.
        refused(&template("\n{{ raise_exception('no ' + messages[0].content) }}"), hi(), none()),
        refused(&template("\n\n{{ messages | sorted }}"), hi(), none()),
        // The tokens are those of ChatML, but the template is not.
        refused(&template("{% macro x() %}{% endmacro"), hi(), none()),
        refused(&letters().without("tokenizer.ggml.token_type"), hi(), none()),
    ];
    let shown: Vec<String> = errors.iter().map(|error| Report::new(error).to_string()).collect();
    insta::assert_snapshot!(shown.join("\n"));
    let model = LanguageModel::chat(letters().model(|builder| builder));
    let options = none().with_tools([tool]).with_tool_choice(ToolChoice::None);
    assert!(block_on(model.generate("Hi".into(), options)).is_ok());
}

#[test]
fn a_prompt_that_is_too_long_says_so() {
    let model = letters().model(|builder| builder.context(10));
    let model = LanguageModel::completion(model);
    for (length, fits) in [(9, true), (10, false), (100_000, false)] {
        let answer =
            block_on(model.generate("x".repeat(length).as_str().into(), CallOptions::new()));
        match answer {
            Ok(_) => assert!(fits, "{length}"),
            Err(error) => {
                assert!(!fits && error.is_context_length() && !error.is_retryable(), "{error}");
                let ModelError::PromptTooLong { tokens, limit } = error else { panic!("{error}") };
                assert_eq!((usize::try_from(tokens).unwrap(), limit), (length, 9));
            }
        }
    }
}

#[test]
fn settings_that_cannot_be_used() {
    type Set = fn(LocalModelBuilder) -> LocalModelBuilder;
    let settings: [Set; 8] = [
        |builder| builder.temperature(-1.0),
        |builder| builder.temperature(f32::NAN),
        |builder| builder.top_p(0.0),
        |builder| builder.top_p(f32::NAN),
        |builder| builder.max_tokens(0),
        |builder| builder.threads(0),
        |builder| builder.context(1),
        |builder| builder.context(513),
    ];
    let file = letters();
    let shown = settings.map(|set| {
        Report::new(&set(LocalModel::builder(file.write())).build().unwrap_err()).to_string()
    });
    insta::assert_snapshot!(shown.join("\n"));
}
