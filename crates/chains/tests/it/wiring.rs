//! The check of a chain's wiring: a table of chains that can't be built, and what is said of each.

use conversant_chains::{LlmChain, LlmChainBuilder};
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Saved, Slot, Ticket, Turn, async_trait,
};
use conversant_memory::BufferMemory;
use conversant_prompts::{ChatPromptTemplate, MessagesPlaceholder, PromptTemplate};
use conversant_testkit::ScriptedChat;

use crate::support::{chat_prompt, text_prompt};

fn model() -> ScriptedChat {
    ScriptedChat::new(["hi"])
}

fn buffer() -> BufferMemory {
    BufferMemory::new().with_memory_key("chat_history")
}

fn prompt(template: &str) -> PromptTemplate {
    PromptTemplate::from_template(template).unwrap()
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
