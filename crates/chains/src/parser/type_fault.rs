//! The place at which an answer does not fit a type, without a word of the answer.

use std::collections::HashSet;

use conversant_core::{ResponseFormat, schema::response_format};
use schemars::JsonSchema;
use serde_json::Value as Json;
use serde_path_to_error::{Error, Segment};

/// Returns the field of `T` at which an answer does not fit, such as `` at `steps[2].minutes` ``,
/// or nothing if the whole answer does not. Keys that are not fields of the type are words of the
/// answer, and are replaced by `…`.
pub(super) fn place<T: JsonSchema>(fault: &Error<serde_json::Error>) -> String {
    let fields = fields_of::<T>();
    let mut path = String::new();
    for segment in fault.path().iter() {
        match segment {
            Segment::Seq { index } => path.push_str(&format!("[{index}]")),
            Segment::Map { key } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(if fields.contains(key) { key } else { "…" });
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let mut place = String::new();
    if !path.is_empty() {
        place = format!(" at `{path}`");
    }
    let fault = fault.inner().to_string();
    let missing = fault.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if let Some(name) = missing.filter(|name| fields.contains(*name)) {
        place.push_str(&format!(": missing field `{name}`"));
    }
    place
}

/// Returns the names of all fields in the schema of a type.
fn fields_of<T: JsonSchema>() -> HashSet<String> {
    let mut fields = HashSet::new();
    if let ResponseFormat::JsonSchema { schema, .. } = response_format::<T>() {
        collect_fields(&schema, &mut fields);
    }
    fields
}

fn collect_fields(schema: &Json, fields: &mut HashSet<String>) {
    match schema {
        Json::Object(parts) => {
            if let Some(Json::Object(properties)) = parts.get("properties") {
                fields.extend(properties.keys().cloned());
            }
            parts.values().for_each(|part| collect_fields(part, fields));
        }
        Json::Array(parts) => parts.iter().for_each(|part| collect_fields(part, fields)),
        _ => {}
    }
}
