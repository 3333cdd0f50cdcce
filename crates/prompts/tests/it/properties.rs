//! General rules for prompts of every format.

use conversant_core::{Message, Messages, Prompt, vars};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate, TemplateFormat,
    escape,
};
use proptest::prelude::*;

/// Text that looks like syntax in one format or another.
fn value() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "{{",
        "}}",
        "{x}",
        "{{x}}",
        "{% if x %}",
        "{% raw %}",
        "{{{x}}}",
        "{{#x}}",
        "{{/x}}",
        "{#",
        "#}",
        "é",
        "東",
        "\n",
        " ",
        "%s",
        "${x}",
        "\\u007b",
    ]);
    prop_oneof![
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat()),
        any::<String>(),
    ]
}

/// A template that is only `left`, the variable `x`, `right`.
fn formats() -> Vec<(TemplateFormat, &'static str)> {
    vec![
        (TemplateFormat::FString, "[{x}|{x!s}]"),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "[{{ x }}|{{x}}]"),
        #[cfg(feature = "mustache")]
        (TemplateFormat::Mustache, "[{{{x}}}|{{& x }}]"),
    ]
}

proptest! {
    #[test]
    fn no_value_is_read_as_syntax(x in value()) {
        for (format, source) in formats() {
            let prompt = PromptTemplate::parse(source, format).unwrap();
            let text = prompt.format(&vars! { "x" => x.as_str(), "y" => "Y" }).unwrap().into_text();
            prop_assert_eq!(&text, &format!("[{x}|{x}]"));
            // Literals and values, and nothing else.
            prop_assert_eq!(text.len(), 3 + 2 * x.len());
            let partial = prompt.with_partial("x", x.as_str());
            prop_assert_eq!(partial.format(&vars! {}).unwrap().into_text(), text);
        }
    }

    #[test]
    fn a_chat_shows_values_and_messages_as_they_are(x in value(), literal in value()) {
        let prompt = ChatPromptTemplate::from_messages((
            Message::system(literal.as_str()),
            MessagesPlaceholder::new("h"),
            MessageTemplate::ai(escape(&literal)),
            MessageTemplate::human("{x}"),
        )).unwrap();
        let history = Messages::from_iter([Message::human(x.as_str())]);
        let messages = prompt.format_messages(&vars! { "h" => history, "x" => x.as_str() }).unwrap();
        let texts: Vec<_> = messages.iter().map(|message| message.text().into_owned()).collect();
        prop_assert_eq!(texts, [literal.clone(), x.clone(), literal, x]);
    }

    #[test]
    fn joined_templates_render_as_their_parts(left in value(), right in value(), x in value()) {
        let template = |literal: &str| {
            PromptTemplate::from_template(format!("{}{{x}}", escape(literal))).unwrap()
        };
        let joined = (template(&left) + template(&right)).unwrap();
        let text = joined.format(&vars! { "x" => x.as_str() }).unwrap().into_text();
        prop_assert_eq!(text, format!("{left}{x}{right}{x}"));
    }

    #[test]
    fn what_is_written_is_read_again(literal in value(), x in value()) {
        let prompt = PromptTemplate::from_template(format!("{}{{x}}", escape(&literal)))
            .unwrap()
            .with_partial("x", x);
        let written = serde_json::to_string(&prompt).unwrap();
        let read: PromptTemplate = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(read.template(), prompt.template());
        prop_assert_eq!(read.format(&vars! {}).unwrap(), prompt.format(&vars! {}).unwrap());
    }
}

#[test]
fn large_templates_take_no_more_than_their_length() {
    // Were anything quadratic, this would not end.
    let sources = [
        (TemplateFormat::FString, "{x} {{}} text ".repeat(700_000)),
        (TemplateFormat::FString, "{x".repeat(1_000_000)),
        #[cfg(feature = "mustache")]
        (TemplateFormat::Mustache, "{{x}} {{{x}}}\n {{! c }} \n".repeat(40_000)),
        #[cfg(feature = "mustache")]
        (TemplateFormat::Mustache, "{{#x}}\n{{/x}}   ".repeat(60_000)),
        #[cfg(feature = "mustache")]
        (TemplateFormat::Mustache, "{{".repeat(500_000)),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "{{ x }}{% if x %}text{% endif %}{# c #}".repeat(15_000)),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "{% set y = x %}".repeat(40_000)),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "{{ x ".repeat(100_000)),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "{{ x and y or z }}{# #}{{".repeat(20_000)),
        #[cfg(feature = "jinja")]
        (TemplateFormat::Jinja2, "{% if x %}".repeat(100_000)),
    ];
    for (format, source) in sources {
        if let Ok(prompt) = PromptTemplate::parse(source, format) {
            prompt.format(&vars! { "x" => "v" }).unwrap();
        }
    }
}
