//! The check of a chain's wiring: a table of chains that can't be built, and what is said of each.

use std::sync::Arc;

use conversant_chains::{LlmChain, LlmChainBuilder};
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Messages, Prompt, Saved, Slot, Ticket, Turn,
    Variables, async_trait, vars,
};
use conversant_memory::{BufferMemory, CombinedMemory, SimpleMemory};
use conversant_prompts::{
    ChatPromptTemplate, MessagesPlaceholder, PipelinePromptTemplate, PromptTemplate,
};
use conversant_testkit::ScriptedChat;
use serde_json::json;

use crate::support::{chat_prompt, text_prompt};

fn model() -> ScriptedChat {
    ScriptedChat::new(["hi"])
}

fn buffer() -> BufferMemory {
    BufferMemory::new().with_memory_key("chat_history")
}

fn facts_and_buffer(facts: Variables) -> CombinedMemory {
    let memories: [Arc<dyn Memory>; 2] = [Arc::new(SimpleMemory::new(facts)), Arc::new(buffer())];
    CombinedMemory::new(memories).unwrap()
}

fn prompt(template: &str) -> PromptTemplate {
    PromptTemplate::from_template(template).unwrap()
}

fn chat(messages: &[(&'static str, &'static str)]) -> ChatPromptTemplate {
    ChatPromptTemplate::from_messages(messages.to_vec()).unwrap()
}

fn pipeline(last: &str) -> PipelinePromptTemplate {
    PipelinePromptTemplate::new(prompt(last))
}

fn of(prompt: impl Prompt + 'static) -> LlmChainBuilder {
    LlmChain::builder().prompt(prompt).model(model())
}

fn with(prompt: PromptTemplate, memory: BufferMemory) -> LlmChainBuilder {
    LlmChain::builder().prompt(prompt).model(model()).memory(memory)
}

/// Facts that are never saved to.
struct Facts(Vec<Slot>);

#[async_trait]
impl Memory for Facts {
    fn variables(&self) -> &[Slot] {
        &self.0
    }
    fn saves_turns(&self) -> bool {
        false
    }
    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::new(self.0.iter().map(|slot| (slot.name().to_owned(), "fact")).collect()))
    }
    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

