//! Limits of templates: no input panics, and no template makes more text than is allowed.

use conversant_core::{Messages, Prompt, PromptError, Report, Variables, vars};
use conversant_prompts::{
    ChatPromptTemplate, Example, ExampleSelector, FewShotChatPromptTemplate, FewShotPromptTemplate,
    MAX_OUTPUT_BYTES, MessageTemplate, PartTemplate, PipelinePromptTemplate, PromptTemplate,
    TemplateFormat, WorkLimit,
};
use serde_json::{Value as Json, json};

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

/// Text that a filter makes of a list that holds a long text many times.
#[test]
fn text_of_lists_is_limited() {
    let filters = ["join", "string", "upper", "lower", "title", "capitalize", "trim", "split"];
    let filters = filters.iter().map(|filter| format!("{{{{ ([t] * 100000) | {filter} }}}}"));
    let more = [
        "{{ '%s' | format([t] * 100000) | length }}",
        "{{ ([t] * 100000) | join(t) | length }}",
        "{{ ([t] * 100000) | join(d=', ') | length }}",
        "{{ 'a' | join([t] * 100000) }}",
    ];
    for source in filters.chain(more.map(str::to_owned)) {
        let prompt = PromptTemplate::parse(source.as_str(), TemplateFormat::Jinja2).unwrap();
        let error = prompt.format(&vars! { "t" => "x".repeat(100_000) }).unwrap_err();
        let PromptError::Custom(cause) = &error else { panic!("{source}: {error}") };
        assert!(cause.is::<WorkLimit>(), "{source}: {cause}");
    }
    let source = "{{ l | join(', ') }} {{ l | join(d='-') | upper }} {{ '%s' | format(l) }}";
    let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
    let text = prompt.format(&vars! { "l" => json!(["a", 1]) }).unwrap().to_string();
    assert_eq!(text, "a, 1 A-1 ['a', 1]");
}

/// Mustache sections that show little, and do much for it.
#[test]
fn work_in_mustache_is_limited() {
    let nested = |body: &str| format!("{{{{#l}}}}{{{{#l}}}}{body}{{{{/l}}}}{{{{/l}}}}");
    let deep = format!("{}{{{{a.b}}}}{}", "{{#o}}".repeat(60), "{{/o}}".repeat(60));
    let list = json!(vec![1; 1000]);
    let parts =
        json!([{"type": "human", "data": {"content": vec![json!({"type": "thinking"}); 10_000]}}]);
    let messages: Messages = serde_json::from_value(parts).unwrap();
    let variables = vars! {
        "l" => list, "e" => "", "t" => "x".repeat(1_000_000), "o" => json!({"k": {"b": 1}}),
        "a" => json!({"b": ""}), "m" => messages,
    };
    let format = |source: &str| {
        let prompt = PromptTemplate::parse(source, TemplateFormat::Mustache).unwrap();
        prompt.format(&variables)
    };
    for source in [
        nested(&"{{e}}".repeat(40)),
        nested(&"{{#e}}x{{/e}}".repeat(40)),
        nested("{{t.999999}}"),
        nested("{{m.0.content}}"),
        nested(&format!("{{{{#{0}}}}}{{{{/{0}}}}}", "n".repeat(10_000))),
        format!("{{{{#l}}}}{}{{{{/l}}}}", deep.repeat(20)),
    ] {
        let start: String = source.chars().take(40).collect();
        let error = format(&source).unwrap_err();
        let PromptError::Custom(cause) = &error else { panic!("{start}: {error}") };
        assert_eq!(cause.downcast_ref(), Some(&WorkLimit::Steps), "{start}");
    }
    for source in ["{{t.0}}", "{{t.-1}}", "{{a.b}}-"] {
        let text = format(&format!("{{{{#l}}}}{}{{{{/l}}}}", source.repeat(100))).unwrap();
        assert_eq!(text.to_string().len(), 100_000, "{source}");
    }
}

/// Values that are nested deeper than a stack is.
#[test]
fn nested_values_are_limited() {
    for (set, most) in [("{% set a = [a] %}", 500), ("{% set a = a[:] %}", 300)] {
        for end in ["{{ a }}", "{{ a | list }}", "{{ a == [a] }}", "{{ a | tojson }}"] {
            let source = |count: usize| format!("{}{end}", set.repeat(count));
            let parse = |count| PromptTemplate::parse(source(count), TemplateFormat::Jinja2);
            let _ = parse(most).unwrap().format(&vars! { "a" => json!([1]) });
            assert!(parse(100_000).is_err(), "{set} {end}");
        }
    }
}

#[test]
fn tojson_writes_200_levels() {
    let prompt = PromptTemplate::parse("{{ a | tojson }}", TemplateFormat::Jinja2).unwrap();
    let list: fn(Json) -> Json = |inner| json!([inner]);
    let map = |inner| json!({ "k": inner });
    for (name, wrap) in [("lists", list), ("maps", map)] {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| wrap(inner));
        let text = prompt.format(&vars! { "a" => nested(200) }).unwrap().to_string();
        assert!(text.ends_with(if name == "lists" { "]]]" } else { "}}}" }), "{text}");
        assert!(prompt.format(&vars! { "a" => nested(201) }).is_err(), "{name}");
    }
}

/// minijinja panics on these in builds that check for overflow.
#[test]
fn extreme_numbers_do_not_panic() {
    for source in [
        "{{ 'abc'[::-9223372036854775808] }}",
        "{{ 'abc'[::-9223372036854775807 - 1] }}",
        "{{ 'abc'[::n] }}{{ [1, 2][::n] }}{{ [1, 2][n:] }}",
        "{{ n // -1 }}{{ -n }}{{ n | abs }}{{ 2 ** 127 }}",
    ] {
        let Ok(prompt) = PromptTemplate::parse(source, TemplateFormat::Jinja2) else { continue };
        let _ = prompt.format(&vars! { "n" => i64::MIN });
    }
}

