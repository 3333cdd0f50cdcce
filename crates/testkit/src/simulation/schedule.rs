//! One schedule: which call starts, is polled or is dropped next, and when the program restarts.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use conversant_core::{Turn, TurnId};

use super::{
    faults::Faults,
    invariants::Entry,
    model::answer_of,
    report::Report,
    subject::{Ending, SimulatedCall, Subject},
};

/// The most calls of a schedule, before the last one.
const MAX_CALLS: usize = 12;
/// The polls after which a schedule without faults is stuck. A call takes about 30.
const MAX_CALM_POLLS: usize = 10_000;

pub(super) struct Schedule<'s, S> {
    faults: &'s Arc<Faults>,
    open: &'s dyn Fn() -> Arc<S>,
    subject: Arc<S>,
    running: Vec<Task>,
    log: Vec<Entry>,
    /// Counts starts and endings, so that the log has their order.
    clock: u64,
    report: Report,
}

/// A running call, or the repetition of its save.
struct Task {
    call: usize,
    woken: Arc<Woken>,
    future: Pin<Box<dyn Future<Output = Step> + Send>>,
}

enum Step {
    Ended(Ending),
    Saved(bool, Box<Turn>),
}

/// Whether a task was woken since its last poll: only then a runtime would poll it.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'s, S: Subject + 'static> Schedule<'s, S> {
    pub(super) fn new(faults: &'s Arc<Faults>, open: &'s dyn Fn() -> Arc<S>) -> Self {
        let (running, log) = (Vec::new(), Vec::new());
        Self { faults, open, subject: open(), running, log, clock: 0, report: Report::default() }
    }

    pub(super) fn log(&self) -> &[Entry] {
        &self.log
    }

    pub(super) const fn report(&self) -> Report {
        self.report
    }

    /// Runs the schedule, and then, without faults, what still runs and one more call.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let calls = 1 + self.faults.below(MAX_CALLS);
        while self.log.len() < calls {
            match self.faults.below(20) {
                0..=3 => self.start(),
                4 => self.drop_one(),
                5 if self.faults.happens(20) => self.restart(),
                _ => self.poll_one()?,
            }
        }
        self.faults.calm_down();
        self.run_to_end()?;
        self.start();
        self.run_to_end()?;
        match self.log.last() {
            Some(Entry { answered: Some(_), .. }) => Ok(()),
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

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn start(&mut self) {
        let call = self.log.len();
        let question = format!("question {call}");
        let started = self.tick();
        self.log.push(Entry::new(question.clone(), started));
        self.report.calls += 1;
        let turn_id = TurnId::from_u128(call as u128 + 1);
        let simulated = SimulatedCall { question, turn_id, streamed: self.faults.happens(50) };
        let subject = Arc::clone(&self.subject);
        self.spawn(call, async move { Step::Ended(subject.call(simulated).await) });
    }

    fn save_again(&mut self, call: usize, turn: Box<Turn>) {
        let subject = Arc::clone(&self.subject);
        self.spawn(call, async move { Step::Saved(subject.save(&turn).await, turn) });
    }

    fn spawn(&mut self, call: usize, future: impl Future<Output = Step> + Send + 'static) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.running.push(Task { call, woken, future: Box::pin(future) });
    }

    fn poll_one(&mut self) -> Result<(), String> {
        let ready: Vec<_> = (0..self.running.len())
            .filter(|index| self.running.get(*index).is_some_and(Task::is_woken))
            .collect();
        let Some(index) = ready.get(self.faults.below(ready.len())).copied() else { return Ok(()) };
        let Some(task) = self.running.get_mut(index) else { return Ok(()) };
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        let Poll::Ready(step) = task.future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return Ok(());
        };
        let call = task.call;
        self.running.swap_remove(index);
        self.end(call, step)
    }

    fn end(&mut self, call: usize, step: Step) -> Result<(), String> {
        let now = self.tick();
        let Some(entry) = self.log.get_mut(call) else { return Ok(()) };
        match step {
            Step::Ended(Ending::Answered(answer)) => {
                entry.answered = Some(now);
                self.report.answered += 1;
                if answer != answer_of(&entry.question) {
                    return Err(format!("`{}` was answered with `{answer}`", entry.question));
                }
            }
            Step::Ended(Ending::Failed) => {
                entry.failed = true;
                self.report.failed += 1;
            }
            Step::Ended(Ending::NotSaved(turn)) => {
                self.report.not_saved += 1;
                let question = turn.messages().first().map(|message| message.text().into_owned());
                let answer = turn.messages().last().map(|message| message.text().into_owned());
                if question.as_ref() != Some(&entry.question)
                    || answer != Some(answer_of(&entry.question))
                {
                    return Err(format!("the error of `{}` lacks its turn", entry.question));
                }
                self.save_again(call, turn);
            }
            Step::Saved(true, _) => entry.saved_again = true,
            Step::Saved(false, turn) => self.save_again(call, turn),
        }
        Ok(())
    }

    fn drop_one(&mut self) {
        if !self.running.is_empty() {
            let index = self.faults.below(self.running.len());
            self.running.swap_remove(index);
            self.report.dropped += 1;
        }
    }

    /// Drops the program with all that runs in it, and starts it again over the same store.
    fn restart(&mut self) {
        self.report.dropped += self.running.len() as u64;
        self.report.restarts += 1;
        self.running.clear();
        self.subject = (self.open)();
    }
}

impl Task {
    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }
}
