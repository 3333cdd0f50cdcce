//! Turns with tool calls: not stored before their calls have results, and resumed with them.

use std::sync::Arc;

use conversant_chains::{ChainError, Correction, JsonParser, LlmChain, PendingTurn};
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, InvalidToolCall, LanguageModel,
    Message, Messages, ModelDescription, ModelError, Range, Reply, ResponseFormat, SessionId,
    ToolCall, ToolChoice, ToolDefinition, async_trait, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{ScriptedChat, ScriptedReply};
use serde_json::json;

fn calling(ids: &[&str]) -> ScriptedReply {
    let calls = ids.iter().map(|id| {
        let call = ToolCall::new("weather", json!({"city": "Kyoto"}));
        if id.is_empty() { call } else { call.with_id(*id) }
    });
    Reply::new(Message::ai("").with_tool_calls(calls)).into()
}

struct Setup {
    chain: LlmChain,
    model: ScriptedChat,
    history: Arc<InMemoryHistory>,
}

impl Setup {
    fn new(replies: Vec<ScriptedReply>) -> Self {
        let model = ScriptedChat::new(replies);
        let history = Arc::new(InMemoryHistory::new());
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let memory = BufferMemory::new()
            .with_history(Arc::clone(&history), SessionId::new("s").unwrap())
            .with_return_messages(true);
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(LanguageModel::chat(model.clone()))
            .memory(memory)
            .build();
        Self { chain: chain.unwrap(), model, history }
    }

    async fn stored(&self) -> Messages {
        self.history.load(&SessionId::new("s").unwrap(), Range::All).await.unwrap().messages
    }

    async fn ask(&self) -> PendingTurn {
        let outcome = self.chain.invoke(vars! { "question" => "Weather?" }).await.unwrap();
        outcome.pending.unwrap()
    }
}

#[tokio::test]
async fn a_turn_is_stored_whole_after_its_results() {
    let setup =
        Setup::new(vec![calling(&["a", "b"]), calling(&["c"]), ScriptedReply::text("Sunny.")]);
    let pending = setup.ask().await;
    let ids: Vec<_> = pending.tool_calls().iter().filter_map(|call| call.id.as_deref()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(setup.stored().await.is_empty());

    let turn = pending.turn_id();
    let results = [Message::tool("22 C", "b"), Message::tool("dry", "a")];
    let outcome = setup.chain.resume(&pending, results).await.unwrap();
    assert!(setup.stored().await.is_empty());
    let pending = outcome.pending.unwrap();
    let outcome = setup.chain.resume(&pending, [Message::tool("no wind", "c")]).await.unwrap();
    assert_eq!((outcome.text(), outcome.turn_id), ("Sunny.".to_owned(), turn));
    assert!(outcome.pending.is_none());
    insta::assert_snapshot!(setup.stored().await, @r#"
    Human: Weather?
    AI: {"name":"weather","args":{"city":"Kyoto"},"id":"a"}
    {"name":"weather","args":{"city":"Kyoto"},"id":"b"}
    Tool: 22 C
    Tool: dry
    AI: {"name":"weather","args":{"city":"Kyoto"},"id":"c"}
    Tool: no wind
    AI: Sunny.
    "#);
    let last = setup.model.requests().pop().unwrap();
    assert_eq!(last.messages.len(), 6);
    assert_eq!(
        setup.history.turns(&SessionId::new("s").unwrap(), Range::All).await.unwrap().len(),
        1
    );
}

/// The model calls as often as it needs to, and a provider refuses calls of tools that it does not
/// know.
#[tokio::test]
async fn a_resumed_turn_keeps_the_tools_of_its_call() {
    let tool = |name: &str| ToolDefinition::new(name, json!({"type": "object"}));
    let answers = vec![calling(&["a"]), calling(&["b"]), calling(&["c"]), "Sunny.".into()];
    let setup = Setup::new(answers);
    let options = CallOptions::new()
        .with_tools([tool("weather")])
        .with_tool_choice(ToolChoice::Required)
        .with_stop(["END"])
        .with_response_format(ResponseFormat::JsonObject)
        .with_prompt_cache_key("k");
    let question = vars! { "question" => "Weather?" };
    let pending = setup.chain.invoke_with(question, options).await.unwrap().pending.unwrap();
    let pending = setup.chain.resume(&pending, [Message::tool("rain", "a")]).await.unwrap().pending;
    let pending = pending.unwrap();
    let streamed = setup.chain.resume_stream(&pending, [Message::tool("rain", "b")]);
    let pending = streamed.await.unwrap().into_outcome().await.unwrap().unwrap().pending.unwrap();
    let others = CallOptions::new().with_tools([tool("news")]).with_stop(["STOP"]);
    let results = [Message::tool("rain", "c")];
    setup.chain.resume_with(&pending, results, others).await.unwrap();
    let sent: Vec<_> = setup
        .model
        .requests()
        .into_iter()
        .map(|ChatRequest { options, .. }| {
            assert_eq!(options.response_format, Some(ResponseFormat::JsonObject));
            assert_eq!(options.prompt_cache_key.as_deref(), Some("k"));
            (options.tools[0].name.clone(), options.tool_choice, options.stop[0].clone())
        })
        .collect();
    let of = |name: &str, choice, stop: &str| (name.to_owned(), choice, stop.to_owned());
    assert_eq!(
        sent,
        [
            of("weather", Some(ToolChoice::Required), "END"),
            of("weather", Some(ToolChoice::Auto), "END"),
            of("weather", Some(ToolChoice::Auto), "END"),
            of("news", None, "STOP"),
        ]
    );
}

/// A model whose own settings force a call.
struct Forced(ScriptedChat);

#[async_trait]
impl ChatModel for Forced {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }

    fn describe(&self) -> ModelDescription {
        ModelDescription::new().with_forces_tools(true)
    }
}

/// A model that is forced in each answer would never end the turn. A choice for the call that
/// continues it holds.
#[tokio::test]
async fn a_call_that_the_model_forces_is_not_forced_after_its_results() {
    let table = [
        (None, Some(ToolChoice::Auto)),
        (Some(ToolChoice::None), Some(ToolChoice::None)),
        (Some(ToolChoice::Required), Some(ToolChoice::Required)),
    ];
    for (choice, expected) in table {
        let model = ScriptedChat::new([calling(&["a"]), "Sunny.".into()]);
        let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]);
        let chain = LlmChain::builder().prompt(prompt.unwrap()).model(Forced(model.clone()));
        let chain = chain.build().unwrap();
        let outcome = chain.invoke(vars! { "question" => "Weather?" }).await.unwrap();
        let mut options = CallOptions::new();
        options.tool_choice = choice;
        let results = [Message::tool("22 C", "a")];
        let pending = outcome.pending.unwrap();
        chain.resume_with(&pending, results, options).await.unwrap();
        let sent: Vec<_> =
            model.requests().into_iter().map(|request| request.options.tool_choice).collect();
        assert_eq!(sent, [None, expected]);
    }
}

