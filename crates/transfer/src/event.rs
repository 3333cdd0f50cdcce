//! Events of a transfer: its progress, and what was left out.

use std::{fmt, time::SystemTime};

use conversant_core::{SessionId, Withheld};

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// The number of bytes of the file that were read or written. 0 for a copy.
    pub bytes: u64,
    /// The number of conversations that were read, including those that were left out. An import
    /// that is [started after](crate::Import::with_start) them goes on from there.
    pub conversations: u64,
    /// The number of sessions that were transferred, whole or in part.
    pub sessions: u64,
    /// The number of turns that were transferred, including those that were stored already.
    pub turns: u64,
    /// The number of omissions.
    pub omissions: u64,
}

/// An event of a transfer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TransferEvent {
    /// A conversation was transferred or left out, or, where turns are transferred one by one, a
    /// turn was.
    Progress(TransferProgress),
    /// A conversation was stored, at least in part.
    Stored(StoredConversation),
    /// An item cannot be transferred.
    Omitted(Omission),
}

/// A conversation that an import has stored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredConversation {
    /// The session.
    pub session: SessionId,
    /// The title that the file has. It is stored, unless the session has one or the history has no
    /// place for it.
    pub title: Option<Withheld>,
    /// The time at which the conversation began, if the file has it.
    pub created_at: Option<SystemTime>,
}

/// An item of a file or of a history that was not transferred. It contains no text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Omission {
    /// The position of the conversation, counted from 1.
    pub conversation: u64,
    /// The session of the conversation, where it is known.
    pub session: Option<SessionId>,
    /// The position of the message in the conversation, counted from 1. `None` if the reason
    /// applies to the conversation.
    pub message: Option<u64>,
    /// The id of the node in the tree of ChatGPT's export, if it is a plain id.
    pub node: Option<String>,
    /// The reason.
    pub reason: OmissionReason,
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conversation {}", self.conversation)?;
        if let Some(session) = &self.session {
            write!(f, " (`{session}`)")?;
        }
        if let Some(message) = self.message {
            write!(f, ", message {message}")?;
        }
        if let Some(node) = &self.node {
            write!(f, " (node `{node}`)")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// The reason for which an item is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OmissionReason {
    /// The conversation is not JSON. The rest of the file is read.
    InvalidJson {
        /// The place in the file, in bytes from 0.
        offset: u64,
    },
    /// The conversation is JSON, but not of this format.
    InvalidConversation,
    /// The conversation is larger than the import accepts.
    TooLarge {
        /// The size in bytes.
        bytes: u64,
        /// The import's limit in bytes.
        limit: u64,
    },
    /// The conversation has no messages that could be transferred.
    Empty,
    /// The conversation's id is not a session id.
    InvalidSessionId,
    /// The tree of messages is none: the parents of a message lead back to it.
    InvalidTree,
    /// The history has another conversation, or other turns, in this session. The conversation's
    /// turns from this one on are left out; of lines, only this one if the history has another
    /// turn under its id.
    Diverged {
        /// The number of turns that both have.
        turns: u64,
    },
    /// A branch that is not the current one, in a history without branches or of ChatGPT's export.
    Branch {
        /// The number of its messages.
        messages: u64,
    },
    /// Tool calls without results, with which a provider would refuse the conversation. The turn is
    /// left out, or, of ChatGPT, the call.
    UnansweredToolCalls,
    /// The message is the result of a tool call that is not in the turn.
    ToolResultWithoutCall,
    /// The message's role is unknown.
    UnknownRole,
    /// The message lacks its content, or has content of the wrong type.
    InvalidMessage,
    /// The message's content is of an unknown kind.
    UnknownContent,
    /// The message is hidden from the user.
    Hidden,
    /// A part of the message that is not text, such as an image. The message's text is transferred.
    Part,
    /// The reasoning of a model, which belongs to its provider.
    Reasoning,
    /// The definitions of tools, which belong to a program and not to a conversation.
    ToolDefinitions,
    /// The history refuses a message of the turn, for its size or its form.
    RefusedByHistory,
    /// The turn's answer was cut off, and the format cannot say so.
    IncompleteTurn,
    /// The format has no form for the message, or for a tool call of it.
    NoForm,
    /// The conversation has no answer, and the format needs one.
    NoAnswer,
    /// The title of a session, or labels of it, which the history cannot store, or of the title
    /// only the start. The conversation is transferred, with the labels that the history takes.
    Names,
    /// Facts that memories know of a session, which the history cannot store, or which are more
    /// than its memories keep. The conversation is transferred.
    Facts,
    /// Facts that memories know of a session, which others were changing for 15 seconds. The
    /// conversation is transferred; a repetition adds them.
    FactsInUse,
    /// Facts of an encrypted session, in a transfer without the keys: a file has no form for them,
    /// or the keys would not open them where they are copied to, or other facts are there. The
    /// conversation is transferred.
    SealedFacts,
}

