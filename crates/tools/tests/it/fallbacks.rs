//! A fallback from a loop that has run tools: they do not run again, and nothing is lost.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conversant_chains::{
    ChainError, Correction, FallbackChain, JsonParser, LlmChain, LlmChainBuilder, SequentialChain,
};
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, LanguageModel, Message, ModelError,
    Range, Reply, SessionId, ToolChoice, async_trait, vars,
};
use conversant_layers::Fallback;
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, PromptTemplate};
use conversant_testkit::{ScriptedChat, ScriptedReply};
use conversant_tools::{FnTool, ToolLoop};
use serde_json::json;

use crate::support::{Forced, calling, saying, schema};

fn busy() -> ModelError {
    ModelError::custom("busy", true, None)
}

fn mail(id: &str) -> Reply {
    calling(&[("mail", json!({}), id)])
}

/// A model that calls a tool and then fails.
fn failing() -> ScriptedChat {
    ScriptedChat::new([mail("a").into(), ScriptedReply::from(busy())])
}

/// Loops whose tool counts its calls.
#[derive(Clone, Default)]
struct Mails(Arc<AtomicUsize>);

impl Mails {
    fn around(&self, model: impl ChatModel + 'static) -> ToolLoop {
        let count = Arc::clone(&self.0);
        let mail = FnTool::new("mail", "Sends a mail.", schema(), move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok("sent".into()) }
        });
        ToolLoop::builder(model).tool(mail).build().unwrap()
    }

    fn sent(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn builder(&self, model: impl ChatModel + 'static) -> LlmChainBuilder {
        let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]).unwrap();
        LlmChain::builder().prompt(prompt).model(LanguageModel::chat(self.around(model)))
    }

    fn chain(&self, model: impl ChatModel + 'static) -> LlmChain {
        self.builder(model).build().unwrap()
    }

    fn drafting(&self, model: impl ChatModel + 'static) -> LlmChain {
        self.builder(model).output_key("draft").build().unwrap()
    }
}

/// A model that does not stream.
struct Whole<M>(M);

#[async_trait]
impl<M: ChatModel> ChatModel for Whole<M> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }
}

#[tokio::test]
async fn the_second_model_goes_on_where_the_first_failed() {
    for streamed in [false, true] {
        let mails = Mails::default();
        let second = ScriptedChat::new([mail("b"), saying("done")]);
        // The stream of the first is its whole answer, so that it fails before it begins.
        let model = Fallback::new(Whole(mails.around(failing())), mails.around(second.clone()));
        let options = CallOptions::new().with_tool_choice(ToolChoice::Required);
        let request = ChatRequest::new(Message::human("q")).with_options(options);
        let reply = if streamed {
            model.stream(&request).await.unwrap().into_reply().await.unwrap()
        } else {
            model.generate(&request).await.unwrap()
        };
        let ids = |reply: &Reply| -> Vec<_> {
            let results = reply.intermediate.iter().filter_map(Message::tool_call_id);
            results.map(str::to_owned).collect()
        };
        assert_eq!((&*reply.text(), ids(&reply)), ("done", vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(mails.sent(), 2, "one of each call");
        let sent = &second.requests()[0];
        assert_eq!(sent.messages.len(), 3);
        assert_eq!(sent.options.tool_choice, Some(ToolChoice::Auto));
    }
}

/// The error of the second model has the rounds of both.
#[tokio::test]
async fn an_error_has_the_rounds_of_both_models() {
    for streamed in [false, true] {
        let mails = Mails::default();
        let second = ScriptedChat::new([mail("b").into(), ScriptedReply::from(busy())]);
        let model = Fallback::new(Whole(mails.around(failing())), mails.around(second));
        let request = ChatRequest::new(Message::human("q"));
        let error = if streamed {
            model.stream(&request).await.unwrap().into_reply().await.unwrap_err()
        } else {
            model.generate(&request).await.unwrap_err()
        };
        let ModelError::AfterTools { rounds, messages, .. } = &error else { panic!("{error}") };
        assert_eq!((*rounds, messages.len(), mails.sent()), (2, 4, 2));
    }
}

/// The turn of the next chain has the calls and results of the one that failed.
#[tokio::test]
async fn the_next_chain_goes_on_where_the_first_failed() {
    for streamed in [false, true] {
        let mails = Mails::default();
        let second = ScriptedChat::new([saying("done")]);
        let history = Arc::new(InMemoryHistory::new());
        let session = SessionId::new("s").unwrap();
        let memory = BufferMemory::new().with_history(Arc::clone(&history), session.clone());
        let chain = FallbackChain::builder(mails.chain(Whole(failing())))
            .fallback(mails.chain(second.clone()))
            .memory(memory)
            .allow_unused("history")
            .build()
            .unwrap();
        let inputs = vars! { "question" => "q" };
        let result = if streamed {
            chain.stream(inputs).await.unwrap().into_outcome().await.map(|_| ())
        } else {
            chain.invoke(inputs).await.map(|_| ())
        };
        let stored = history.load(&session, Range::All).await.unwrap().messages;
        if streamed {
            // The calls were shown before the first chain failed.
            let ChainError::Model(error) = result.unwrap_err() else { panic!() };
            assert_eq!((error.exchange().unwrap().len(), stored.len()), (2, 0));
        } else {
            result.unwrap();
            assert_eq!((second.requests()[0].messages.len(), stored.len()), (3, 4));
        }
        assert_eq!(mails.sent(), 1);
    }
}

/// A stream that is stopped after the second chain has begun has what the first has done.
#[tokio::test]
async fn a_stopped_stream_has_the_tools_of_the_chain_that_failed() {
    for fails in [false, true] {
        let mails = Mails::default();
        let pieces = ScriptedReply::pieces(["I have ", "sent it."]);
        let pieces = if fails { ScriptedReply::pieces(["I have "]).cut_off() } else { pieces };
        let first = mails.builder(failing()).parser(JsonParser).correction(Correction::retry(1));
        let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]).unwrap();
        let second = LlmChain::builder().prompt(prompt).model(ScriptedChat::new([pieces]));
        let history = Arc::new(InMemoryHistory::new());
        let session = SessionId::new("s").unwrap();
        let memory = BufferMemory::new().with_history(Arc::clone(&history), session.clone());
        let chain = FallbackChain::builder(first.build().unwrap())
            .fallback(second.build().unwrap())
            .memory(memory)
            .allow_unused("history")
            .build()
            .unwrap();
        let mut stream = chain.stream(vars! { "question" => "q" }).await.unwrap();
        let mut results = 0;
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(Delta::ToolResult(_)) => results += 1,
                Ok(Delta::Text(_)) if !fails => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        assert_eq!((results, mails.sent()), (1, 1));
        if let Some(error) = error {
            let ChainError::Fallbacks(failed) = error else { panic!("{error}") };
            let ChainError::Model(first) = &failed.errors[0] else { panic!("{failed}") };
            assert_eq!((first.exchange().unwrap().len(), failed.errors.len()), (2, 2));
        }
        stream.save_partial().await.unwrap();
        let stored = history.load(&session, Range::All).await.unwrap().messages;
        assert_eq!(stored.len(), 4, "{stored}");
        assert!(stored.to_string().ends_with("\nTool: sent\nAI: I have "), "{stored}");
    }
}

