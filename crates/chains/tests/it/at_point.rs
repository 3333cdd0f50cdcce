//! Calls at a point of a conversation: answers that are given again, questions in another form.

use conversant_chains::{ChainError, LlmChain, SimpleSequentialChain, WithMemory};
use conversant_core::{
    CallOptions, ChatHistory, Delta, Expect, ModelError, Point, Range, TurnId, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use crate::support::{chat_prompt, session};

fn memory(history: &InMemoryHistory) -> BufferMemory {
    let memory = BufferMemory::new().with_memory_key("chat_history").with_return_messages(true);
    memory.with_history(history.clone(), session())
}

fn chain(model: &ScriptedChat, history: &InMemoryHistory) -> LlmChain {
    let builder = LlmChain::builder().prompt(chat_prompt()).model(model.clone());
    builder.memory(memory(history)).build().unwrap()
}

async fn ask(chain: &LlmChain, question: &str) -> TurnId {
    chain.invoke(vars! { "human_input" => question }).await.unwrap().turn_id
}

async fn told(history: &InMemoryHistory) -> String {
    history.load(&session(), Range::All).await.unwrap().messages.to_string()
}

#[tokio::test]
async fn an_answer_is_given_again() {
    let (history, model) =
        (InMemoryHistory::new(), ScriptedChat::new(["one", "two", "again", "on"]));
    let chain = chain(&model, &history);
    let first = ask(&chain, "a").await;
    let second = ask(&chain, "b").await;
    let again = chain.at(first).unwrap();
    let third = ask(&again, "b").await;
    assert_eq!(model.requests()[2].messages.to_string(), "Human: a\nAI: one\nHuman: b");
    ask(&chain, "c").await;
    assert_eq!(told(&history).await, "Human: a\nAI: one\nHuman: b\nAI: again\nHuman: c\nAI: on");
    let found = history.alternatives(&session(), first.into()).await.unwrap();
    assert_eq!(found.iter().map(|found| found.turn).collect::<Vec<_>>(), [second, third]);
    history.set_tip(&session(), second.into(), Expect::Any).await.unwrap();
    assert_eq!(told(&history).await, "Human: a\nAI: one\nHuman: b\nAI: two");
}

#[tokio::test]
async fn a_call_that_fails_or_is_dropped_leaves_the_session_as_it_is() {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let model = ScriptedChat::new([
        ScriptedReply::from("one"),
        ModelError::custom("overloaded", true, None).into(),
        ScriptedReply::pieces(["half", " an answer"]).held_after(1, &gate),
        ScriptedReply::pieces(["half", " an answer"]).held_after(1, &gate),
    ]);
    let chain = chain(&model, &history);
    ask(&chain, "a").await;
    let start = chain.at(Point::Start).unwrap();
    let question = || vars! { "human_input" => "b" };
    assert!(matches!(start.predict(question()).await, Err(ChainError::Model(_))));
    assert_eq!(told(&history).await, "Human: a\nAI: one");

    let mut stream = start.stream(question()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Delta::Text(text))) if text == "half"));
    drop(stream);
    assert_eq!(told(&history).await, "Human: a\nAI: one");

    let mut stream = start.stream(question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    stream.save_partial().await.unwrap();
    assert_eq!(told(&history).await, "Human: b\nAI: half");
    assert_eq!(history.alternatives(&session(), Point::Start).await.unwrap().len(), 2);
}

#[tokio::test]
async fn both_chains_have_one_queue() {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let model = ScriptedChat::new([ScriptedReply::text("one").held_by(&gate), "two".into()]);
    let chain = chain(&model, &history);
    let at = chain.at(Point::Start).unwrap();
    let first = ask(&chain, "a");
    let second = async {
        gate.reached(1).await;
        let options = CallOptions::new().with_no_wait();
        let busy = at.predict_with(vars! { "human_input" => "b" }, options).await;
        assert!(matches!(busy, Err(ChainError::Busy)));
        gate.open();
    };
    tokio::join!(first, second);
    ask(&at, "b").await;
    assert_eq!(told(&history).await, "Human: b\nAI: two");
}

#[tokio::test]
async fn any_callable_chain_can_be_at_a_point() {
    let (history, model) = (InMemoryHistory::new(), ScriptedChat::new(["one", "two", "three"]));
    let inner = LlmChain::builder().prompt(chat_prompt()).model(model).build().unwrap();
    let with_memory = WithMemory::new(inner, memory(&history)).unwrap();
    let inputs = || vars! { "human_input" => "a" };
    with_memory.predict(inputs()).await.unwrap();
    let at = with_memory.at(Point::Start).unwrap();
    assert_eq!(at.predict(inputs()).await.unwrap(), "two");
    assert_eq!(at.predict(inputs()).await.unwrap(), "three");
    assert_eq!(told(&history).await, "Human: a\nAI: two\nHuman: a\nAI: three");
}

#[tokio::test]
async fn a_chain_without_branches_says_so() {
    let prompt = conversant_prompts::PromptTemplate::from_template("{input}").unwrap();
    let step = LlmChain::builder().prompt(prompt).model(ScriptedChat::new(["one"]));
    let chain = SimpleSequentialChain::builder().chain(step.build().unwrap()).build().unwrap();
    let error = chain.at(Point::Start).unwrap_err();
    let report = conversant_core::Report::new(&error).to_string();
    insta::assert_snapshot!(report, @"cannot load the conversation: cannot use branches: the memory does not support it");
    let unknown = self::chain(&ScriptedChat::new(["one"]), &InMemoryHistory::new());
    let error = unknown.at(TurnId::from_u128(7)).unwrap();
    let error = error.predict(vars! { "human_input" => "a" }).await.unwrap_err();
    insta::assert_snapshot!(conversant_core::Report::new(&error).to_string(), @"cannot load the conversation: cannot use the conversation's history: cannot find turn 00000000-0000-0000-0000-000000000007 in the conversation");
}

/// The chain that repeats a call goes on after its turn, as the one that stored it does.
#[tokio::test]
async fn a_repeated_call_at_a_point_is_gone_on_from() {
    let history = InMemoryHistory::new();
    let chain = chain(&ScriptedChat::new(["one", "two", "again", "on"]), &history);
    let first = ask(&chain, "a").await;
    ask(&chain, "b").await;
    let options = CallOptions::new().with_turn_id(TurnId::random());
    for is_repeated in [false, true] {
        let again = chain.at(first).unwrap();
        let question = vars! { "human_input" => "b" };
        let outcome = again.invoke_with(question, options.clone()).await.unwrap();
        assert_eq!(outcome.text(), "again");
        assert_eq!(outcome.reply.as_ref().unwrap().from_cache, is_repeated);
        if is_repeated {
            ask(&again, "c").await;
        }
    }
    assert_eq!(told(&history).await, "Human: a\nAI: one\nHuman: b\nAI: again\nHuman: c\nAI: on");
}
