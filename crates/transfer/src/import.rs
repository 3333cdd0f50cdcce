//! Import of conversations from a file.

use std::io::BufRead;

use conversant_core::{ChatHistory, Point, SessionId, SessionInfo, Withheld};

use crate::{
    append::{Appended, SessionWriter},
    branches::{self, Points},
    conversation::{Conversation, Grouped, Taken, Turns, session_id, session_of},
    error::{FileFault, TransferError},
    event::{Events, OmissionReason, Omitted, StoredConversation, TransferEvent, TransferProgress},
    format::{chatgpt, fine_tuning, langchain_file, sharegpt},
    json_values::{FrameError, Framed, JsonValues},
    lines,
    pause::Pace,
    session_tree::{Names, cut},
};

/// The greatest size of a conversation, in bytes.
const MAX_CONVERSATION_BYTES: u64 = 32 * 1024 * 1024;

#[doc = include_str!("import.md")]
#[derive(Debug, Clone)]
#[must_use = "an import does nothing until it runs"]
pub struct Import {
    format: Format,
    prefix: String,
    start: u64,
    max_conversation_bytes: u64,
}

#[derive(Debug, Clone)]
enum Format {
    Lines,
    ChatGpt,
    ShareGpt,
    FineTuning,
    LangChainFile(SessionId),
}

/// The function that reads a conversation of a format.
type Read = fn(&[u8]) -> Result<Conversation, serde_json::Error>;

impl Import {
    const fn new(format: Format) -> Self {
        Self {
            format,
            prefix: String::new(),
            start: 0,
            max_conversation_bytes: MAX_CONVERSATION_BYTES,
        }
    }

    /// Returns the import of an [`Export::lines`](crate::Export::lines). Its turns keep their ids.
    /// As those of the other formats, they are appended only after the same turns: those of a
    /// session that has others are left out.
    pub const fn lines() -> Self {
        Self::new(Format::Lines)
    }

    /// Returns the import of the `conversations.json` of ChatGPT's data export.
    pub const fn chatgpt() -> Self {
        Self::new(Format::ChatGpt)
    }

    /// Returns the import of a ShareGPT data set.
    pub const fn sharegpt() -> Self {
        Self::new(Format::ShareGpt)
    }

    /// Returns the import of OpenAI's lines for fine-tuning chat models.
    pub const fn fine_tuning() -> Self {
        Self::new(Format::FineTuning)
    }

    /// Returns the import of a file of LangChain's `FileChatMessageHistory`, which has one
    /// conversation, into a session.
    pub const fn langchain_file(session: SessionId) -> Self {
        Self::new(Format::LangChainFile(session))
    }

    /// Sets the text before the ids of sessions, so that they differ from those that the history
    /// has. Empty by default. It does not apply to the session of a LangChain file.
    pub fn with_session_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the number of conversations at the start of the file that are passed over, to go on
    /// with an import that was interrupted: the [`TransferProgress::conversations`] that it
    /// reached. 0 by default. Of lines, it is the number of lines; a LangChain file is always read
    /// from its start.
    pub const fn with_start(mut self, conversations: u64) -> Self {
        self.start = conversations;
        self
    }

    /// Sets the greatest size of a conversation in bytes, or of a message of a LangChain file. A
    /// larger one is left out and never held in memory; of lines, it ends the import. 32 MiB by
    /// default.
    pub const fn with_max_conversation_bytes(mut self, bytes: u64) -> Self {
        self.max_conversation_bytes = bytes;
        self
    }

    /// Reads the file and appends its conversations to the history. `on_event` is called after each
    /// conversation, and for each item that is left out.
    ///
    /// Reading blocks; in a server, run the import on a blocking thread.
    ///
    /// # Errors
    /// [`TransferError`], if the history or the reader fails, or the file is not of the format.
    /// What was read before is stored.
    ///
    /// # Cancellation
    /// An import that is dropped has stored a part of the conversations, each of its turns whole. A
    /// repetition adds the rest.
    pub async fn run(
        &self,
        to: &dyn ChatHistory,
        from: impl BufRead + Send,
        on_event: impl FnMut(TransferEvent) + Send,
    ) -> Result<TransferProgress, TransferError> {
        let mut events = Events::new(on_event);
        if matches!(self.format, Format::Lines) {
            let settings = lines::Settings {
                prefix: &self.prefix,
                start: self.start,
                max_bytes: self.max_conversation_bytes,
            };
            lines::import(to, from, &settings, &mut events).await?;
            return Ok(events.progress);
        }
        let values = JsonValues::new(from, self.max_conversation_bytes);
        match &self.format {
            Format::Lines => {}
            Format::LangChainFile(session) => {
                let imported = import_messages(to, values, session, &mut events).await;
                imported.map_err(|error| error.in_session(session))?;
            }
            Format::ChatGpt => self.import(to, values, chatgpt::read, &mut events).await?,
            Format::ShareGpt => self.import(to, values, sharegpt::read, &mut events).await?,
            Format::FineTuning => self.import(to, values, fine_tuning::read, &mut events).await?,
        }
        Ok(events.progress)
    }

