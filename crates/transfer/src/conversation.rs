//! A conversation of a file: its messages, grouped into turns with ids that are the same at every
//! import.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::{Message, Role, SessionId, Turn, TurnId};
use sha2::{Digest, Sha256};

use crate::event::{OmissionReason, Omitted};

/// A conversation as a format reads it.
#[derive(Default)]
pub(crate) struct Conversation {
    /// The conversation's id in the file.
    pub(crate) id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) created_at: Option<SystemTime>,
    pub(crate) messages: Vec<Taken>,
    pub(crate) omitted: Vec<Omitted>,
    /// The branches that are not the current one.
    pub(crate) others: Option<Box<dyn OtherBranches>>,
}

/// The branches of a conversation that are not the current one. They are read one at a time.
pub(crate) trait OtherBranches: Send + Sync {
    /// Returns the omissions that are reported if the branches are left out.
    fn omitted(self: Box<Self>) -> Vec<Omitted>;

    /// Iterates over the paths of all branches.
    fn paths(&self) -> Box<dyn Iterator<Item = OtherPath> + Send + '_>;
}

/// A path to the end of a branch, from a turn on.
pub(crate) struct OtherPath {
    /// Where it begins.
    pub(crate) start: Place,
    /// The number of messages that it shares with paths before it, from the start on.
    pub(crate) shared: u64,
    pub(crate) messages: Vec<Taken>,
    pub(crate) omitted: Vec<Omitted>,
}

/// The place before a turn of a path.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// The number of the path: 0 is the current branch, and the others follow in their order.
    pub(crate) path: usize,
    /// The number of turns before it, with those that are left out.
    pub(crate) turns: u64,
}

impl Conversation {
    /// Adds the omission of a message.
    pub(crate) fn omit(&mut self, position: u64, reason: OmissionReason) {
        self.omitted.push(Omitted::message(position, reason));
    }
}

/// A message that is taken from a file.
#[derive(Clone)]
pub(crate) struct Taken {
    /// The position in the conversation, counted from 1.
    pub(crate) position: u64,
    pub(crate) message: Message,
    pub(crate) created_at: Option<SystemTime>,
    /// Whether the message is an answer that was cut off.
    pub(crate) incomplete: bool,
}

impl Taken {
    pub(crate) const fn new(position: u64, message: Message) -> Self {
        Self { position, message, created_at: None, incomplete: false }
    }
}

/// Groups messages into turns, one message at a time.
///
/// A human message begins a turn. What precedes the first one is a turn of its own, as in
/// LangChain's tables.
#[derive(Default)]
pub(crate) struct Turns {
    turn: Vec<Taken>,
    number: u64,
}

/// A turn that is complete: what it is, and what was left out of it.
pub(crate) struct Grouped {
    /// The number of the turn in the conversation, counted from 0. Turns that are left out count.
    number: u64,
    messages: Vec<Taken>,
}

impl Turns {
    /// Goes on after a number of turns.
    pub(crate) const fn after(turns: u64) -> Self {
        Self { turn: Vec::new(), number: turns }
    }

    /// Adds a message, and returns the turn before it if it begins one.
    pub(crate) fn push(&mut self, message: Taken) -> Option<Grouped> {
        let ended = match message.message.role() {
            Role::Human => self.finish(),
            _ => None,
        };
        self.turn.push(message);
        ended
    }

    /// Returns the last turn.
    pub(crate) fn finish(&mut self) -> Option<Grouped> {
        let messages = std::mem::take(&mut self.turn);
        if messages.is_empty() {
            return None;
        }
        self.number += 1;
        Some(Grouped { number: self.number - 1, messages })
    }
}

