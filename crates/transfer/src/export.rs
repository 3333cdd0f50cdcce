//! Export of conversations to a file.

use std::io::{self, BufWriter, Write};

use conversant_core::{ChatHistory, HistoryError, Range, SessionId, Turn};

use crate::{
    copy::Sessions,
    error::TransferError,
    event::{Events, OmissionReason, Omitted, TransferEvent, TransferProgress},
    facts::SessionFacts,
    format::{fine_tuning, langchain_file, sharegpt},
    lines,
    session_tree::{Names, SessionTree},
};

/// The export of a history's conversations to a file.
///
/// | format | written |
/// |---|---|
/// | [`lines`](Self::lines) | all sessions with their branches, titles, labels and facts; a turn on each line: `{"session": …, "turn": …}` |
/// | [`sharegpt`](Self::sharegpt) | a list of objects with `id` and `conversations`, one on each line |
/// | [`fine_tuning`](Self::fine_tuning) | a conversation on each line, as `messages` |
/// | [`langchain_file`](Self::langchain_file) | the list of one session's messages, in LangChain's bytes; an answer that was cut off has a mark in `additional_kwargs` |
///
/// The formats other than lines have the turns from the start to the tip of a session, without its
/// other branches. ChatGPT's export is imported only: nothing else reads it.
///
/// In ShareGPT and the lines for fine-tuning, a message has its role, its text and its tool calls.
/// ShareGPT has neither ids of calls nor names, nor a form for calls whose arguments are not JSON:
/// they are left out with their results. Records of calls, ids of turns and other fields are not
/// written. [Omissions](TransferEvent::Omitted) report the messages, calls and parts that the
/// format has no form for, and turns whose answer was cut off.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, SessionId, Turn};
/// use conversant_memory::InMemoryHistory;
/// use conversant_transfer::{Export, Import};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let history = InMemoryHistory::new();
/// let session = SessionId::new("user-7")?;
/// history.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// let mut file = Vec::new();
/// Export::fine_tuning().run(&history, &mut file, |_| {}).await?;
/// assert_eq!(
///     String::from_utf8(file)?,
///     "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi there my friend\"},\
///      {\"role\":\"assistant\",\"content\":\"Hello!\"}]}\n"
/// );
///
/// let mut lines = Vec::new();
/// Export::lines().run(&history, &mut lines, |_| {}).await?;
/// let other = InMemoryHistory::new();
/// let done = Import::lines().run(&other, lines.as_slice(), |_| {}).await?;
/// assert_eq!(done.turns, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "an export does nothing until it runs"]
pub struct Export {
    format: Format,
}

#[derive(Debug, Clone)]
enum Format {
    Lines,
    ShareGpt,
    FineTuning,
    LangChainFile(SessionId),
}

impl Export {
    /// Returns the export to lines that [`Import::lines`](crate::Import::lines) reads, with nothing
    /// left out of a session: its turns on all branches, its title and labels, and the facts that
    /// memories know of it, because a person may have corrected them. Other notes are not exported:
    /// memories derive them again. Nor are the facts of users and groups, which histories do not
    /// list: [`copy_facts`](crate::copy_facts) takes them to another history.
    ///
    /// A session is in memory as a whole, one at a time. Of a history with branches, each turn
    /// costs a question for its alternatives, one after the other.
    pub const fn lines() -> Self {
        Self { format: Format::Lines }
    }

    /// Returns the export to a ShareGPT data set.
    pub const fn sharegpt() -> Self {
        Self { format: Format::ShareGpt }
    }

    /// Returns the export to OpenAI's lines for fine-tuning chat models. A line is an example that
    /// a model is trained on, so a conversation without an answer is left out.
    pub const fn fine_tuning() -> Self {
        Self { format: Format::FineTuning }
    }

    /// Returns the export of one session to a file of LangChain's `FileChatMessageHistory`.
    pub const fn langchain_file(session: SessionId) -> Self {
        Self { format: Format::LangChainFile(session) }
    }

