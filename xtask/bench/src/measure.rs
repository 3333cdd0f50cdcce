//! The cost of a work: CPU of this process, as the operating system accounts for it, and time.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;

/// A sample, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// CPU of the process.
    pub cpu: f64,
    /// Time.
    pub wall: f64,
    /// The number of operations among which it is shared.
    pub operations: usize,
    /// Of a conversation: CPU of a turn, the median of the 11th to the 60th and of the last 50.
    pub turns: Option<(f64, f64)>,
}

/// A measurement that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    wall: Instant,
    cpu: ProcessTime,
}

impl Running {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: ProcessTime::now() }
    }

    /// Ends, and shares what was taken among a number of operations.
    #[must_use]
    pub fn stop(self, operations: usize) -> Sample {
        let (cpu, wall) = (self.cpu.elapsed(), self.wall.elapsed());
        let each = |time: Duration| nanoseconds(time) / operations as f64;
        Sample { cpu: each(cpu), wall: each(wall), operations, turns: None }
    }
}

/// Measures something that is too short to be measured once.
pub fn repeated<T>(mut operation: impl FnMut() -> T) -> Sample {
    let start = Instant::now();
    black_box(operation());
    let one = start.elapsed().max(Duration::from_nanos(20));
    let times = (Duration::from_millis(2).as_nanos() / one.as_nanos()).clamp(1, 50_000) as usize;
    let running = Running::start();
    for _ in 0..times {
        black_box(operation());
    }
    running.stop(times)
}

/// The time until an answer's first token is there.
#[derive(Debug)]
pub struct FirstToken {
    running: Running,
    sample: Option<Sample>,
}

impl FirstToken {
    /// Begins, before the call.
    #[must_use]
    pub fn start() -> Self {
        Self { running: Running::start(), sample: None }
    }

    /// Takes the time. Only the first token counts.
    pub fn is_here(&mut self) {
        self.sample.get_or_insert_with(|| self.running.stop(1));
    }

    /// Returns the cost of the first token.
    ///
    /// # Panics
    /// If there was none.
    #[must_use]
    pub fn stop(self) -> Sample {
        self.sample.expect("there is a token")
    }
}

/// The turns of one conversation.
#[derive(Debug)]
pub struct Turns {
    running: Running,
    cpu: Vec<f64>,
}

impl Turns {
    /// Begins a conversation.
    #[must_use]
    pub fn start() -> Self {
        Self { running: Running::start(), cpu: Vec::new() }
    }

    /// Adds a turn.
    pub fn add(&mut self, turn: Running) {
        self.cpu.push(turn.stop(1).cpu);
    }

    /// Ends the conversation.
    #[must_use]
    pub fn stop(self) -> Sample {
        let sample = self.running.stop(1);
        let part = |from: usize, to: usize| {
            median(self.cpu.get(from..to).unwrap_or_default().to_vec()).unwrap_or_default()
        };
        let turns = (part(10, 60), part(self.cpu.len().saturating_sub(50), self.cpu.len()));
        Sample { turns: Some(turns), ..sample }
    }
}

/// Returns the median.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Returns the mean of what is left without a tenth of the values at each end, rounded down.
///
/// It is for values of two clusters, such as the CPU of calls that wake a thread on the same core
/// or on another one. Their mean follows the shares of the clusters, while the median jumps from
/// one to the other when a share passes one half. What is cut off is what disturbed few rounds.
#[must_use]
pub fn truncated_mean(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 10;
    let kept = values.get(cut..values.len() - cut).filter(|kept| !kept.is_empty())?;
    Some(kept.iter().sum::<f64>() / kept.len() as f64)
}

/// Returns the least.
#[must_use]
pub fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

/// Returns the peak resident memory of this process, in bytes; `None` without `/proc`.
#[must_use]
pub fn most_resident() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Returns the resident memory of this process, in bytes; `None` without `/proc`.
#[must_use]
pub fn resident() -> Option<u64> {
    bytes_in(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Returns the most memory that a process had resident, in bytes, out of what `/proc` says of it.
#[must_use]
pub fn resident_in(status: &str) -> Option<u64> {
    bytes_in(status, "VmHWM:")
}

fn bytes_in(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the CPU of the child processes that have ended, with their descendants, in seconds.
#[must_use]
pub fn children() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{
            resource::{UsageWho, getrusage},
            time::TimeValLike,
        };
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
        let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
        Some(microseconds as f64 / 1e6)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Returns the CPU that this process has taken since it was started, in nanoseconds.
#[must_use]
pub fn since_start() -> f64 {
    nanoseconds(ProcessTime::now().as_duration())
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
