//! Mustache templates: which names they need, how sections are read, and what is refused.

use std::fmt::Write;

use conversant_core::{Message, Messages, Prompt, Variables, vars};
use conversant_prompts::{PromptTemplate, TemplateFormat};
use serde_json::json;

fn template(source: &str) -> PromptTemplate {
    PromptTemplate::parse(source, TemplateFormat::Mustache).expect(source)
}

#[test]
fn names_are_inferred() {
    // A name with `?` is optional.
    let table = [
        ("{{a}} {{{b}}} {{&c}} {{! d }}", "a b c"),
        ("{{ user.first }}", "user"),
        ("{{#a}}{{b}}{{/a}}", "a? b?"),
        ("{{^a}}{{b}}{{/a}}{{b}}", "a? b"),
        ("{{#a}}{{.}}{{#b}}{{c}}{{/b}}{{d}}{{/a}}{{e}}", "a? b? c? d? e"),
        ("{{=<% %>=}}<% a %>{{b}}", "a"),
    ];
    for (source, expected) in table {
        let template = template(source);
        let names: Vec<_> = template
            .slots()
            .iter()
            .map(|slot| format!("{}{}", slot.name(), if slot.is_required() { "" } else { "?" }))
            .collect();
        assert_eq!(names.join(" "), expected, "{source}");
    }
}

#[test]
fn values_are_written_as_the_reference_writes_them() {
    let variables = vars! {
        "text" => "<&\">'",
        "empty" => "",
        "zero" => 0,
        "none_of_it" => 0.0,
        "minus" => -0.0,
        "float" => 1e16,
        "yes" => true,
        "no" => false,
        "none" => json!(null),
        "list" => json!(["a", "", 0, "b"]),
        "nested" => json!({"list": [[1, 2], [3]], "zero": 0, "none": 0.0, "minus": -0.0}),
        "people" => json!([{"name": "Ada"}, {"name": "", "text": "own"}]),
        "history" => Messages::from_iter([Message::human("hi"), Message::ai("hello")]),
    };
    let table = [
        ("{{text}}|{{{text}}}|{{& text }}", "&lt;&amp;&quot;&gt;'|<&\">'|<&\">'"),
        ("{{float}} [{{zero}}] {{yes}} [{{no}}] [{{none}}]", "1e+16 [] True [] []"),
        ("{{#text}}in {{{.}}}{{/text}}", "in <&\">'"),
        ("{{#empty}}x{{/empty}}{{^empty}}y{{/empty}}", "y"),
        ("{{#zero}}x{{/zero}}{{^zero}}y{{/zero}}{{#no}}x{{/no}}{{^missing}}z{{/missing}}", "yz"),
        // Items that count as false are left out, as in the reference.
        ("{{#list}}[{{.}}]{{/list}}", "[a][b]"),
        ("{{list.0}}{{list.3}}{{list.-1}}{{text.0}}", "abb&lt;"),
        ("{{#nested.list}}<{{#.}}{{.}},{{/.}}>{{/nested.list}}", "<1,2,><3,>"),
        // Zero is shown where a path wanted to go into it, and there alone.
        ("{{none_of_it}}|{{none_of_it.more}}|{{minus.more}}", "|0.0|-0.0"),
        ("{{nested.none.more}}|{{nested.minus.more}}", "0.0|-0.0"),
        ("{{nested.zero}}|{{nested.zero.more}}|{{no.more}}", "|0|False"),
        (
            "{{#nested.zero.more}}x{{/nested.zero.more}}{{^nested.zero.more}}y{{/nested.zero.more}}",
            "y",
        ),
        ("{{#people}}{{name}}={{text}};{{/people}}", "Ada=&lt;&amp;&quot;&gt;';=own;"),
        ("{{#yes}}{{#people}}{{name}}{{/people}}{{/yes}}", "Ada"),
        ("{{#people}}{{^name}}{{text}}{{/name}}{{/people}}", "own"),
        ("{{{history}}}", "Human: hi\nAI: hello"),
        ("{{#history}}{{type}}: {{content}};{{/history}}", "human: hi;ai: hello;"),
        ("{{#yes}}{{#people}}{{#name}}{{.}}{{/name}}{{/people}}{{/yes}}", "Ada"),
        ("{{#text}}{{^no}}{{#.}}{{.}}{{/.}}{{/no}}{{/text}}", "True"),
        ("{{#text}}{{^no}}{{.}}|{{&.}}{{/no}}{{/text}}", "&lt;&amp;&quot;&gt;'|True"),
        ("{{#list}}{{^list}}x{{/list}}.{{/list}}", ".."),
        ("a\n  {{! alone }}  \nb\n", "a\nb\n"),
        ("a\r\n{{#yes}}\r\nb\r\n{{/yes}}\r\nc", "a\r\nb\r\nc"),
        ("{{#yes}}\n{{#yes}}\nx\n{{/yes}}\n{{/yes}}\n", "x\n"),
        ("{{=<% %>=}}\n<%text.0%> {{zero}}", "&lt; {{zero}}"),
    ];
    for (source, expected) in table {
        let text = template(source).format(&variables).expect(source).to_string();
        assert_eq!(text, expected, "{source}");
    }
}

#[test]
fn a_value_is_never_syntax() {
    let variables = vars! { "x" => "{{y}}{{#z}}" };
    assert_eq!(template("{{{x}}}").format(&variables).unwrap().to_string(), "{{y}}{{#z}}");
}

#[test]
fn what_is_refused_is_told_when_built() {
    let deep = "{{#a}}".repeat(65);
    let faulty = [
        "{{name",
        "{{",
        "{{{name}}",
        "{{}}",
        "{{ }}",
        "{{a..b}}",
        "{{.a}}",
        "{{.}}",
        "{{#.}}{{/.}}",
        "{{> partial}}",
        "{{#a}}",
        "{{/a}}",
        "{{#a}}{{#b}}{{/a}}",
        "{{=x}}",
        "{{==}}",
        "{{=a= %>=}}",
        "{{=<% =b=}}",
        "{{stop}}",
        "東京\n東京 {{/a}}",
        &deep,
    ];
    let mut shown = String::new();
    for source in faulty {
        let error = PromptTemplate::parse(source, TemplateFormat::Mustache).expect_err(source);
        writeln!(shown, "{error:#}\n").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_depends_on_values_is_told_when_formatted() {
    let endless = "{{#x}}".repeat(9) + &"{{/x}}".repeat(9);
    let calls: [(&str, Variables); 5] = [
        ("{{name}}", vars! { "nmae" => "Ada" }),
        ("{{user.name}}", vars! { "user" => json!({"nme": "Ada"}) }),
        ("{{#people}}{{name}}{{/people}}", vars! { "people" => json!([{"n": 1}]) }),
        ("{{#people}}{{name}}{{/people}}", vars! { "people" => json!([1]), "nmae" => "Ada" }),
        (&endless, vars! { "x" => json!(vec![1; 100]) }),
    ];
    let mut shown = String::new();
    for (source, variables) in calls {
        let error = template(source).format(&variables).expect_err(source);
        writeln!(shown, "{error}").unwrap();
        if let Some(source) = std::error::Error::source(&error) {
            writeln!(shown, "  caused by: {source}").unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}
