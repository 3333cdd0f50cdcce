//! A history behind a socket, with its server; right, or with one flaw.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, LeaseHolder, Note, Range, SessionId, Slice, Turn,
    Version, async_trait,
};
use conversant_testkit::servers::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::tipped_history::Logs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteFlaw {
    /// The client does not connect again.
    GivesUp,
    /// The client keeps a connection that does not answer.
    KeepsWhatHangs,
    /// The server appends a turn that it has.
    AppendsAgain,
    /// The server puts a turn before the others.
    AppendsToTheFront,
    /// The client takes a time that is over for an answer.
    Assumes,
    /// The server does what arrives late.
    HasNoDeadline,
    /// The server does what arrives late, except appends.
    HasDeadlinesForAppends,
    /// The server answers before the disk has it.
    WritesToDiskLater,
    /// The server compares the numbers of messages.
    ComparesCounts,
}

/// The clock of a server and its clients. It counts turns of the runtime that they and the suite's
/// proxy share, each at least this long: a busy machine slows the clock down as much as the
/// exchanges, of which each takes a few turns.
const TICK: Duration = Duration::from_millis(10);

/// The number of ticks for which a client waits for an answer.
const TICKS: u64 = 40;

const LIMIT: Duration = Duration::from_millis(400);

/// A request, as the client and the server share it: the socket carries its number.
struct Request {
    /// The last tick at which the request is in time.
    deadline: u64,
    is_append: bool,
    run: Box<dyn Fn(&mut Logs) -> Answer + Send>,
    answer: Option<Answer>,
}

type Answer = Result<Reply, HistoryError>;

enum Reply {
    Done,
    Slice(Slice),
    Turns(Vec<Turn>),
    Version(Version),
    Note(Option<Note>),
}

/// The state of a server. What it has in memory is gone when it is killed.
#[derive(Clone)]
pub(crate) struct Store {
    state: Arc<Mutex<State>>,
    flaw: Option<RemoteFlaw>,
    /// The number of times that the server was killed, which ends its connections.
    kills: watch::Sender<u64>,
    clock: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    memory: Logs,
    disk: Logs,
    backup: Logs,
    writes: u64,
    is_down: bool,
}

impl Store {
    /// Starts a server, and returns its address.
    pub(crate) async fn start(flaw: Option<RemoteFlaw>) -> (Self, String) {
        let (kills, clock) = (watch::Sender::default(), watch::Sender::default());
        let store = Self { state: Arc::default(), flaw, kills, clock };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = store.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        let clock = store.clock.clone();
        tokio::spawn(async move {
            loop {
                sleep(TICK).await;
                clock.send_modify(|now| *now += 1);
            }
        });
        (store, address)
    }

    fn now(&self) -> u64 {
        *self.clock.borrow()
    }

    /// Waits until a deadline has passed.
    async fn passed(&self, deadline: u64) {
        self.clock.subscribe().wait_for(|now| *now > deadline).await.unwrap();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Runs a request, and returns whether there is an answer to it.
    fn run(&self, number: usize) -> bool {
        let (mut state, now) = (self.state(), self.now());
        if state.is_down {
            return false;
        }
        let State { requests, memory, disk, writes, .. } = &mut *state;
        let request = &mut requests[number];
        let is_late = now > request.deadline;
        let refuses = match self.flaw {
            Some(RemoteFlaw::HasNoDeadline) => false,
            Some(RemoteFlaw::HasDeadlinesForAppends) => request.is_append,
            _ => true,
        };
        if is_late && refuses {
            request.answer = Some(Err(HistoryError::TimedOut { limit: LIMIT }));
            return true;
        }
        *writes += 1;
        if self.flaw == Some(RemoteFlaw::WritesToDiskLater) {
            // The disk never has the last request.
            if writes.is_multiple_of(50) {
                disk.clone_from(memory);
            }
            request.answer = Some((request.run)(memory));
        } else {
            request.answer = Some((request.run)(memory));
            disk.clone_from(memory);
        }
        true
    }
}

async fn serve(mut stream: TcpStream, store: Store) {
    let mut kills = store.kills.subscribe();
    let serving = async {
        loop {
            let number = stream.read_u64().await?;
            if !store.run(usize::try_from(number).unwrap()) {
                return Ok::<(), io::Error>(());
            }
            stream.write_u64(number).await?;
        }
    };
    tokio::select! {
        _ = serving => {}
        _ = kills.changed() => {}
    }
}

impl Server for Store {
    fn kill(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.is_down = true;
        state.memory = state.disk.clone();
        drop(state);
        self.kills.send_modify(|kills| *kills += 1);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.state().is_down = false;
        Ok(())
    }

    fn backup(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.backup = state.memory.clone();
        Ok(())
    }

    fn restore(&mut self) -> io::Result<()> {
        self.kill()?;
        let mut state = self.state();
        state.disk = state.backup.clone();
        state.memory = state.backup.clone();
        drop(state);
        self.restart()
    }
}

/// A client of a store, with one connection.
pub(crate) struct Remote {
    store: Store,
    address: String,
    connection: tokio::sync::Mutex<Connection>,
}

#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    /// The deadline of a request whose outcome is not known.
    unsettled: Option<u64>,
}

