//! Calls and their results: the request, the saved turn, and the error if a step fails.

use std::sync::{Arc, Mutex};

use conversant_chains::{ChainError, LlmChain};
use conversant_core::{
    CallOptions, Content, LoadContext, Loaded, Memory, MemoryError, Message, Messages, ModelError,
    OutputParser, ParseError, Part, Saved, Slot, Ticket, ToolCall, Turn, TurnId, Value,
    async_trait, vars,
};
use conversant_memory::BufferMemory;
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use conversant_testkit::{ScriptedChat, ScriptedCompletion, ScriptedReply, block_on};
use serde_json::json;

use crate::support::{TestHistory, chain, chain_of, chat_prompt, memory, text_prompt};

#[tokio::test]
async fn a_conversation_goes_on() {
    let model = ScriptedCompletion::new([" Hi!", " Fine."]);
    let memory = BufferMemory::new().with_memory_key("chat_history");
    let chain = LlmChain::builder()
        .prompt(text_prompt())
        .model(model.clone())
        .memory(memory)
        .build()
        .unwrap();
    chain.predict(vars! { "human_input" => "Hi" }).await.unwrap();
    let outcome = chain.invoke(vars! { "human_input" => "How are you?" }).await.unwrap();

    assert_eq!(outcome.text(), " Fine.");
    assert_eq!(
        outcome.variables.names().collect::<Vec<_>>(),
        ["human_input", "chat_history", "text"]
    );
    let prompts: Vec<_> = model.requests().into_iter().map(|request| request.prompt).collect();
    assert_eq!(
        prompts,
        ["\nHuman: Hi\nChatbot:", "Human: Hi\nAI:  Hi!\nHuman: How are you?\nChatbot:"]
    );
}

#[tokio::test]
async fn prompts_and_models_of_either_shape_meet() {
    let completion = ScriptedCompletion::new(["x"]);
    let history = TestHistory::default();
    let builder = LlmChain::builder()
        .prompt(chat_prompt())
        .model(completion.clone())
        .memory(memory(&history));
    builder.build().unwrap().predict(vars! { "human_input" => "Hi" }).await.unwrap();
    assert_eq!(completion.requests()[0].prompt, "Human: Hi");

    let chat = ScriptedChat::new(["x"]);
    let builder = LlmChain::builder().prompt(text_prompt()).model(chat.clone());
    let inputs = vars! { "human_input" => "Hi", "chat_history" => "" };
    builder.build().unwrap().predict(inputs).await.unwrap();
    assert_eq!(
        chat.requests()[0].messages,
        Messages::from(Message::human("\nHuman: Hi\nChatbot:"))
    );
}

/// A turn without a question would begin the next prompt with an answer.
#[tokio::test]
async fn the_input_of_a_turn_is_required_even_if_the_prompt_has_another_value() {
    let model = ScriptedChat::new(["x", "y"]);
    let prompt = ChatPromptTemplate::from_messages([
        MessagesPlaceholder::new("history").into(),
        MessageTemplate::human("{q}"),
    ]);
    let chain = LlmChain::builder()
        .prompt(prompt.unwrap().with_partial("q", "What is up?"))
        .model(model.clone())
        .memory(BufferMemory::new().with_return_messages(true))
        .build()
        .unwrap();
    let error = chain.predict(vars! {}).await.unwrap_err();
    let ChainError::MissingInputs { missing } = error else { panic!("{error}") };
    assert_eq!(missing.iter().map(|missing| missing.name.as_str()).collect::<Vec<_>>(), ["q"]);
    assert!(model.requests().is_empty());

    chain.predict(vars! { "q" => "Hi" }).await.unwrap();
    chain.predict(vars! { "q" => "Well?" }).await.unwrap();
    assert_eq!(model.requests()[1].messages.to_string(), "Human: Hi\nAI: x\nHuman: Well?");
}

