//! Twins of what LangChain's own tests for prompts pin down, where no other module here has it.

use conversant_core::{Message, Messages, Part, Prompt, PromptError, Role, Value, Variables, vars};
use conversant_prompts::{
    ChatPromptTemplate, Example, ExampleSelector, FewShotChatPromptTemplate, FewShotPromptTemplate,
    LengthBasedSelector, LoadedPrompt, MessageTemplate, MessagesPlaceholder, PartTemplate,
    PipelinePromptTemplate, PromptTemplate, TemplateFormat,
};
use serde_json::{Value as Json, json};

fn format(prompt: &dyn Prompt, variables: &Variables) -> String {
    prompt.format(variables).unwrap().into_text()
}

fn mustache(source: &str, variables: &Variables) -> String {
    format(&PromptTemplate::parse(source, TemplateFormat::Mustache).unwrap(), variables)
}

mod strings {
    use super::*;

    #[test]
    fn values_that_count_as_false() {
        // Value, f-string, mustache.
        let table: [(Value, &str, &str); 8] = [
            ("0".into(), "0", "0"),
            // Later versions show zero in mustache too; 0.1 does not.
            (0.into(), "0", ""),
            (0.0.into(), "0.0", ""),
            (false.into(), "False", ""),
            ("".into(), "", ""),
            (json!(null).into(), "None", ""),
            (json!([]).into(), "[]", ""),
            (json!({}).into(), "{}", ""),
        ];
        for (value, f_string, other) in table {
            let variables = vars! { "x" => value };
            assert_eq!(
                format(&PromptTemplate::from_template("{x}").unwrap(), &variables),
                f_string
            );
            assert_eq!(mustache("{{x}}", &variables), other);
        }
    }

    #[test]
    fn a_variable_may_have_the_name_of_an_argument() {
        let variables = vars! { "template" => "bar" };
        for (format, source) in [
            (TemplateFormat::FString, "{template}"),
            (TemplateFormat::Mustache, "{{template}}"),
            (TemplateFormat::Jinja2, "{{template}}"),
        ] {
            let prompt = PromptTemplate::parse(source, format).unwrap();
            assert_eq!(super::format(&prompt, &variables), "bar");
        }
    }

    #[test]
    fn templates_of_one_format_are_joined_and_of_two_are_not() {
        let sources = [
            (TemplateFormat::FString, "This is a {x}", ". This is {y}"),
            (TemplateFormat::Jinja2, "This is a {{x}}", ". This is {{y}}"),
            (TemplateFormat::Mustache, "This is a {{x}}", ". This is {{y}}"),
        ];
        let variables = vars! { "x" => "1", "y" => "2" };
        for (format, left, right) in sources {
            let parse = |source| PromptTemplate::parse(source, format).unwrap();
            let joined = (parse(left) + parse(right)).unwrap();
            assert_eq!(joined.input_variables(), ["x", "y"]);
            assert_eq!(super::format(&joined, &variables), "This is a 1. This is 2");
        }
        let template = |source, format| PromptTemplate::parse(source, format).unwrap();
        let mixed =
            template("{x}", TemplateFormat::FString) + template("{{y}}", TemplateFormat::Mustache);
        assert_eq!(
            mixed.unwrap_err().to_string(),
            "a template in f-string cannot be joined to one in mustache"
        );
        let partial = || template("{x}", TemplateFormat::FString).with_partial("x", "1");
        assert_eq!(
            (partial() + partial()).unwrap_err().to_string(),
            "both templates have a partial variable `x`"
        );
    }

    #[test]
    fn jinja_takes_single_braces_and_reaches_no_code() {
        let parse = |source| PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
        let text = "Hello there\nThere is no variable here {\nWill it get confused{ }?\n    ";
        assert!(parse(text).input_variables().is_empty());
        assert_eq!(format(&parse(text), &vars! {}), text);
        assert!(parse(" {{''.__class__.__bases__[0] }} ").format(&vars! {}).is_err());

        let template = parse(
            "Hello world\n\nYour variable: {{ foo }}\n\n{# This will not get rendered #}\n\n\
             {% if bar %}\nYou set bar to true\n{% endif %}\n\n\
             {% for i in foo_list %}\n{{ i }}\n{% endfor %}\n",
        );
        let names: Vec<_> = template.slots().iter().map(|slot| slot.name()).collect();
        assert_eq!(names, ["foo", "bar", "foo_list"]);
        assert_eq!(template.input_variables(), ["foo", "foo_list"], "a condition is optional");
    }

