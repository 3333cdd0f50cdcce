//! Schemas of types: a value of a type fits the schema that is sent, and what is sent as strict is
//! what OpenAI's strict mode supports.

use std::collections::{BTreeMap, BTreeSet};

use conversant_core::{ResponseFormat, schema};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Returns whether a value fits a schema, by the keywords that schemars writes.
fn fits(root: &Json, schema: &Json, value: &Json) -> bool {
    let Some(schema) = schema.as_object() else { return schema == true };
    let each = |schemas: &Json| -> Vec<bool> {
        schemas.as_array().unwrap().iter().map(|schema| fits(root, schema, value)).collect()
    };
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$ref" => {
            let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
            fits(root, root.pointer(pointer).unwrap(), value)
        }
        "anyOf" => each(rule).contains(&true),
        "oneOf" => each(rule).iter().filter(|fits| **fits).count() == 1,
        "allOf" => !each(rule).contains(&false),
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "type" => match rule.as_array() {
            Some(kinds) => kinds.iter().any(|kind| is(kind, value)),
            None => is(rule, value),
        },
        "required" => rule.as_array().unwrap().iter().all(|name| {
            value.as_object().is_none_or(|object| object.contains_key(name.as_str().unwrap()))
        }),
        "properties" => rule
            .as_object()
            .unwrap()
            .iter()
            .all(|(name, schema)| value.get(name).is_none_or(|value| fits(root, schema, value))),
        "additionalProperties" | "unevaluatedProperties" => {
            let known = schema.get("properties").and_then(Json::as_object);
            value.as_object().into_iter().flatten().all(|(name, value)| {
                known.is_some_and(|known| known.contains_key(name)) || fits(root, rule, value)
            })
        }
        "prefixItems" => {
            let schemas = rule.as_array().unwrap().iter();
            let items = value.as_array().unwrap();
            schemas.zip(items).all(|(schema, value)| fits(root, schema, value))
        }
        "items" => value.as_array().unwrap().iter().all(|value| fits(root, rule, value)),
        _ => true,
    })
}

fn is(kind: &Json, value: &Json) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    }
}

/// Checks that a schema has what strict mode demands, and nothing that it refuses.
fn check_strict(schema: &Json) {
    let object = schema.as_object().unwrap_or_else(|| panic!("{schema}"));
    for (keyword, value) in object {
        match keyword.as_str() {
            "properties" | "$defs" => value.as_object().unwrap().values().for_each(check_strict),
            "anyOf" => value.as_array().unwrap().iter().for_each(check_strict),
            "items" => check_strict(value),
            "$ref" => assert_eq!(object.len(), 1, "{schema}"),
            "type"
            | "enum"
            | "const"
            | "required"
            | "additionalProperties"
            | "title"
            | "description"
            | "minimum"
            | "maximum"
            | "minItems"
            | "maxItems"
            | "minLength"
            | "maxLength" => {}
            "format" => assert_eq!(value, "date-time"),
            _ => panic!("{keyword}: {schema}"),
        }
    }
    let kinds = ["type", "$ref", "anyOf"].iter().filter(|kind| object.contains_key(**kind));
    assert_eq!(kinds.count(), 1, "{schema}");
    if object.get("type").is_some_and(|kind| kind == "object") {
        let names: Vec<_> = object["properties"].as_object().unwrap().keys().cloned().collect();
        let required = object.get("required").cloned().unwrap_or(json!([]));
        assert_eq!(json!(names), required, "{schema}");
        assert_eq!(object["additionalProperties"], false, "{schema}");
    }
}

/// Checks the schema that is sent for a type against values of it.
#[track_caller]
fn check<T: JsonSchema + Serialize>(is_strict: bool, values: &[T]) {
    let tool = schema::tool::<T>("name", "description");
    let ResponseFormat::JsonSchema { schema, strict, .. } = schema::response_format::<T>() else {
        panic!("no schema");
    };
    assert_eq!((&tool.parameters, tool.strict), (&schema, strict));
    assert_eq!(strict, Some(is_strict), "{schema}");
    let own = schemars::schema_for!(T).to_value();
    for value in values {
        let value = json!(value);
        assert!(fits(&own, &own, &value), "schemars refuses {value}: {own}");
        assert!(fits(&schema, &schema, &value), "{value}: {schema}");
    }
    if is_strict {
        check_strict(&schema);
    } else {
        let mut own = own;
        own.as_object_mut().unwrap().shift_remove("$schema");
        assert_eq!(schema, own);
    }
}

#[derive(JsonSchema, Serialize, Clone)]
struct Refund {
    order: u32,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(JsonSchema, Serialize, Clone)]
struct Of<T> {
    confidence: f64,
    /// A value with a description.
    it: T,
}