impl Grouped {
    /// Returns the turn, unless it has no messages that can be stored.
    pub(crate) fn into_turn(
        mut self,
        session: &SessionId,
        omit: &mut impl FnMut(Omitted),
    ) -> Option<Turn> {
        if let Some(position) = self.match_tool_results(omit) {
            omit(Omitted::message(position, OmissionReason::UnansweredToolCalls));
            return None;
        }
        if self.messages.is_empty() {
            return None;
        }
        let id = self.id(session);
        let incomplete = self.messages.iter().any(|taken| taken.incomplete);
        let messages: Vec<_> = self.messages.into_iter().map(|taken| taken.message).collect();
        Some(Turn::identified(id, messages).with_incomplete(incomplete))
    }

    /// Returns the position of the first message of the turn.
    pub(crate) fn position(&self) -> Option<u64> {
        self.messages.first().map(|taken| taken.position)
    }

    /// Removes tool results without calls, and returns the position of the first message whose
    /// calls have no results.
    fn match_tool_results(&mut self, omit: &mut impl FnMut(Omitted)) -> Option<u64> {
        let mut unanswered = None;
        // The numbers of results that calls wait for, by their ids.
        let mut open: HashMap<String, usize> = HashMap::new();
        let mut caller = 0;
        self.messages.retain(|taken| {
            let message = &taken.message;
            if let Some(id) = message.tool_call_id().filter(|_| *message.role() == Role::Tool) {
                match open.get_mut(id) {
                    Some(1) => drop(open.remove(id)),
                    Some(count) => *count -= 1,
                    None => {
                        let reason = OmissionReason::ToolResultWithoutCall;
                        omit(Omitted::message(taken.position, reason));
                        return false;
                    }
                }
                return true;
            }
            // Results follow their calls at once, or a provider refuses the conversation.
            if !open.is_empty() {
                unanswered.get_or_insert(caller);
            }
            open.clear();
            for id in message.call_ids() {
                *open.entry(id.unwrap_or_default().to_owned()).or_default() += 1;
            }
            caller = taken.position;
            true
        });
        unanswered.or((!open.is_empty()).then_some(caller))
    }

    /// Returns an id that depends on the turn alone: a UUID of version 7 if its time is known, and
    /// of version 8 if not.
    ///
    /// Imports are repeated with later versions, so it never changes.
    fn id(&self, session: &SessionId) -> TurnId {
        let mut hash = Sha256::new();
        hash.update(b"conversant-transfer turn 1");
        add(&mut hash, session.as_str().as_bytes());
        hash.update(self.number.to_be_bytes());
        for taken in &self.messages {
            add(&mut hash, &serde_json::to_vec(&taken.message).unwrap_or_default());
        }
        let created_at = self.messages.iter().find_map(|taken| taken.created_at);
        let millis = created_at.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let millis = millis.and_then(|since| u64::try_from(since.as_millis()).ok());
        let bits = first_bits(hash);
        match millis {
            Some(millis) => {
                let random = bits & ((1 << 80) - 1);
                uuid(u128::from(millis) << 80 | random, 7)
            }
            None => uuid(bits, 8),
        }
    }
}

/// Returns the session id for an id of a file.
pub(crate) fn session_id(prefix: &str, id: &str) -> Result<SessionId, OmissionReason> {
    SessionId::new(format!("{prefix}{id}")).map_err(|_| OmissionReason::InvalidSessionId)
}

/// Returns a session id that depends on the messages alone, for conversations without an id.
pub(crate) fn session_of(messages: &[Taken]) -> TurnId {
    let mut hash = Sha256::new();
    hash.update(b"conversant-transfer session 1");
    for taken in messages {
        add(&mut hash, &serde_json::to_vec(&taken.message).unwrap_or_default());
    }
    uuid(first_bits(hash), 8)
}

/// Adds a part of a known length, so that parts are not mistaken for each other.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn first_bits(hash: Sha256) -> u128 {
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().map_or(0, |bits| u128::from_be_bytes(*bits))
}

/// Sets the version and the variant of a UUID.
const fn uuid(bits: u128, version: u128) -> TurnId {
    let bits = bits & !(0xf << 76) & !(0x3 << 62);
    TurnId::from_u128(bits | version << 76 | 0b10 << 62)
}