    /// Writes the conversations of a history, in the order of their sessions. `on_event` is called
    /// after each session, and for each item that is left out.
    ///
    /// The history must support loading turns, and, except for a LangChain file, listing sessions.
    /// A session that is written meanwhile is exported as it is when it is reached. What is written
    /// is buffered, so a file needs no [`BufWriter`]. Writing blocks; in a server, run the export
    /// on a blocking thread.
    ///
    /// # Errors
    /// [`TransferError`], if the history or the writer fails. The file is then incomplete.
    pub async fn run(
        &self,
        from: &dyn ChatHistory,
        to: impl Write + Send,
        on_event: impl FnMut(TransferEvent) + Send,
    ) -> Result<TransferProgress, TransferError> {
        let mut events = Events::new(on_event);
        let mut to = Counted { to: BufWriter::new(to), bytes: 0 };
        if let Format::LangChainFile(session) = &self.format {
            let turns = turns_of(from, session).await?;
            let messages = turns.iter().flat_map(|turn| turn.messages().iter());
            langchain_file::write(&mut to, messages, &langchain_file::cut_off(&turns))?;
            count(turns.len(), !turns.is_empty(), to.bytes, &mut events);
        } else {
            let mut pages = Sessions::new(from);
            let mut has_written = false;
            while let Some(session) = pages.next().await? {
                if matches!(self.format, Format::Lines) {
                    let whole = WholeSession::read(from, &session).await;
                    let WholeSession { tree, names, facts } =
                        whole.map_err(|error| TransferError::from(error).in_session(&session))?;
                    let before = to.bytes;
                    lines::write(&mut to, &session, &tree, &names, &facts)?;
                    if facts.sealed.is_some() {
                        let omitted = Omitted::whole(OmissionReason::SealedFacts);
                        events.omit(Some(&session), omitted);
                    }
                    count(tree.turns.len(), to.bytes > before, to.bytes, &mut events);
                    continue;
                }
                let turns = turns_of(from, &session).await?;
                let written = self.write(&mut to, has_written, &session, &turns, &mut events)?;
                has_written |= written > 0;
                count(written, written > 0, to.bytes, &mut events);
            }
            if matches!(self.format, Format::ShareGpt) {
                to.write_all(if has_written { b"\n]\n" } else { b"[]\n" })?;
            }
        }
        to.flush()?;
        events.progress.bytes = to.bytes;
        Ok(events.progress)
    }

    /// Writes a session, and returns the number of turns of which something was written.
    fn write<F: FnMut(TransferEvent)>(
        &self,
        mut to: impl Write,
        has_written: bool,
        session: &SessionId,
        turns: &[Turn],
        events: &mut Events<F>,
    ) -> io::Result<usize> {
        let mut omit = |omitted: Omitted| events.omit(Some(session), omitted);
        let mut text = Vec::new();
        let written = match &self.format {
            Format::ShareGpt => sharegpt::write(&mut text, session, turns, &mut omit)?,
            _ => fine_tuning::write(&mut text, turns, &mut omit)?,
        };
        if written == 0 {
            return Ok(0);
        }
        if matches!(self.format, Format::ShareGpt) {
            to.write_all(if has_written { b",\n" } else { b"[\n" })?;
        } else {
            text.push(b'\n');
        }
        to.write_all(&text)?;
        Ok(written)
    }
}

/// All that lines have of a session.
struct WholeSession {
    tree: SessionTree,
    names: Names,
    facts: SessionFacts,
}

impl WholeSession {
    async fn read(from: &dyn ChatHistory, session: &SessionId) -> Result<Self, HistoryError> {
        let tree = SessionTree::read(from, session).await?;
        let names = Names::read(from, session).await?;
        let facts = SessionFacts::read(from, session).await?;
        Ok(Self { tree, names, facts })
    }
}

/// Loads the turns of a session.
async fn turns_of(from: &dyn ChatHistory, session: &SessionId) -> Result<Vec<Turn>, TransferError> {
    let turns = from.turns(session, Range::All).await;
    turns.map_err(|error| TransferError::from(error).in_session(session))
}

/// Counts a conversation that was read, whether something of it was written, and how many turns.
fn count<F: FnMut(TransferEvent)>(
    turns: usize,
    is_written: bool,
    bytes: u64,
    events: &mut Events<F>,
) {
    events.progress.conversations += 1;
    events.progress.sessions += u64::from(is_written);
    events.progress.turns += turns as u64;
    events.progress.bytes = bytes;
    events.advance();
}

/// A writer that counts its bytes.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
