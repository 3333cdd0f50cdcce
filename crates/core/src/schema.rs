//! Tools and answer formats derived from Rust types, through their JSON Schema (feature `schema`).

mod strict_mode;

use self::strict_mode::make_strict;
use crate::model::{ChatModel, ChatRequest, ModelError, ResponseFormat, ToolDefinition};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// Returns a tool whose arguments have a type. The provider enforces the schema if strict mode
/// supports it.
///
/// The schema follows the rules of OpenAI's strict mode: every field is required (an [`Option`] may
/// be null), and other fields are not allowed. Strict mode does not support each type: among those
/// that it does not are maps, sets, tuples, [`serde_json::Value`]s, flattened enums and maps, and
/// internally tagged enums with newtype variants. The schema of a type with one of them is sent as
/// it is, and not as strict.
///
/// A tool of the type `()`, or of another type without data, takes no arguments: an empty object.
///
/// # Examples
///
/// ```
/// use conversant_core::ToolCall;
/// use conversant_core::schema::tool;
/// use serde_json::json;
///
/// /// Where and when.
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Weather {
///     /// The city's name.
///     city: String,
///     day: Option<String>,
/// }
///
/// let weather = tool::<Weather>("weather", "The weather in a city.");
/// assert_eq!(weather.parameters["required"], json!(["city", "day"]));
///
/// let call = ToolCall::new("weather", json!({"city": "Kyoto", "day": null}));
/// let arguments: Weather = serde_json::from_value(call.args)?;
/// assert_eq!(arguments.city, "Kyoto");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn tool<T: JsonSchema>(
    name: impl Into<String>,
    description: impl Into<String>,
) -> ToolDefinition {
    let (schema, is_strict) = if is_unit::<T>() {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        (schema, false)
    } else {
        schema_of::<T>()
    };
    ToolDefinition::new(name, schema).with_description(description).with_strict(is_strict)
}

/// Returns the answer format of a type, whose root must be an object. The provider enforces the
/// schema if strict mode supports it, as for a [`tool`].
///
/// # Examples
///
/// ```
/// use conversant_core::schema::response_format;
///
/// #[derive(schemars::JsonSchema)]
/// struct Verdict {
///     yes: bool,
/// }
///
/// let format = response_format::<Verdict>();
/// # let _ = format;
/// ```
#[must_use]
pub fn response_format<T: JsonSchema>() -> ResponseFormat {
    // OpenAI allows 64 letters, digits, `_` and `-` in a name.
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = T::schema_name();
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).take(64).collect();
    let (schema, is_strict) = schema_of::<T>();
    let mut format = ResponseFormat::json_schema(name, schema);
    if let ResponseFormat::JsonSchema { strict, .. } = &mut format {
        *strict = Some(is_strict);
    }
    format
}

/// Asks a model for an answer of a type.
///
/// # Errors
/// - [`ModelError::Decode`] if the answer is not of the type.
/// - Any other error of the model.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatRequest, Message, schema::generate};
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Verdict {
///     yes: bool,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # struct Yes;
/// # #[conversant_core::async_trait]
/// # impl conversant_core::ChatModel for Yes {
/// #     async fn generate(&self, _: &ChatRequest) -> Result<conversant_core::Reply, conversant_core::ModelError> {
/// #         Ok(conversant_core::Reply::new(Message::ai(r#"{"yes": true}"#)))
/// #     }
/// # }
/// # let model = Yes;
/// let verdict: Verdict = generate(&model, ChatRequest::new(Message::human("Is 7 prime?"))).await?;
/// assert!(verdict.yes);
/// # Ok(())
/// # }
/// ```
pub async fn generate<T: JsonSchema + DeserializeOwned>(
    model: &(impl ChatModel + ?Sized),
    mut request: ChatRequest,
) -> Result<T, ModelError> {
    request.options = request.options.with_response_format(response_format::<T>());
    Ok(model.generate(&request).await?.json()?)
}

/// Returns the schema of a type and `true` in the form of OpenAI's strict mode, or as it is and
/// `false` if strict mode does not support it.
fn schema_of<T: JsonSchema>() -> (Json, bool) {
    let mut schema = generated::<T>();
    match make_strict(&mut schema) {
        Some(()) => (schema, true),
        None => (generated::<T>(), false),
    }
}

/// Returns whether a type has no data, so that its JSON is `null`.
#[must_use]
pub fn is_unit<T: JsonSchema>() -> bool {
    let schema = T::json_schema(&mut SchemaGenerator::default());
    schema.get("type").is_some_and(|name| name == "null")
}

fn generated<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}
