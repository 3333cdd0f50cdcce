//! One schedule: which call starts, is polled or is dropped next, and when a process restarts.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use conversant_core::{ChatHistory, Expect, Point, SessionId, Turn, TurnId};

use super::{
    exchange::answer_of,
    history::SimulatedHistory,
    log::{Attempt, AttemptResult, Fork, Log, SavedAgain, TipMove},
    plan::{Plan, TaskId},
    report::SimulationReport,
    subject::{Ending, SaveEnding, SimulatedCall, Subject},
    tree,
    world::World,
};

/// The most calls of a schedule, before the last one.
const MAX_CALLS: usize = 12;
/// The polls after which a schedule without faults is stuck. A call takes about 30.
const MAX_CALM_POLLS: usize = 20_000;

pub(super) struct Schedule<'s, S> {
    world: &'s Arc<World>,
    plan: Plan,
    /// The store and the session whose tip the schedule moves.
    store: SimulatedHistory,
    session: SessionId,
    open: &'s dyn Fn() -> Arc<S>,
    processes: Vec<Arc<S>>,
    running: Vec<Task>,
    next_task: TaskId,
    log: Log,
    report: SimulationReport,
}

/// A running operation of the program or of the schedule.
struct Task {
    id: TaskId,
    job: Job,
    process: usize,
    woken: Arc<Woken>,
    future: Pin<Box<dyn Future<Output = Step> + Send>>,
}

/// An operation, by its index in the log.
#[derive(Clone, Copy)]
enum Job {
    Attempt(usize),
    Save(usize),
    Move(usize),
    Fork(usize),
}

enum Step {
    Ended(Ending),
    Saved(SaveEnding, Box<Turn>),
    Done(bool),
}

