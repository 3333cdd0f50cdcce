//! Where conversations are kept, and what is done to them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chat::{failure::Failure, file, title::title};
use conversant_core::{ChatHistory, Expect, Messages, Point, Range, SessionId, Version};
use conversant_memory::InMemoryHistory;

use crate::arguments::Arguments;

/// How many sessions are asked for at a time.
const PAGE: usize = 100;

/// Where conversations are kept.
#[derive(Clone)]
pub struct Store {
    pub history: Arc<dyn ChatHistory>,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The file of the lines of the prompt, next to that of the conversations.
    pub lines: Option<PathBuf>,
}

/// The last turn of a conversation.
pub struct LastTurn {
    pub question: String,
    /// Where the turn begins.
    pub before: Point,
    /// The version of the conversation with the turn.
    version: Version,
}

impl Store {
    /// Opens the file that the arguments name, or the one in the user's data folder if the
    /// conversation has a name or is held at a prompt.
    pub fn open(arguments: &Arguments, is_interactive: bool) -> Result<Self, Failure> {
        let is_kept = !arguments.no_db && (is_interactive || arguments.session.is_some());
        let (file, lines) = match (&arguments.db, is_kept) {
            (Some(file), _) => (Some(file.clone()), Some(lines_of(file))),
            (None, true) => (Some(file::default_file()?), Some(file::data_file("lines.txt")?)),
            (None, false) => (None, None),
        };
        let history: Arc<dyn ChatHistory> = match &file {
            Some(file) => Arc::new(file::open(file, false)?),
            None => Arc::new(InMemoryHistory::new()),
        };
        Ok(Self { history, file, lines })
    }

    /// Returns where conversations are kept, for people to read.
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("kept in {}", file.display()),
            None => "not kept".to_owned(),
        }
    }

    /// Returns what has been said.
    pub async fn messages(&self, session: &SessionId) -> Result<Messages, Failure> {
        let slice = self.history.load(session, Range::All).await.map_err(Failure::other)?;
        Ok(slice.messages)
    }

    /// Lists the conversations that are kept, with their titles, and marks one.
    pub async fn sessions(&self, current: &SessionId) -> Result<String, Failure> {
        let mut lines = String::new();
        let mut last: Option<SessionId> = None;
        loop {
            let page = self.history.sessions(last.as_ref(), PAGE).await.map_err(Failure::other)?;
            for session in &page {
                let mark = if session == current { '*' } else { ' ' };
                let title = match self.title(session).await? {
                    Some(title) => format!("  {title}"),
                    None => String::new(),
                };
                lines.push_str(&format!("{mark} {session}{title}\n"));
            }
            match page.last() {
                Some(session) if page.len() == PAGE => last = Some(session.clone()),
                _ => return Ok(lines),
            }
        }
    }

    async fn title(&self, session: &SessionId) -> Result<Option<String>, Failure> {
        title(&self.history, session).await.map_err(Failure::other)
    }

    /// Sets the title of a conversation.
    pub async fn set_title(&self, session: &SessionId, title: &str) -> Result<(), Failure> {
        self.history.set_title(session, Some(title)).await.map_err(Failure::other)
    }

    /// Deletes what has been said.
    pub async fn clear(&self, session: &SessionId) -> Result<(), Failure> {
        self.history.clear(session).await.map_err(Failure::other)
    }

    /// Returns the version of a conversation.
    pub async fn version(&self, session: &SessionId) -> Result<Version, Failure> {
        let slice = self.history.load(session, Range::LastMessages(0)).await;
        Ok(slice.map_err(Failure::other)?.version)
    }

    /// Returns the last turn.
    pub async fn last_turn(&self, session: &SessionId) -> Result<Option<LastTurn>, Failure> {
        let version = self.version(session).await?;
        let turns = self.history.turns(session, Range::LastTurns(2)).await;
        let mut turns = turns.map_err(Failure::other)?;
        let Some(last) = turns.pop() else { return Ok(None) };
        let before = turns.last().map_or(Point::Start, |turn| Point::After(turn.id()));
        let question = last.messages().iter().next().map(|message| message.text().into_owned());
        Ok(Some(LastTurn { question: question.unwrap_or_default(), before, version }))
    }

    /// Takes back the last turn in one step, unless another program has added to the conversation.
    /// Returns the human's words of it.
    pub async fn undo(&self, session: &SessionId) -> Result<Option<String>, Failure> {
        let Some(last) = self.last_turn(session).await? else { return Ok(None) };
        let expect = Expect::Exactly(last.version);
        self.history.set_tip(session, last.before, expect).await.map_err(Failure::other)?;
        Ok(Some(last.question))
    }

    /// Returns the conversations as they were at a point, for one turn in place of those after it.
    pub fn at(&self, point: Point) -> Result<Self, Failure> {
        let view = self.history.at(point).ok_or_else(|| {
            Failure::Other("cannot go back to an earlier turn: the history has no branches".into())
        })?;
        Ok(Self { history: view, ..self.clone() })
    }

    /// Returns a name that no conversation has.
    pub async fn unused(&self) -> Result<SessionId, Failure> {
        for number in 1_u32.. {
            let name = SessionId::new(format!("chat-{number}")).map_err(Failure::other)?;
            if self.version(&name).await?.messages == 0 {
                return Ok(name);
            }
        }
        Err(Failure::Other("cannot name a conversation: there are too many; use /new NAME".into()))
    }
}

/// Returns the file of the lines of the prompt next to a file of conversations: who moves, encrypts
/// or destroys the one finds the other.
fn lines_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".lines");
    name.into()
}
