//! References, boxes and shared pointers to histories are histories.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice,
    Turn, Version,
};

macro_rules! forward_history {
    ($($pointer:ty: $identity:path),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<H: ChatHistory + ?Sized> ChatHistory for $pointer {
            async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
                (**self).load(session, range).await
            }
            async fn append(
                &self,
                session: &SessionId,
                turn: &Turn,
                expect: Expect,
            ) -> Result<Version, HistoryError> {
                (**self).append(session, turn, expect).await
            }
            fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
                (**self).check(session, messages)
            }
            async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
                (**self).clear(session).await
            }
            async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
                (**self).turns(session, range).await
            }
            async fn sessions(
                &self,
                after: Option<&SessionId>,
                limit: usize,
            ) -> Result<Vec<SessionId>, HistoryError> {
                (**self).sessions(after, limit).await
            }
            async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
                (**self).delete(session).await
            }
            async fn first(&self, session: &SessionId, count: usize) -> Result<Option<Messages>, HistoryError> {
                (**self).first(session, count).await
            }
            async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
                (**self).note(session, name).await
            }
            async fn put_note(&self, session: &SessionId, name: &str, note: &Note) -> Result<(), HistoryError> {
                (**self).put_note(session, name, note).await
            }
            async fn replace_note(
                &self,
                session: &SessionId,
                name: &str,
                read: Option<&Note>,
                note: &Note,
            ) -> Result<bool, HistoryError> {
                (**self).replace_note(session, name, read, note).await
            }
            async fn lease(&self, session: &SessionId, time: Duration) -> Result<Option<Lease>, HistoryError> {
                (**self).lease(session, time).await
            }
            async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
                (**self).release(lease).await
            }
            fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
                (**self).at(point)
            }
            async fn set_tip(
                &self,
                session: &SessionId,
                tip: Point,
                expect: Expect,
            ) -> Result<Version, HistoryError> {
                (**self).set_tip(session, tip, expect).await
            }
            async fn alternatives(
                &self,
                session: &SessionId,
                point: Point,
            ) -> Result<Vec<Alternative>, HistoryError> {
                (**self).alternatives(session, point).await
            }
            async fn fork(
                &self,
                session: &SessionId,
                point: Point,
                into: &SessionId,
            ) -> Result<Version, HistoryError> {
                (**self).fork(session, point, into).await
            }
            async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
                (**self).session_info(session).await
            }
            async fn list_sessions(
                &self,
                filter: &SessionFilter,
                after: Option<&SessionCursor>,
                limit: usize,
            ) -> Result<SessionPage, HistoryError> {
                (**self).list_sessions(filter, after, limit).await
            }
            async fn set_title(&self, session: &SessionId, title: Option<&str>) -> Result<(), HistoryError> {
                (**self).set_title(session, title).await
            }
            async fn set_label(
                &self,
                session: &SessionId,
                name: &str,
                value: Option<&str>,
            ) -> Result<(), HistoryError> {
                (**self).set_label(session, name, value).await
            }
            async fn delete_sessions(&self, filter: &SessionFilter, limit: usize) -> Result<usize, HistoryError> {
                (**self).delete_sessions(filter, limit).await
            }
            fn shares(&self) -> bool {
                (**self).shares()
            }
            fn is_verbatim(&self) -> bool {
                (**self).is_verbatim()
            }
            fn identity(&self) -> Option<HistoryIdentity> {
                (**self).identity().or_else(|| $identity(self))
            }
        }
    )*};
}
forward_history!(&H: unknown, Box<H>: unknown, Arc<H>: of_shared);

/// The identity of a history behind a pointer that others do not share.
const fn unknown<T>(_: &T) -> Option<HistoryIdentity> {
    None
}

/// The identity of a history that has none of its own: that of the pointer which its users share.
fn of_shared<H: ?Sized>(shared: &Arc<H>) -> Option<HistoryIdentity> {
    Some(HistoryIdentity::of(shared))
}
