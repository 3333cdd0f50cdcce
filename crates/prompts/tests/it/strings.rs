//! String prompts: variables, partial variables, and values of every kind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_core::{Message, Messages, Prompt, Slot, SlotKind, Value, Variables, vars};
use conversant_prompts::{PromptTemplate, TemplateFormat};
use serde_json::json;

fn template(source: &str) -> PromptTemplate {
    PromptTemplate::from_template(source).unwrap()
}

fn render(source: &str, variables: &Variables) -> String {
    template(source).format(variables).unwrap().to_string()
}

#[test]
fn values_of_every_kind_are_text() {
    let history = Messages::from_iter([Message::human("hi"), Message::ai("hello")]);
    let table: Vec<(Value, &str)> = vec![
        ("text".into(), "text"),
        (7.into(), "7"),
        (u64::MAX.into(), "18446744073709551615"),
        (1e16.into(), "1e+16"),
        (true.into(), "True"),
        (json!(null).into(), "None"),
        (json!({"a": [1, "b"]}).into(), r#"{"a":[1,"b"]}"#),
        (history.into(), "Human: hi\nAI: hello"),
        (Messages::new().into(), ""),
    ];
    for (value, expected) in table {
        assert_eq!(render("{x}", &vars! { "x" => value }), expected);
    }
}

#[test]
fn slots_come_in_order_and_input_variables_sorted() {
    let prompt = template("{b} {a} {b} {c}").with_partial("c", "C");
    let slots: Vec<_> =
        prompt.slots().iter().map(|s| (s.name(), s.kind(), s.is_required())).collect();
    assert_eq!(
        slots,
        [("b", SlotKind::Text, true), ("a", SlotKind::Text, true), ("c", SlotKind::Text, false)]
    );
    assert!(prompt.slots().iter().all(|slot| slot.is_partial() == (slot.name() == "c")));
    assert_eq!(prompt.input_variables(), ["a", "b"]);
}

#[test]
fn a_call_replaces_a_partial_variable() {
    let prompt = template("{x}").with_partial("x", "partial");
    assert_eq!(prompt.format(&vars! {}).unwrap().to_string(), "partial");
    assert_eq!(prompt.format(&vars! { "x" => "given" }).unwrap().to_string(), "given");
}

#[test]
fn a_partial_function_is_asked_once_a_call_and_only_if_needed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let count = move || i64::try_from(counter.fetch_add(1, Ordering::Relaxed)).unwrap();
    let prompt = template("{n} {n}").with_partial_fn("n", count).with_partial_fn("unused", || {
        panic!("asked without need");
        #[expect(unreachable_code, reason = "gives the closure a type")]
        ""
    });
    assert_eq!(prompt.format(&vars! {}).unwrap().to_string(), "0 0");
    assert_eq!(prompt.format(&vars! { "n" => "given" }).unwrap().to_string(), "given given");
    assert_eq!(prompt.format(&vars! {}).unwrap().to_string(), "1 1");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_partial_value_is_no_syntax_either() {
    let prompt = template("{x}").with_partial("x", "{y} {{z}}");
    assert_eq!(prompt.format(&vars! { "y" => "Y" }).unwrap().to_string(), "{y} {{z}}");
}

#[test]
fn formats_have_langchains_names() {
    for (name, format) in [
        ("f-string", Some(TemplateFormat::FString)),
        ("jinja2", Some(TemplateFormat::Jinja2)),
        ("mustache", Some(TemplateFormat::Mustache)),
        ("jinja", None),
    ] {
        assert_eq!(TemplateFormat::from_name(name), format, "{name}");
    }
}

#[test]
fn each_of_many_names_is_one_slot() {
    let names: Vec<_> = (0..40).map(|number| format!("name{number}")).collect();
    let once: String = names.iter().map(|name| format!("{{{name}}}")).collect();
    let template = template(&once.repeat(2));
    assert!(template.slots().iter().map(Slot::name).eq(&names));
}