    async fn import<F: FnMut(TransferEvent) + Send>(
        &self,
        to: &dyn ChatHistory,
        mut values: JsonValues<impl BufRead + Send>,
        read: Read,
        events: &mut Events<F>,
    ) -> Result<(), TransferError> {
        let mut pace = Pace::default();
        loop {
            let conversations = events.progress.conversations;
            let next = values.next().map_err(|error| file_error(error, conversations))?;
            let Some(value) = next else {
                events.progress.bytes = values.offset();
                return Ok(());
            };
            let conversation = match value {
                _ if conversations < self.start => None,
                Framed::TooLarge { bytes } => {
                    let limit = self.max_conversation_bytes;
                    Some(Err(OmissionReason::TooLarge { bytes, limit }))
                }
                Framed::Value { offset, text } => Some(read(text).map_err(|error| {
                    if error.is_data() {
                        return OmissionReason::InvalidConversation;
                    }
                    OmissionReason::InvalidJson { offset: offset + place(text, &error) }
                })),
            };
            match conversation {
                None => {}
                Some(Ok(conversation)) => self.store(to, conversation, events).await?,
                Some(Err(reason)) => events.omit(None, Omitted::whole(reason)),
            }
            events.progress.conversations += 1;
            events.progress.bytes = values.offset();
            events.advance();
            pace.step().await;
        }
    }

    async fn store<F: FnMut(TransferEvent) + Send>(
        &self,
        to: &dyn ChatHistory,
        conversation: Conversation,
        events: &mut Events<F>,
    ) -> Result<(), TransferError> {
        let id = match &conversation.id {
            Some(id) => id.clone(),
            None => session_of(&conversation.messages).to_string(),
        };
        match session_id(&self.prefix, &id) {
            Ok(session) => {
                let stored = store(to, &session, conversation, events).await;
                stored.map_err(|error| error.in_session(&session))
            }
            Err(reason) => {
                events.omit(None, Omitted::whole(reason));
                Ok(())
            }
        }
    }
}

/// Stores a conversation in a session.
async fn store<F: FnMut(TransferEvent) + Send>(
    to: &dyn ChatHistory,
    session: &SessionId,
    conversation: Conversation,
    events: &mut Events<F>,
) -> Result<(), TransferError> {
    let Conversation { title, created_at, messages, omitted, others, .. } = conversation;
    let has_reason = omitted.iter().any(|item| item.reason == OmissionReason::InvalidTree);
    omitted.into_iter().for_each(|omitted| events.omit(Some(session), omitted));
    if messages.is_empty() {
        if has_reason {
            return Ok(());
        }
        events.omit(Some(session), Omitted::whole(OmissionReason::Empty));
        return Ok(());
    }
    let writer = SessionWriter::new(to, session.clone()).await?;
    let mut writer = writer.with_ids(others.is_some());
    let mut turns = Turns::default();
    let (mut points, mut pace) = (Points::new(0, Point::Start), Pace::default());
    let mut has_diverged = false;
    let mut messages = messages.into_iter();
    while !has_diverged {
        let (grouped, is_last) = match messages.next() {
            Some(message) => (turns.push(message), false),
            None => (turns.finish(), true),
        };
        if let Some(grouped) = grouped {
            has_diverged = !append(&mut writer, grouped, events).await?;
            if others.is_some() {
                points.push(writer.ids().last().map_or(Point::Start, |&turn| turn.into()));
            }
            pace.step().await;
        }
        if is_last {
            break;
        }
    }
    if let Some(others) = others {
        if has_diverged || writer.turns() == 0 || to.at(Point::Start).is_none() {
            for omitted in others.omitted() {
                events.omit(Some(writer.session()), omitted);
            }
        } else {
            branches::import(to, &writer, points, &*others, events, &mut pace).await?;
        }
    }
    if writer.turns() > 0 {
        events.progress.sessions += 1;
        let names = Names { title: title.as_deref().map(as_title), ..Names::default() };
        // A history without titles is not reported: the event has the title.
        names.store(to, writer.session()).await?;
        events.stored(StoredConversation {
            session: writer.session().clone(),
            title: title.map(Withheld::from),
            created_at,
        });
    }
    Ok(())
}

