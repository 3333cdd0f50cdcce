//! The memories that hold no conversation of their own: combined, read-only, simple.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Point, Saved, Slot, Ticket, Turn, TurnKeys,
    Variables, async_trait, vars,
};
use conversant_memory::{
    BufferMemory, CombinedMemory, LeasedMemory, ReadOnlyMemory, SimpleMemory, SummaryMemory,
    WindowMemory,
};
use conversant_testkit::{ScriptedCompletion, block_on};

use crate::support::{Watched, load, session, shown, turn};

fn combined(memories: impl IntoIterator<Item = Arc<dyn Memory>>) -> Result<CombinedMemory, String> {
    CombinedMemory::new(memories).map_err(|error| error.to_string())
}

fn buffer(key: &'static str) -> BufferMemory {
    BufferMemory::new().with_memory_key(key)
}

#[test]
fn what_cannot_be_combined() {
    let told = [
        combined([Arc::new(buffer("a")) as Arc<dyn Memory>, Arc::new(buffer("a"))]),
        combined([
            Arc::new(buffer("a").with_input_key("x")) as Arc<dyn Memory>,
            Arc::new(buffer("b")),
            Arc::new(buffer("c").with_input_key("y")),
        ]),
        combined([
            Arc::new(buffer("a").with_output_key("x")) as Arc<dyn Memory>,
            Arc::new(buffer("b").with_output_key("y")),
        ]),
    ];
    let told = told.map(|combined| combined.unwrap_err());
    insta::assert_snapshot!(told.join("\n"), @r"
    cannot combine two memories with the variable `a`; set another memory key on one
    cannot combine memories with the input keys `x` and `y`; name one
    cannot combine memories with the output keys `x` and `y`; name one
    ");
}

#[test]
fn keys_are_what_those_that_save_agree_on() {
    let memory = combined([
        Arc::new(buffer("a")) as Arc<dyn Memory>,
        Arc::new(buffer("b").with_input_key("q")),
        Arc::new(
            WindowMemory::new().with_memory_key("c").with_input_key("q").with_output_key("text"),
        ),
        Arc::new(ReadOnlyMemory::new(buffer("d").with_input_key("other"))),
    ])
    .unwrap();
    assert_eq!(memory.keys(), &TurnKeys::new().with_input_key("q").with_output_key("text"));
    assert_eq!(memory.variables(), ["a", "b", "c", "d"].map(Slot::text));
    assert!(memory.saves_turns());
    let nothing = combined([
        Arc::new(SimpleMemory::new(vars! {})) as Arc<dyn Memory>,
        Arc::new(ReadOnlyMemory::new(buffer("d"))),
    ]);
    assert!(!nothing.unwrap().saves_turns());
}

/// Memories of one conversation store a turn once. After a failure in the second memory, saving
/// again completes the turn.
#[test]
fn a_shared_conversation_gets_a_turn_once() {
    block_on(async {
        let history = Watched::default();
        let shared = |key| buffer(key).with_history(history.clone(), session("s"));
        let own = Watched::default();
        let memory = combined([
            Arc::new(shared("a")) as Arc<dyn Memory>,
            Arc::new(buffer("b").with_history(own.clone(), session("s"))),
            Arc::new(shared("c")),
        ])
        .unwrap();
        let ticket = load(&memory).await.ticket;
        own.fail("append");
        assert!(memory.save(&turn(1), ticket.clone()).await.is_err());
        memory.save(&turn(1), ticket).await.unwrap();
        let text = "Human: q1\nAI: a1";
        assert_eq!(load(&memory).await.variables, vars! { "a" => text, "b" => text, "c" => text });
        let version =
            |messages, tip| Some(conversant_core::Version::new(0, messages).with_tip(tip));
        assert!(history.turns().iter().all(|turn| turn.base() == version(0, 0)));
        memory.save(&turn(2), load(&memory).await.ticket).await.unwrap();
        assert_eq!(own.turns().last().unwrap().base(), version(2, 1));
        memory.clear().await.unwrap();
        assert_eq!(load(&memory).await.variables, vars! { "a" => "", "b" => "", "c" => "" });
    });
}

/// Records its calls, and fails on request.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>, bool);

#[async_trait]
impl Memory for Told {
    fn variables(&self) -> &[Slot] {
        &[]
    }
    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.note("load")?;
        Ok(Loaded::default())
    }
    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        self.note("save")?;
        Ok(Saved::default())
    }
    async fn abandon(&self, _: Ticket) {
        let _ = self.note("abandon");
    }
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.note("maintain")?;
        Ok(Saved::default())
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        self.note("clear")
    }
}