impl fmt::Display for OmissionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidJson { offset } => {
                return write!(f, "invalid JSON at byte {offset} of the file");
            }
            Self::TooLarge { bytes, limit } => {
                return write!(f, "it has {bytes} bytes, and the limit is {limit}");
            }
            Self::Diverged { turns } => {
                return write!(f, "the session has other turns in the history, after turn {turns}");
            }
            Self::Branch { messages } => {
                return write!(f, "a branch of {messages} messages that is not the current one");
            }
            Self::InvalidConversation => "not a conversation of this format",
            Self::Empty => "no messages to transfer",
            Self::InvalidSessionId => "the id is not a session id",
            Self::InvalidTree => "the parents of a message lead back to it",
            Self::UnansweredToolCalls => "tool calls without results",
            Self::ToolResultWithoutCall => "a tool result without its call",
            Self::UnknownRole => "unknown role",
            Self::InvalidMessage => "missing or invalid content",
            Self::UnknownContent => "unknown kind of content",
            Self::Hidden => "hidden from the user",
            Self::Part => "a part that is not text",
            Self::Reasoning => "reasoning of a model",
            Self::ToolDefinitions => "definitions of tools",
            Self::RefusedByHistory => "the history refuses a message of the turn",
            Self::IncompleteTurn => "the turn's answer was cut off",
            Self::NoForm => "the format has no form for the message",
            Self::NoAnswer => "no answer, which the format needs",
            Self::Names => "the history cannot store the title or the labels",
            Self::Facts => "the history cannot store all facts of the session",
            Self::FactsInUse => "others are changing the facts of the session; repeat the transfer",
            Self::SealedFacts => "the facts of the session are encrypted; transfer with its keys",
        })
    }
}

/// The events of a transfer that goes on, and its progress.
pub(crate) struct Events<F> {
    pub(crate) progress: TransferProgress,
    send: F,
}

impl<F: FnMut(TransferEvent)> Events<F> {
    pub(crate) fn new(send: F) -> Self {
        Self { progress: TransferProgress::default(), send }
    }

    /// Sends the progress.
    pub(crate) fn advance(&mut self) {
        (self.send)(TransferEvent::Progress(self.progress));
    }

    pub(crate) fn stored(&mut self, conversation: StoredConversation) {
        (self.send)(TransferEvent::Stored(conversation));
    }

    /// Sends an omission of the conversation that is being transferred.
    pub(crate) fn omit(&mut self, session: Option<&SessionId>, omitted: Omitted) {
        self.progress.omissions += 1;
        let Omitted { message, node, reason } = omitted;
        (self.send)(TransferEvent::Omitted(Omission {
            conversation: self.progress.conversations + 1,
            session: session.cloned(),
            message,
            node,
            reason,
        }));
    }
}

/// An item of one conversation that is left out.
#[derive(Debug)]
pub(crate) struct Omitted {
    pub(crate) message: Option<u64>,
    pub(crate) node: Option<String>,
    pub(crate) reason: OmissionReason,
}

impl Omitted {
    /// Returns the omission of the whole conversation, or of something that belongs to it.
    pub(crate) const fn whole(reason: OmissionReason) -> Self {
        Self { message: None, node: None, reason }
    }

    pub(crate) const fn message(message: u64, reason: OmissionReason) -> Self {
        Self { message: Some(message), node: None, reason }
    }
}
