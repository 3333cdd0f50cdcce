//! A tool loop with each adapter, each layer and each memory, over a loopback server, whole and
//! streamed: the exchange is one turn, and the next call sees it.

use std::{sync::Arc, time::Duration};

use conversant_chains::LlmChain;
use conversant_core::{
    ChatHistory, ChatModel, Embeddings, LanguageModel, Memory, ModelError, Range, SessionId,
    TokenCounter, async_trait, vars,
};
use conversant_layers::{Cached, ConcurrencyLimit, Fallback, InMemoryCache, RateLimit};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, InMemoryHistory, InMemoryVectorStore,
    KnowledgeGraphMemory, ReadOnlyMemory, SimpleMemory, StringBufferMemory, SummaryBufferMemory,
    SummaryMemory, TokenBufferMemory, VectorStoreMemory, WindowMemory,
};
use conversant_models::{OpenAiChat, OpenAiResponses};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{OpenAiServer, ScriptedChat, ScriptedReply, ServerAnswer};
use conversant_tools::{ToolLoop, ToolLoopBuilder};

use crate::support::tools;

type Model = Arc<dyn ChatModel>;
type Store = Arc<dyn ChatHistory>;
type Adapter = (&'static str, fn(&OpenAiServer) -> Model);
type Layer = (&'static str, fn(Model) -> Model);

struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// Embeds each text as its length.
struct Lengths;

#[async_trait]
impl Embeddings for Lengths {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
    }
}

const ADAPTERS: [Adapter; 2] = [
    ("chat", |server| {
        let builder = OpenAiChat::builder("m").base_url(server.base_url());
        Arc::new(builder.api_key("k").max_retries(0).build().unwrap())
    }),
    ("responses", |server| {
        let builder = OpenAiResponses::builder("m").base_url(server.base_url());
        Arc::new(builder.api_key("k").max_retries(0).build().unwrap())
    }),
];

/// Each layer, once around the loop's model and once around the loop.
const LAYERS: [Layer; 5] = [
    ("no layer", |model| model),
    ("a cache", |model| Arc::new(Cached::new(model, "", InMemoryCache::new(100)))),
    ("a rate limit", |model| Arc::new(RateLimit::new(model, 1000, Duration::from_secs(1)))),
    ("a concurrency limit", |model| Arc::new(ConcurrencyLimit::new(model, 4))),
    ("a fallback", |model| {
        let error = || ScriptedReply::from(ModelError::custom("down", true, None));
        Arc::new(Fallback::new(ScriptedChat::with_handler(move |_| error()), model))
    }),
];

fn scribe() -> ScriptedChat {
    ScriptedChat::with_handler(|_| ScriptedReply::text("Ada"))
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

/// A memory over a history. The third field is whether it stores turns there, and the fourth
/// whether the next prompt has the tool calls as messages.
type Row = (&'static str, fn(Store) -> Arc<dyn Memory>, bool, bool);

const MEMORIES: [Row; 14] = [
    ("buffer", |store| Arc::new(buffer(store)), true, true),
    (
        "string buffer",
        |store| Arc::new(StringBufferMemory::new().with_history(store, session())),
        true,
        false,
    ),
    (
        "window",
        |store| {
            let memory = WindowMemory::new().with_history(store, session());
            Arc::new(memory.with_return_messages(true))
        },
        true,
        true,
    ),
    (
        "token buffer",
        |store| {
            let memory = TokenBufferMemory::new(Words).with_history(store, session());
            Arc::new(memory.with_return_messages(true))
        },
        true,
        true,
    ),
    (
        "summary",
        |store| Arc::new(SummaryMemory::new(scribe()).with_history(store, session())),
        true,
        false,
    ),
    (
        "summary buffer",
        |store| {
            let memory = SummaryBufferMemory::new(scribe(), Words).with_history(store, session());
            Arc::new(memory.with_return_messages(true))
        },
        true,
        true,
    ),
    (
        "entity",
        |store| {
            let memory = EntityMemory::new(scribe()).with_history(store, session());
            Arc::new(memory.with_return_messages(true))
        },
        true,
        true,
    ),
    (
        "knowledge graph",
        |store| Arc::new(KnowledgeGraphMemory::new(scribe()).with_history(store, session())),
        true,
        false,
    ),
    (
        "vector store",
        |store| {
            let vectors = InMemoryVectorStore::new(Lengths);
            let memory = VectorStoreMemory::new(vectors).with_history(store, session());
            Arc::new(memory.with_memory_key("history"))
        },
        true,
        false,
    ),
    (
        "combined",
        |store| {
            let facts = SimpleMemory::new(vars! { "facts" => "none" });
            let buffer = buffer(store).with_input_key("question");
            Arc::new(
                CombinedMemory::new([Arc::new(buffer) as Arc<dyn Memory>, Arc::new(facts)])
                    .unwrap(),
            )
        },
        true,
        true,
    ),
    ("leased", |store| Arc::new(buffer(store).leased(Duration::from_secs(60))), true, true),
    ("read-only", |store| Arc::new(ReadOnlyMemory::new(buffer(store))), false, false),
    ("simple", |_| Arc::new(SimpleMemory::new(vars! { "history" => "none" })), false, false),
    (
        "buffer as text",
        |store| Arc::new(BufferMemory::new().with_history(store, session())),
        true,
        false,
    ),
];

fn buffer(store: Store) -> BufferMemory {
    BufferMemory::new().with_history(store, session()).with_return_messages(true)
}

/// Two rounds of tools, two calls at once in the first, and an answer; then a second question.
fn script() -> [ServerAnswer; 4] {
    [
        ServerAnswer::tool_call("a", "double", r#"{"x": 1}"#).with_tool_call("b", "fail", "{}"),
        ServerAnswer::tool_call("c", "double", r#"{"x": 2}"#),
        ServerAnswer::text("It is 4."),
        ServerAnswer::text("You are welcome."),
    ]
}

fn chain(model: Model, memory: Arc<dyn Memory>) -> LlmChain {
    let builder = match memory.variables()[0].kind() {
        conversant_core::SlotKind::Messages => {
            let prompt = ChatPromptTemplate::from_messages((
                MessagesPlaceholder::new("history"),
                MessageTemplate::human("{question}"),
            ));
            LlmChain::builder().prompt(prompt.unwrap())
        }
        _ => {
            let template = "{history}\n{question}";
            let prompt = conversant_prompts::PromptTemplate::from_template(template);
            LlmChain::builder().prompt(prompt.unwrap())
        }
    };
    let builder = builder.model(LanguageModel::Chat(model)).memory(memory);
    builder.allow_unused("entities").allow_unused("facts").build().unwrap()
}

async fn ask(chain: &LlmChain, question: &str, streams: bool) -> String {
    let inputs = vars! { "question" => question };
    match streams {
        true => chain.stream(inputs).await.unwrap().into_outcome().await.unwrap().unwrap().text(),
        false => chain.predict(inputs).await.unwrap(),
    }
}

#[tokio::test]
async fn a_tool_loop_works_with_each_adapter_layer_and_memory() {
    for (adapter_name, adapter) in ADAPTERS {
        for (layer_name, layer) in LAYERS {
            for (memory_name, memory, stores, shows_calls) in MEMORIES {
                for (streams, around_the_loop) in
                    [(false, false), (true, false), (false, true), (true, true)]
                {
                    let name = format!(
                        "{memory_name}, {layer_name}, {adapter_name}, streams: {streams}, around \
                         the loop: {around_the_loop}"
                    );
                    let server = OpenAiServer::start(script()).unwrap();
                    let model = adapter(&server);
                    let inner = if around_the_loop { Arc::clone(&model) } else { layer(model) };
                    let tools =
                        tools().into_iter().fold(ToolLoop::builder(inner), ToolLoopBuilder::tool);
                    let tools: Model = Arc::new(tools.build().unwrap());
                    let tools = if around_the_loop { layer(tools) } else { tools };
                    let store: Store = Arc::new(InMemoryHistory::new());
                    let chain = chain(tools, memory(Arc::clone(&store)));

                    assert_eq!(ask(&chain, "2 * 2?", streams).await, "It is 4.", "{name}");
                    let turns = store.turns(&session(), Range::All).await.unwrap();
                    let sizes: Vec<_> = turns.iter().map(|turn| turn.messages().len()).collect();
                    // The question, two calls with two results, one with one, and the answer.
                    assert_eq!(sizes, if stores { vec![7] } else { vec![] }, "{name}");
                    let answer = ask(&chain, "Thanks.", streams).await;
                    assert_eq!(answer, "You are welcome.", "{name}");

                    let requests = server.requests();
                    assert_eq!(requests.len(), 4, "{name}");
                    let last = requests[3].json().to_string();
                    let shows = ["\"a\"", "\"b\"", "\"c\""].iter().all(|id| last.contains(id));
                    assert_eq!(shows, shows_calls, "{name}: {last}");
                }
            }
        }
    }
}