#[test]
fn faults() {
    let cases: Vec<(&str, LlmChainBuilder)> = vec![
        ("nothing at all", LlmChain::builder()),
        ("no model", LlmChain::builder().prompt(text_prompt())),
        ("no prompt", LlmChain::builder().model(model()).memory(buffer())),
        (
            "a memory that the prompt does not use",
            with(prompt("{chat_histroy} {human_input}"), buffer()),
        ),
        ("a memory with no name near", with(prompt("{human_input}"), buffer())),
        (
            "text where messages are needed",
            LlmChain::builder().prompt(chat_prompt()).model(model()).memory(buffer()),
        ),
        ("two inputs", with(prompt("{chat_history} {persona} {human_input}"), buffer())),
        ("no input", with(prompt("{chat_history}"), buffer())),
        (
            "an input key that is no input",
            with(text_prompt(), buffer().with_input_key("humaninput")),
        ),
        (
            "an output key that is no output",
            with(text_prompt(), buffer().with_output_key("answer")),
        ),
        (
            "two memories of one name",
            LlmChain::builder()
                .prompt(prompt("{fact} {human_input}"))
                .model(model())
                .memory(Facts(vec![Slot::text("fact"), Slot::text("fact")])),
        ),
        (
            "declared inputs that don't fit",
            with(
                prompt("{chat_history} {human_input} {persona}"),
                buffer().with_input_key("human_input"),
            )
            .inputs(["human_input", "persna", "chat_history"]),
        ),
        (
            "parts of a pipeline that do not fit",
            of(pipeline("{start} {question}")
                .with_part("strat", prompt("Hi"))
                .with_part("n", prompt("{tone:d}").with_partial("tone", "kind"))),
        ),
        (
            "a part of text where messages are needed",
            of(PipelinePromptTemplate::new(chat_prompt()).with_part("chat_history", prompt("x"))),
        ),
        (
            "a part of messages in a field of a number",
            of(pipeline("{examples:d} {question}").with_part(
                "examples",
                ChatPromptTemplate::from_messages([("human", "Hi")]).unwrap(),
            )),
        ),
        (
            "a text for a placeholder",
            of(ChatPromptTemplate::from_messages([
                ("placeholder", "{examples}"),
                ("human", "{question}"),
            ])
            .unwrap()
            .with_partial("examples", "none")),
        ),
        (
            "a text for a placeholder inside of another prompt",
            of(ChatPromptTemplate::from_messages((
                ChatPromptTemplate::from_messages([("placeholder", "{examples}")]).unwrap(),
                ("human", "{question}"),
            ))
            .unwrap()
            .with_partial("examples", 7)),
        ),
        (
            "partial variables that do not fit their fields",
            of(ChatPromptTemplate::from_messages([("system", "{n:d} {of:.1f}"), ("human", "{q}")])
                .unwrap()
                .with_partial("n", "seven")
                .with_partial("of", Messages::new())),
        ),
        (
            "a conversation as text in a field of a number",
            with(prompt("{chat_history:d} {human_input}"), buffer()),
        ),
        (
            "a text of one of several memories in a field of a number",
            of(prompt("{n:d} {place:d} {human_input}"))
                .memory(facts_and_buffer(vars! { "n" => 7, "place" => "Lisbon" }))
                .allow_unused("chat_history"),
        ),
        (
            "messages in a field of a number",
            with(prompt("{chat_history:d} {human_input}"), buffer().with_return_messages(true)),
        ),
        (
            "everything at once",
            LlmChain::builder()
                .prompt(
                    ChatPromptTemplate::from_messages([MessagesPlaceholder::new("chat_history")])
                        .unwrap(),
                )
                .memory(buffer().with_output_key("txt")),
        ),
    ];
    let told: Vec<_> = cases
        .into_iter()
        .map(|(name, builder)| format!("## {name}\n{}\n", builder.build().unwrap_err()))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_fits_is_built() {
    let cases: Vec<(&str, LlmChainBuilder)> = vec![
        ("text in a text prompt", with(text_prompt(), buffer())),
        (
            "messages in a text prompt adapt",
            with(text_prompt(), buffer().with_return_messages(true)),
        ),
        (
            "two inputs, one of them named",
            with(
                prompt("{chat_history} {persona} {human_input}"),
                buffer().with_input_key("human_input"),
            ),
        ),
        (
            "two inputs, and a memory that saves nothing",
            LlmChain::builder()
                .prompt(prompt("{fact} {persona} {human_input}"))
                .model(model())
                .memory(Facts(vec![Slot::text("fact")])),
        ),
        (
            "an unused memory that is allowed",
            with(prompt("{human_input}"), buffer()).allow_unused("chat_history"),
        ),
        (
            "parts of a pipeline that fit, and one that nothing uses",
            of(PipelinePromptTemplate::new(chat_prompt())
                .with_part("chat_history", chat(&[("human", "Hi")]))
                .with_part("style", prompt("{n:d}").with_partial("n", 7))
                .with_part("n", prompt("x"))),
        ),
        (
            "a part with nearly the name of an input, which is declared or allowed",
            of(pipeline("{start}").with_part("strat", prompt("x"))).inputs(["start"]),
        ),
        (
            "texts of memories that fit their fields, and a number",
            of(prompt("{chat_history:>9} {n:d} {human_input}"))
                .memory(facts_and_buffer(vars! { "n" => 7 })),
        ),
        (
            "a memory that does not say whether it gives texts",
            of(prompt("{fact:d} {human_input}")).memory(Facts(vec![Slot::text("fact")])),
        ),
        (
            "a part that may be unused",
            of(pipeline("{start}").with_part("strat", prompt("x"))).allow_unused("strat"),
        ),
        (
            "partial variables that fit",
            of(chat(&[("placeholder", "{a}"), ("placeholder", "{b}"), ("human", "{c} {d:>9}")])
                .with_partial("a", json!([]))
                .with_partial("b", Messages::new())
                .with_partial("c", Messages::new())
                .with_partial("d", "text")),
        ),
        (
            "a partial variable that a function computes",
            of(chat(&[("placeholder", "{a}"), ("human", "{n:d}")])
                .with_partial_fn("a", Messages::new)
                .with_partial_fn("n", || 7)),
        ),
        (
            "a partial variable of a part that another prompt replaces",
            of(chat(&[("human", "{n:d}")])
                + ChatPromptTemplate::from_messages([prompt("{n}").with_partial("n", "text")])
                    .unwrap()),
        ),
        (
            "a partial variable that the call replaces",
            with(prompt("{chat_history} {n:d}").with_partial("n", "none"), buffer()),
        ),
        (
            "declared inputs that fit",
            with(text_prompt(), buffer().with_input_key("question"))
                .inputs(["human_input", "question"]),
        ),
        (
            "an optional placeholder beside the user's input",
            LlmChain::builder()
                .prompt(
                    ChatPromptTemplate::from_messages((
                        MessagesPlaceholder::new("examples").optional(),
                        MessagesPlaceholder::new("chat_history"),
                        conversant_prompts::MessageTemplate::human("{human_input}"),
                    ))
                    .unwrap(),
                )
                .model(model())
                .memory(buffer().with_return_messages(true)),
        ),
    ];
    for (name, builder) in cases {
        if let Err(error) = builder.build() {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn a_chain_says_what_a_call_has_to_give() {
    let chain = with(text_prompt(), buffer()).build().unwrap();
    let inputs: Vec<_> = chain.inputs().map(Slot::name).collect();
    assert_eq!(inputs, ["human_input"]);
}

/// All faults are found in a time that grows with their number only; the first ones have a hint.
#[test]
fn very_many_faults_are_found() {
    let count = 5_000;
    let template: String = (0..count).map(|number| format!("{{missing{number}}}")).collect();
    let chain = LlmChain::builder()
        .prompt(prompt(&template))
        .model(model())
        .inputs((0..count).map(|number| format!("misssing{number}")));
    let error = chain.build().unwrap_err();
    assert_eq!(error.faults().len(), 2 * count);
    let hints = error.to_string().matches("(nearest: `").count();
    assert_eq!(hints, 20);
}