    #[test]
    fn mustache_walks_nested_sections() {
        let nested = "This{{#foo}}\n        {{bar}}\n        {{#baz}}\n            {{qux}}\n        \
                      {{/baz}}\n        {{quux}}\n    {{/foo}}is a test.";
        let foo = json!({"bar": "yo", "baz": [{"qux": "wassup"}], "quux": "hello"});
        assert_eq!(
            mustache(nested, &vars! { "foo" => foo }),
            "This\n        yo\n            wassup\n        hello\n    is a test."
        );

        let deeper = "This{{#foo}}\n        {{bar}}\n        {{#baz.qux}}\n            {{#barfoo}}\n                \
                      {{foobar}}\n            {{/barfoo}}\n            {{foobar}}\n        {{/baz.qux}}\n        \
                      {{quux}}\n    {{/foo}}is a test.";
        let foo = json!({"bar": "yo", "quux": "hello", "baz": {"qux": [
            {"foobar": "wassup"}, {"foobar": "yoyo", "barfoo": {"foobar": "hello there"}}]}});
        assert_eq!(
            mustache(deeper, &vars! { "foo" => foo }),
            "This\n        yo\n            wassup\n                hello there\n            yoyo\n        \
             hello\n    is a test."
        );

        let section = "This{{#foo}}\n        {{bar}}\n    {{/foo}}is a test.";
        let one = vars! { "foo" => json!({"bar": "yo"}) };
        assert_eq!(mustache(section, &one), "This\n        yo\n    is a test.");
        let two = vars! { "foo" => json!([{"bar": "yo"}, {"bar": "hello"}]) };
        assert_eq!(
            mustache(section, &two),
            "This\n        yo\n    \n        hello\n    is a test."
        );
        let inverted = "This{{^foo}}\n        no foos\n    {{/foo}}is a test.";
        assert_eq!(mustache(inverted, &vars! {}), "This\n        no foos\n    is a test.");
        let obj = vars! { "obj" => json!({"bar": "foo", "foo": "bar"}), "foo" => "baz" };
        assert_eq!(mustache("{{obj.bar}} {{obj.foo}} {{{foo}}}", &obj), "foo bar baz");
    }
}

mod chats {
    use super::*;

    #[test]
    fn partial_variables_hold_for_their_own_side_of_a_joined_chat() {
        let left = ChatPromptTemplate::from_messages([("system", "Prompt {x} {y}")])
            .unwrap()
            .with_partial("x", "1");
        let right = ChatPromptTemplate::from_messages([("system", "Appendix {z}")]).unwrap();
        let joined = left + right;
        assert_eq!(joined.input_variables(), ["y", "z"]);
        assert_eq!(
            format(&joined, &vars! { "y" => "2", "z" => "3" }),
            "System: Prompt 1 2\nSystem: Appendix 3"
        );
    }

    #[test]
    fn messages_are_appended() {
        let prompt = ChatPromptTemplate::from_messages([Message::system("foo")])
            .unwrap()
            .append(Message::human("bar"))
            .unwrap()
            .extend((Message::human("baz"), ("system", "hello {x}!"), "{y}"))
            .unwrap();
        assert_eq!(
            format(&prompt, &vars! { "x" => "1", "y" => "2" }),
            "System: foo\nHuman: bar\nHuman: baz\nSystem: hello 1!\nHuman: 2"
        );
    }

    #[test]
    fn a_chat_inside_a_chat_keeps_its_partial_variables() {
        let inner = ChatPromptTemplate::from_messages([("ai", "{x} {y}")])
            .unwrap()
            .with_partial("x", "inner")
            .with_partial_fn("y", || "function");
        let outer = ChatPromptTemplate::from_messages((inner, ("human", "{x}"))).unwrap();
        assert_eq!(outer.input_variables(), ["x"]);
        let outer = outer.with_partial("x", "outer");
        assert_eq!(format(&outer, &vars! {}), "AI: outer function\nHuman: outer");
    }

