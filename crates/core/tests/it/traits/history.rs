//! The methods of histories.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, LeaseHolder, Message,
    Messages, Note, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, TurnId, Value, Version, async_trait,
};

use super::{All, called};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatHistory for All {
    async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
        called("load");
        Ok(Slice::new(Message::human("hi"), Version::new(0, 1)))
    }
    async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
        called("append");
        Ok(Version::new(1, 1))
    }
    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        called("check");
        if messages.is_empty() {
            Ok(())
        } else {
            Err(HistoryError::TooLarge { what: "message", bytes: 2, limit: 1 })
        }
    }
    async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
        called("clear");
        Err(HistoryError::Busy)
    }
    async fn turns(&self, _: &SessionId, _: Range) -> Result<Vec<Turn>, HistoryError> {
        called("turns");
        Ok(vec![Turn::exchange("q", "a")])
    }
    async fn sessions(
        &self,
        _: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        called("sessions");
        Ok(vec![SessionId::new("s").unwrap(); limit])
    }
    async fn delete(&self, _: &SessionId) -> Result<(), HistoryError> {
        called("delete");
        Err(HistoryError::Busy)
    }
    async fn first(&self, _: &SessionId, count: usize) -> Result<Option<Messages>, HistoryError> {
        called("first");
        Ok(Some(vec![Message::system("s"); count].into()))
    }
    async fn note(&self, _: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        called("note");
        Ok(Some(Note::new(name, Version::default())))
    }
    async fn put_note(&self, _: &SessionId, _: &str, _: &Note) -> Result<(), HistoryError> {
        called("put_note");
        Ok(())
    }
    async fn replace_note(
        &self,
        _: &SessionId,
        _: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        called("replace_note");
        Ok(read == Some(note))
    }
    async fn lease(&self, session: &SessionId, _: Duration) -> Result<Option<Lease>, HistoryError> {
        called("lease");
        Ok(Some(Lease::new(session.clone(), LeaseHolder::from_bytes([1; 16]))))
    }
    async fn release(&self, _: &Lease) -> Result<(), HistoryError> {
        called("release");
        Err(HistoryError::Busy)
    }
    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        called("at");
        (point != Point::Start).then(|| Arc::new(Self::new()) as _)
    }
    async fn set_tip(&self, _: &SessionId, _: Point, _: Expect) -> Result<Version, HistoryError> {
        called("set_tip");
        Ok(Version::new(3, 1))
    }
    async fn alternatives(
        &self,
        _: &SessionId,
        _: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        called("alternatives");
        let id = TurnId::from_u128(1);
        Ok(vec![Alternative::new(id, id)])
    }
    async fn fork(&self, _: &SessionId, _: Point, _: &SessionId) -> Result<Version, HistoryError> {
        called("fork");
        Ok(Version::new(4, 1))
    }
    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        called("session_info");
        Ok(Some(SessionInfo::new(session.clone(), UNIX_EPOCH)))
    }
    async fn list_sessions(
        &self,
        _: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        called("list_sessions");
        let info = SessionInfo::new(after.unwrap().session().clone(), UNIX_EPOCH);
        Ok(SessionPage::of(vec![info; limit + 1], limit))
    }
    async fn set_title(&self, _: &SessionId, title: Option<&str>) -> Result<(), HistoryError> {
        called("set_title");
        SessionInfo::check_title(title.unwrap(), 3)
    }
    async fn set_label(
        &self,
        _: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        called("set_label");
        SessionInfo::check_label(name, value, 1)
    }
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        called("delete_sessions");
        if filter.is_empty() { Err(HistoryError::EmptyFilter) } else { Ok(limit) }
    }
    fn shares(&self) -> bool {
        called("shares");
        true
    }
    fn is_verbatim(&self) -> bool {
        called("is_verbatim");
        true
    }
    fn identity(&self) -> Option<HistoryIdentity> {
        called("identity");
        Some(HistoryIdentity::of(&Arc::new(())))
    }
}

pub(super) async fn history(history: impl ChatHistory) {
    let session = SessionId::new("s").unwrap();
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 1);
    let turn = Turn::exchange("q", "a");
    let version = history.append(&session, &turn, Expect::Any).await.unwrap();
    assert_eq!(version, Version::new(1, 1));
    assert!(history.check(&session, &[]).is_ok());
    assert!(history.check(&session, &[Message::human("hi")]).is_err());
    assert!(history.clear(&session).await.is_err());
    assert_eq!(history.turns(&session, Range::All).await.unwrap().len(), 1);
    assert_eq!(history.sessions(None, 2).await.unwrap().len(), 2);
    assert!(history.delete(&session).await.is_err());
    assert_eq!(history.first(&session, 3).await.unwrap().unwrap().len(), 3);
    let note = history.note(&session, "n").await.unwrap().unwrap();
    assert_eq!(note.body, Value::from("n"));
    history.put_note(&session, "n", &note).await.unwrap();
    assert!(history.replace_note(&session, "n", Some(&note), &note).await.unwrap());
    assert!(!history.replace_note(&session, "n", None, &note).await.unwrap());
    let lease = history.lease(&session, Duration::ZERO).await.unwrap().unwrap();
    assert!(history.release(&lease).await.is_err());
    assert!(
        history.at(Point::Start).is_none() && history.at(TurnId::from_u128(1).into()).is_some()
    );
    let tip = history.set_tip(&session, Point::Start, Expect::Any).await.unwrap();
    assert_eq!(tip, Version::new(3, 1));
    assert_eq!(history.alternatives(&session, Point::Start).await.unwrap().len(), 1);
    let forked = history.fork(&session, Point::Start, &session).await.unwrap();
    assert_eq!(forked, Version::new(4, 1));
    let info = history.session_info(&session).await.unwrap().unwrap();
    let filter = SessionFilter::new().with_text("words");
    let cursor = SessionCursor::after(&info);
    let page = history.list_sessions(&filter, Some(&cursor), 2).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (2, Some(cursor)));
    assert!(history.set_title(&session, Some("long")).await.is_err());
    assert!(history.set_label(&session, "n", Some("long")).await.is_err());
    assert_eq!(history.delete_sessions(&filter, 5).await.unwrap(), 5);
    assert!(history.shares() && history.is_verbatim() && history.identity().is_some());
}
