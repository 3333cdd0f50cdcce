//! The history that encrypts.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, Version, async_trait,
};

use crate::{
    append::{Next, StoredSession, next, repeated},
    blinding::Blinding,
    codec::{Codec, into_messages},
    deletion::delete_selected,
    fork::fork,
    key::Key,
    keyring::Keyring,
    listing::{self, PAGE, own_session},
    message_record, name_record, note_record,
};

/// The greatest number of attempts of an append whose session other writers append to meanwhile.
const MAX_ATTEMPTS: usize = 1_000;

/// The greatest growth of a message's stored JSON by its encryption. It has more than 100 bytes,
/// and becomes at most 4/3 of them and 280 more, or 965 more with the longest session id.
const MAX_GROWTH: u64 = 5;
const MAX_GROWTH_BLINDED: u64 = 11;

#[doc = include_str!("history.md")]
pub struct Encrypted<H> {
    inner: H,
    codec: Codec,
}

impl<H: OwnFormat> Encrypted<H> {
    /// Encrypts what is stored in a history.
    #[must_use]
    pub const fn new(inner: H, keys: Keyring) -> Self {
        Self { inner, codec: Codec { keys, blinding: None, accepts_moved: false } }
    }

    /// Blinds the ids of sessions and the names of notes: the store has a keyed hash of them. The
    /// key is never rotated, since the hashes depend on it; to change it, copy into a new store.
    ///
    /// Ids are not blinded by default. With them, listing the sessions reads a message of each.
    #[must_use]
    pub fn with_blinding_key(mut self, key: &Key) -> Self {
        self.codec.blinding = Some(Arc::new(Blinding::new(key)));
        self
    }

    /// Sets whether records are accepted that are authentic, but not in their place. It is for
    /// reading what is left of a session that was repaired or restored in part, and `false` by
    /// default.
    #[must_use]
    pub const fn with_moved_records(mut self, accepted: bool) -> Self {
        self.codec.accepts_moved = accepted;
        self
    }

    /// Returns the history that has the encrypted records.
    #[must_use]
    pub const fn inner(&self) -> &H {
        &self.inner
    }
}