/// Appends a turn, and returns whether the conversation goes on.
async fn append<F: FnMut(TransferEvent)>(
    writer: &mut SessionWriter<'_>,
    grouped: Grouped,
    events: &mut Events<F>,
) -> Result<bool, TransferError> {
    // Position 0 has what the conversation says about itself.
    let position = grouped.position().filter(|position| *position > 0);
    let session = writer.session().clone();
    let turn = grouped.into_turn(&session, &mut |omitted| events.omit(Some(&session), omitted));
    let Some(turn) = turn else { return Ok(true) };
    let (reason, goes_on) = match writer.append(&turn).await? {
        Appended::Stored => {
            events.progress.turns += 1;
            return Ok(true);
        }
        Appended::Refused => (OmissionReason::RefusedByHistory, true),
        Appended::Diverged { turns } => (OmissionReason::Diverged { turns }, false),
    };
    events.omit(Some(&session), Omitted { message: position, node: None, reason });
    Ok(goes_on)
}

/// Imports a list of messages, turn by turn.
async fn import_messages<F: FnMut(TransferEvent) + Send>(
    to: &dyn ChatHistory,
    mut values: JsonValues<impl BufRead + Send>,
    session: &SessionId,
    events: &mut Events<F>,
) -> Result<(), TransferError> {
    let mut writer = SessionWriter::new(to, session.clone()).await?;
    let (mut turns, mut pace) = (Turns::default(), Pace::default());
    let mut position = 0;
    let limit = values.max_bytes();
    loop {
        let value = values.next().map_err(|error| file_error(error, 0))?;
        let is_last = value.is_none();
        position += 1;
        let taken = match value {
            None => None,
            Some(Framed::Value { text, .. }) => {
                Some(langchain_file::read(text).map_err(|()| OmissionReason::InvalidMessage))
            }
            Some(Framed::TooLarge { bytes }) => {
                Some(Err(OmissionReason::TooLarge { bytes, limit }))
            }
        };
        if !values.is_list() && !is_last {
            let fault = FileFault::NotAList;
            return Err(TransferError::File { conversation: 1, offset: 0, fault });
        }
        let grouped = match taken {
            None => turns.finish(),
            Some(Ok((message, incomplete))) => {
                turns.push(Taken { incomplete, ..Taken::new(position, message) })
            }
            Some(Err(reason)) => {
                events.omit(Some(session), Omitted::message(position, reason));
                None
            }
        };
        let goes_on = match grouped {
            Some(grouped) => append(&mut writer, grouped, events).await?,
            None => true,
        };
        pace.step().await;
        events.progress.bytes = values.offset();
        if is_last || !goes_on {
            break;
        }
        events.advance();
    }
    if writer.turns() > 0 {
        events.progress.sessions += 1;
        let session = session.clone();
        events.stored(StoredConversation { session, title: None, created_at: None });
    } else if events.progress.omissions == 0 {
        events.omit(Some(session), Omitted::whole(OmissionReason::Empty));
    }
    events.progress.conversations += 1;
    events.advance();
    Ok(())
}

/// Returns a title as histories store it: control characters become spaces, and it is cut at its
/// longest length.
fn as_title(title: &str) -> String {
    let text = title.replace(|letter: char| letter.is_control(), " ");
    cut(&text, SessionInfo::MAX_TITLE_BYTES).to_owned()
}

fn file_error(error: FrameError, conversations: u64) -> TransferError {
    match error {
        FrameError::Io(error) => TransferError::Io(error),
        FrameError::Fault { offset, fault } => {
            TransferError::File { conversation: conversations + 1, offset, fault }
        }
    }
}

/// Returns the place of an error in a text, in bytes from 0.
fn place(text: &[u8], error: &serde_json::Error) -> u64 {
    let before = text.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let lines: usize = before.map(|line| line.len() + 1).sum();
    (lines + error.column().saturating_sub(1)) as u64
}