/// No chain is called that would run the tools again, with any rule.
#[tokio::test]
async fn a_chain_that_cannot_go_on_is_not_called() {
    let never = || ScriptedChat::new::<&str>([]);
    for is_first in [false, true] {
        let mails = Mails::default();
        let sequence = |first: LlmChain| {
            let prompt = PromptTemplate::from_template("{draft}").unwrap();
            let last = LlmChain::builder().prompt(prompt).model(never()).build().unwrap();
            SequentialChain::builder().chain(first).chain(last).build().unwrap()
        };
        let next = sequence(mails.drafting(never()));
        let chain = if is_first {
            // The tools were those of a step.
            FallbackChain::builder(sequence(mails.drafting(failing())))
        } else {
            FallbackChain::builder(mails.chain(failing()))
        };
        let chain = chain.fallback(next).when(|_| true).build().unwrap();
        let error = chain.invoke(vars! { "question" => "q" }).await.unwrap_err();
        let error = match error {
            ChainError::Step(failed) if is_first => failed.source,
            error => error,
        };
        let ChainError::Model(error) = error else { panic!("{error}") };
        assert_eq!((error.exchange().unwrap().len(), mails.sent()), (2, 1));
    }
}

/// The model of the next chain is not forced, neither by its settings nor by the options.
#[tokio::test]
async fn a_chain_that_goes_on_after_tools_is_not_forced() {
    for choice in [None, Some(ToolChoice::Required)] {
        let (mails, second) = (Mails::default(), ScriptedChat::new([saying("done")]));
        let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]).unwrap();
        let next = LlmChain::builder().prompt(prompt).model(Forced(second.clone()));
        let chain = FallbackChain::builder(mails.chain(failing()))
            .fallback(next.build().unwrap())
            .build()
            .unwrap();
        let mut options = CallOptions::new();
        options.tool_choice = choice;
        chain.invoke_with(vars! { "question" => "q" }, options).await.unwrap();
        assert_eq!(second.requests()[0].options.tool_choice, Some(ToolChoice::Auto));
    }
}

/// The tools of an answer that is refused have run.
#[tokio::test]
async fn a_correction_does_not_force_the_tools_again() {
    for choice in [None, Some(ToolChoice::Required)] {
        let model = ScriptedChat::new([mail("a"), saying("It is sent."), saying("{}")]);
        let (mails, forced) = (Mails::default(), Forced(model.clone()));
        let chain = mails.builder(forced).parser(JsonParser).correction(Correction::retry(1));
        let mut options = CallOptions::new();
        options.tool_choice.clone_from(&choice);
        let question = vars! { "question" => "q" };
        chain.build().unwrap().invoke_with(question, options).await.unwrap();
        let choices: Vec<_> =
            model.requests().into_iter().map(|request| request.options.tool_choice).collect();
        assert_eq!(choices, [choice, Some(ToolChoice::Auto), Some(ToolChoice::Auto)]);
    }
}

/// A choice of the call's options wins over the model's.
#[tokio::test]
async fn a_call_that_the_model_forces_is_forced_once() {
    let table = [
        (None, Some(ToolChoice::Auto)),
        (Some(ToolChoice::Auto), Some(ToolChoice::Auto)),
        (Some(ToolChoice::None), Some(ToolChoice::None)),
        (Some(ToolChoice::Required), Some(ToolChoice::Auto)),
    ];
    for (choice, expected) in table {
        let script = || {
            let first = calling(&[("double", json!({"x": 1}), "a")]);
            ScriptedChat::new([first, saying("2")])
        };
        let model = script();
        let forced = Fallback::new(
            ScriptedChat::new([ModelError::custom("no", true, None)]),
            Forced(model.clone()),
        );
        let tools = crate::support::tools()
            .into_iter()
            .fold(ToolLoop::builder(forced), conversant_tools::ToolLoopBuilder::tool);
        let mut request = ChatRequest::new(Message::human("q"));
        request.options.tool_choice.clone_from(&choice);
        tools.build().unwrap().generate(&request).await.unwrap();
        let choices: Vec<_> =
            model.requests().into_iter().map(|request| request.options.tool_choice).collect();
        assert_eq!(choices, [choice, expected]);
    }
}
