//! Encryption and decryption of the parts of a session.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{
    BytesLeft, HistoryError, HistoryIdentity, Messages, Note, Range, SessionCursor, SessionId,
    Slice, Turn, TurnId, Version, clock,
};

use crate::{
    blinding::Blinding,
    error::{DecryptionFault, Record},
    keyring::Keyring,
    message_record::{self, Binding, Opened},
    note_record,
    sequence::Sequence,
};

/// The settings by which records are encrypted and decrypted.
#[derive(Clone)]
pub(crate) struct Codec {
    pub(crate) keys: Keyring,
    pub(crate) blinding: Option<Arc<Blinding>>,
    pub(crate) accepts_moved: bool,
}

impl Codec {
    /// Returns the identity of what is encrypted so in a store.
    pub(crate) fn identity_in(&self, store: HistoryIdentity) -> HistoryIdentity {
        let encrypted = self.keys.identity_in(store);
        self.blinding.as_ref().map_or(encrypted, |blinding| encrypted.within(blinding))
    }

    /// Returns the id under which the store has a session.
    pub(crate) fn session(&self, session: &SessionId) -> Result<SessionId, HistoryError> {
        match &self.blinding {
            None => Ok(session.clone()),
            Some(blinding) => blinding.session(session),
        }
    }

    /// Returns the place of a list in the store's order.
    pub(crate) fn stored_cursor(
        &self,
        after: &SessionCursor,
    ) -> Result<SessionCursor, HistoryError> {
        let time = clock::time(after.last_used_millis());
        Ok(SessionCursor::new(time, self.session(after.session())?))
    }

