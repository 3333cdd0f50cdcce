//! Memories of a conversation that ends at a point.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    ChatHistory, Expect, HistoryError, LoadContext, Memory, Point, Range, SessionId, Slice, Ticket,
    TokenCounter, Turn, Variables, Version, async_trait, vars,
};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, InMemoryHistory, KnowledgeGraphMemory,
    ReadOnlyMemory, SimpleMemory, StringBufferMemory, SummaryBufferMemory, SummaryMemory,
    TokenBufferMemory, Trim, WindowMemory,
};
use conversant_testkit::{ScriptedChat, ScriptedReply};

use crate::support::{session, turn};

const TURNS: u128 = 7;

/// Counts words.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// A model that answers with the size of its request.
fn model() -> ScriptedChat {
    ScriptedChat::with_handler(|request| {
        let size: usize = request.messages.iter().map(|message| message.text().len()).sum();
        ScriptedReply::text(format!("answer to {size} bytes"))
    })
}

/// A history of another author, with the methods that it needs.
struct Wrapped {
    inner: InMemoryHistory,
    has_branches: bool,
}

#[async_trait]
impl ChatHistory for Wrapped {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.inner.load(session, range).await
    }
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, expect).await
    }
    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }
    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        self.has_branches.then(|| self.inner.at(point)).flatten()
    }
}

type Make = fn(InMemoryHistory, SessionId) -> Box<dyn Memory>;

macro_rules! memories {
    ($($name:literal => $memory:expr),* $(,)?) => {
        &[$(($name, |history, session| Box::new($memory.with_history(history, session)) as _)),*]
    };
}

/// Memories that show the turns themselves.
const VIEWS: &[(&str, Make)] = memories![
    "buffer" => BufferMemory::new(),
    "buffer of messages" => BufferMemory::new().with_return_messages(true),
    "string buffer" => StringBufferMemory::new(),
    "window" => WindowMemory::new().with_k(2),
    "window with a step" => WindowMemory::new().with_k(2).with_step(3),
    "window as in LangChain" => WindowMemory::new().with_k(2).with_trim(Trim::LangChain),
    "token buffer" => TokenBufferMemory::new(Words).with_max_token_limit(7),
];

/// Memories whose state is derived by a model. At an earlier point it is derived again.
const DERIVED: &[(&str, Make)] = memories![
    "summary" => SummaryMemory::new(model()),
    "summary buffer" => SummaryBufferMemory::new(model(), Words).with_max_token_limit(7),
    "entities" => EntityMemory::new(model()),
    "knowledge graph" => KnowledgeGraphMemory::new(model()),
];

/// Saves turns through a memory, with the maintenance after each.
async fn save(memory: &(impl Memory + ?Sized), numbers: impl IntoIterator<Item = u128>) {
    for number in numbers {
        let inputs = vars! { "input" => format!("q{number}") };
        let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
        memory.save(&turn(number), loaded.ticket).await.unwrap();
        memory.maintain().await.unwrap();
    }
}

async fn shown(memory: &(impl Memory + ?Sized)) -> Variables {
    memory.load(LoadContext::new(&vars! { "input" => "q" })).await.unwrap().variables
}

#[tokio::test]
async fn a_memory_at_a_point_shows_what_it_showed_there() {
    for (name, make) in VIEWS {
        let history = InMemoryHistory::new();
        let memory = make(history.clone(), session("long"));
        save(&*memory, 0..TURNS).await;
        for number in 0..TURNS {
            let at = memory.at(turn(number).id().into()).unwrap();
            let short = make(history.clone(), session(&format!("short {number}")));
            save(&*short, 0..=number).await;
            assert_eq!(shown(&*at).await, shown(&*short).await, "{name} at {number}");
        }
        let start = memory.at(Point::Start).unwrap();
        let empty = make(InMemoryHistory::new(), session("empty"));
        assert_eq!(shown(&*start).await, shown(&*empty).await, "{name} at the start");
    }
}

#[tokio::test]
async fn a_turn_saved_at_a_point_follows_it() {
    for (name, make) in VIEWS.iter().chain(DERIVED) {
        let history = InMemoryHistory::new();
        let memory = make(history.clone(), session("s"));
        save(&*memory, 0..TURNS).await;
        let point = Point::After(turn(2).id());
        let at = memory.at(point).unwrap();
        save(&*at, [10, 11]).await;
        let found = history.alternatives(&session("s"), point).await.unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.turn, found.newest)).collect();
        let expected = [(turn(3).id(), turn(TURNS - 1).id()), (turn(10).id(), turn(11).id())];
        assert_eq!(found, expected, "{name}");
        // The memory shows the new branch, as one that was made for it does.
        let fresh = make(history.clone(), session("s"));
        assert_eq!(shown(&*memory).await, shown(&*fresh).await, "{name}");
        save(&*memory, [12]).await;
        let turns = history.turns(&session("s"), Range::All).await.unwrap();
        let ids: Vec<_> = turns.iter().map(|turn| turn.id()).collect();
        let expected: Vec<_> = [0, 1, 2, 10, 11, 12].map(|number| turn(number).id()).into();
        assert_eq!(ids, expected, "{name}");
    }
}

