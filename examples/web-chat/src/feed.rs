//! The feed of a conversation: what happens in it, kept so that a reader takes it up where it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conversant_core::{Point, Turn, TurnId};
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use crate::turn_view::TurnView;

/// The number of events that are kept while no answer is written.
const KEPT: usize = 256;

/// An event of a conversation.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub data: Arc<str>,
    /// The place of the event, from which a reader goes on.
    pub id: String,
}

/// An answer that is being written.
#[derive(Debug, Clone, Serialize)]
pub struct Running {
    /// The turn that it will be.
    pub turn: TurnId,
    /// The words of the person.
    pub question: String,
    /// The turn that it follows, where that is not the last one: `start`, or a turn.
    pub after: Option<String>,
    /// Sends the request to stop.
    #[serde(skip)]
    pub stop: watch::Sender<bool>,
}

/// An answer that was paid for and could not be stored.
#[derive(Debug, Clone)]
pub struct Unsaved {
    pub turn: Turn,
    /// The point that it follows, if that is not the end of the conversation.
    pub after: Option<Point>,
}

/// The events of a conversation. An answer's pieces are kept until the next answer begins, so
/// memory is bounded by the longest answer.
pub struct Feed {
    /// The name of this feed, which an earlier one of the same conversation does not have.
    id: TurnId,
    log: Mutex<Log>,
    /// Wakes the readers.
    added: watch::Sender<()>,
}

#[derive(Default)]
struct Log {
    /// The number of the first event that is kept.
    first: u64,
    events: Vec<(&'static str, Arc<str>)>,
    running: Option<Running>,
    unsaved: Option<Unsaved>,
    /// Whether the conversation is being changed, so that no answer begins.
    is_held: bool,
}

impl Log {
    /// Gives up the events.
    fn clear(&mut self) {
        self.first = self.end();
        self.events.clear();
    }

    /// Returns the number of the next event.
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// The reason for which an answer cannot begin, or the conversation cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// This answer is being written already.
    Same,
    /// Another answer is being written.
    Busy,
    /// An answer waits to be saved.
    Unsaved,
    /// The conversation is being changed.
    Held,
    /// The service ends, or writes too many answers.
    Closed,
}

/// Keeps answers of a conversation from beginning, until it is dropped.
pub struct Hold(Arc<Feed>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.log().is_held = false;
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self { id: TurnId::random(), log: Mutex::default(), added: watch::Sender::new(()) }
    }
}

impl Feed {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an answer. The events before it are given up.
    pub fn begin(&self, running: Running) -> Result<(), Refusal> {
        let mut log = self.log();
        match &log.running {
            Some(other) if other.turn == running.turn => return Err(Refusal::Same),
            Some(_) => return Err(Refusal::Busy),
            None if log.is_held => return Err(Refusal::Held),
            None if log.unsaved.is_some() => return Err(Refusal::Unsaved),
            None => {}
        }
        log.clear();
        let data = json!(running);
        log.running = Some(running);
        self.push(&mut log, "start", &data);
        Ok(())
    }

    /// Adds an event.
    pub fn add(&self, name: &'static str, data: &Json) {
        let mut log = self.log();
        if log.running.is_none() && log.events.len() >= KEPT {
            log.clear();
        }
        self.push(&mut log, name, data);
    }

    /// Ends the answer with an event, and keeps a turn that could not be saved. Another answer that
    /// is being written goes on.
    pub fn end(&self, turn: TurnId, name: &'static str, data: &Json, unsaved: Option<Unsaved>) {
        let mut log = self.log();
        if log.running.take_if(|running| running.turn == turn).is_some() {
            log.unsaved = unsaved;
            self.push(&mut log, name, data);
        }
    }

    /// Keeps answers from beginning while the conversation is changed, or its answer is saved.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if an answer is being written, and [`Refusal::Held`] if another request
    /// changes the conversation.
    pub fn hold(self: &Arc<Self>) -> Result<Hold, Refusal> {
        let mut log = self.log();
        match log.running {
            Some(_) => return Err(Refusal::Busy),
            None if log.is_held => return Err(Refusal::Held),
            None => {}
        }
        log.is_held = true;
        Ok(Hold(Arc::clone(self)))
    }

