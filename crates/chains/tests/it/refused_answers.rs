//! Answers of custom chains that can be neither returned nor stored: refused, and in the error.

use std::{borrow::Cow, sync::Arc, time::Duration};

use conversant_chains::{
    Answer, AnswerFault, Chain, ChainError, LlmChain, RefusedAnswer, RunContext, SequentialChain,
    Streaming, WithMemory,
};
use conversant_core::{
    CallOptions, ChatHistory, Message, Messages, Range, Reply, ReplyStream, Slot, ToolCall,
    Variables, async_trait, vars,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::{ScriptedChat, block_on};
use serde_json::json;

use crate::support::{chat_memory, chat_prompt, session};

/// A chain with the output `a`, whose answer is made by a function. If it has a reply, it arrives
/// piece by piece, and `finish` returns the answer.
struct Answers {
    slots: [Slot; 2],
    outputs: [Cow<'static, str>; 1],
    make: fn() -> Answer,
}

impl Answers {
    fn with(make: fn() -> Answer) -> Self {
        let slots = [Slot::text("q"), Slot::messages("chat_history").optional()];
        Self { slots, outputs: ["a".into()], make }
    }
}

#[async_trait]
impl Chain for Answers {
    fn name(&self) -> &str {
        "Answers"
    }

    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.outputs
    }

    async fn run(&self, _: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
        Ok((self.make)())
    }

    async fn stream(&self, _: &Variables, _: &RunContext) -> Result<Streaming, ChainError> {
        let answer = (self.make)();
        Ok(match answer.reply.clone() {
            Some(reply) => Streaming::Pieces(ReplyStream::whole(reply)),
            None => Streaming::Whole(Box::new(answer)),
        })
    }

    fn finish(&self, _: Reply, _: &RunContext) -> Result<Answer, ChainError> {
        Ok((self.make)())
    }
}

fn calling() -> Message {
    Message::ai("").with_tool_calls([ToolCall::new("f", json!({})).with_id("1")])
}

fn with_messages<const N: usize>(messages: [Message; N]) -> Answer {
    Answer::new(vars! { "a" => "said" }).with_messages(Vec::from(messages))
}

/// The function that makes an answer, and the answer's error if it is refused.
type Row = (fn() -> Answer, Option<&'static str>);

const TABLE: [Row; 8] = [
    (
        || Answer::new(vars! { "b" => "said" }),
        Some("cannot return the outputs of the chain: missing `a`"),
    ),
    (
        || Answer::new(vars! {}).with_reply(Reply::new(Message::ai("said"))),
        Some("cannot return the outputs of the chain: missing `a`"),
    ),
    (|| with_messages([]), Some("cannot store the turn: the chain's answer has no messages")),
    (
        || with_messages([calling(), Message::ai("said")]),
        Some("cannot store the turn: the chain's answer has tool calls without results"),
    ),
    (
        || with_messages([calling(), Message::tool("r", "2"), Message::ai("said")]),
        Some("cannot store the turn: the chain's answer has tool calls without results"),
    ),
    (
        || {
            let reply = Reply::new(Message::ai("said")).with_intermediate(vec![calling()]);
            Answer::new(vars! { "a" => "said" }).with_reply(reply)
        },
        Some("cannot store the turn: the chain's answer has tool calls without results"),
    ),
    (|| with_messages([calling(), Message::tool("r", "1"), Message::ai("said")]), None),
    (|| Answer::new(vars! { "a" => "said" }), None),
];

async fn stored(history: &InMemoryHistory) -> Messages {
    history.load(&session(), Range::All).await.unwrap().messages
}

/// Returns whether the answer of an error is the one of the chain.
fn has_answer(refused: &RefusedAnswer, made: &Answer) -> bool {
    let RefusedAnswer { answer, .. } = refused;
    answer.outputs == made.outputs && answer.messages == made.messages && answer.reply == made.reply
}

#[test]
fn an_answer_that_cannot_be_a_turn_is_refused_and_in_the_error() {
    block_on(async {
        for (row, (make, told)) in TABLE.into_iter().enumerate() {
            for streams in [false, true] {
                let history = InMemoryHistory::new();
                let chain = WithMemory::new(Answers::with(make), chat_memory(&history)).unwrap();
                let input = vars! { "q" => "x" };
                let answered = if streams {
                    let stream = chain.stream(input).await.unwrap();
                    stream.into_outcome().await.map(Option::unwrap)
                } else {
                    chain.invoke(input).await
                };
                match (answered, told) {
                    (Ok(outcome), None) => {
                        assert_eq!(outcome.text(), "said", "{row}");
                        assert!(stored(&history).await.len() >= 2, "{row}");
                    }
                    (Err(ChainError::RefusedAnswer(refused)), Some(told)) => {
                        assert_eq!(refused.to_string(), told, "{row}");
                        assert!(has_answer(&refused, &make()), "{row}");
                        assert!(stored(&history).await.is_empty(), "{row}");
                    }
                    (answered, _) => panic!("{row}: {answered:?}"),
                }
            }
        }
    });
}

#[test]
fn the_text_of_a_refused_answer_that_was_streamed_can_be_saved() {
    block_on(async {
        let history = InMemoryHistory::new();
        let lacking = || Answer::new(vars! {}).with_reply(Reply::new(Message::ai("said")));
        let chain = WithMemory::new(Answers::with(lacking), chat_memory(&history)).unwrap();
        let mut stream = chain.stream(vars! { "q" => "x" }).await.unwrap();
        while let Some(piece) = stream.next().await {
            if let Err(error) = piece {
                assert!(matches!(error, ChainError::RefusedAnswer(_)), "{error}");
            }
        }
        stream.save_partial().await.unwrap();
        let turns = history.turns(&session(), Range::All).await.unwrap();
        assert_eq!(stored(&history).await.to_string(), "Human: x\nAI: said");
        assert!(turns[0].is_incomplete());
    });
}

/// A whole answer that is refused when its stream is given up is in the error, and the next call
/// does not wait for the lease.
#[test]
fn a_refused_answer_releases_the_memory_when_a_stream_is_given_up() {
    block_on(async {
        let history = InMemoryHistory::new();
        let chain = |make| {
            let memory = chat_memory(&history).leased(Duration::from_secs(600));
            WithMemory::new(Answers::with(make), memory).unwrap()
        };
        let lacking = chain(|| Answer::new(vars! { "b" => "said" }));
        let stream = lacking.stream(vars! { "q" => "x" }).await.unwrap();
        let error = stream.save_partial().await.unwrap_err();
        assert!(matches!(error, ChainError::RefusedAnswer(_)), "{error}");
        let whole = chain(|| Answer::new(vars! { "a" => "said" }));
        let next = CallOptions::new().with_no_wait();
        assert_eq!(whole.predict_with(vars! { "q" => "x" }, next).await.unwrap(), "said");
    });
}

/// An answer whose last message calls tools waits for their results, as that of a model does.
#[test]
fn calls_in_the_last_message_are_pending() {
    block_on(async {
        let history = Arc::new(InMemoryHistory::new());
        let calls = || Answer::new(vars! {}).with_messages(vec![calling()]);
        let chain = WithMemory::new(Answers::with(calls), chat_memory(&history)).unwrap();
        let outcome = chain.invoke(vars! { "q" => "x" }).await.unwrap();
        assert_eq!(outcome.pending.unwrap().tool_calls().len(), 1);
        assert!(stored(&history).await.is_empty());
    });
}

/// The answer of a step that lacks an output is in the error too.
#[test]
fn the_answer_of_a_step_is_in_the_error() {
    let lacking = || Answer::new(vars! { "b" => "said" });
    let model = ScriptedChat::new(["never"]);
    let next = LlmChain::builder().prompt(chat_prompt()).model(model.clone()).build().unwrap();
    let chain = SequentialChain::builder()
        .chain(Answers::with(lacking))
        .chain(next)
        .inputs(["q", "human_input", "chat_history"])
        .build()
        .unwrap();
    let input = vars! { "q" => "x", "human_input" => "y", "chat_history" => Messages::new() };
    let error = block_on(chain.invoke(input)).unwrap_err();
    let ChainError::Step(failed) = &error else { panic!("{error}") };
    let ChainError::RefusedAnswer(refused) = &failed.source else { panic!("{error}") };
    assert!(
        matches!(&refused.fault, AnswerFault::MissingOutputs { missing } if missing.len() == 1)
    );
    assert!(has_answer(refused, &lacking()));
    assert!(model.requests().is_empty());
}