#[tokio::test]
async fn a_stream_can_be_resumed() {
    let setup = Setup::new(vec![calling(&["a"]), ScriptedReply::pieces(["Sun", "ny."])]);
    let stream = setup.chain.stream(vars! { "question" => "Weather?" }).await.unwrap();
    let pending = stream.into_outcome().await.unwrap().unwrap().pending.unwrap();
    let results = [Message::tool("22 C", "a")];
    let mut stream = setup.chain.resume_stream(&pending, results).await.unwrap();
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        if let Delta::Text(piece) = delta.unwrap() {
            text.push_str(&piece);
        }
    }
    assert_eq!((text.as_str(), setup.stored().await.len()), ("Sunny.", 4));
}

/// The first answer was paid for, and the tools have run.
#[tokio::test]
async fn a_turn_can_be_resumed_again_after_an_error() {
    for streamed in [false, true] {
        let busy = ScriptedReply::from(ModelError::custom("busy", true, None));
        let setup = Setup::new(vec![calling(&["a"]), busy, ScriptedReply::text("Sunny.")]);
        let pending = setup.ask().await;
        let resume = async |results: Vec<Message>| -> Result<String, ChainError> {
            if !streamed {
                return Ok(setup.chain.resume(&pending, results).await?.text());
            }
            let stream = setup.chain.resume_stream(&pending, results).await?;
            Ok(stream.into_outcome().await?.unwrap().text())
        };
        let results = vec![Message::tool("22 C", "a")];
        let error = resume(Vec::new()).await.unwrap_err();
        assert!(matches!(error, ChainError::ToolResults { .. }), "{error}");
        let error = resume(results.clone()).await.unwrap_err();
        assert!(matches!(error, ChainError::Model(_)), "{error}");
        assert_eq!(resume(results).await.unwrap(), "Sunny.");
        let [_, failed, last] = &setup.model.requests()[..] else { panic!() };
        assert_eq!(failed.messages, last.messages);
        assert_eq!(setup.stored().await.len(), 4);
    }
}

