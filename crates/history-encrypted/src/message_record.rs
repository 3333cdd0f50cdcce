//! Messages as records: the message, and what binds it to its turn and its place in the session.

use conversant_core::{HistoryError, Message, Role, SessionId, Turn, TurnId, Version};

use crate::{
    envelope::{self, Envelope, Place, sealed_bytes},
    error::DecryptionFault,
    keyring::{Keyring, Purpose},
};

/// The role under which a store sees an encrypted message.
const ROLE: &str = "encrypted";
/// The greatest size of what binds a message, without the session's id.
const BINDING_BYTES: u64 = 1 + 8 + 4 + 4 + 16 + 8 + 16 + 2;

const INCOMPLETE: u8 = 1;
const HAS_BASE: u8 = 2;
const HAS_SESSION: u8 = 4;

/// The place of a message: its turn, and the turn's place in the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) turn: TurnId,
    pub(crate) incomplete: bool,
    /// The position of the turn's first message in the session.
    pub(crate) position: u64,
    /// The index of the message in the turn, and the number of the turn's messages.
    pub(crate) index: u32,
    pub(crate) count: u32,
    /// The fingerprint of the turn before, or 0 if it is not known.
    pub(crate) previous: u64,
    /// The version that the turn's prompt contained, without its tip. Of the first message only.
    pub(crate) base: Option<(u64, u64)>,
    /// The session's own id where the store has a blinded one. Of the last message only.
    pub(crate) session: Option<SessionId>,
}

/// A message that was decrypted.
pub(crate) struct Opened {
    pub(crate) binding: Binding,
    pub(crate) message: Message,
    /// The size of the message as stored JSON.
    pub(crate) bytes: u64,
}

/// Encrypts a turn that is appended at a version.
pub(crate) fn seal_turn(
    keys: &Keyring,
    stored_session: &SessionId,
    own_session: Option<&SessionId>,
    turn: &Turn,
    at: Version,
) -> Result<Turn, HistoryError> {
    let too_long =
        || HistoryError::Unsupported { what: "turns of more than 4,294,967,295 messages" };
    let count = u32::try_from(turn.messages().len()).map_err(|_| too_long())?;
    let mut messages = Vec::with_capacity(turn.messages().len());
    for (message, index) in turn.messages().iter().zip(0..) {
        let (first, last) = (index == 0, index + 1 == count);
        let binding = Binding {
            turn: turn.id(),
            incomplete: turn.is_incomplete(),
            position: at.messages,
            index,
            count,
            previous: at.tip,
            base: turn.base().filter(|_| first).map(|base| (base.epoch, base.messages)),
            session: own_session.filter(|_| last).cloned(),
        };
        messages.push(seal(keys, stored_session, message, &binding)?);
    }
    let sealed = Turn::identified(turn.id(), messages).with_incomplete(turn.is_incomplete());
    Ok(turn.base().into_iter().fold(sealed, Turn::with_base))
}

fn seal(
    keys: &Keyring,
    session: &SessionId,
    message: &Message,
    binding: &Binding,
) -> Result<Message, HistoryError> {
    let json = message.to_stored_json(u64::MAX)?;
    let mut envelope = Envelope::with_capacity(json.len() + 128);
    binding.write(&mut envelope);
    envelope.push(json.as_bytes());
    Ok(Message::chat(ROLE, envelope.seal(keys, place(session))?))
}

/// Returns a message of the size that a message will have when it is encrypted.
pub(crate) fn placeholder(
    message: &Message,
    own_session: Option<&SessionId>,
) -> Result<Message, HistoryError> {
    let json = message.to_stored_json(u64::MAX)?;
    let session = own_session.map_or(0, |session| session.as_str().len()) as u64;
    let bytes = sealed_bytes(BINDING_BYTES + session + json.len() as u64);
    Ok(Message::chat(ROLE, "A".repeat(usize::try_from(bytes).unwrap_or(usize::MAX))))
}

/// Decrypts a message.
pub(crate) fn open(
    keys: &Keyring,
    session: &SessionId,
    message: &Message,
) -> Result<Opened, DecryptionFault> {
    let Some(text) = message.content().as_text() else { return Err(DecryptionFault::NotEncrypted) };
    if !matches!(message.role(), Role::Chat(role) if role == ROLE) {
        return Err(DecryptionFault::NotEncrypted);
    }
    // A store returns what it was given: anything else about the message was added later.
    let is_bare = message.name().is_none()
        && message.id().is_none()
        && message.tool_call_id().is_none()
        && message.tool_calls().is_empty()
        && message.invalid_tool_calls().is_empty()
        && message.extra().is_empty();
    if !is_bare {
        return Err(DecryptionFault::Altered);
    }
    let plaintext = envelope::open(text, keys, place(session))?;
    let (binding, json) = Binding::read(&plaintext).ok_or(DecryptionFault::UnknownForm)?;
    let message = Message::from_stored_json(json, "a decrypted message");
    let message = message.map_err(|_| DecryptionFault::UnknownForm)?;
    Ok(Opened { binding, message, bytes: json.len() as u64 })
}

fn place(session: &SessionId) -> Place<'_> {
    Place { purpose: Purpose::Message, session: session.as_str(), name: "" }
}

impl Binding {
    fn write(&self, to: &mut Envelope) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        to.push(&[flag(self.incomplete, INCOMPLETE)
            | flag(self.base.is_some(), HAS_BASE)
            | flag(self.session.is_some(), HAS_SESSION)]);
        to.push(&self.position.to_be_bytes());
        to.push(&self.index.to_be_bytes());
        to.push(&self.count.to_be_bytes());
        to.push(self.turn.as_bytes());
        to.push(&self.previous.to_be_bytes());
        if let Some((epoch, messages)) = self.base {
            to.push(&epoch.to_be_bytes());
            to.push(&messages.to_be_bytes());
        }
        if let Some(session) = &self.session {
            // A session id has at most 512 bytes.
            let bytes = session.as_str().as_bytes();
            to.push(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
            to.push(bytes);
        }
    }

    /// Reads a binding, and returns it with what follows it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&flags, mut rest) = bytes.split_first()?;
        let mut binding = Self {
            incomplete: flags & INCOMPLETE != 0,
            position: u64::from_be_bytes(take(&mut rest)?),
            index: u32::from_be_bytes(take(&mut rest)?),
            count: u32::from_be_bytes(take(&mut rest)?),
            turn: TurnId::from_u128(u128::from_be_bytes(take(&mut rest)?)),
            previous: u64::from_be_bytes(take(&mut rest)?),
            base: None,
            session: None,
        };
        if flags & HAS_BASE != 0 {
            let epoch = u64::from_be_bytes(take(&mut rest)?);
            binding.base = Some((epoch, u64::from_be_bytes(take(&mut rest)?)));
        }
        if flags & HAS_SESSION != 0 {
            let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
            let (session, after) = rest.split_at_checked(length)?;
            let session = std::str::from_utf8(session).ok()?;
            binding.session = Some(SessionId::from_stored(session).ok()?);
            rest = after;
        }
        Some((binding, rest))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}
