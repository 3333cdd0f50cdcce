//! Answers of a Rust type, with its schema in the instructions.

use std::{fmt, marker::PhantomData};

use conversant_core::{OutputParser, ParseError, ResponseFormat, Value, schema::response_format};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

#[cfg(feature = "yaml")]
use super::yaml::YamlParser;
use super::{
    json::{no_json, partial_json_in, whole_json_values},
    type_fault::place,
};

/// Reads an answer of a type, from JSON or, with the feature `yaml`, from YAML.
///
/// The [instructions](OutputParser::format_instructions) for the model have the type's JSON Schema,
/// with its doc comments as descriptions. JSON may be fenced or in prose, as for
/// [`JsonParser`](crate::JsonParser): of several values, the first that fits the type is taken. It
/// must be whole; one that is cut off is an error.
///
/// The error's reason names the field that does not fit, and does not quote the answer; its
/// [detail](conversant_core::ParseError::detail), which a [`Correction`](crate::Correction) shows
/// to the model, does. LangChain 0.1.20
/// `langchain_core/output_parsers/pydantic.py::PydanticOutputParser` and
/// `langchain/output_parsers/yaml.py::YamlOutputParser`.
///
/// # Examples
///
/// ```
/// use conversant_chains::TypedParser;
/// use conversant_core::OutputParser;
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Recipe {
///     /// The dish.
///     name: String,
///     minutes: u32,
/// }
///
/// let parser = TypedParser::<Recipe>::json();
/// let recipe = parser.parse_as("Here it is: {\"name\": \"Soup\", \"minutes\": 20}")?;
/// assert_eq!((recipe.name.as_str(), recipe.minutes), ("Soup", 20));
/// assert!(parser.format_instructions().unwrap().contains("The dish."));
///
/// let error = parser.parse(r#"{"name": "Soup", "minutes": "many"}"#).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "cannot parse the answer: it does not fit the type `Recipe` at `minutes`"
/// );
/// assert_eq!(
///     error.detail.unwrap().as_str(),
///     "minutes: invalid type: string \"many\", expected u32"
/// );
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
pub struct TypedParser<T> {
    notation: Notation,
    instructions: String,
    type_name: String,
    of: PhantomData<fn() -> T>,
}

#[derive(Debug, Clone, Copy)]
enum Notation {
    Json,
    #[cfg(feature = "yaml")]
    Yaml,
}

impl<T: DeserializeOwned + JsonSchema> TypedParser<T> {
    /// Creates a parser of JSON.
    #[must_use]
    pub fn json() -> Self {
        Self::new(Notation::Json, "JSON alone, without other text")
    }

    /// Creates a parser of YAML.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_chains::TypedParser;
    ///
    /// let parser = TypedParser::<Vec<u32>>::yaml();
    /// assert_eq!(parser.parse_as("```yaml\n- 1\n- 2\n```")?, [1, 2]);
    /// # Ok::<(), conversant_core::ParseError>(())
    /// ```
    #[cfg(feature = "yaml")]
    #[must_use]
    pub fn yaml() -> Self {
        Self::new(Notation::Yaml, "YAML alone, in a fenced block (```yaml)")
    }

    fn new(notation: Notation, form: &str) -> Self {
        let mut instructions = format!("Answer with {form}.");
        if let ResponseFormat::JsonSchema { schema, .. } = response_format::<T>()
            && schema.as_object().is_some_and(|schema| !schema.is_empty())
        {
            instructions.push_str(&format!(" It must match this JSON Schema:\n{schema}"));
        }
        let type_name = T::schema_name().into_owned();
        Self { notation, instructions, type_name, of: PhantomData }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`ParseError`], which holds the answer.
    pub fn parse_as(&self, text: &str) -> Result<T, ParseError> {
        self.read(text).map(|(_, typed)| typed)
    }

    fn read(&self, text: &str) -> Result<(Json, T), ParseError> {
        let values = match self.notation {
            Notation::Json => whole_json_values(text),
            #[cfg(feature = "yaml")]
            Notation::Yaml => {
                vec![serde_json::to_value(YamlParser.parse(text)?).unwrap_or_default()]
            }
        };
        let mut fault = None;
        for value in values {
            match serde_path_to_error::deserialize(&value) {
                Ok(typed) => return Ok((value, typed)),
                Err(error) => _ = fault.get_or_insert(error),
            }
        }
        Err(match fault {
            Some(fault) => {
                let place = place::<T>(&fault);
                let reason = format!("it does not fit the type `{}`{place}", self.type_name);
                ParseError::without_source(text, reason).with_detail(fault.to_string())
            }
            None if partial_json_in(text).is_some() => {
                ParseError::without_source(text, "its JSON is cut off")
            }
            None => no_json(text),
        })
    }
}

/// Converts a chain's output into a value of a type.
pub(crate) fn from_output<T: DeserializeOwned + JsonSchema>(
    output: Option<&Value>,
) -> Result<T, ParseError> {
    let json = output.and_then(|output| serde_json::to_value(output).ok()).unwrap_or_default();
    serde_path_to_error::deserialize(&json).map_err(|error| {
        let text = output.map(Value::to_text).unwrap_or_default();
        let (name, place) = (T::schema_name(), place::<T>(&error));
        let reason = format!("the chain's output does not fit the type `{name}`{place}");
        ParseError::without_source(&text, reason).with_detail(error.to_string())
    })
}

impl<T: DeserializeOwned + JsonSchema> OutputParser for TypedParser<T> {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        self.read(text).map(|(value, _)| value.into())
    }

    fn format_instructions(&self) -> Option<&str> {
        Some(&self.instructions)
    }
}

impl<T> Clone for TypedParser<T> {
    fn clone(&self) -> Self {
        let Self { notation, instructions, type_name, .. } = self;
        let (instructions, type_name) = (instructions.clone(), type_name.clone());
        Self { notation: *notation, instructions, type_name, of: PhantomData }
    }
}

impl<T> fmt::Debug for TypedParser<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedParser")
            .field("notation", &self.notation)
            .field("type", &self.type_name)
            .finish_non_exhaustive()
    }
}