    #[test]
    fn parts_are_filled_in() {
        let prompt = ChatPromptTemplate::from_messages((
            MessageTemplate::system("You are an AI assistant named {name}."),
            MessageTemplate::human_parts([
                PartTemplate::text("What's in this {object}?"),
                PartTemplate::image_url("data:image/jpeg;base64,{my_image}"),
                PartTemplate::image_url("{other}").with_detail("{detail}"),
                PartTemplate::from(Part::image_url("https://example.com/{literal}.png")),
            ]),
        ))
        .unwrap();
        let messages = prompt
            .format_messages(&vars! {
                "name" => "R2D2", "object" => "image", "my_image" => "aGk=", "other" => "u", "detail" => "low",
            })
            .unwrap();
        let expected = Message::human(vec![
            Part::text("What's in this image?"),
            Part::image_url("data:image/jpeg;base64,aGk="),
            Part::image_url("u").with_detail("low"),
            Part::image_url("https://example.com/{literal}.png"),
        ]);
        assert_eq!(messages.last(), Some(&expected));
    }

    #[test]
    fn parts_take_the_format_of_the_prompt() {
        for (format, kind, data) in [
            (TemplateFormat::FString, "{kind}", "{data}"),
            (TemplateFormat::Mustache, "{{{kind}}}", "{{{data}}}"),
            (TemplateFormat::Jinja2, "{{ kind }}", "{{ data }}"),
        ] {
            let image = PartTemplate::image_url(format!("data:{kind};base64, {data}"));
            let message = MessageTemplate::human_parts([image.with_detail("low")]);
            let prompt = ChatPromptTemplate::parse([message], format).unwrap();
            let messages =
                prompt.format_messages(&vars! { "kind" => "image/png", "data" => "aGk=" }).unwrap();
            let part = Part::image_url("data:image/png;base64, aGk=").with_detail("low");
            assert_eq!(messages, Messages::from(Message::human(vec![part])));
        }
    }

    #[test]
    fn placeholders_are_required_or_not() {
        let history = Messages::from_iter([Message::system("s"), Message::human("h")]);
        let prompt = |placeholder| ChatPromptTemplate::from_messages([placeholder]).unwrap();
        let required = prompt(MessagesPlaceholder::new("history"));
        let error = required.format(&vars! {}).unwrap_err();
        assert!(matches!(error, PromptError::MissingVariables { .. }));
        let optional = prompt(MessagesPlaceholder::new("history").optional());
        assert_eq!(format(&optional, &vars! {}), "");
        assert_eq!(
            format(&optional, &vars! { "history" => history.clone() }),
            "System: s\nHuman: h"
        );
        let partial = required.with_partial("history", history);
        assert_eq!(format(&partial, &vars! {}), "System: s\nHuman: h");
        let other = Messages::from_iter([Message::ai("a")]);
        assert_eq!(format(&partial, &vars! { "history" => other }), "AI: a");
    }

    #[test]
    fn written_as_langchain_writes_it_a_chat_with_images_is_read() {
        let prompt = LoadedPrompt::from_value(json!({
            "lc": 1, "type": "constructor", "id": ["langchain", "prompts", "chat", "ChatPromptTemplate"],
            "kwargs": {"input_variables": ["img", "input"], "messages": [
                object("chat", "SystemMessagePromptTemplate", &json!({"prompt": [
                    object("prompt", "PromptTemplate", &json!({
                        "template": "Foo", "input_variables": [], "template_format": "f-string",
                        "partial_variables": {}}))]})),
                object("chat", "HumanMessagePromptTemplate", &json!({"prompt": [
                    object("image", "ImagePromptTemplate", &json!({
                        "template": {"url": "data:image/png;base64,{img}"}, "input_variables": ["img"]})),
                    object("prompt", "PromptTemplate", &json!({
                        "template": "{input}", "input_variables": ["input"]}))]})),
            ]},
        }))
        .unwrap();
        let value = prompt.format(&vars! { "img" => "aGk=", "input" => "hi" }).unwrap();
        assert_eq!(value.to_string(), "System: Foo\nHuman: [image]\nhi");
    }

    fn object(module: &str, class: &str, kwargs: &Json) -> Json {
        json!({"lc": 1, "type": "constructor", "id": ["langchain", "prompts", module, class], "kwargs": kwargs})
    }
}

mod few_shot {
    use super::*;

    fn example_prompt() -> PromptTemplate {
        PromptTemplate::from_template("{question}: {answer}").unwrap()
    }

    fn examples() -> [Example; 2] {
        [
            vars! { "question" => "foo", "answer" => "bar" },
            vars! { "question" => "baz", "answer" => "foo" },
        ]
    }

    /// Takes all examples, and counts on the call having said for whom.
    struct AsIs(Vec<Example>, [conversant_core::Slot; 1]);

    impl ExampleSelector for AsIs {
        fn select(&self, variables: &Variables) -> Result<Vec<Example>, PromptError> {
            assert!(variables.contains("reader"));
            Ok(self.0.clone())
        }