/// Whether a task was woken since its last poll: only then a runtime would poll it.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'s, S: Subject + 'static> Schedule<'s, S> {
    pub(super) fn new(
        world: &'s Arc<World>,
        plan: Plan,
        (store, session): (SimulatedHistory, SessionId),
        open: &'s dyn Fn() -> Arc<S>,
    ) -> Self {
        let processes = (0..plan.processes.max(1)).map(|_| open()).collect();
        let (running, log, report) = (Vec::new(), Log::default(), SimulationReport::default());
        Self { world, plan, store, session, open, processes, running, next_task: 1, log, report }
    }

    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    pub(super) const fn report(&self) -> SimulationReport {
        self.report
    }

    /// Runs the schedule, and then, without faults, what still runs and one more call.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let calls = 1 + self.world.below(MAX_CALLS);
        while self.log.calls.len() < calls {
            match self.world.below(20) {
                0..=3 => self.start(),
                4 => self.drop_one(),
                5 if self.world.happens(20) => self.restart(),
                6 if self.plan.repeats => self.repeat(),
                7 if self.plan.branches && self.world.happens(50) => self.branch(),
                8 => self.world.leases().expire(),
                _ => self.poll_one()?,
            }
        }
        self.world.calm_down();
        self.world.leases().expire();
        self.run_to_end()?;
        self.start();
        self.run_to_end()?;
        match self.log.attempts.last() {
            Some(Attempt { result: AttemptResult::Answered, .. }) => Ok(()),
            _ => Err("a call without faults failed".to_owned()),
        }
    }

    fn run_to_end(&mut self) -> Result<(), String> {
        for _ in 0..MAX_CALM_POLLS {
            if self.running.is_empty() {
                return Ok(());
            }
            if !self.running.iter().any(Task::is_woken) {
                return Err(format!("{} calls wait, and nothing wakes them", self.running.len()));
            }
            self.poll_one()?;
        }
        Err(format!("{} calls do not end", self.running.len()))
    }

    /// Starts a new call.
    fn start(&mut self) {
        let number = self.log.calls.len();
        let streamed = self.world.happens(50);
        let stops = self.plan.stops && streamed && self.world.strike(30);
        let at = (self.plan.branches && self.world.strike(30)).then(|| self.point());
        self.log.calls.push(SimulatedCall {
            question: format!("question {number}"),
            turn_id: TurnId::from_u128(number as u128 + 1),
            streamed,
            stop_after: stops.then(|| self.world.below(3)),
            at,
        });
        self.report.calls += 1;
        self.attempt(number);
    }

    /// Makes an earlier call again, with its turn id, as a client does that has lost the answer.
    fn repeat(&mut self) {
        let call = self.world.below(self.log.calls.len());
        if let Some(repeated) = self.log.calls.get_mut(call) {
            repeated.streamed = self.world.happens(50);
            repeated.stop_after = None;
            self.report.repeated += 1;
            self.attempt(call);
        }
    }

    fn attempt(&mut self, call: usize) {
        let Some(simulated) = self.log.calls.get(call).cloned() else { return };
        let (process, subject) = self.process();
        let attempt = self.log.attempts.len();
        self.log.attempts.push(Attempt {
            call,
            task: self.next_task,
            process,
            started: self.world.tick(),
            ended: None,
            result: AttemptResult::Dropped,
        });
        let future = async move { Step::Ended(subject.call(simulated).await) };
        self.spawn(Job::Attempt(attempt), process, future);
    }

    /// Returns one of the processes.
    fn process(&self) -> (usize, Arc<S>) {
        let process = self.world.below(self.processes.len());
        let subject = self.processes.get(process).map_or_else(|| (self.open)(), Arc::clone);
        (process, subject)
    }

    /// Returns the start, or the point after a turn whose call was answered.
    fn point(&self) -> Point {
        let calls = self.log.calls.iter().enumerate();
        let answered = calls.filter(|(index, _)| self.log.answered(*index).is_some());
        let known: Vec<_> = answered.map(|(_, call)| call.turn_id).collect();
        let chosen = self.world.below(known.len() + 1);
        known.get(chosen).map_or(Point::Start, |turn| Point::After(*turn))
    }

    /// Moves the tip, or forks the session.
    fn branch(&mut self) {
        let (store, session, point) = (self.store.clone(), self.session.clone(), self.point());
        if self.world.happens(50) {
            let started = self.world.tick();
            self.log.moves.push(TipMove { point, started, ended: None, is_done: false });
            self.report.tip_moves += 1;
            let job = Job::Move(self.log.moves.len() - 1);
            self.spawn(job, usize::MAX, async move {
                Step::Done(store.set_tip(&session, point, Expect::Any).await.is_ok())
            });
        } else if let Ok(into) = SessionId::new(format!("fork {}", self.log.forks.len())) {
            self.log.forks.push(Fork { point, into: into.clone(), is_done: false });
            self.report.forks += 1;
            let job = Job::Fork(self.log.forks.len() - 1);
            self.spawn(job, usize::MAX, async move {
                Step::Done(store.fork(&session, point, &into).await.is_ok())
            });
        }
    }

    fn save_again(&mut self, save: usize, turn: Box<Turn>) {
        let Some(call) = self.log.saves.get(save).map(|saved| saved.call) else { return };
        let Some(call) = self.log.calls.get(call).cloned() else { return };
        let (process, subject) = self.process();
        self.spawn(Job::Save(save), process, async move {
            Step::Saved(subject.save(&call, &turn).await, turn)
        });
    }

    fn spawn(
        &mut self,
        job: Job,
        process: usize,
        future: impl Future<Output = Step> + Send + 'static,
    ) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let id = self.next_task;
        self.next_task += 1;
        self.running.push(Task { id, job, process, woken, future: Box::pin(future) });
    }

    fn poll_one(&mut self) -> Result<(), String> {
        let ready: Vec<_> = (0..self.running.len())
            .filter(|index| self.running.get(*index).is_some_and(Task::is_woken))
            .collect();
        let Some(index) = ready.get(self.world.below(ready.len())).copied() else { return Ok(()) };
        let Some(task) = self.running.get_mut(index) else { return Ok(()) };
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        self.world.enter(task.id);
        let Poll::Ready(step) = task.future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return Ok(());
        };
        let task = self.running.swap_remove(index);
        let job = task.job;
        self.leave(task);
        self.end(job, step)
    }

    /// Drops a task. What it holds expires some time later.
    fn leave(&self, task: Task) {
        self.world.enter(task.id);
        let id = task.id;
        drop(task);
        let mut leases = self.world.leases();
        leases.orphan(id);
        if self.world.is_calm() {
            leases.expire();
        }
    }

    fn end(&mut self, job: Job, step: Step) -> Result<(), String> {
        let now = self.world.tick();
        match (job, step) {
            (Job::Attempt(attempt), Step::Ended(ending)) => self.end_attempt(attempt, ending, now),
            (Job::Save(save), Step::Saved(SaveEnding::Failed, turn)) => {
                self.save_again(save, turn);
                Ok(())
            }
            (Job::Save(save), Step::Saved(ending, _)) => {
                if let Some(saved) = self.log.saves.get_mut(save) {
                    saved.is_done = ending == SaveEnding::Saved;
                    saved.is_refused = ending == SaveEnding::IdInUse;
                }
                Ok(())
            }
            (Job::Move(index), Step::Done(is_done)) => {
                if let Some(tip) = self.log.moves.get_mut(index) {
                    (tip.ended, tip.is_done) = (Some(now), is_done);
                }
                Ok(())
            }
            (Job::Fork(index), Step::Done(is_done)) => {
                if let Some(fork) = self.log.forks.get_mut(index) {
                    fork.is_done = is_done;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_attempt(&mut self, attempt: usize, ending: Ending, now: u64) -> Result<(), String> {
        let Some(Attempt { call, ended, result, .. }) = self.log.attempts.get_mut(attempt) else {
            return Ok(());
        };
        let (number, question) = match self.log.calls.get(*call) {
            Some(simulated) => (*call, simulated.question.clone()),
            None => return Ok(()),
        };
        *ended = Some(now);
        match ending {
            Ending::Answered(answer) => {
                *result = AttemptResult::Answered;
                self.report.answered += 1;
                if answer != answer_of(&question) {
                    return Err(format!("`{question}` was answered with `{answer}`"));
                }
            }
            Ending::Stopped => {
                *result = AttemptResult::Stopped;
                self.report.stopped += 1;
            }
            Ending::GivenUp => {
                *result = AttemptResult::GivenUp;
                self.report.dropped += 1;
            }
            Ending::Failed { answers } => {
                *result = AttemptResult::Failed(answers);
                self.report.failed += 1;
            }
            Ending::NotSaved(turn) => {
                *result = AttemptResult::NotSaved;
                self.report.not_saved += 1;
                let exchange = tree::one(&turn).ok().filter(|found| found.number == number);
                let Some(exchange) = exchange else {
                    return Err(format!("the error of `{question}` lacks its turn"));
                };
                self.log.saves.push(SavedAgain {
                    call: number,
                    turn: turn.id(),
                    is_whole: exchange.is_whole,
                    is_done: false,
                    is_refused: false,
                });
                self.save_again(self.log.saves.len() - 1, turn);
            }
        }
        Ok(())
    }

    fn drop_one(&mut self) {
        if !self.running.is_empty() {
            let task = self.running.swap_remove(self.world.below(self.running.len()));
            self.drop_task(task);
        }
    }

    fn drop_task(&mut self, task: Task) {
        let now = self.world.tick();
        match task.job {
            Job::Attempt(attempt) => {
                if let Some(attempt) = self.log.attempts.get_mut(attempt) {
                    attempt.ended = Some(now);
                }
            }
            Job::Move(index) => {
                if let Some(tip) = self.log.moves.get_mut(index) {
                    tip.ended = Some(now);
                }
            }
            Job::Save(_) | Job::Fork(_) => {}
        }
        self.report.dropped += 1;
        self.leave(task);
    }

    /// Drops a process with all that runs in it, and starts it again over the same stores.
    fn restart(&mut self) {
        let process = self.world.below(self.processes.len());
        self.report.restarts += 1;
        while let Some(index) = self.running.iter().position(|task| task.process == process) {
            let task = self.running.swap_remove(index);
            self.drop_task(task);
        }
        if let Some(subject) = self.processes.get_mut(process) {
            *subject = (self.open)();
        }
    }
}

impl Task {
    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }
}
