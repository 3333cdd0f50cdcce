//! A PostgreSQL server.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    port::Port,
    process::{Folder, Process, connect, copy_folder, find_program, run},
    server::Server,
};

/// The number of attempts to start a server: what is left of one that was killed can be in the way
/// for a moment.
const MAX_STARTS: u32 = 50;

/// The folder of an empty database, while a server was made of it: a copy takes a tenth of the time
/// of a creation.
static EMPTY: Mutex<Weak<Folder>> = Mutex::new(Weak::new());

/// The start of a connection of the user `conversant`: its length, the version of the protocol, and
/// the user.
const STARTUP: &[u8] = b"\0\0\0\x19\0\x03\0\0user\0conversant\0\0";

/// A PostgreSQL server of its own, which waits for the disk at each commit as by default: what it
/// has acknowledged survives [`kill`](Self::kill).
///
/// PostgreSQL does not run as root: then it runs as the user `postgres`.
///
/// # Examples
///
/// ```no_run
/// use conversant_testkit::servers::PostgresServer;
///
/// # fn main() -> std::io::Result<()> {
/// let Some(mut server) = PostgresServer::start(&["-c", "max_connections=50"])? else {
///     return Ok(());
/// };
/// println!("{}", server.url());
/// server.kill()?;
/// server.restart()?;
/// # Ok(())
/// # }
/// ```
pub struct PostgresServer {
    folder: Folder,
    _empty: Option<Arc<Folder>>,
    programs: PathBuf,
    port: Port,
    settings: Vec<String>,
    process: Option<Process>,
}

impl PostgresServer {
    /// Creates a database and starts a server with further settings, each as on the command line.
    /// Returns `None` if PostgreSQL is not installed.
    ///
    /// # Errors
    /// The system's error, or one that says that the server did not start.
    pub fn start(settings: &[&str]) -> io::Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let empty = empty(&programs)?;
        let folder = Folder::new("postgres")?;
        copy_folder(&empty.path().join("data"), &folder.path().join("data"))?;
        own(&folder)?;
        let mut server = Self {
            folder,
            _empty: Some(empty),
            programs,
            port: Port::reserve()?,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            process: None,
        };
        server.restart()?;
        Ok(Some(server))
    }

    /// Starts a standby of this server, which follows it. Once [`promote`](Self::promote) has made
    /// it a server of its own, it has what this one had acknowledged, if this one waits for
    /// standbys: `synchronous_standby_names=*`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn standby(&self) -> io::Result<Self> {
        let mut standby = Self {
            folder: Folder::new("postgres-standby")?,
            _empty: None,
            programs: self.programs.clone(),
            port: Port::reserve()?,
            settings: Vec::new(),
            process: None,
        };
        own(&standby.folder)?;
        let mut copy = standby.command("pg_basebackup");
        copy.args(["--host=127.0.0.1", "--username=conversant", "--checkpoint=fast", "--no-sync"]);
        copy.arg("--port").arg(self.port.to_string());
        run(copy.args(["--write-recovery-conf", "--pgdata"]).arg(standby.data()))?;
        standby.restart()?;
        Ok(standby)
    }

    /// Makes a standby a server of its own, as after the loss of the one that it follows.
    ///
    /// # Errors
    /// The system's error, or that of `pg_ctl`.
    pub fn promote(&self) -> io::Result<()> {
        run(self.command("pg_ctl").arg("promote").arg("--pgdata").arg(self.data()))
    }

    /// Returns the port of the server on the loopback interface, which stays the same.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the URL of the server, which stays the same.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://conversant@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills the server with `SIGKILL`. Its processes end without writing anything.
    ///
    /// # Errors
    /// The system's error.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts the server again, with the data that it had. It is killed first if it runs.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        let log = self.folder.path().join("log");
        for _ in 0..MAX_STARTS {
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            command.args(&self.settings);
            let mut process = Process::start(&mut command, &log)?;
            if process.wait_until(|| is_ready(self.port.number()))? {
                self.process = Some(process);
                return Ok(());
            }
        }
        let log = fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!("the PostgreSQL server did not start: {log}")))
    }

    /// Copies the data of the server. It is stopped for the copy and started again.
    ///
    /// # Errors
    /// The system's error.
    pub fn backup(&mut self) -> io::Result<()> {
        self.stop()?;
        let backup = self.folder.path().join("backup");
        let _ = fs::remove_dir_all(&backup);
        copy_folder(&self.data(), &backup)?;
        self.restart()
    }

    /// Replaces the data of the server by that of the last [`backup`](Self::backup).
    ///
    /// # Errors
    /// The system's error, also if there is no backup.
    pub fn restore(&mut self) -> io::Result<()> {
        self.stop()?;
        fs::remove_dir_all(self.data())?;
        copy_folder(&self.folder.path().join("backup"), &self.data())?;
        self.restart()
    }

    /// Stops the server at once, with its data written.
    fn stop(&mut self) -> io::Result<()> {
        if let Some(mut process) = self.process.take() {
            run(Command::new("kill").arg("-INT").arg(process.id().to_string()))?;
            process.wait()?;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns a command for one of PostgreSQL's programs.
    fn command(&self, program: &str) -> Command {
        command(&self.programs, program)
    }
}

fn command(programs: &Path, program: &str) -> Command {
    let program = programs.join(program);
    if !is_root() {
        return Command::new(program);
    }
    // Without another process between, so that a signal reaches the server.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

/// Returns the folder of an empty database, in `data`.
fn empty(programs: &Path) -> io::Result<Arc<Folder>> {
    let mut made = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = made.upgrade() {
        return Ok(folder);
    }
    let folder = Folder::new("postgres-empty")?;
    own(&folder)?;
    let mut create = command(programs, "initdb");
    create.arg("--pgdata").arg(folder.path().join("data"));
    create.args(["--username=conversant", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    run(create.arg("--no-sync"))?;
    let folder = Arc::new(folder);
    *made = Arc::downgrade(&folder);
    Ok(folder)
}

/// Gives a folder to the user as whom PostgreSQL runs.
fn own(folder: &Folder) -> io::Result<()> {
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(folder.path()))?;
    }
    Ok(())
}

/// Returns whether a server accepts connections: it asks for no password, or for one. One that is
/// not ready answers with an error.
fn is_ready(port: u16) -> bool {
    let answer = || {
        let mut stream = connect(port)?;
        stream.write_all(STARTUP)?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        Ok::<_, io::Error>(kind)
    };
    answer().is_ok_and(|kind| kind == *b"R")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Returns the folder of the newest installed version's programs.
fn programs() -> Option<PathBuf> {
    // Debian has them in a folder for each version.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            let folder = version.path().join("bin");
            has_programs(&folder).then_some((number, folder))
        })
        .max();
    let elsewhere = || {
        let initdb = fs::canonicalize(find_program("initdb")?).ok()?;
        initdb.parent().filter(|folder| has_programs(folder)).map(Path::to_owned)
    };
    newest.map(|(_, folder)| folder).or_else(elsewhere)
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_basebackup"].iter().all(|name| folder.join(name).is_file())
}

impl Server for PostgresServer {
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

impl std::fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresServer").field("port", &self.port.number()).finish_non_exhaustive()
    }
}