        fn slots(&self) -> &[conversant_core::Slot] {
            &self.1
        }
    }

    fn as_is(examples: impl IntoIterator<Item = Example>) -> AsIs {
        AsIs(examples.into_iter().collect(), [conversant_core::Slot::text("reader")])
    }

    #[test]
    fn the_parts_that_are_there_are_joined() {
        let suffix_only = FewShotPromptTemplate::builder(example_prompt())
            .suffix("This is a {foo} test.")
            .build()
            .unwrap();
        assert_eq!(suffix_only.input_variables(), ["foo"]);
        assert_eq!(format(&suffix_only, &vars! { "foo" => "bar" }), "This is a bar test.");

        let whole = FewShotPromptTemplate::builder(example_prompt())
            .prefix("This is a test about {content}.")
            .examples(examples())
            .suffix("Now you try to talk about {new_content}.")
            .example_separator("\n")
            .build()
            .unwrap();
        let expected =
            "This is a test about animals.\nfoo: bar\nbaz: foo\nNow you try to talk about party.";
        let variables = vars! { "content" => "animals", "new_content" => "party" };
        assert_eq!(format(&whole, &variables), expected);

        let variables = vars! { "new_content" => "party" };
        let partial = whole.clone().with_partial("content", "animals");
        assert_eq!(format(&partial, &variables), expected);
        let function = whole.with_partial_fn("content", || "animals");
        assert_eq!(format(&function, &variables), expected);
    }

    #[test]
    fn a_selector_chooses() {
        let prompt = FewShotPromptTemplate::builder(example_prompt())
            .selector(as_is(examples()))
            .suffix("This is a {foo} test.")
            .build()
            .unwrap();
        assert_eq!(prompt.input_variables(), ["foo", "reader"]);
        assert_eq!(
            format(&prompt, &vars! { "foo" => "bar", "reader" => "me" }),
            "foo: bar\n\nbaz: foo\n\nThis is a bar test."
        );
        let partial = prompt.with_partial("reader", "me");
        assert!(format(&partial, &vars! { "foo" => "bar" }).starts_with("foo: bar"));
    }

    #[test]
    fn examples_in_jinja() {
        let parse = |source| PromptTemplate::parse(source, TemplateFormat::Jinja2).unwrap();
        let prompt = FewShotPromptTemplate::builder(parse("{{ word }}: {{ antonym }}"))
            .template_format(TemplateFormat::Jinja2)
            .prefix("Starting with {{ foo }}")
            .examples([
                vars! { "word" => "happy", "antonym" => "sad" },
                vars! { "word" => "{{ tall }}", "antonym" => "short" },
            ])
            .suffix("Ending with {{ bar }}")
            .build()
            .unwrap();
        assert_eq!(
            format(&prompt, &vars! { "foo" => "hello", "bar" => "bye" }),
            "Starting with hello\n\nhappy: sad\n\n{{ tall }}: short\n\nEnding with bye"
        );
    }

    #[test]
    fn examples_are_messages_of_a_chat() {
        let example =
            ChatPromptTemplate::from_messages([("human", "{input}"), ("ai", "{output}")]).unwrap();
        let examples = [
            vars! { "input" => "2+2", "output" => "4" },
            vars! { "input" => "2+3", "output" => "5" },
        ];
        let fixed = FewShotChatPromptTemplate::new(example.clone(), examples.clone()).unwrap();
        let chosen = FewShotChatPromptTemplate::with_selector(example, as_is(examples));
        for few_shot in [fixed, chosen] {
            let prompt = ChatPromptTemplate::from_messages((
                ("system", "You are a helpful AI Assistant"),
                few_shot,
                ("human", "{input}"),
            ))
            .unwrap();
            assert_eq!(
                format(&prompt, &vars! { "input" => "100 + 1", "reader" => "me" }),
                "System: You are a helpful AI Assistant\n\
                 Human: 2+2\nAI: 4\nHuman: 2+3\nAI: 5\nHuman: 100 + 1"
            );
        }
    }

    #[test]
    fn an_example_that_lacks_something_is_told_when_built() {
        let lacking =
            [vars! { "question" => "foo", "answer" => "bar" }, vars! { "question" => "baz" }];
        let string =
            FewShotPromptTemplate::builder(example_prompt()).examples(lacking.clone()).build();
        assert_eq!(string.unwrap_err().to_string(), "example 2: missing variable `answer`");
        let chat = ChatPromptTemplate::from_messages([("human", "{question}{answer:d}")]).unwrap();
        let error = FewShotChatPromptTemplate::new(chat.clone(), lacking).unwrap_err();
        assert_eq!(error.to_string(), "example 2: missing variable `answer`");
        let error = FewShotChatPromptTemplate::new(chat, examples()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "example 1: cannot format variable `answer`: value of `answer` does not fit `{answer:d}`: format code `d` cannot write text, at line 1, column 11"
        );
    }