#[tokio::test]
async fn call_options_reach_the_model() {
    let model = ScriptedChat::new(["one"]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let id = TurnId::from_u128(7);
    let options = CallOptions::new().with_stop(["\nHuman:"]).with_turn_id(id);
    let outcome = chain.invoke_with(vars! { "human_input" => "Hi" }, options).await.unwrap();
    assert_eq!((outcome.text().as_str(), outcome.turn_id), ("one", id));
    assert_eq!(model.requests()[0].options.stop, ["\nHuman:"]);
    assert_eq!(history.transcript().await, "Human: Hi\nAI: one");
}

#[tokio::test]
async fn parts_are_kept_in_the_turn() {
    let model = ScriptedChat::new(["a river"]);
    let history = TestHistory::default();
    let builder = LlmChain::builder()
        .prompt(
            ChatPromptTemplate::from_messages((
                MessagesPlaceholder::new("chat_history"),
                MessagesPlaceholder::new("question"),
            ))
            .unwrap(),
        )
        .model(model)
        .memory(memory(&history).with_input_key("question"));
    let question = Message::human(vec![
        Part::text("what is this?"),
        Part::image_url("https://example.com/a.png"),
    ]);
    builder.build().unwrap().predict(vars! { "question" => vec![question] }).await.unwrap();
    assert_eq!(history.transcript().await, "Human: what is this?\n[image]\nAI: a river");
}

struct Shout;

impl OutputParser for Shout {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        match text {
            "unparsable" => Err(ParseError::without_source(text, "it is what it is")),
            text => Ok(text.to_uppercase().into()),
        }
    }
}

#[tokio::test]
async fn a_parser_makes_the_output_and_the_memory_keeps_the_answer() {
    let history = TestHistory::default();
    let builder = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new(["hello", "hello", "unparsable"]))
        .memory(memory(&history))
        .parser(Shout);
    let chain = builder.build().unwrap();
    let input = || vars! { "human_input" => "hi" };
    assert_eq!(chain.predict(input()).await.unwrap(), "HELLO");
    assert_eq!(chain.invoke(input()).await.unwrap().output(), Some(&Value::from("HELLO")));
    let error = chain.predict(input()).await.unwrap_err();
    let ChainError::Parse { source, answers, .. } = &error else { panic!("{error}") };
    assert_eq!((source.text.as_str(), answers[0].text().as_ref()), ("unparsable", "unparsable"));
    assert_eq!(history.transcript().await, "Human: hi\nAI: hello\nHuman: hi\nAI: hello");
}

#[tokio::test]
async fn an_answer_that_could_not_be_saved_is_in_the_error_and_can_be_saved_later() {
    let history = TestHistory::default();
    let chain = chain(&ScriptedChat::new(["the answer"]), &history);
    history.fail_next("append");
    let error = chain.predict(vars! { "human_input" => "hi" }).await.unwrap_err();
    let not_saved = error.not_saved().unwrap();
    assert_eq!(not_saved.text.as_str(), "the answer");
    assert!(!format!("{error:?}").contains("the answer"), "{error:?}");
    assert_eq!(history.transcript().await, "");
    for _ in 0..3 {
        chain.memory().unwrap().save(&not_saved.turn, Ticket::default()).await.unwrap();
    }
    assert_eq!(history.transcript().await, "Human: hi\nAI: the answer");
}

#[tokio::test]
async fn error_messages() {
    let failing =
        || ScriptedChat::new([ScriptedReply::from(ModelError::custom("out of order", true, None))]);
    let history = TestHistory::default();
    let chat = chain(&failing(), &history);
    let mut told = Vec::new();
    for inputs in [
        vars! {},
        vars! { "humaninput" => "hi" },
        vars! { "human_input" => "hi", "chat_history" => "mine" },
        vars! { "human_input" => "hi", "stop" => "\n" },
        vars! { "human_input" => "hi" },
    ] {
        let names: Vec<_> = inputs.names().map(str::to_owned).collect();
        let error = chat.predict(inputs).await.unwrap_err();
        told.push(format!("{}: {}", names.join(", "), chain_of(&error)));
    }
    let builder = LlmChain::builder().prompt(text_prompt()).model(failing());
    let error = builder.build().unwrap().predict(vars! {}).await.unwrap_err();
    told.push(format!("without a memory: {}", chain_of(&error)));
    history.fail_next("load");
    told.push(chain_of(&chat.predict(vars! { "human_input" => "hi" }).await.unwrap_err()));
    insta::assert_snapshot!(told.join("\n"));
}

