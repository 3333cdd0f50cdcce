//! One of several Redis servers that belong together.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    port::Port,
    process::{Process, connect},
};

/// The time in which several servers have to agree.
const MAX_AGREEMENT: Duration = Duration::from_secs(60);

/// The pause between two looks at them.
const PAUSE: Duration = Duration::from_millis(20);

/// A Redis server with a folder of its own.
pub(super) struct RedisNode {
    folder: PathBuf,
    pub(super) port: Port,
    settings: Vec<String>,
    process: Option<Process>,
}

impl RedisNode {
    /// Starts a server with further settings, each as on the command line.
    pub(super) fn start(folder: &Path, settings: &[String]) -> io::Result<Self> {
        let port = Port::reserve()?;
        let folder = folder.join(port.to_string());
        std::fs::create_dir(&folder)?;
        let mut node = Self { folder, port, settings: settings.to_vec(), process: None };
        node.restart()?;
        Ok(node)
    }

    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        let mut command = Command::new("redis-server");
        command.args(&self.settings).arg("--port").arg(self.port.to_string());
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(&self.folder);
        let log = self.folder.join("log");
        let mut process = Process::start(&mut command, &log)?;
        let port = self.port.number();
        let is_ready =
            process.wait_until(|| ask(port, "PING").is_ok_and(|answer| answer == "PONG"))?;
        self.process = Some(process);
        if is_ready {
            return Ok(());
        }
        let log = std::fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!("the Redis server did not start: {log}")))
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    pub(super) fn ask(&self, command: &str) -> io::Result<String> {
        ask(self.port.number(), command)
    }
}

/// Sends a command, and returns its answer: a line or a text.
fn ask(port: u16, command: &str) -> io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", answer)) => Ok(answer.to_owned()),
        Some(("$", length)) => {
            let mut answer = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut answer)?;
            String::from_utf8(answer).map_err(io::Error::other)
        }
        _ => Err(io::Error::other(format!("Redis answered `{command}` with `{line}`"))),
    }
}

/// Waits until several servers agree.
pub(super) fn wait_until(is_agreed: impl Fn() -> bool) -> io::Result<()> {
    let started = Instant::now();
    while !is_agreed() {
        if started.elapsed() > MAX_AGREEMENT {
            return Err(io::Error::other("the Redis servers do not agree in time"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