    #[test]
    fn the_length_based_selector_stops_at_the_first_that_does_not_fit() {
        let question = "Question: who are you?\nAnswer: foo";
        let examples = [vars! { "question" => question }, vars! { "question" => question }];
        let prompt = PromptTemplate::from_template("{question}").unwrap();
        let mut selector = LengthBasedSelector::new(prompt, examples, 30).unwrap();
        let chosen = |selector: &LengthBasedSelector, question: &str| {
            selector.select(&vars! { "question" => question }).unwrap().len()
        };
        assert_eq!(chosen(&selector, "Short question?"), 2);
        selector.add(vars! { "question" => "Question: what are you?\nAnswer: bar" }).unwrap();
        assert_eq!(chosen(&selector, "Short question?"), 3);
        let long = "I am writing a really long question,\n    \
                    this probably is going to affect the example right?";
        assert_eq!(chosen(&selector, long), 1);
        let longest = "This question is super super super,\n    super super super super super super \
                       super super super super super,\n    super super super super long, this will affect \
                       the example right?";
        assert_eq!(chosen(&selector, longest), 0);
    }

    /// As in LangChain's chain, which passes on the variables of the prompt alone.
    #[test]
    fn a_selector_sees_the_variables_of_its_prompt() {
        let example = || PromptTemplate::from_template("in {n}").unwrap();
        let examples: Vec<_> = (0..6).map(|n| vars! { "n" => n.to_string() }).collect();
        let selector = || LengthBasedSelector::new(example(), examples.clone(), 12).unwrap();
        let text = FewShotPromptTemplate::builder(example())
            .selector(selector())
            .suffix("{q}")
            .build()
            .unwrap();
        let chat = |example: &str| {
            let example = ChatPromptTemplate::from_template(example).unwrap();
            let examples = FewShotChatPromptTemplate::with_selector(example, selector());
            ChatPromptTemplate::from_messages([
                MessageTemplate::from(examples),
                MessagesPlaceholder::new("history").into(),
                MessageTemplate::human("{q}"),
            ])
            .unwrap()
        };
        let long = "one two three four five six seven eight";
        let history = || Messages::from(vec![Message::human(long)]);
        let variables = [
            vars! { "q" => "a", "history" => Messages::new() },
            vars! { "q" => "a", "history" => history() },
            vars! { "q" => "a", "history" => history(), "other" => long },
        ];
        for variables in variables {
            let shown = format(&text, &variables);
            assert_eq!(shown.matches("in ").count(), 5, "{shown}");
            let shown = chat("in {n}").format(&variables).unwrap().to_string();
            assert_eq!(shown.matches("in ").count(), 5, "{shown}");
        }
        let shown = format(&text, &vars! { "q" => long });
        assert_eq!(shown.matches("in ").count(), 2, "{shown}");
    }
}

mod pipelines {
    use super::*;

    #[test]
    fn what_a_part_gives_is_no_input() {
        let template = |source: &str| PromptTemplate::from_template(source).unwrap();
        let prompt = PipelinePromptTemplate::new(template("okay {bar} {baz}"))
            .with_part("bar", template("{foo}"));
        assert_eq!(prompt.input_variables(), ["baz", "foo"]);
        assert_eq!(format(&prompt, &vars! { "foo" => "jim", "baz" => "deep" }), "okay jim deep");
        assert_eq!(
            prompt.format(&vars! { "foo" => "{baz}", "baz" => "d" }).unwrap().to_string(),
            "okay {baz} d"
        );
    }

    #[test]
    fn a_chat_gives_messages() {
        let last = ChatPromptTemplate::from_messages([MessagesPlaceholder::new("foo")]).unwrap();
        let part = ChatPromptTemplate::from_template("jim {bar}").unwrap();
        let prompt = PipelinePromptTemplate::new(last).with_part("foo", part);
        assert_eq!(prompt.input_variables(), ["bar"]);
        let messages = prompt.format(&vars! { "bar" => "okay" }).unwrap().into_messages();
        assert_eq!(messages, Messages::from(Message::new(Role::Human, "jim okay")));
    }
}
