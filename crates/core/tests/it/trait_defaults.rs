//! The methods that an implementer of a trait can leave out.

use std::{cell::Cell, time::Duration};

use conversant_core::{
    CallId, CallInfo, ChatHistory, ChatModel, ChatRequest, Event, Expect, HistoryError, Lease,
    LeaseHolder, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Message, Messages,
    ModelDescription, ModelError, Note, Observer, OutputParser, ParseError, Point, Range, Reply,
    Saved, SessionFilter, SessionId, Slice, Slot, Ticket, TokenCounter, Turn, TurnKeys, Value,
    Variables, Version, async_trait,
};

thread_local! {
    static EVENTS: Cell<usize> = const { Cell::new(0) };
}

#[tokio::test]
async fn defaults() {
    struct Least([Slot; 0]);

    #[async_trait]
    impl Memory for Least {
        fn variables(&self) -> &[Slot] {
            &self.0
        }
        async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
            Ok(Loaded::default())
        }
        async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
            Ok(Saved::default())
        }
        async fn clear(&self) -> Result<(), MemoryError> {
            Ok(())
        }
    }
    #[async_trait]
    impl ChatHistory for Least {
        async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
            Ok(Slice::default())
        }
        async fn append(
            &self,
            _: &SessionId,
            _: &Turn,
            _: Expect,
        ) -> Result<Version, HistoryError> {
            Ok(Version::default())
        }
        async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
            Ok(())
        }
    }
    #[async_trait]
    impl ChatModel for Least {
        async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
            Ok(Reply::new(Message::ai("hello")))
        }
    }
    impl TokenCounter for Least {
        fn count_text(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }
    }
    impl OutputParser for Least {
        fn parse(&self, text: &str) -> Result<Value, ParseError> {
            Ok(text.into())
        }
    }

    impl Observer for Least {
        fn on_event(&self, _: &CallInfo, _: &Event<'_>) {
            EVENTS.set(EVENTS.get() + 1);
        }
    }

    let least = Least([]);
    assert_eq!(Memory::keys(&least), &TurnKeys::new());
    assert!(least.saves_turns() && least.needs_maintenance());
    assert!(least.stored_in().is_none() && Memory::at(&least, Point::Start).is_none());
    assert!(Memory::check(&least, &Message::human("hi").into()).is_ok());
    least.abandon(Ticket::default()).await;
    assert!(least.maintain().await.unwrap().warnings.is_empty());
    assert!(least.maintain_with(MaintainContext::new()).await.unwrap().warnings.is_empty());
    let session = SessionId::new("s").unwrap();
    let note = Note::new("x", Version::default());
    let refused = |what: &'static str| HistoryError::Unsupported { what }.to_string();
    assert_eq!(least.note(&session, "n").await.unwrap_err().to_string(), refused("notes"));
    let error = least.put_note(&session, "n", &note).await.unwrap_err();
    assert_eq!(error.to_string(), refused("notes"));
    let error = least.replace_note(&session, "n", None, &note).await.unwrap_err();
    assert_eq!(error.to_string(), refused("replacing notes"));
    let error = least.turns(&session, Range::All).await.unwrap_err();
    assert_eq!(error.to_string(), refused("turns"));
    let error = least.sessions(None, 1).await.unwrap_err();
    assert_eq!(error.to_string(), refused("listing sessions"));
    let error = least.delete(&session).await.unwrap_err();
    assert_eq!(error.to_string(), refused("deleting sessions"));
    assert!(ChatHistory::check(&least, &session, &[Message::human("hi")]).is_ok());
    assert!(
        !least.shares() && !least.is_verbatim() && ChatHistory::at(&least, Point::Start).is_none()
    );
    assert!(ChatHistory::identity(&least).is_none());
    assert!(ChatHistory::identity(&Box::new(&least)).is_none());
    let error = least.set_tip(&session, Point::Start, Expect::Any).await.unwrap_err();
    assert_eq!(error.to_string(), refused("branches"));
    let error = least.alternatives(&session, Point::Start).await.unwrap_err();
    assert_eq!(error.to_string(), refused("branches"));
    let error = least.fork(&session, Point::Start, &session).await.unwrap_err();
    assert_eq!(error.to_string(), refused("branches"));
    let filter = SessionFilter::new();
    for (error, what) in [
        (least.session_info(&session).await.unwrap_err(), "lists of sessions"),
        (least.list_sessions(&filter, None, 1).await.unwrap_err(), "lists of sessions"),
        (least.delete_sessions(&filter, 1).await.unwrap_err(), "lists of sessions"),
        (least.set_title(&session, None).await.unwrap_err(), "titles"),
        (least.set_label(&session, "user", None).await.unwrap_err(), "labels"),
    ] {
        assert_eq!(error.to_string(), refused(what));
    }
    assert_eq!(least.first(&session, 1).await.unwrap(), None);
    assert_eq!(least.lease(&session, Duration::ZERO).await.unwrap(), None);
    least.release(&Lease::new(session, LeaseHolder::from_bytes([1; 16]))).await.unwrap();
    let request = ChatRequest::new(Messages::new());
    let reply = least.stream(&request).await.unwrap().into_reply().await.unwrap();
    assert_eq!(reply.text(), "hello");
    assert!(!least.enforces_schemas());
    assert_eq!(least.describe(), ModelDescription::new());
    assert_eq!(least.count_message(&Message::human("how are you?")), 4);
    assert_eq!(least.format_instructions(), None);
    let call = CallInfo::new(CallId::random());
    least.on_nested_event(&call, &Event::chain_ended("c", &Variables::new()));
    assert_eq!(EVENTS.get(), 1);
}

/// A ticket carries what a save must know of its load, and gives it only as what it is.
#[test]
fn tickets() {
    let ticket = Ticket::new(Version::new(0, 2)).with_state(7_u32);
    assert_eq!((ticket.version(), ticket.state::<u32>()), (Some(Version::new(0, 2)), Some(&7)));
    assert_eq!(ticket.state::<u64>(), None);
    assert_eq!(Ticket::default().version(), None);
}