/// A resumed answer that is stopped is stored with the calls and results before it.
#[tokio::test]
async fn a_resumed_stream_that_is_stopped_keeps_the_calls_before_it() {
    let setup = Setup::new(vec![calling(&["a"]), ScriptedReply::pieces(["Sun", "ny."])]);
    let pending = setup.ask().await;
    let results = [Message::tool("22 C", "a")];
    let mut stream = setup.chain.resume_stream(&pending, results).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Delta::Text(text))) if text == "Sun"));
    stream.save_partial().await.unwrap();
    insta::assert_snapshot!(setup.stored().await, @r#"
    Human: Weather?
    AI: {"name":"weather","args":{"city":"Kyoto"},"id":"a"}
    Tool: 22 C
    AI: Sun
    "#);
}

/// A call that cannot be read is a call: it is not the answer that a parser takes, and it is not
/// sent back without a result.
#[tokio::test]
async fn invalid_calls_are_not_parsed() {
    let cut: InvalidToolCall =
        serde_json::from_value(json!({"name": "weather", "args": "{\"city\":", "id": "a"}))
            .unwrap();
    for corrections in [0, 1] {
        for streamed in [false, true] {
            let message = Message::ai("").with_invalid_tool_calls([cut.clone()]);
            let model = ScriptedChat::new([Reply::new(message)]);
            let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]);
            let chain = LlmChain::builder()
                .prompt(prompt.unwrap())
                .model(LanguageModel::chat(model.clone()))
                .parser(JsonParser)
                .correction(Correction::retry(corrections))
                .build()
                .unwrap();
            let inputs = vars! { "question" => "Weather?" };
            let outcome = if streamed {
                chain.stream(inputs).await.unwrap().into_outcome().await.unwrap().unwrap()
            } else {
                chain.invoke(inputs).await.unwrap()
            };
            assert_eq!(outcome.pending.unwrap().invalid_tool_calls(), std::slice::from_ref(&cut));
            assert_eq!(model.requests().len(), 1);
        }
    }
}

/// The next call of a session works although a turn was given up.
#[tokio::test]
async fn a_turn_that_is_given_up_leaves_nothing() {
    let setup = Setup::new(vec![calling(&["a"]), ScriptedReply::text("hello")]);
    drop(setup.ask().await);
    setup.chain.predict(vars! { "question" => "hi" }).await.unwrap();
    insta::assert_snapshot!(setup.stored().await, @"
    Human: hi
    AI: hello
    ");
}

#[tokio::test]
async fn text_alone_is_an_error_that_has_the_turn() {
    let setup = Setup::new(vec![calling(&["a"])]);
    let error = setup.chain.predict(vars! { "question" => "Weather?" }).await.unwrap_err();
    let ChainError::ToolCalls(pending) = error else { panic!("{error}") };
    assert_eq!(pending.tool_calls().len(), 1);
}

#[tokio::test]
async fn results_must_match_their_calls() {
    let setup = Setup::new(vec![calling(&["a", "b"])]);
    let pending = setup.ask().await;
    let tool = |id: &str| Message::tool("ok", id);
    let table = [
        vec![],
        vec![tool("a")],
        vec![tool("a"), tool("a")],
        vec![tool("a"), tool("b"), tool("c")],
        vec![Message::human("a")],
    ];
    let mut shown = String::new();
    for results in table {
        let error = setup.chain.resume(&pending, results).await.unwrap_err();
        shown += &format!("{error}\n");
    }
    insta::assert_snapshot!(shown, @"
    cannot resume the turn: tool call `a` has no result
    cannot resume the turn: tool call `b` has no result
    cannot resume the turn: no open tool call has the id `a`
    cannot resume the turn: no open tool call has the id `c`
    cannot resume the turn: no open tool call has the id ``
    ");
    assert_eq!(setup.model.requests().len(), 1);
}

#[tokio::test]
async fn calls_without_ids_and_invalid_calls_can_be_answered() {
    let invalid: InvalidToolCall =
        serde_json::from_value(json!({"name": "weather", "args": "{\"city\":"})).unwrap();
    let message = Message::ai("")
        .with_tool_calls([ToolCall::new("weather", json!({}))])
        .with_invalid_tool_calls([invalid]);
    let setup = Setup::new(vec![Reply::new(message).into(), ScriptedReply::text("Sunny.")]);
    let pending = setup.ask().await;
    let ids = [
        pending.tool_calls()[0].id.clone().unwrap(),
        pending.invalid_tool_calls()[0].id.clone().unwrap(),
    ];
    let results = ids.map(|id| Message::tool("ok", id));
    assert_eq!(setup.chain.resume(&pending, results).await.unwrap().text(), "Sunny.");
    assert_eq!(setup.stored().await.len(), 5);
}
