//! Partial variables where a prompt does not get all variables of a call: pipelines, examples.

use conversant_core::{Message, Messages, Prompt, Role, prompt_inputs, vars};
use conversant_prompts::{
    ChatPromptTemplate, FewShotChatPromptTemplate, FewShotPromptTemplate, MessageTemplate,
    MessagesPlaceholder, PipelinePromptTemplate, PromptTemplate,
};

fn template(source: &str) -> PromptTemplate {
    PromptTemplate::from_template(source).unwrap()
}

#[test]
fn neither_a_call_nor_a_part_replaces_those_of_a_pipeline() {
    let part = |source| template(source).with_partial("tone", "kindly");
    let pipeline = |last: PromptTemplate| {
        let first = PipelinePromptTemplate::new(last).with_part("tone", part("A {tone} {x}"));
        first.with_part("second", part("B {tone}"))
    };
    let prompt = pipeline(template("{tone}|{second}"));
    assert_eq!(prompt.input_variables(), ["x"]);
    assert_eq!(prompt.slots().len(), 1);
    let all = vars! { "x" => 1, "tone" => "CALL" };
    assert_eq!(prompt.format(&all).unwrap().to_string(), "A kindly 1|B kindly");
    let prompt = pipeline(part("{tone}|{second}"));
    assert_eq!(prompt.format(&all).unwrap().to_string(), "kindly|B kindly");
    // A variable that another part needs is that part's alone.
    let prompt = PipelinePromptTemplate::new(template("{a}|{tone}")).with_part("a", part("{tone}"));
    assert_eq!(prompt.input_variables(), ["tone"]);
    assert_eq!(prompt.format(&all).unwrap().to_string(), "kindly|CALL");
}

#[test]
fn a_function_of_a_part_is_asked() {
    let part = template("{today}").with_partial_fn("today", || "Monday");
    let prompt = PipelinePromptTemplate::new(template("{part}")).with_part("part", part);
    let variables = vars! { "today" => "Sunday" };
    assert_eq!(prompt.format(&variables).unwrap().to_string(), "Monday");
}

#[test]
fn an_example_does_not_replace_them() {
    let example = || vars! { "i" => 1, "o" => 2, "lang" => "fr" };
    let shown = template("{i}->{o} ({lang})").with_partial("lang", "en");
    let few = FewShotPromptTemplate::builder(shown).examples([example()]).suffix("{x}");
    let few = few.build().unwrap();
    assert_eq!(few.format(&vars! { "x" => 3 }).unwrap().to_string(), "1->2 (en)\n\n3");
    let shown = ChatPromptTemplate::from_template("{i}->{o} ({lang})").unwrap();
    let shown = shown.with_partial("lang", "en");
    let few = FewShotChatPromptTemplate::new(shown, [example()]).unwrap();
    assert_eq!(few.format(&vars! {}).unwrap().to_string(), "Human: 1->2 (en)");
}

/// The variables that a chain gives to a chat prompt, and what is made of them.
#[test]
fn the_strictest_use_of_a_name_says_whether_a_chain_gives_it() {
    let partial = || MessageTemplate::from_prompt(Role::Ai, template("{x}").with_partial("x", "p"));
    let placeholder = || MessagesPlaceholder::new("x").optional();
    let history = || Messages::from_iter([Message::human("hi")]);
    let chat = |prompt: Result<ChatPromptTemplate, _>| prompt.unwrap();
    let table = [
        ("one use", chat(ChatPromptTemplate::from_messages([partial()])), "AI: p"),
        ("two", chat(ChatPromptTemplate::from_messages([partial(), partial()])), "AI: p\nAI: p"),
        (
            "one is optional",
            chat(ChatPromptTemplate::from_messages((partial(), placeholder()))),
            "AI: Human: hi\nHuman: hi",
        ),
        (
            "one is required",
            chat(ChatPromptTemplate::from_messages((partial(), ("human", "{x}")))),
            "AI: Human: hi\nHuman: Human: hi",
        ),
        (
            "the chat has it",
            chat(ChatPromptTemplate::from_messages((("human", "{x}"), ("ai", "{x}"))))
                .with_partial("x", "c"),
            "Human: c\nAI: c",
        ),
        (
            "joined",
            ChatPromptTemplate::from_template("{x}").unwrap()
                + ChatPromptTemplate::from_template("{x}").unwrap().with_partial("x", "c"),
            "Human: c\nHuman: c",
        ),
    ];
    for (name, prompt, expected) in table {
        let variables = vars! { "x" => history() };
        let inputs = prompt_inputs(prompt.slots(), &variables);
        assert_eq!(prompt.format(&inputs).unwrap().to_string(), expected, "{name}");
    }
}
