//! Tools made of async functions.

use std::fmt;

use conversant_core::{Content, Tool, ToolCall, ToolDefinition, ToolError, async_trait};
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

type Function = dyn Fn(Json) -> BoxFuture<'static, Result<Content, ToolError>> + Send + Sync;

/// A tool made of an async function over its arguments.
///
/// # Examples
///
/// ```
/// use conversant_core::ToolError;
/// use conversant_tools::FnTool;
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
/// let weather = FnTool::new("weather", "The weather in a city.", schema, |arguments| async move {
///     match arguments["city"].as_str() {
///         Some(city) => Ok(format!("sunny in {city}").into()),
///         None => Err(ToolError::arguments("`city` is missing")),
///     }
/// });
/// # let _ = weather;
/// ```
pub struct FnTool {
    definition: ToolDefinition,
    function: Box<Function>,
}

impl FnTool {
    /// Creates a tool from its name, its description, the JSON Schema of its arguments and a
    /// function over them.
    pub fn new<F, R>(
        name: impl Into<String>,
        description: impl Into<String>,
        schema: impl Into<Json>,
        function: F,
    ) -> Self
    where
        F: Fn(Json) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, ToolError>> + Send + 'static,
    {
        let definition = ToolDefinition::new(name, schema).with_description(description);
        Self::with_definition(definition, function)
    }

    /// Creates a tool from a definition and a function over its arguments.
    pub fn with_definition<F, R>(definition: ToolDefinition, function: F) -> Self
    where
        F: Fn(Json) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, ToolError>> + Send + 'static,
    {
        Self { definition, function: Box::new(move |arguments| function(arguments).boxed()) }
    }

    /// Creates a tool whose arguments have a type: a struct, or `()` for a tool without arguments.
    /// Its JSON Schema is derived, with the type's doc comments as descriptions. Arguments of
    /// another form are an error that the model receives.
    ///
    /// Arguments are an object: a loop with a tool of another type, such as a number, is not built.
    /// OpenAI also refuses enums and [`Option`]s, unless they are fields of a struct.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_tools::FnTool;
    ///
    /// /// A place and a day.
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Weather {
    ///     /// The city's name.
    ///     city: String,
    ///     day: Option<String>,
    /// }
    ///
    /// let weather = FnTool::typed("weather", "The weather.", |arguments: Weather| async move {
    ///     Ok(format!("sunny in {}", arguments.city).into())
    /// });
    /// # let _ = weather;
    /// ```
    #[cfg(feature = "schema")]
    pub fn typed<T, F, R>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: F,
    ) -> Self
    where
        T: schemars::JsonSchema + serde::de::DeserializeOwned,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, ToolError>> + Send + 'static,
    {
        let definition = conversant_core::schema::tool::<T>(name, description);
        let is_unit = conversant_core::schema::is_unit::<T>();
        let read =
            move |arguments| serde_json::from_value(if is_unit { Json::Null } else { arguments });
        Self {
            definition,
            function: Box::new(move |arguments| match read(arguments) {
                Ok(arguments) => function(arguments).boxed(),
                Err(error) => {
                    let error = ToolError::arguments(error.to_string());
                    std::future::ready(Err(error)).boxed()
                }
            }),
        }
    }
}

#[async_trait]
impl Tool for FnTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    async fn call(&self, call: &ToolCall) -> Result<Content, ToolError> {
        (self.function)(call.args.clone()).await
    }
}

impl fmt::Debug for FnTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnTool").field("name", &self.definition.name).finish_non_exhaustive()
    }
}