fn of<T>(it: T) -> Of<T> {
    Of { confidence: 0.5, it }
}

#[derive(JsonSchema, Serialize)]
struct Flat<T> {
    confidence: f64,
    #[serde(flatten)]
    it: T,
}

fn flat<T>(it: T) -> Flat<T> {
    Flat { confidence: 0.5, it }
}

/// Variants with fields of their own.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "kind")]
enum Fields {
    Say {
        text: String,
    },
    /// With a description.
    Stop,
}

/// A newtype variant, whose fields follow the tag.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "kind")]
enum Newtype {
    Refund(Refund),
    Escalate,
}

#[derive(JsonSchema, Serialize)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Refund(Refund),
    Escalate,
}

#[derive(JsonSchema, Serialize)]
enum External {
    Refund(Refund),
    Escalate,
}

#[derive(JsonSchema, Serialize)]
enum Pair {
    Two(u8, u8),
}

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Refund(Refund),
}

#[derive(JsonSchema, Serialize)]
struct Nothing {}

#[derive(JsonSchema, Serialize)]
struct Tree {
    value: i8,
    children: Vec<Self>,
    #[serde(default)]
    parent: Option<Box<Self>>,
}

/// Names of properties that are keywords.
#[derive(JsonSchema, Serialize)]
struct Keywords {
    default: bool,
    #[serde(rename = "$ref")]
    reference: Refund,
    #[serde(rename = "anyOf")]
    any_of: u8,
    #[serde(rename = "additionalProperties")]
    additional: bool,
}

#[derive(JsonSchema, Serialize)]
struct Bounded {
    #[schemars(length(min = 1, max = 2))]
    names: Vec<String>,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    #[schemars(extend("format" = "uri"))]
    link: String,
    first: char,
}

#[derive(JsonSchema, Serialize)]
struct Extended {
    #[schemars(extend("not" = {"const": "x"}))]
    text: String,
}

#[derive(JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct Denying {
    x: u8,
}

fn refund() -> Refund {
    Refund { order: 1, reason: Some("late".to_owned()) }
}

#[test]
fn a_value_fits_the_schema_that_is_sent() {
    check(true, &[refund(), Refund { order: 2, reason: None }]);
    check(true, &[of(refund())]);
    check(true, &[of(Some(refund())), of(None)]);
    check(true, &[of(vec![refund()])]);
    check(true, &[of([1_u8, 2])]);
    check(true, &[of(Fields::Say { text: "x".to_owned() }), of(Fields::Stop)]);
    check(true, &[of(Adjacent::Refund(refund())), of(Adjacent::Escalate)]);
    check(true, &[of(External::Refund(refund())), of(External::Escalate)]);
    check(true, &[of(Untagged::Number(1)), of(Untagged::Refund(refund()))]);
    check(true, &[of(())]);
    check(true, &[flat(refund())]);
    check(true, &[Nothing {}]);
    check(true, &[Denying { x: 1 }]);
    let leaf = |value| Tree { value, children: Vec::new(), parent: None };
    check(true, &[Tree { value: 1, children: vec![leaf(2)], parent: Some(Box::new(leaf(3))) }]);
    check(true, &[Keywords { default: true, reference: refund(), any_of: 1, additional: true }]);
    let (at, link) = ("2026-11-26T12:00:00Z".to_owned(), "https://example.com".to_owned());
    check(true, &[Bounded { names: vec!["a".to_owned()], at, link, first: 'x' }]);
}

#[test]
fn schemas_that_strict_mode_does_not_support_are_sent_as_they_are() {
    let map = || BTreeMap::from([("b", "c")]);
    check(false, &[vec![refund()]]);
    check(false, &[Fields::Stop]);
    check(false, &[of(Newtype::Refund(refund())), of(Newtype::Escalate)]);
    check(false, &[of(vec![Newtype::Refund(refund())])]);
    check(false, &[flat(Newtype::Refund(refund())), flat(Newtype::Escalate)]);
    check(false, &[flat(Fields::Say { text: "x".to_owned() }), flat(Fields::Stop)]);
    check(false, &[flat(External::Refund(refund()))]);
    check(false, &[flat(Untagged::Refund(refund()))]);
    check(false, &[flat(Some(Fields::Stop)), flat(None)]);
    check(false, &[flat(map())]);
    check(false, &[of(flat(map()))]);
    check(false, &[of(map())]);
    check(false, &[of((1, "a"))]);
    check(false, &[of(Pair::Two(1, 2))]);
    check(false, &[of(BTreeSet::from([1]))]);
    check(false, &[of(json!({"x": [1]})), of(json!(null))]);
    check(false, &[of(vec![json!(1)])]);
    check(false, &[Extended { text: "y".to_owned() }]);
}
