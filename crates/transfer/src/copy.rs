//! Copying of all conversations of a history.

use conversant_core::{ChatHistory, HistoryError, SessionId};

use crate::{
    error::TransferError,
    event::Progress,
    facts,
    session_tree::{Names, SessionTree},
};

/// The number of sessions listed at a time.
const PAGE: usize = 256;

/// Appends every turn of one history to another, for example to move conversations out of
/// LangChain's tables, or to encrypt them with a new key. A turn that is stored already is not
/// appended again, so a transfer can be repeated, and one that was interrupted can be finished.
///
/// All branches of a session are copied, its tip, its title and its labels. Turns of a session that
/// has other turns already follow its tip. A session that has gone on since an earlier copy keeps
/// its tip, and a title or a label that it has stays. Turns of other branches, for a history
/// without branches, titles and labels, for one without lists, turns whose ids the history has for
/// other turns, and turns that are larger than its limit, with those that follow them, are counted
/// as [omissions](Progress::omissions).
///
/// The facts of a session are copied, because a person may have corrected them. A name that is
/// known already keeps its text. Other notes are not copied: memories derive them again. Histories
/// do not list users and groups: [`copy_facts`](crate::copy_facts) copies the facts of one.
///
/// The source must support listing sessions and loading turns. `progress` is called after each
/// session.
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
/// use conversant_transfer::copy;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let (old, new) = (JsonlHistory::open(folder.path())?, InMemoryHistory::new());
/// let session = SessionId::new("user-7")?;
/// old.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// copy(&old, &new, |so_far| println!("{} sessions", so_far.sessions)).await?;
/// assert_eq!(new.load(&session, Range::All).await?.messages.len(), 2);
/// # Ok(())
/// # }
/// ```
pub async fn copy(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Progress, TransferError> {
    let mut pages = Sessions::new(from);
    let mut done = Progress::default();
    while let Some(session) = pages.next().await? {
        let tree = SessionTree::read(from, &session).await?;
        let omitted = tree.store(to, &session).await?;
        let are_stored = Names::read(from, &session).await?.store(to, &session).await?;
        let are_known = facts::copy_of_session(from, to, &session).await?;
        done.conversations += 1;
        done.sessions += 1;
        done.turns += tree.turns.len() as u64 - omitted;
        done.omissions += omitted + u64::from(!are_stored) + u64::from(!are_known);
        progress(done);
    }
    Ok(done)
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