impl Told {
    fn note(&self, what: &'static str) -> Result<(), MemoryError> {
        self.0.lock().unwrap().push(what);
        if self.1 { Err(MemoryError::Unsupported { what }) } else { Ok(()) }
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn what_a_load_holds_is_given_back() {
    block_on(async {
        let (good, bad) = (Told::default(), Told(Arc::default(), true));
        let memory =
            combined([Arc::new(good.clone()) as Arc<dyn Memory>, Arc::new(bad.clone())]).unwrap();
        let inputs = Variables::new();
        assert!(memory.load(LoadContext::new(&inputs)).await.is_err());
        assert_eq!((good.take(), bad.take()), (vec!["load", "abandon"], vec!["load"]));

        let memory = combined([Arc::new(good.clone()) as Arc<dyn Memory>]).unwrap();
        let ticket = load(&memory).await.ticket;
        memory.abandon(ticket).await;
        assert_eq!(good.take(), ["load", "abandon"]);
    });
}

/// A memory whose maintenance fails does not stop the others, and is reported.
#[test]
fn maintenance_goes_on_after_a_failure() {
    block_on(async {
        let (good, bad) = (Told::default(), Told(Arc::default(), true));
        let memory = combined([Arc::new(bad) as Arc<dyn Memory>, Arc::new(good.clone())]).unwrap();
        let warnings = memory.maintain().await.unwrap().warnings;
        assert_eq!(warnings[0].to_string(), "cannot maintain one of the combined memories");
        assert_eq!((warnings.len(), good.take()), (1, vec!["maintain"]));
    });
}

#[test]
fn read_only_changes_nothing() {
    block_on(async {
        let told = Told::default();
        let view = ReadOnlyMemory::new(told.clone());
        let ticket = load(&view).await.ticket;
        view.save(&turn(1), ticket.clone()).await.unwrap();
        view.abandon(ticket).await;
        view.maintain().await.unwrap();
        view.clear().await.unwrap();
        assert_eq!(told.take(), ["load", "abandon", "abandon"]);
        assert!(!view.saves_turns());

        // It shows what another chain says, a summary too.
        let model = conversant_core::LanguageModel::completion(ScriptedCompletion::new(["short"]));
        let summary = Arc::new(SummaryMemory::new(model).with_input_key("q"));
        let view = ReadOnlyMemory::new(Arc::clone(&summary));
        summary.save(&turn(1), Ticket::default()).await.unwrap();
        summary.maintain().await.unwrap();
        assert_eq!(shown(&view).await, "short");
        assert_eq!((view.variables(), view.keys()), (summary.variables(), summary.keys()));
    });
}

#[test]
fn facts_stay_as_they_are() {
    block_on(async {
        let facts = vars! { "place" => "Lisbon", "n" => 7, "said" => turn(1).messages().clone() };
        let memory = SimpleMemory::new(facts.clone());
        let slots = [Slot::text("place"), Slot::text("n"), Slot::messages("said")];
        assert_eq!(memory.variables(), slots);
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        memory.clear().await.unwrap();
        assert_eq!(load(&memory).await.variables, facts);
        assert!(!memory.saves_turns());
    });
}

#[test]
fn variables_are_the_same_at_each_point() {
    block_on(async {
        let memory = SimpleMemory::new(vars! { "city" => "Lisbon" });
        let earlier = memory.at(Point::Start).unwrap();
        assert_eq!(load(&*earlier).await.variables, load(&memory).await.variables);
        assert_eq!(shown(&*earlier).await, "Lisbon");
    });
}

#[test]
fn a_leased_memory_saves_turns_if_its_memory_does() {
    let time = Duration::from_secs(60);
    let simple = SimpleMemory::new(vars! { "city" => "Lisbon" });
    let simple = LeasedMemory::new(simple, Watched::default(), session("s"), time);
    assert!(!simple.saves_turns());
    assert!(BufferMemory::new().leased(time).saves_turns());
}
