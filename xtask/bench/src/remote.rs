//! A system in a process of its own, which does a work when it is told to: so that each has its own dependencies, and all take turns.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    measure::Sample,
    work::{System, Work},
};

/// Does the works that are asked for on standard input, `WORK N` a line, and writes what each took, until the input ends.
///
/// # Errors
/// If the input can't be read or the output written.
pub fn serve(system: &mut dyn System) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (work, n) = line.split_once(' ').unwrap_or((&line, "0"));
        let sample = match (work.parse(), n.parse()) {
            (Ok(work), Ok(n)) => system.sample(work, n),
            _ => None,
        };
        let mut out = io::stdout().lock();
        match sample {
            Some(Sample { cpu, wall, turns }) => {
                let (first, last) = turns.unwrap_or_default();
                writeln!(out, "{cpu} {wall} {first} {last}")?;
            }
            None => writeln!(out, "-")?,
        }
        out.flush()?;
    }
    Ok(())
}

/// A system that does its works in a child process.
#[derive(Debug)]
pub struct Remote {
    name: &'static str,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts the process.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(name: &'static str, command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else {
            return Err(io::Error::other("the process has no input and output"));
        };
        Ok(Self { name, child, to, from: BufReader::new(from) })
    }

    fn ask(&mut self, work: Work, n: usize) -> io::Result<Option<Sample>> {
        writeln!(self.to, "{work} {n}")?;
        self.to.flush()?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        Ok(match *numbers.as_slice() {
            [cpu, wall, first, last] => {
                let turns = (last > 0.0).then_some((first, last));
                Some(Sample { cpu, wall, turns })
            }
            _ => None,
        })
    }
}

impl System for Remote {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sample(&mut self, work: Work, n: usize) -> Option<Sample> {
        self.ask(work, n).unwrap_or_else(|error| {
            eprintln!("{} failed: {error}", self.name);
            None
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Gone already, perhaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