/// An input that would be stored as a turn without a question, or with calls that nothing answers,
/// is refused before the model is paid.
#[test]
fn an_input_that_cannot_be_a_turn_is_refused() {
    let call = |id: &str| ToolCall::new("f", json!({})).with_id(id);
    let calling = |ids: &[&str]| Message::ai("").with_tool_calls(ids.iter().map(|id| call(id)));
    let table: [(Vec<Message>, Option<&str>); 7] = [
        (vec![], Some("the input has no messages")),
        (vec![Message::human("h")], None),
        (vec![Message::human("h"), calling(&["a"]), Message::tool("r", "a")], None),
        (vec![Message::human("h"), calling(&["a"])], Some("calls")),
        (vec![calling(&["a"]), Message::human("h")], Some("calls")),
        (vec![calling(&["a", "b"]), Message::tool("r", "a")], Some("calls")),
        (vec![calling(&["a"]), Message::tool("r", "b")], Some("calls")),
    ];
    for (messages, refused) in table {
        let (model, history) = (ScriptedChat::new(["ans"]), TestHistory::default());
        let prompt = ChatPromptTemplate::from_messages([
            MessagesPlaceholder::new("chat_history"),
            MessagesPlaceholder::new("human_input"),
        ]);
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(model.clone())
            .memory(memory(&history).with_return_messages(true))
            .build()
            .unwrap();
        let input = vars! { "human_input" => Messages::from(messages) };
        match (block_on(chain.predict(input)), refused) {
            (Ok(answer), None) => assert_eq!(answer, "ans"),
            (Err(ChainError::RefusedInput(MemoryError::Custom(cause))), Some(reason)) => {
                assert!(cause.to_string().contains(reason), "{cause}");
                assert!(model.requests().is_empty());
                assert_eq!(block_on(history.transcript()), "");
            }
            (result, _) => panic!("{result:?}, {refused:?}"),
        }
    }
}

/// A memory that notes the user's text of each load, and has no variables.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

#[async_trait]
impl Memory for Listener {
    fn variables(&self) -> &[Slot] {
        &[]
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.0.lock().unwrap().push(context.input.unwrap_or_default().to_owned());
        Ok(Loaded::default())
    }

    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

/// A memory searches for what the user said, also if it is given as messages.
#[test]
fn a_memory_gets_the_text_of_an_input_of_messages() {
    let parts = vec![Part::text("Who is Ada?"), Part::image_url("data:image/png;base64,AA==")];
    let table: [(Value, &str); 5] = [
        ("Who is Ada?".into(), "Who is Ada?"),
        (vec![Message::human("Who is Ada?")].into(), "Who is Ada?"),
        (vec![Message::human(Content::from(parts))].into(), "Who is Ada?\n[image]"),
        (
            vec![Message::human("Hi"), Message::ai("Hello"), Message::human("Who is Ada?")].into(),
            "Hi\nWho is Ada?",
        ),
        (vec![Message::chat("pirate", "Arr")].into(), "pirate: Arr"),
    ];
    for (input, text) in table {
        let memory = Arc::new(Listener::default());
        let chain = LlmChain::builder()
            .prompt(PromptTemplate::from_template("{q}").unwrap())
            .model(ScriptedChat::new(["ans"]))
            .memory(Arc::clone(&memory))
            .build()
            .unwrap();
        block_on(chain.predict(vars! { "q" => input })).unwrap();
        assert_eq!(*memory.0.lock().unwrap(), [text]);
    }
}