#[test]
fn a_trimmed_raw_block_holds_no_names() {
    let source = "{%- raw -%} {{ x }} {% y %} {%- endraw -%} {{ z }}";
    let prompt = PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
    assert_eq!(prompt.input_variables(), ["z"]);
    assert_eq!(prompt.format(&vars! { "z" => 1 }).unwrap().to_string(), "{{ x }} {% y %}1");
}

/// A template of very many names is made and filled in a time that grows with their number only.
#[test]
fn many_names_are_made_and_filled() {
    let count = 50_000;
    let source: String = (0..count).map(|number| format!("{{n{number}}}")).collect();
    let variables = (0..count).map(|number| (format!("n{number}"), "x")).collect();
    let prompt = PromptTemplate::from_template(source).unwrap();
    assert_eq!(prompt.format(&variables).unwrap().to_string(), "x".repeat(count));
}

#[test]
fn many_prompts_are_joined() {
    let part = |number: usize| PromptTemplate::from_template(format!("{{n{number}}}{{a}}"));
    let mut prompt = PromptTemplate::from_template("").unwrap().with_partial("a", "x");
    for number in 0..5_000 {
        let part = part(number).unwrap().with_partial(format!("p{number}"), "y");
        prompt = prompt.append(part).unwrap();
    }
    let prompt = prompt.append(PromptTemplate::from_template("{p7}{n1}").unwrap()).unwrap();
    assert_eq!(prompt.input_variables().len(), 5_000);
    let variables = (0..5_000).map(|number| (format!("n{number}"), "z")).collect();
    assert_eq!(prompt.format(&variables).unwrap().to_string(), "zx".repeat(5_000) + "yz");
}

/// Prompts without loops that repeat a long value, or an example with one.
#[test]
fn repeated_values_are_limited_in_prompts_of_every_kind() {
    let fields = || PromptTemplate::from_template("{t}".repeat(2_000)).unwrap();
    let messages = || vec![MessageTemplate::human("{t}"); 2_000];
    let parts = vec![PartTemplate::text("{t}"); 1_000];
    let images = vec![PartTemplate::image_url("{t}"); 1_000];
    let example = PromptTemplate::from_template("{n}{t}").unwrap();
    let example = example.with_partial("t", "x".repeat(100_000));
    let examples = || (0..2_000).map(|number| vars! { "n" => number });
    let doubled = |name: &str| PromptTemplate::from_template(format!("{{{name}}}{{{name}}}"));
    let mut pipeline = PipelinePromptTemplate::new(doubled("p40").unwrap());
    for number in 0..=40 {
        let before = if number == 0 { "t".to_owned() } else { format!("p{}", number - 1) };
        pipeline = pipeline.with_part(format!("p{number}"), doubled(&before).unwrap());
    }
    let prompts: [(&str, Box<dyn Prompt>); 8] = [
        ("fields", Box::new(fields())),
        ("widths", Box::new(PromptTemplate::from_template("{w:>999}".repeat(50_000)).unwrap())),
        ("messages", Box::new(ChatPromptTemplate::from_messages(messages()).unwrap())),
        (
            "parts",
            Box::new(
                ChatPromptTemplate::from_messages([
                    MessageTemplate::human_parts(parts),
                    MessageTemplate::human_parts(images),
                ])
                .unwrap(),
            ),
        ),
        (
            "examples",
            Box::new(
                FewShotPromptTemplate::builder(example)
                    .examples(examples())
                    .suffix("{t}")
                    .build()
                    .unwrap(),
            ),
        ),
        (
            "separators",
            Box::new(
                FewShotPromptTemplate::builder(PromptTemplate::from_template("{n}").unwrap())
                    .examples(examples())
                    .example_separator("x".repeat(100_000))
                    .suffix("{t}")
                    .build()
                    .unwrap(),
            ),
        ),
        ("pipeline", Box::new(pipeline)),
        (
            "examples as messages",
            Box::new(FewShotChatPromptTemplate::with_selector(
                ChatPromptTemplate::from_messages(messages()).unwrap(),
                Chosen,
            )),
        ),
    ];
    for (name, prompt) in prompts {
        let error = prompt.format(&vars! { "t" => "x".repeat(100_000), "w" => "x" }).unwrap_err();
        let PromptError::Custom(cause) = &error else { panic!("{name}: {error}") };
        assert_eq!(cause.downcast_ref(), Some(&WorkLimit::Output), "{name}");
    }
    let example = ChatPromptTemplate::from_template("{n}{t}").unwrap();
    let example = example.with_partial("t", "x".repeat(100_000));
    let error = FewShotChatPromptTemplate::new(example, examples()).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}

/// A selector of one example with a long value.
struct Chosen;

impl ExampleSelector for Chosen {
    fn select(&self, _: &Variables) -> Result<Vec<Example>, PromptError> {
        Ok(vec![vars! { "t" => "x".repeat(100_000) }])
    }
}

/// A value that is longer than the limit may be used once.
#[test]
fn long_values_are_not_limited() {
    let long = "x".repeat(MAX_OUTPUT_BYTES + 1);
    let text = PromptTemplate::from_template("Summarise {t}!").unwrap();
    let text = text.format(&vars! { "t" => long.as_str() }).unwrap().into_text();
    assert_eq!(text.len(), long.len() + "Summarise !".len());
    let chat = ChatPromptTemplate::from_template("{t}").unwrap();
    let messages = chat.format_messages(&vars! { "t" => long.as_str() }).unwrap();
    assert_eq!(messages.first().unwrap().text().len(), long.len());
}
