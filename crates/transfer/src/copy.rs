//! Copying of all conversations of a history.

use conversant_core::{ChatHistory, HistoryError, SessionId};

use crate::{
    error::TransferError,
    event::{Events, OmissionReason, Omitted, TransferEvent, TransferProgress},
    facts::SessionFacts,
    session_tree::{Names, SessionTree},
};

/// The number of sessions listed at a time.
const PAGE: usize = 256;

/// Appends every turn of one history to another, for example to move conversations out of
/// LangChain's tables, or to encrypt them with a new key. A turn that is stored already is not
/// appended again, so a transfer can be repeated, and one that was interrupted can be finished.
///
/// All branches of a session are copied, its tip, its title and its labels. The turns that follow a
/// point keep their order, and the last stored of what follows each
/// ([`Alternative::newest`](conversant_core::Alternative::newest)) is the last stored of the copy.
/// Turns of a session that has other turns already follow its tip. A session that has gone on since
/// an earlier copy keeps its tip, and a title or a label that it has stays. Turns of other
/// branches, for a history without branches, titles and labels, for one without lists or with lower
/// limits (a title that is too long is cut), turns whose ids the history has for other turns, and
/// turns that it refuses for their size or their form, with those that follow them, are reported as
/// [omissions](TransferEvent::Omitted).
///
/// The facts of a session are copied, because a person may have corrected them. A name that is
/// known already keeps its text, and the limits of facts hold: of more, those that the history had
/// stay. A copy waits at most 15 seconds for a memory that is changing the facts of a session, and
/// reports them as an omission then. Facts of an encrypted history that is copied without its keys
/// are copied as they are, or are an omission where the keys would not open them. Other notes are
/// not copied: memories derive them again.
/// Histories do not list users and groups: [`copy_facts`](crate::copy_facts) copies the facts of
/// one.
///
/// The source must support listing sessions and loading turns. `on_event` is called after each
/// session, and for each item that is left out.
///
/// # Costs
///
/// A session is in memory as a whole, one at a time. Each of its turns is an append of its own, and
/// of a source with branches a question for its alternatives before: between two servers, a session
/// of 10,000 turns is 20,000 round trips, one after the other. LangChain's tables have no index by
/// session, and each session that is read from them costs a pass over all rows: call `add_index` of
/// such a history before, unless the sessions are few. The copy lets other tasks of its
/// thread run after some turns, also between histories that never wait. Histories that work on the
/// caller's thread block it: in a server, run such a copy on a blocking thread.
///
/// # Errors
/// [`TransferError`], if one of the histories fails.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
/// use conversant_history_jsonl::JsonlHistory;
/// use conversant_memory::InMemoryHistory;
/// use conversant_transfer::{TransferEvent, copy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let (old, new) = (JsonlHistory::open(folder.path())?, InMemoryHistory::new());
/// let session = SessionId::new("user-7")?;
/// old.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// copy(&old, &new, |event| {
///     if let TransferEvent::Omitted(omission) = event {
///         println!("left out: {omission}");
///     }
/// })
/// .await?;
/// assert_eq!(new.load(&session, Range::All).await?.messages.len(), 2);
/// # Ok(())
/// # }
/// ```
pub async fn copy(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    on_event: impl FnMut(TransferEvent) + Send,
) -> Result<TransferProgress, TransferError> {
    let mut pages = Sessions::new(from);
    let mut events = Events::new(on_event);
    while let Some(session) = pages.next().await? {
        let copied = copy_session(from, to, &session).await;
        let (turns, omitted) =
            copied.map_err(|error| TransferError::from(error).in_session(&session))?;
        events.progress.turns += turns;
        for reason in omitted {
            events.omit(Some(&session), Omitted::whole(reason));
        }
        events.progress.conversations += 1;
        events.progress.sessions += 1;
        events.advance();
    }
    Ok(events.progress)
}

/// Copies a session, and returns the number of turns and what is left out.
async fn copy_session(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    session: &SessionId,
) -> Result<(u64, Vec<OmissionReason>), HistoryError> {
    let tree = SessionTree::read(from, session).await?;
    let mut omitted = tree.store(to, session).await?;
    let turns = (tree.turns.len() - omitted.len()) as u64;
    if !Names::read(from, session).await?.store(to, session).await? {
        omitted.push(OmissionReason::Names);
    }
    omitted.extend(SessionFacts::read(from, session).await?.store(to, session).await?);
    Ok((turns, omitted))
}

/// The sessions of a history, in their order.
pub(crate) struct Sessions<'h> {
    history: &'h dyn ChatHistory,
    page: std::vec::IntoIter<SessionId>,
    last: Option<SessionId>,
}

impl<'h> Sessions<'h> {
    pub(crate) fn new(history: &'h dyn ChatHistory) -> Self {
        Self { history, page: Vec::new().into_iter(), last: None }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<SessionId>, HistoryError> {
        if self.page.len() == 0 {
            self.page = self.history.sessions(self.last.as_ref(), PAGE).await?.into_iter();
        }
        let Some(session) = self.page.next() else { return Ok(None) };
        self.last = Some(session.clone());
        Ok(Some(session))
    }
}
