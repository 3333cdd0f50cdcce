//! A Redis server.

use std::{
    fs,
    io::{self, Read, Write},
    process::Command,
};

use super::{
    port::Port,
    process::{Folder, Process, connect, copy_folder, find_program},
    server::Server,
};

/// A Redis server of its own, with an append-only file that is written before each answer: what it
/// has acknowledged survives [`kill`](Self::kill).
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::servers::RedisServer;
///
/// # fn main() -> std::io::Result<()> {
/// let Some(mut server) = RedisServer::start(&["--maxmemory", "10mb"])? else { return Ok(()) };
/// println!("{}", server.url());
/// server.kill()?;
/// server.restart()?;
/// # Ok(())
/// # }
/// ```
pub struct RedisServer {
    folder: Folder,
    port: Port,
    settings: Vec<String>,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with further settings, each as on the command line. Returns `None` if Redis
    /// is not installed.
    ///
    /// # Errors
    /// The system's error, or one that says that the server did not start.
    pub fn start(settings: &[&str]) -> io::Result<Option<Self>> {
        if find_program("redis-server").is_none() {
            return Ok(None);
        }
        let mut server = Self {
            folder: Folder::new("redis")?,
            port: Port::reserve()?,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            process: None,
        };
        fs::create_dir(server.folder.path().join("data"))?;
        server.restart()?;
        Ok(Some(server))
    }

    /// Returns the URL of the server, which stays the same.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Kills the server with `SIGKILL`.
    ///
    /// # Errors
    /// The system's error.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts the server again, with the data that it had.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port"]).arg(self.port.to_string());
        command.arg("--dir").arg(self.folder.path().join("data"));
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.args(&self.settings);
        let mut process = Process::start(&mut command, &self.folder.path().join("log"))?;
        let is_ready = process.wait_until(|| ping(self.port.number()).unwrap_or(false))?;
        self.process = Some(process);
        if is_ready { Ok(()) } else { Err(self.failed()) }
    }

    /// Copies the data of the server. It is killed for the copy and started again.
    ///
    /// # Errors
    /// The system's error.
    pub fn backup(&mut self) -> io::Result<()> {
        self.kill()?;
        let backup = self.folder.path().join("backup");
        let _ = fs::remove_dir_all(&backup);
        copy_folder(&self.folder.path().join("data"), &backup)?;
        self.restart()
    }

    /// Replaces the data of the server by that of the last [`backup`](Self::backup).
    ///
    /// # Errors
    /// The system's error, also if there is no backup.
    pub fn restore(&mut self) -> io::Result<()> {
        self.kill()?;
        let data = self.folder.path().join("data");
        fs::remove_dir_all(&data)?;
        copy_folder(&self.folder.path().join("backup"), &data)?;
        self.restart()
    }

    fn failed(&self) -> io::Error {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        io::Error::other(format!("the Redis server did not start: {log}"))
    }
}

/// Returns whether the server has loaded its data and answers.
fn ping(port: u16) -> io::Result<bool> {
    let mut stream = connect(port)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"+PONG")
}

impl Server for RedisServer {
    fn kill(&mut self) -> io::Result<()> {
        self.kill()
    }

    fn restart(&mut self) -> io::Result<()> {
        self.restart()
    }

    fn backup(&mut self) -> io::Result<()> {
        self.backup()
    }

    fn restore(&mut self) -> io::Result<()> {
        self.restore()
    }
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer").field("port", &self.port.number()).finish_non_exhaustive()
    }
}
