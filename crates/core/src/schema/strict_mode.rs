//! The part of JSON Schema that OpenAI's strict mode supports.

use serde_json::{Map, Value as Json};

/// The formats of texts that strict mode supports.
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Keywords that allow and refuse no value.
const ANNOTATIONS: [&str; 7] =
    ["title", "description", "examples", "deprecated", "readOnly", "writeOnly", "$comment"];

/// Converts a root schema to strict mode, where every property of an object is required, and other
/// properties are not allowed. Returns `None` if strict mode does not support the schema; then it
/// is converted in part.
pub(super) fn make_strict(schema: &mut Json) -> Option<()> {
    if schema.get("type")? != "object" {
        return None;
    }
    convert(schema)
}

fn convert(schema: &mut Json) -> Option<()> {
    // `true` and `false` are schemas too, which strict mode does not know.
    let schema = schema.as_object_mut()?;
    if let Some(one_of) = schema.shift_remove("oneOf")
        && schema.insert("anyOf".to_owned(), one_of).is_some()
    {
        return None;
    }
    schema.shift_remove("default");
    // A format only describes a value. schemars has formats for the widths of numbers.
    if schema.get("format").is_some_and(|format| !FORMATS.iter().any(|known| format == known)) {
        schema.shift_remove("format");
    }
    if schema.contains_key("$ref") {
        convert_reference(schema)?;
    } else if schema.contains_key("anyOf") {
        stands_alone(schema, "anyOf")?;
    } else {
        convert_type(schema)?;
    }
    schema.iter_mut().try_for_each(|(keyword, value)| match keyword.as_str() {
        // These map names to schemas, and a property may have the name `default`.
        "properties" | "$defs" => {
            value.as_object_mut()?.iter_mut().try_for_each(|(_, schema)| convert(schema))
        }
        "anyOf" => value.as_array_mut()?.iter_mut().try_for_each(convert),
        "items" => convert(value),
        "type"
        | "enum"
        | "const"
        | "required"
        | "additionalProperties"
        | "$ref"
        | "pattern"
        | "format"
        | "minLength"
        | "maxLength"
        | "multipleOf"
        | "minimum"
        | "maximum"
        | "exclusiveMinimum"
        | "exclusiveMaximum"
        | "minItems"
        | "maxItems" => Some(()),
        keyword => ANNOTATIONS.contains(&keyword).then_some(()),
    })
}

/// Converts a reference, which strict mode allows only without a description.
fn convert_reference(schema: &mut Map<String, Json>) -> Option<()> {
    stands_alone(schema, "$ref")?;
    if schema.len() > 1
        && let Some(target) = schema.shift_remove("$ref")
    {
        let reference = Map::from_iter([("$ref".to_owned(), target)]);
        schema.insert("anyOf".to_owned(), Json::Array(vec![Json::Object(reference)]));
    }
    Some(())
}

/// Returns `None` if another keyword than one allows or refuses values. An object would be closed
/// without the properties that the keyword has.
fn stands_alone(schema: &Map<String, Json>, keyword: &str) -> Option<()> {
    let mut others = schema.keys().map(String::as_str).filter(|other| *other != keyword);
    others.all(|other| other == "$defs" || ANNOTATIONS.contains(&other)).then_some(())
}

/// Converts the schema of a type: closes objects.
fn convert_type(schema: &mut Map<String, Json>) -> Option<()> {
    let kinds = schema.get("type")?;
    let is = |kind: &str| {
        kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind))
    };
    if is("array") && !schema.contains_key("items") {
        return None;
    }
    if !is("object") {
        return Some(());
    }
    if schema.get("additionalProperties").is_some_and(|more| more != false) {
        return None;
    }
    match schema.get("properties").map(Json::as_object) {
        Some(properties) => {
            let names = properties?.keys().cloned().map(Json::String).collect();
            schema.insert("required".to_owned(), Json::Array(names));
        }
        None => {
            schema.insert("properties".to_owned(), Json::Object(Map::new()));
        }
    }
    schema.insert("additionalProperties".to_owned(), Json::Bool(false));
    Some(())
}