impl<H: ChatHistory> Encrypted<H> {
    /// Returns those of the names under which the store has a label. The first is shown if the
    /// primary key has named none.
    async fn stored_labels(
        &self,
        stored: &SessionId,
        names: &[String],
    ) -> Result<Vec<String>, HistoryError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let info = self.inner.session_info(stored).await?;
        let labels = info.map(|info| info.labels).unwrap_or_default();
        Ok(labels.into_keys().filter(|name| names.contains(name)).collect())
    }

    /// Removes the labels that the store has under these names, the one that is shown last.
    async fn remove_labels(
        &self,
        stored: &SessionId,
        names: &[String],
    ) -> Result<(), HistoryError> {
        for name in self.stored_labels(stored, names).await?.into_iter().rev() {
            self.inner.set_label(stored, &name, None).await?;
        }
        Ok(())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<H: ChatHistory> ChatHistory for Encrypted<H> {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let stored = self.codec.session(session)?;
        let sealed = match range {
            Range::LastBytes(bytes) => {
                let blinded = self.codec.blinding.is_some();
                let growth = if blinded { MAX_GROWTH_BLINDED } else { MAX_GROWTH };
                Range::LastBytes(bytes.saturating_mul(growth))
            }
            other => other,
        };
        let slice = self.inner.load(&stored, sealed).await?;
        self.codec.open_slice(&stored, &slice, range)
    }

    /// Appends a turn at a version that is known, since a record is bound to its position. If the
    /// caller expects none, it is read first.
    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let stored = self.codec.session(session)?;
        if turn.messages().is_empty() {
            return self.inner.append(&stored, turn, expect).await;
        }
        let settle = |outcome| {
            let place = StoredSession { history: &self.inner, codec: &self.codec, name: &stored };
            repeated(self, session, place, turn, outcome)
        };
        let mut at = match expect.version() {
            Some(version) => version,
            None => match self.inner.load(&stored, Range::LastMessages(0)).await {
                Ok(slice) => slice.version,
                Err(error) => return settle(Err(error)).await,
            },
        };
        for _ in 0..MAX_ATTEMPTS {
            let sealed = self.codec.seal(&stored, session, turn, at)?;
            match self.inner.append(&stored, &sealed, Expect::Exactly(at)).await {
                Err(HistoryError::Stale { expected, current }) => {
                    match next(&self.inner, &stored, expect, expected, current).await? {
                        Next::At(version) => at = version,
                        Next::LeftBranch(seen) => {
                            let sealed = self.codec.seal(&stored, session, turn, seen)?;
                            let outcome = self.inner.append(&stored, &sealed, expect).await;
                            return settle(outcome).await;
                        }
                    }
                }
                outcome => return settle(outcome).await,
            }
        }
        Err(HistoryError::Busy)
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let stored = self.codec.session(session)?;
        let own = self.codec.blinding.is_some().then_some(session);
        let placeholder = |message| message_record::placeholder(message, own);
        let messages: Vec<_> = messages.iter().map(placeholder).collect::<Result<_, _>>()?;
        self.inner.check(&stored, &messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(&self.codec.session(session)?).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        if matches!(range, Range::LastBytes(_)) {
            return Err(HistoryError::Unsupported { what: "turns by their bytes" });
        }
        let stored = self.codec.session(session)?;
        let turns = self.inner.turns(&stored, range).await?;
        self.codec.open_turns(&stored, &turns, range)
    }

    /// Lists the sessions. Where ids are blinded, it decrypts one message of each session of
    /// the store, for each page, and leaves out sessions that have no turns.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        if self.codec.blinding.is_none() {
            return self.inner.sessions(after, limit).await;
        }
        let mut first = BTreeSet::new();
        let mut last = None;
        loop {
            let page = self.inner.sessions(last.as_ref(), PAGE).await?;
            for stored in &page {
                let own = own_session(&self.inner, &self.codec, stored).await?;
                let Some(session) = own else { continue };
                if after.is_none_or(|after| session > *after) {
                    first.insert(session);
                    if first.len() > limit {
                        first.pop_last();
                    }
                }
            }
            match page.last() {
                Some(session) => last = Some(session.clone()),
                None => return Ok(first.into_iter().collect()),
            }
        }
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.delete(&self.codec.session(session)?).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let stored = self.codec.session(session)?;
        let Some(first) = self.inner.first(&stored, count).await? else { return Ok(None) };
        let opened = self.codec.open(&stored, &first, self.codec.sequence(Some(0), true), false)?;
        Ok(Some(into_messages(opened)))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let (stored, name) = self.codec.note_place(session, name)?;
        self.codec.open_note(&stored, &name, self.inner.note(&stored, &name).await?.as_ref())
    }

    /// Stores a note. Its record is larger by a third, so that a store which takes records of
    /// [`Note::MAX_BYTES`] takes notes of 12.5 million bytes.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (stored, name) = self.codec.note_place(session, name)?;
        let sealed = note_record::seal(&self.codec.keys, &stored, &name, note)?;
        self.inner.put_note(&stored, &name, &sealed).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        let (stored, name) = self.codec.note_place(session, name)?;
        let found = self.inner.note(&stored, &name).await?;
        if self.codec.open_note(&stored, &name, found.as_ref())?.as_ref() != read {
            return Ok(false);
        }
        let sealed = note_record::seal(&self.codec.keys, &stored, &name, note)?;
        self.inner.replace_note(&stored, &name, found.as_ref(), &sealed).await
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = self.inner.lease(&self.codec.session(session)?, time).await?;
        Ok(lease.map(|lease| Lease::new(session.clone(), lease.holder)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let stored = self.codec.session(&lease.session)?;
        self.inner.release(&Lease::new(stored, lease.holder)).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let inner = self.inner.at(point)?;
        Some(Arc::new(Encrypted { inner, codec: self.codec.clone() }))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.set_tip(&self.codec.session(session)?, tip, expect).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.inner.alternatives(&self.codec.session(session)?, point).await
    }

    /// Begins a session with the turns of another one. They are encrypted anew, since a record is
    /// bound to its session, so the cost grows with their number. In lists they count as turns of
    /// the new session.
    ///
    /// # Cancellation
    /// A fork that fails or is dropped can leave the new session with labels, and with the first of
    /// the turns. The same call again goes on with it, as long as the session has no other turns.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        fork(self, session, point, into).await
    }

    /// Returns the session as a list shows it. Its sums of usage are encrypted with its messages,
    /// so they are absent, and its size is that of the encrypted records.
    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        let stored = self.codec.session(session)?;
        let Some(info) = self.inner.session_info(&stored).await? else { return Ok(None) };
        name_record::open(&self.codec.keys, &stored, session, info).whole().map(Some)
    }

    /// Lists sessions. Labels are compared after they were decrypted, so a filter by labels reads
    /// the sessions of the store in their order until the page is full. Where session ids are
    /// blinded, a message of each session is decrypted too, and sessions without turns are left
    /// out. Search is not supported.
    ///
    /// A session whose title or label cannot be decrypted is listed without it, and
    /// [`session_info`](ChatHistory::session_info) has the error. One whose blinded id cannot be
    /// decrypted is left out.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        listing::list(&self.inner, &self.codec, filter, after, limit, &mut None).await
    }

    /// Sets the title, at most 600 bytes.
    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        let stored = self.codec.session(session)?;
        let seal = |title| name_record::seal_title(&self.codec.keys, &stored, title);
        let title = title.map(seal).transpose()?;
        self.inner.set_title(&stored, title.as_deref()).await
    }

    /// Sets a label, whose value has at most 240 bytes.
    ///
    /// After a rotation, the label gets its name by the new key, and the one by an older key is
    /// removed after it. If the session has as many labels as it can have, the label keeps its
    /// older name, and the new key encrypts its value. So a call that does not return leaves the
    /// value of before or the new one.
    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, name_record::MAX_LABEL_VALUE_BYTES)?;
        let stored = self.codec.session(session)?;
        let names = name_record::label_names(&self.codec.keys, name)?;
        let Some((primary, older)) = names.split_first() else { return Ok(()) };
        let Some(value) = value else {
            // The one that is shown goes last, so that none of the others takes its place.
            self.remove_labels(&stored, older).await?;
            return self.inner.set_label(&stored, primary, None).await;
        };
        let seal = |at| name_record::seal_label(&self.codec.keys, &stored, at, name, value);
        let set = self.inner.set_label(&stored, primary, Some(&seal(primary)?)).await;
        match set {
            Ok(()) => self.remove_labels(&stored, older).await,
            Err(error @ HistoryError::TooManyLabels { .. }) => {
                let found = self.stored_labels(&stored, older).await?;
                let Some((shown, others)) = found.split_first() else { return Err(error) };
                self.inner.set_label(&stored, shown, Some(&seal(shown)?)).await?;
                self.remove_labels(&stored, others).await
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes sessions that a filter selects. With labels, all that it selects are listed first.
    /// The store then deletes each of them by its encrypted labels and the times of the filter, so
    /// that one that was used or labelled since stays.
    ///
    /// A label that cannot be decrypted keeps no other session: the rest is deleted first. It is
    /// then an error that names the session, if the filter could select it.
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        if filter.labels.is_empty() && filter.words().next().is_none() {
            return self.inner.delete_sessions(filter, limit).await;
        }
        delete_selected(&self.inner, &self.codec, filter, limit).await
    }

    fn shares(&self) -> bool {
        false
    }

    fn is_verbatim(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        self.inner.identity().map(|store| self.codec.identity_in(store))
    }
}

impl<H: Clone> Clone for Encrypted<H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), codec: self.codec.clone() }
    }
}

impl<H: fmt::Debug> fmt::Debug for Encrypted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("inner", &self.inner)
            .field("keys", &self.codec.keys)
            .field("blinded", &self.codec.blinding.is_some())
            .finish()
    }
}
