//! The buffer memory, and what holds for every memory that keeps turns.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Memory, MemoryError, Range, Slot, Ticket, Turn, Value,
    Version,
};
use conversant_memory::{
    BufferMemory, InMemoryHistory, StringBufferMemory, TokenBufferMemory, WindowMemory,
};
use conversant_testkit::block_on;

use crate::support::{Watched, Whitespace, load, messages, session, shown, turn};

#[test]
fn the_defaults_are_langchains() {
    block_on(async {
        let memory = BufferMemory::new();
        assert_eq!(memory.variables(), [Slot::text("history")]);
        assert_eq!((memory.keys().input_key(), memory.keys().output_key()), (None, None));
        assert_eq!(shown(&memory).await, "");
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
        memory.save(&turn(2), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1\nHuman: q2\nAI: a2");
        assert_eq!(memory.messages().await.unwrap().len(), 4);
        memory.clear().await.unwrap();
        assert_eq!(shown(&memory).await, "");
    });
}

#[test]
fn settings() {
    block_on(async {
        let memory = BufferMemory::new()
            .with_return_messages(true)
            .with_memory_key("chat_history")
            .with_input_key("human_input")
            .with_output_key("text");
        assert_eq!(memory.variables(), [Slot::messages("chat_history")]);
        assert_eq!(memory.keys().input_key(), Some("human_input"));
        assert_eq!(memory.keys().output_key(), Some("text"));
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        let loaded = load(&memory).await;
        assert_eq!(
            loaded.variables.get("chat_history"),
            Some(&Value::from(turn(1).messages().clone()))
        );
        insta::assert_snapshot!(
            format!("{:?}", memory.with_history(InMemoryHistory::new(), session("s"))),
            @r#"BufferMemory { session: SessionId("s"), slots: [Slot { name: "chat_history", kind: Messages, required: true }], keys: TurnKeys { input: Some("human_input"), output: Some("text") }, .. }"#
        );
    });
}

/// Text that was rendered before is not shown under settings that came later.
#[test]
fn a_setting_changed_after_a_load_holds() {
    block_on(async {
        let memory = BufferMemory::new();
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
        let memory = memory.with_human_prefix("Q").with_ai_prefix("A");
        assert_eq!(shown(&memory).await, "Q: q1\nA: a1");
        let memory = memory.with_return_messages(true);
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
    });
}

#[test]
fn two_memories_share_a_conversation() {
    block_on(async {
        let history = Arc::new(InMemoryHistory::new());
        let text = BufferMemory::new().with_history(Arc::clone(&history), session("s"));
        let messages = BufferMemory::new()
            .with_return_messages(true)
            .with_history(Arc::clone(&history), session("s"));
        let strings = StringBufferMemory::new().with_history(Arc::clone(&history), session("s"));
        for number in 1..40 {
            text.save(&turn(number), load(&text).await.ticket).await.unwrap();
            let whole = shown(&text).await;
            assert_eq!(shown(&messages).await, whole);
            assert_eq!(shown(&strings).await, format!("\n{whole}"));
            if number % 13 == 0 {
                messages.clear().await.unwrap();
                assert_eq!(shown(&text).await, "");
            }
        }
        let other = BufferMemory::new().with_history(history, session("other"));
        assert_eq!(shown(&other).await, "");
    });
}

#[test]
fn a_turn_records_the_version_that_its_prompt_saw_and_goes_after_newer_ones() {
    block_on(async {
        let history = Watched::default();
        let memory = BufferMemory::new().with_history(history.clone(), session("s"));
        let early = load(&memory).await.ticket;
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        memory.save(&turn(2), early).await.unwrap();
        memory.save(&turn(3), load(&memory).await.ticket).await.unwrap();
        let told = turn(4).with_base(Version::new(0, 1));
        memory.save(&told, load(&memory).await.ticket).await.unwrap();
        let lines = "Human: q1\nAI: a1\nHuman: q2\nAI: a2\nHuman: q3\nAI: a3\nHuman: q4\nAI: a4";
        assert_eq!(shown(&memory).await, lines);
        let bases: Vec<_> = history.turns().iter().map(Turn::base).collect();
        let version = |messages, tip| Some(Version::new(0, messages).with_tip(tip));
        assert_eq!(bases, [None, version(0, 0), version(4, 2), version(1, 0)]);
    });
}

/// The same turn under the same id is one turn, however often it is saved.
#[test]
fn saving_twice_is_saving_once() {
    block_on(async {
        let memory = BufferMemory::new();
        let ticket = load(&memory).await.ticket;
        for _ in 0..100 {
            memory.save(&turn(1), ticket.clone()).await.unwrap();
        }
        assert_eq!(shown(&memory).await, "Human: q1\nAI: a1");
    });
}

/// A conversation that was cleared while the model was called does not get the turn.
#[test]
fn a_clear_during_a_call_wins() {
    block_on(async {
        let memory = BufferMemory::new();
        memory.save(&turn(1), Ticket::default()).await.unwrap();
        let ticket = load(&memory).await.ticket;
        memory.clear().await.unwrap();
        let refused = memory.save(&turn(2), ticket).await.unwrap_err();
        let MemoryError::History(HistoryError::Stale { expected, current }) = refused else {
            panic!("{refused}");
        };
        assert_eq!((expected, current), (Version::new(0, 2).with_tip(1), Version::new(1, 0)));
        assert_eq!(shown(&memory).await, "");
    });
}

/// Messages are loaded once, as text and as messages.
#[test]
fn a_turn_reads_what_it_adds() {
    block_on(async {
        for messages in [false, true] {
            let history = Watched::default();
            let memory = BufferMemory::new()
                .with_return_messages(messages)
                .with_history(history.clone(), session("s"));
            for number in 0..100 {
                memory.save(&turn(number), load(&memory).await.ticket).await.unwrap();
            }
            assert_eq!(history.take_loaded(), 2 * 99);
            let later = load(&memory).await.variables;
            assert_eq!((history.take_loaded(), later.get("history").is_some()), (2, true));
        }
    });
}

/// A store that was replaced is loaded again from its start.
#[test]
fn a_history_that_went_back_is_read_again() {
    struct Replaced(std::sync::Mutex<InMemoryHistory>);

    #[conversant_core::async_trait]
    impl ChatHistory for Replaced {
        async fn load(
            &self,
            session: &conversant_core::SessionId,
            range: Range,
        ) -> Result<conversant_core::Slice, HistoryError> {
            let now = self.0.lock().unwrap().clone();
            now.load(session, range).await
        }
        async fn append(
            &self,
            session: &conversant_core::SessionId,
            turn: &Turn,
            expect: Expect,
        ) -> Result<Version, HistoryError> {
            let now = self.0.lock().unwrap().clone();
            now.append(session, turn, expect).await
        }
        async fn clear(&self, session: &conversant_core::SessionId) -> Result<(), HistoryError> {
            let now = self.0.lock().unwrap().clone();
            now.clear(session).await
        }
    }

    block_on(async {
        let history = Arc::new(Replaced(InMemoryHistory::new().into()));
        for messages in [false, true] {
            let memory = BufferMemory::new()
                .with_return_messages(messages)
                .with_history(Arc::clone(&history), session("s"));
            memory.save(&turn(1), Ticket::default()).await.unwrap();
            memory.save(&turn(2), Ticket::default()).await.unwrap();
            assert_eq!(shown(&memory).await, "Human: q1\nAI: a1\nHuman: q2\nAI: a2");
            *history.0.lock().unwrap() = InMemoryHistory::new();
            memory.save(&turn(3), Ticket::default()).await.unwrap();
            assert_eq!(shown(&memory).await, "Human: q3\nAI: a3");
            memory.clear().await.unwrap();
        }
    });
}

/// A memory that is given another conversation shows nothing of the first, although both have the
/// same version.
#[test]
fn another_history_replaces_what_was_loaded() {
    macro_rules! check {
        ($($memory:expr => $expected:literal),* $(,)?) => {$(
            let opening = |system| {
                let opening = messages(&format!("system: {system}\nhuman: q1\nai: a1"));
                Turn::new(opening).with_id(turn(1).id())
            };
            let memory = $memory.with_history(Watched::default(), session("s"));
            for turn in [opening("kind"), turn(2), turn(3)] {
                memory.save(&turn, Ticket::default()).await.unwrap();
                shown(&memory).await;
            }
            let other = Watched::default();
            for turn in [opening("brief"), turn(2), turn(3)] {
                other.append(&session("s"), &turn, Expect::Any).await.unwrap();
            }
            let memory = memory.with_history(other, session("s"));
            assert_eq!(shown(&memory).await, $expected, "{}", stringify!($memory));
        )*};
    }
    block_on(async {
        check! {
            BufferMemory::new() =>
                "System: brief\nHuman: q1\nAI: a1\nHuman: q2\nAI: a2\nHuman: q3\nAI: a3",
            // What a conversation begins with is not known to those who load its end.
            WindowMemory::new().with_k(1) => "Human: q3\nAI: a3",
            TokenBufferMemory::new(Whitespace).with_max_token_limit(6) =>
                "System: brief\nHuman: q3\nAI: a3",
        }
    });
}
