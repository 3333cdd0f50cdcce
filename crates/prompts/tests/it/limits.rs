//! Limits of templates: no input panics, and no template makes more text than is allowed.

use conversant_core::{Prompt, Report, vars};
use conversant_prompts::{PromptTemplate, TemplateFormat};
use serde_json::json;

/// Each pattern, repeated until its line is longer than minijinja can count columns, is a template
/// or an error.
#[test]
fn long_lines_of_jinja_are_templates_or_errors() {
    let many = |pattern: &str| pattern.repeat(35_000);
    let patterns = [
        many("{#"),
        many("{%"),
        many("{{"),
        many("{% raw %}"),
        many("{% set a=1 %}"),
        many("{%- raw -%}"),
        format!("{{{{ {}", many("((")),
        format!("{{{{ {} }}}}", many("99")),
        format!("{{{{ 0x{} }}}}", many("ff")),
        format!("{{{{ '{}", many("xx")),
        format!("{{{{ '{}' }}}}", many("ß")),
        format!("{}{{{{ $ }}}}", many("xx")),
        format!("{}{{{{ ", many("xx")),
        format!("{}{{#", many("xx")),
        format!("{{#\n{}", many("xx")),
        format!("{{# {}\n#}}{{{{ $ }}}}", many("xx")),
        format!("{}{{{{ $ }}}}", many("\n\n")),
    ];
    let mut shown = String::new();
    for pattern in patterns {
        let start: String = pattern.chars().take(12).collect();
        let outcome = match PromptTemplate::parse(pattern, TemplateFormat::Jinja2) {
            Ok(_) => "a template".to_owned(),
            Err(error) => error.to_string().lines().last().unwrap_or_default().to_owned(),
        };
        shown += &format!("{start:?}: {outcome}\n");
    }
    insta::assert_snapshot!(shown);
}

/// A long line without tags, or with its tags at the start, is a template.
#[test]
fn long_text_after_the_tags_is_allowed() {
    let source = format!("{{{{ x }}}} {}", "word ".repeat(100_000));
    let template = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
    let text = template.format(&vars! { "x" => "hi" }).unwrap().to_string();
    assert!(text.starts_with("hi word") && text.len() > 500_000);
}

#[test]
fn output_is_limited() {
    let list = |count: usize| json!(vec![1; count]);
    let nested = |open: [&str; 3], body: &str, close: &str| {
        format!("{}{body}{}", open.concat(), close.repeat(3))
    };
    let doubling = "{% set a = a ~ a %}".repeat(40);
    let table = [
        (
            "nested sections",
            TemplateFormat::Mustache,
            "{{#a}}{{#b}}{{#c}}xxxxxxxxxxxxxxxxxxxxxxxx{{/c}}{{/b}}{{/a}}".to_owned(),
        ),
        (
            "sections with a long text",
            TemplateFormat::Mustache,
            format!("{{{{#a}}}}{}{{{{/a}}}}", "x".repeat(100_000)),
        ),
        ("a value in a section", TemplateFormat::Mustache, "{{#a}}{{t}}{{/a}}".to_owned()),
        (
            "nested loops",
            TemplateFormat::Jinja2,
            nested(
                ["{% for x in a %}", "{% for y in b %}", "{% for z in c %}"],
                "xxxxxxxxxxxxxxxx",
                "{% endfor %}",
            ),
        ),
        (
            "a loop with a long text",
            TemplateFormat::Jinja2,
            format!("{{% for x in a %}}\n{}\n{{% endfor %}}", "x".repeat(100_000)),
        ),
        ("doubled text", TemplateFormat::Jinja2, format!("{doubling}{{{{ a | length }}}}")),
        ("a repeated text", TemplateFormat::Jinja2, "{{ 'xxxxxxxxxx' * 1000000000 }}".to_owned()),
        (
            "a replaced text",
            TemplateFormat::Jinja2,
            "{{ t | replace('x', t) | replace('x', t) | length }}".to_owned(),
        ),
    ];
    let variables = vars! { "a" => list(1000), "b" => list(1000), "c" => list(1000), "t" => "x".repeat(100_000) };
    let mut shown = String::new();
    for (name, format, source) in table {
        let outcome = match PromptTemplate::parse(source, format) {
            Ok(template) => match template.format(&variables) {
                Ok(value) => format!("{} bytes", value.to_string().len()),
                Err(error) => Report::new(&error).to_string(),
            },
            Err(error) => error.to_string().lines().last().unwrap_or_default().to_owned(),
        };
        shown += &format!("{name}: {outcome}\n");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn shared_and_nested_values_are_limited() {
    for end in ["{{ a }}", "{{ a | tojson }}"] {
        let source = format!("{}{end}", "{% set a = (a, a) %}".repeat(40));
        let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
        assert!(prompt.format(&vars! { "a" => "text" }).is_err(), "{end}");
    }
}

#[test]
fn a_trimmed_raw_block_holds_no_names() {
    let source = "{%- raw -%} {{ x }} {% y %} {%- endraw -%} {{ z }}";
    let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
    assert_eq!(prompt.input_variables(), ["z"]);
    assert_eq!(prompt.format(&vars! { "z" => 1 }).unwrap().to_string(), "{{ x }} {% y %}1");
}