#[tokio::test]
async fn wrapped_memories_end_at_the_point() {
    let history = InMemoryHistory::new();
    let buffer = |key: &'static str| {
        let memory = BufferMemory::new().with_memory_key(key);
        memory.with_history(history.clone(), session("s"))
    };
    save(&buffer("a"), 0..3).await;
    let simple = SimpleMemory::new(vars! { "place" => "Lisbon" });
    let memories: [Arc<dyn Memory>; 3] =
        [Arc::new(buffer("a")), Arc::new(ReadOnlyMemory::new(buffer("b"))), Arc::new(simple)];
    let combined = CombinedMemory::new(memories).unwrap();
    let point = Point::After(turn(0).id());
    let at = combined.at(point).unwrap();
    let first = "Human: q0\nAI: a0";
    assert_eq!(shown(&*at).await, vars! { "a" => first, "b" => first, "place" => "Lisbon" });
    let leased = buffer("a").leased(Duration::from_secs(60));
    let at = leased.at(point).unwrap();
    save(&*at, [10]).await;
    let branch = "Human: q0\nAI: a0\nHuman: q10\nAI: a10";
    assert_eq!(shown(&buffer("a")).await, vars! { "a" => branch });
    history.set_tip(&session("s"), turn(2).id().into(), Expect::Any).await.unwrap();
    assert_eq!(history.turns(&session("s"), Range::All).await.unwrap().len(), 3);
}

/// Memories of one session are combined, whichever handles to its store they have.
#[tokio::test]
async fn memories_of_one_session_are_at_the_point() {
    type Two = (Arc<dyn ChatHistory>, Arc<dyn ChatHistory>);
    type Case = (&'static str, fn(&InMemoryHistory) -> Two);
    let cases: [Case; 3] = [
        ("clones", |store| (Arc::new(store.clone()), Arc::new(store.clone()))),
        ("a shared history", |store| {
            let shared: Arc<dyn ChatHistory> = Arc::new(store.clone());
            (Arc::clone(&shared), shared)
        }),
        ("a history that does not know itself", |store| {
            let shared = Arc::new(Wrapped { inner: store.clone(), has_branches: true });
            (Arc::clone(&shared) as Arc<dyn ChatHistory>, shared)
        }),
    ];
    for (name, handles) in cases {
        let store = InMemoryHistory::new();
        let (one, other) = handles(&store);
        let memories: [Arc<dyn Memory>; 2] = [
            Arc::new(BufferMemory::new().with_history(one, session("s"))),
            Arc::new(
                WindowMemory::new().with_memory_key("recent").with_history(other, session("s")),
            ),
        ];
        let combined = CombinedMemory::new(memories).unwrap();
        assert!(combined.stored_in().is_some(), "{name}");
        save(&combined, 0..2).await;
        let at = combined.at(Point::Start).unwrap();
        save(&*at, [10]).await;
        let branch = "Human: q10\nAI: a10";
        let expected = vars! { "history" => branch, "recent" => branch };
        assert_eq!(shown(&*at).await, expected, "{name}");
        assert_eq!(shown(&combined).await, expected, "{name}");
        let turns = store.alternatives(&session("s"), Point::Start).await.unwrap();
        assert_eq!(turns.len(), 2, "{name}");
    }
    // Other sessions, and other stores.
    let [store, other] = [InMemoryHistory::new(), InMemoryHistory::new()];
    for (history, id) in [(store.clone(), "t"), (other, "s")] {
        let memories: [Arc<dyn Memory>; 2] = [
            Arc::new(BufferMemory::new().with_history(store.clone(), session("s"))),
            Arc::new(
                WindowMemory::new().with_memory_key("recent").with_history(history, session(id)),
            ),
        ];
        let combined = CombinedMemory::new(memories).unwrap();
        assert!(combined.stored_in().is_none() && combined.at(Point::Start).is_none());
    }
}

#[tokio::test]
async fn a_memory_that_cannot_branch_says_so() {
    let wrapped = Wrapped { inner: InMemoryHistory::new(), has_branches: false };
    let flat = BufferMemory::new().with_history(wrapped, session("s"));
    flat.save(&turn(1), Ticket::default()).await.unwrap();
    assert!(flat.at(Point::Start).is_none());
}