    /// Reports that the conversation is deleted, with the turn that could not be saved.
    pub fn deleted(&self) {
        let mut log = self.log();
        log.unsaved = None;
        self.push(&mut log, "changed", &json!({"deleted": true}));
    }

    /// Ends the wait for a turn that is saved now. If another request has saved it before, a new
    /// answer may be running, which goes on.
    pub fn saved(&self, turn: TurnId, data: &Json) {
        let mut log = self.log();
        if log.unsaved.take_if(|unsaved| unsaved.turn.id() == turn).is_some() {
            self.push(&mut log, "done", data);
        }
    }

    fn push(&self, log: &mut Log, name: &'static str, data: &Json) {
        log.events.push((name, data.to_string().into()));
        self.added.send_replace(());
    }

    /// Returns the answer that is being written.
    pub fn running(&self) -> Option<Running> {
        self.log().running.clone()
    }

    /// Returns the question of the answer that is being written, and the text that has come.
    pub fn part(&self) -> Option<(String, String)> {
        let log = self.log();
        let question = log.running.as_ref()?.question.clone();
        // Begun with the answer, the events are its own.
        let pieces = log.events.iter().filter(|(name, _)| *name == "text");
        let text = pieces.filter_map(|(_, data)| serde_json::from_str::<String>(data).ok());
        Some((question, text.collect()))
    }

    /// Returns the turn that could not be saved.
    pub fn unsaved(&self) -> Option<Unsaved> {
        self.log().unsaved.clone()
    }

    /// Asks the answer to end. Returns false if that answer is not being written.
    pub fn stop(&self, turn: TurnId) -> bool {
        let running = self.running().filter(|running| running.turn == turn);
        running.is_some_and(|running| running.stop.send(true).is_ok())
    }

    /// Waits until no answer is being written.
    pub async fn idle(&self) {
        let mut added = self.added.subscribe();
        while self.running().is_some() {
            if added.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns whether the feed may be forgotten.
    pub fn is_idle(&self) -> bool {
        let log = self.log();
        log.running.is_none() && log.unsaved.is_none() && self.added.receiver_count() == 0
    }

    /// Returns a reader that goes on after an event. Without one, or if the event is not kept any
    /// more, it begins with `hello`, which has the answer that is being written, and that answer's
    /// events.
    pub fn reader(self: &Arc<Self>, after: Option<&str>) -> Reader {
        let added = self.added.subscribe();
        let log = self.log();
        let kept = log.first..=log.end();
        let known = after.and_then(|id| self.number(id)).filter(|number| kept.contains(number));
        let (at, hello) = match (known, &log.running) {
            (Some(number), _) => (number, None),
            (None, Some(_)) => (log.first, Some(self.hello(&log, log.first))),
            (None, None) => (log.end(), Some(self.hello(&log, log.end()))),
        };
        drop(log);
        Reader { feed: Arc::clone(self), at, hello, added }
    }

    fn hello(&self, log: &Log, at: u64) -> Event {
        let unsaved = log.unsaved.as_ref().map(|unsaved| TurnView::from(&unsaved.turn));
        let data = json!({"running": log.running, "unsaved": unsaved}).to_string();
        Event { name: "hello", data: data.into(), id: self.event_id(at) }
    }

    /// Returns the id of the place before an event.
    fn event_id(&self, number: u64) -> String {
        format!("{}.{number}", self.id)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (feed, number) = id.split_once('.')?;
        number.parse().ok().filter(|_| feed == self.id.to_string())
    }
}

/// A reader of a feed.
pub struct Reader {
    feed: Arc<Feed>,
    at: u64,
    hello: Option<Event>,
    added: watch::Receiver<()>,
}

impl Reader {
    /// Returns the next event, and waits for it. A reader that is too slow and has missed events
    /// gets `hello` again.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        loop {
            if let Some(event) = self.ready() {
                return Some(event);
            }
            self.added.changed().await.ok()?;
        }
    }

    fn ready(&mut self) -> Option<Event> {
        let log = self.feed.log();
        let Some(offset) = self.at.checked_sub(log.first) else {
            self.at = log.first;
            return Some(self.feed.hello(&log, log.first));
        };
        let (name, data) = log.events.get(usize::try_from(offset).ok()?)?;
        self.at += 1;
        Some(Event { name, data: Arc::clone(data), id: self.feed.event_id(self.at) })
    }
}