    /// Returns the id and the name under which the store has a note.
    pub(crate) fn note_place<'n>(
        &self,
        session: &SessionId,
        name: &'n str,
    ) -> Result<(SessionId, Cow<'n, str>), HistoryError> {
        let name = match &self.blinding {
            None => Cow::Borrowed(name),
            Some(blinding) => Cow::Owned(blinding.note(session, name)?),
        };
        Ok((self.session(session)?, name))
    }

    /// Decrypts a note, if there is one.
    pub(crate) fn open_note(
        &self,
        stored: &SessionId,
        name: &str,
        note: Option<&Note>,
    ) -> Result<Option<Note>, HistoryError> {
        let open = |note| note_record::open(&self.keys, stored, name, note);
        note.map(open).transpose().map_err(|fault| fault.of(Record::Note))
    }

    pub(crate) fn seal(
        &self,
        stored: &SessionId,
        session: &SessionId,
        turn: &Turn,
        at: Version,
    ) -> Result<Turn, HistoryError> {
        let own = self.blinding.is_some().then_some(session);
        message_record::seal_turn(&self.keys, stored, own, turn, at)
    }

    /// Decrypts messages that follow each other from a position on.
    pub(crate) fn open(
        &self,
        stored: &SessionId,
        messages: &Messages,
        mut sequence: Sequence,
        ends_with_turn: bool,
    ) -> Result<Vec<Opened>, HistoryError> {
        let mut opened = Vec::with_capacity(messages.len());
        let mut number = 0;
        for message in messages.iter() {
            number += 1;
            let at = |fault: DecryptionFault| fault.of(Record::Message(number));
            let message = message_record::open(&self.keys, stored, message).map_err(at)?;
            sequence.check(&message.binding).map_err(at)?;
            opened.push(message);
        }
        if ends_with_turn {
            sequence.finish().map_err(|fault| fault.of(Record::Message(number)))?;
        }
        Ok(opened)
    }

    /// Decrypts the last message of a session, if it has any.
    pub(crate) fn open_last(
        &self,
        stored: &SessionId,
        slice: &Slice,
    ) -> Result<Option<Opened>, DecryptionFault> {
        let Some(message) = slice.messages.iter().next_back() else { return Ok(None) };
        let last = slice.version.messages.saturating_sub(1);
        let opened = message_record::open(&self.keys, stored, message)?;
        let mut sequence = self.sequence(Some(last), false);
        sequence.check(&opened.binding)?;
        sequence.finish()?;
        Ok(Some(opened))
    }

    /// Finds a turn in a part of a session, and the version that the session had after it.
    pub(crate) fn find_turn(
        &self,
        stored: &SessionId,
        slice: &Slice,
        id: TurnId,
    ) -> Result<Option<(Turn, Version)>, HistoryError> {
        let sequence = self.sequence(Some(slice.start()), false);
        let mut opened = self.open(stored, &slice.messages, sequence, true)?;
        opened.retain(|message| message.binding.turn == id);
        let Some(first) = opened.first() else { return Ok(None) };
        let Binding { position, index, count, incomplete, .. } = first.binding;
        if index > 0 || opened.len() as u64 != u64::from(count) {
            return Ok(None);
        }
        let end = Version::new(slice.version.epoch, position.saturating_add(u64::from(count)));
        // A store that has no tips has none here.
        let has_tips = slice.version.tip != 0;
        let end = if has_tips { end.with_tip(id.fingerprint()) } else { end };
        let turn = Turn::identified(id, into_messages(opened)).with_incomplete(incomplete);
        Ok(Some((turn, end)))
    }

    pub(crate) const fn sequence(&self, position: Option<u64>, begins_turn: bool) -> Sequence {
        Sequence::new(position, begins_turn, self.accepts_moved)
    }

    /// Decrypts a part of a session.
    pub(crate) fn open_slice(
        &self,
        stored: &SessionId,
        slice: &Slice,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let begins_turn = matches!(range, Range::All | Range::LastTurns(_));
        let sequence = self.sequence(Some(slice.start()), begins_turn);
        let mut opened = self.open(stored, &slice.messages, sequence, true)?;
        if let Range::LastBytes(limit) = range {
            let mut left = BytesLeft::new(limit);
            let count = opened.iter().rev().take_while(|message| left.takes(message.bytes)).count();
            opened.drain(..opened.len() - count);
        }
        let starts = slice.turns.is_some().then(|| {
            let indexed = opened.iter().enumerate();
            indexed.filter(|(_, message)| message.binding.index == 0).map(|(at, _)| at).collect()
        });
        let opened = Slice::new(into_messages(opened), slice.version);
        Ok(starts.into_iter().fold(opened, Slice::with_turns))
    }

    /// Decrypts turns of a part of a session.
    pub(crate) fn open_turns(
        &self,
        stored: &SessionId,
        turns: &[Turn],
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let mut sealed = Messages::new();
        turns.iter().for_each(|turn| sealed.append(turn.messages()));
        let start = matches!(range, Range::All).then_some(0);
        let opened = self.open(stored, &sealed, self.sequence(start, true), true)?;
        let mut opened = opened.into_iter();
        let mut number = 1;
        let mut found = Vec::with_capacity(turns.len());
        for turn in turns {
            let messages: Vec<_> = opened.by_ref().take(turn.messages().len()).collect();
            let base = turn.base().map(|base| (base.epoch, base.messages));
            let is_same = messages.first().is_none_or(|first| {
                first.binding.turn == turn.id()
                    && u64::from(first.binding.count) == turn.messages().len() as u64
                    && first.binding.incomplete == turn.is_incomplete()
                    && first.binding.base == base
            });
            if !is_same {
                return Err(DecryptionFault::Mismatch.of(Record::Message(number)));
            }
            number += messages.len() as u64;
            let opened = Turn::identified(turn.id(), into_messages(messages))
                .with_incomplete(turn.is_incomplete());
            found.push(turn.base().into_iter().fold(opened, Turn::with_base));
        }
        Ok(found)
    }
}

pub(crate) fn into_messages(opened: Vec<Opened>) -> Messages {
    opened.into_iter().map(|opened| opened.message).collect()
}