impl Remote {
    pub(crate) fn new(store: &Store, address: &impl ToString) -> Self {
        let connection = tokio::sync::Mutex::default();
        Self { store: store.clone(), address: address.to_string(), connection }
    }

    async fn send(
        &self,
        is_append: bool,
        run: impl Fn(&mut Logs) -> Answer + Send + 'static,
    ) -> Answer {
        let mut connection = self.connection.lock().await;
        if let Some(deadline) = connection.unsettled.take() {
            self.store.passed(deadline).await;
        }
        let deadline = self.store.now() + TICKS;
        let number = {
            let mut state = self.store.state();
            state.requests.push(Request { deadline, is_append, run: Box::new(run), answer: None });
            state.requests.len() - 1
        };
        let answered = tokio::select! {
            biased;
            outcome = self.exchange(&mut connection, number) => Some(outcome),
            () = self.store.passed(deadline) => None,
        };
        match answered {
            Some(outcome) => outcome?,
            None => {
                let keeps = self.store.flaw == Some(RemoteFlaw::KeepsWhatHangs);
                let stream = connection.stream.take().filter(|_| keeps);
                *connection = Connection { stream, unsettled: Some(deadline) };
                if self.store.flaw == Some(RemoteFlaw::Assumes) {
                    return Ok(Reply::Done);
                }
                return Err(HistoryError::TimedOut { limit: LIMIT });
            }
        }
        self.store.state().requests[number].answer.take().unwrap()
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        number: usize,
    ) -> Result<(), HistoryError> {
        loop {
            let exchanged = async {
                let stream = match &mut connection.stream {
                    Some(stream) => stream,
                    none => none.insert(TcpStream::connect(&self.address).await?),
                };
                stream.write_u64(number as u64).await?;
                // The answers to earlier requests come first.
                while stream.read_u64().await? != number as u64 {}
                Ok::<(), io::Error>(())
            };
            match exchanged.await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    connection.stream = None;
                    if self.store.flaw == Some(RemoteFlaw::GivesUp) {
                        return Err(HistoryError::Backend { source: error.into() });
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// Returns the value of a reply; what a flawed client assumes has none.
macro_rules! reply {
    ($kind:ident, $answer:expr) => {
        match $answer? {
            Reply::$kind(value) => Ok(value),
            _ => Ok(Default::default()),
        }
    };
}

#[async_trait]
impl ChatHistory for Remote {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        let (session, by_tip) =
            (session.clone(), self.store.flaw != Some(RemoteFlaw::ComparesCounts));
        let load = move |logs: &mut Logs| {
            Ok(Reply::Slice(logs.entry(session.clone()).or_default().load(range, by_tip)))
        };
        reply!(Slice, self.send(false, load).await)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let (session, turn, flaw) = (session.clone(), turn.clone(), self.store.flaw);
        let append = move |logs: &mut Logs| {
            let log = logs.entry(session.clone()).or_default();
            if flaw == Some(RemoteFlaw::AppendsAgain) {
                log.turns.push(turn.clone());
                return Ok(Reply::Version(log.version()));
            }
            if flaw == Some(RemoteFlaw::AppendsToTheFront)
                && !log.turns.iter().any(|known| known.id() == turn.id())
            {
                log.turns.insert(0, turn.clone());
                return Ok(Reply::Version(log.version()));
            }
            let by_tip = flaw != Some(RemoteFlaw::ComparesCounts);
            log.append(&turn, expect, by_tip).map(Reply::Version)
        };
        reply!(Version, self.send(true, append).await)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let session = session.clone();
        let clear = move |logs: &mut Logs| {
            logs.entry(session.clone()).or_default().clear();
            Ok(Reply::Done)
        };
        self.send(false, clear).await.map(drop)
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.clear(session).await
    }

    async fn turns(&self, session: &SessionId, _: Range) -> Result<Vec<Turn>, HistoryError> {
        let session = session.clone();
        let turns = move |logs: &mut Logs| {
            Ok(Reply::Turns(logs.entry(session.clone()).or_default().turns.clone()))
        };
        reply!(Turns, self.send(false, turns).await)
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        let (session, name) = (session.clone(), name.to_owned());
        let note = move |logs: &mut Logs| {
            Ok(Reply::Note(logs.entry(session.clone()).or_default().note(&name)))
        };
        reply!(Note, self.send(false, note).await)
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        let (session, name, note) = (session.clone(), name.to_owned(), note.clone());
        let put = move |logs: &mut Logs| {
            logs.entry(session.clone()).or_default().put_note(&name, &note)?;
            Ok(Reply::Done)
        };
        self.send(false, put).await.map(drop)
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), LeaseHolder::in_process());
        let (session, holder) = (session.clone(), lease.holder);
        let take = move |logs: &mut Logs| {
            logs.entry(session.clone()).or_default().lease(holder, time)?;
            Ok(Reply::Done)
        };
        self.send(false, take).await.map(|_| Some(lease))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let lease = lease.clone();
        let release = move |logs: &mut Logs| {
            logs.entry(lease.session.clone()).or_default().release(&lease);
            Ok(Reply::Done)
        };
        self.send(false, release).await.map(drop)
    }
}
